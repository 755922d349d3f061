"""Venues' own marks, vols and deltas against ours."""

import numpy as np
import pandas as pd
import pytest

from qflib.pricing import black76, fit_smiles, fit_surface, implied_vol, inverse_black76
from qflib.views.forwards import expiry_forwards

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def deribit(test_data):
    """Two snapshots; the file's forwards and times are of other moments than its marks: parity and stamps mend it."""
    frame = pd.read_parquet(test_data / "options/deribit_20260201_0210.parquet")
    frame = frame[frame["timestamp"].isin(frame["timestamp"].unique()[:2])]
    frame = frame.assign(option_type=frame["option_type"].astype(str))
    key = ["timestamp", "currency", "expiry_datetime"]
    marks = frame.pivot_table(index=[*key, "strike"], columns="option_type", values="mark_price", observed=True)
    implied = marks.index.get_level_values("strike") / (1.0 - (marks["call"] - marks["put"]))
    forward = implied.groupby(level=key).median().rename("forward")
    years = (frame["expiry_datetime"] - frame["timestamp"]) / pd.Timedelta(days=365)
    return frame.assign(years=years).join(forward, on=key).dropna(subset=["forward"])


def test_deribit_marks_are_black76_over_the_forward(deribit):
    terms = (
        deribit["option_type"],
        deribit["forward"],
        deribit["strike"],
        deribit["years"],
        deribit["implied_volatility"],
    )
    error = np.abs(inverse_black76(*terms) - deribit["mark_price"])
    assert len(deribit) > 1000
    assert np.median(error) < 3e-6
    assert np.quantile(error, 0.97) < 1.5e-5  # coin; the file rounds vols to 1e-4


def test_deribit_vols_come_back_from_marks(deribit):
    live = deribit[(deribit["mark_price"] > 0.001) & (deribit["delta"].abs().between(0.1, 0.9))]
    iv, status = implied_vol(
        live["mark_price"] * live["forward"],
        live["option_type"],
        live["strike"],
        live["years"],
        forward=live["forward"],
    )
    error = np.abs(iv - live["implied_volatility"])
    assert (status == "ok").all()
    assert np.median(error) < 1e-4
    assert np.quantile(error, 0.95) < 1e-3


def test_deribit_surface_is_close_and_free_of_arbitrage(deribit):
    btc = deribit[(deribit["currency"] == "BTC") & (deribit["timestamp"] == deribit["timestamp"].iloc[0])]
    chain = pd.DataFrame(
        {
            "underlying": "BTC",
            "right": btc["option_type"],
            "strike": btc["strike"],
            "expiry": btc["expiry_datetime"],
            "years": btc["years"],
            "forward": btc["forward"],
            "bid": btc["bid_price"],
            "ask": btc["ask_price"],
            "mid": btc["mark_price"],
            "inverse": True,
        }
    )
    surface = fit_surface(chain)
    assert surface.butterfly_free
    assert surface.calendar_free
    assert surface.rmse < 0.05
    assert len(surface.years) >= 5


def test_deribit_smiles_lie_between_bid_and_ask(deribit):
    """Coin premiums: 13 expiries, deep options below their intrinsic value, sides without a quote."""
    btc = deribit[(deribit["currency"] == "BTC") & (deribit["timestamp"] == deribit["timestamp"].iloc[0])]
    bid, ask = (btc[f"{side}_price"].where(btc[f"{side}_price"] > 0.0) for side in ("bid", "ask"))
    columns = {"underlying": "BTC", "right": btc["option_type"], "expiry": btc["expiry_datetime"], "inverse": True}
    chain = btc[["strike", "years", "forward"]].assign(**columns, bid=bid, ask=ask, mid=(bid + ask) / 2)
    smiles = fit_smiles(chain)
    q, e = smiles.quotes, smiles.expiries
    assert smiles.reason == ""
    assert set(q["iv_status"]) <= {"ok", "nan_input", "below_intrinsic", "at_intrinsic"}
    assert (q["iv"].isna() == (q["iv_status"] != "ok")).all()
    slices = e[e["svi_rmse"].notna()]
    assert len(slices) >= 10
    assert (slices["svi_rmse"] < slices["ssvi_rmse"]).all()
    assert slices["svi_outside"].sum() < 0.15 * slices["n_used"].sum()
    assert (e["butterflies"] == 0).all()
    assert (slices["least_g"] > 0.0).all()


def test_parity_tells_each_expirys_forward(deribit):
    """From bids and asks alone; the marks have it exactly."""
    for (_, currency), part in deribit.groupby(["timestamp", "currency"], observed=True):
        bid, ask = (part[f"{side}_price"].where(part[f"{side}_price"] > 0.0) for side in ("bid", "ask"))
        columns = {"right": part["option_type"], "expiry": part["expiry_datetime"], "inverse": True}
        chain = part[["strike"]].assign(**columns, mid=(bid + ask) / 2, forward=part["index_price"])
        found = expiry_forwards(chain, [], pd.DataFrame({"bid": [], "ask": []}))
        off = (found / part["forward"] - 1.0).abs()
        assert off.max() < 1.5e-3, currency
        assert off.median() < 5e-4
        assert (part["index_price"] / part["forward"] - 1.0).abs().max() > 0.03


def test_sp500_chain_has_one_forward_and_a_falling_smile(test_data):
    frame = pd.read_csv(test_data / "options/SP500-18-oct-2024-5781.88.csv")
    frame = frame[["Strike Price", "Call Bid", "Call Ask", "Put Bid", "Put Ask"]].dropna().astype(float)
    strike = frame["Strike Price"].to_numpy()
    call, put = (frame[f"{r} Bid"].add(frame[f"{r} Ask"]).to_numpy() / 2 for r in ("Call", "Put"))
    years, forward = 30 / 365, float(np.median(strike + call - put))
    assert np.ptp(strike + call - put) < 0.01 * forward
    right = np.where(strike < forward, "put", "call")
    iv, status = implied_vol(np.where(strike < forward, put, call), right, strike, years, forward=forward)
    assert (status == "ok").all()
    assert black76(right, forward, strike, years, iv) == pytest.approx(np.where(strike < forward, put, call), rel=1e-12)
    assert np.polyfit(strike, iv, 1)[0] < 0
