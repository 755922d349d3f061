import holoviews as hv
import numpy as np
import pandas as pd
import pytest

import qflib.accessor as accessor
from qflib.errors import InputError
from qflib.pricing import black76, greeks


def chain() -> pd.DataFrame:
    made = pd.DataFrame(
        {
            "right": ["put", "call", "call"],
            "strike": [90.0, 100.0, 110.0],
            "years": 0.25,
            "forward": 101.0,
            "rate": 0.02,
        },
        index=pd.Index(["a", "b", "c"], name="symbol"),
    )
    made["expiry"] = pd.Timestamp("2026-03-20T21:00Z")
    made["mid"] = black76(made["right"], 101.0, made["strike"], 0.25, 0.3, 0.02)
    return made


def test_two_columns_at_once():
    frame = chain()
    frame.loc["c", "mid"] = np.nan
    frame[["iv", "iv_status"]] = frame.qf.implied_vol(price="mid")
    assert frame["iv"].to_numpy() == pytest.approx([0.3, 0.3, np.nan], nan_ok=True)
    assert frame["iv_status"].tolist() == ["ok", "ok", "nan_input"]
    assert frame.qf.greeks().loc["c"].isna().all()


def test_greeks_are_those_of_the_function():
    frame = chain()
    want = greeks(frame["right"], frame["strike"], 0.25, 0.3, forward=101.0, rate=0.02, units="trader")
    pd.testing.assert_frame_equal(frame.qf.greeks(units="trader"), want, rtol=1e-9)


def test_coin_premiums():
    frame = chain().assign(inverse=True)
    frame["mid"] /= 101.0
    assert frame.qf.implied_vol()["iv"].to_numpy() == pytest.approx([0.3] * 3, rel=1e-12)


def test_smile_is_a_plot():
    assert isinstance(chain().qf.plot_smile(), hv.core.Dimensioned)
    with pytest.raises(InputError, match="no row of the chain has an implied vol"):
        chain().assign(mid=np.nan).qf.plot_smile()


def test_bad_frames_are_told():
    with pytest.raises(InputError, match="no column 'last'"):
        chain().qf.implied_vol(price="last")
    with pytest.raises(InputError, match="the chain has no rows"):
        chain().head(0).qf.implied_vol()
    with pytest.raises(AttributeError, match="has no 'smile'; it has"):
        _ = chain().qf.smile


def test_other_rooms_speak_through_it(monkeypatch):
    monkeypatch.setitem(accessor.ELSEWHERE, "mean", ("pandas", "DataFrame"))
    assert isinstance(chain().qf.mean(), pd.DataFrame)
    assert {"implied_vol", "greeks", "plot_smile", *accessor.ELSEWHERE} == set(dir(chain().qf))
