import holoviews as hv
import numpy as np
import pandas as pd
import pytest

import qflib.accessor as accessor
from qflib.errors import InputError
from qflib.pricing import bachelier, black76, greeks


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


def odd_chain() -> pd.DataFrame:
    made = chain().iloc[[0, 1, 1, 1, 1, 1, 1]].assign(right=["put", *["call"] * 6])
    made.index = pd.Index([f"row {i}" for i in range(7)], name="symbol")
    gain = np.exp(-0.02 * 0.25)
    made["mid"] = [2.5, 3.0, 0.9 * gain, 1.0 * gain, 200.0, 3.0, 3.0]
    made.loc["row 5", "years"] = 0.0
    made.loc["row 6", "strike"] = np.nan
    return made


@pytest.mark.parametrize("model", ["lognormal", "normal"])
def test_policies_on_a_frame(model):
    frame = odd_chain()
    statuses = ["ok", "ok", "below_intrinsic", "at_intrinsic", "above_maximum", "expired", "nan_input"]
    if model == "normal":  # a normal forward has no bound
        statuses[4] = "ok"
    left = frame.qf.implied_vol(model=model)
    assert left["iv_status"].tolist() == statuses
    assert left.index.equals(frame.index)
    assert (left["iv"].notna() == (left["iv_status"] == "ok")).all()
    clipped = frame.qf.implied_vol(model=model, policy="clip")
    want = {"at_intrinsic": 0.0, "below_intrinsic": 0.0, "above_maximum": np.inf}
    for v, s in zip(clipped["iv"], clipped["iv_status"], strict=True):
        assert s == "ok" or np.array_equal(v, want.get(s, np.nan), equal_nan=True)
    assert clipped["iv"].iloc[:2].equals(left["iv"].iloc[:2])
    with pytest.raises(InputError, match=r"of row row 2 has no implied vol \(below_intrinsic\)"):
        frame.qf.implied_vol(model=model, policy="raise")
    sound = frame.iloc[:2]
    pd.testing.assert_frame_equal(sound.qf.implied_vol(model=model, policy="raise"), left.iloc[:2])
    with pytest.raises(InputError, match="policy 'drop' is unknown"):
        sound.qf.implied_vol(model=model, policy="drop")


def test_rows_may_be_named_alike_and_numbers_may_be_missing():
    frame = chain()
    frame.index = ["a", "a", "b"]
    frame["mid"] = frame["mid"].astype("Float64")
    frame.iloc[1, frame.columns.get_loc("mid")] = pd.NA
    frame.iloc[2, frame.columns.get_loc("rate")] = np.nan
    got = frame.qf.implied_vol()
    assert got.index.tolist() == ["a", "a", "b"]
    assert got["iv_status"].tolist() == ["ok", "nan_input", "nan_input"]


def test_normal_vols_of_negative_forwards():
    frame = chain().assign(forward=-0.4, strike=[-1.0, -0.4, 0.5])
    frame["mid"] = bachelier(frame["right"], -0.4, frame["strike"], 0.25, 0.7, 0.02)
    assert frame.qf.implied_vol(model="normal")["iv"].to_numpy() == pytest.approx([0.7] * 3, rel=1e-12)
    with pytest.raises(InputError, match="use the normal model"):
        frame.qf.implied_vol()
