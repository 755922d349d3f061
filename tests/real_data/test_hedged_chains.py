"""Hedges of recorded option quotes, day by day."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.hedging import MinVarianceDelta, hedge_effectiveness
from qflib.pricing import greeks, implied_vol, parity_forwards

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def spxw(test_data: Any) -> pd.DataFrame:
    """January and February 2018: calls and puts of one strike beside one another, with what they were the next day."""
    d = pd.read_csv(test_data / "options/spxw_jan2018.csv.gz")
    d["quote_date"], d["expiry"] = (pd.to_datetime(d[c], errors="coerce") for c in ("quote_date", "expiration"))
    d = d[(d["quote_date"] > "2018-01-01") & (d["bid"] > 0.05)]
    d = d.assign(
        mid=(d["bid"] + d["ask"]) / 2, right=d["option_type"].map({"c": "call", "p": "put"}).fillna(d["option_type"])
    )
    keys = ["quote_date", "expiry", "strike"]
    d = d.drop_duplicates([*keys, "right"])
    forwards = parity_forwards(d, by=["quote_date", "expiry"])
    forwards = forwards[forwards["discount"].between(0.97, 1.03)]
    wide = d.pivot_table(index=keys, columns="right", values="mid").dropna().reset_index()
    wide["spot"] = wide["quote_date"].map(d.groupby("quote_date")["underlying_price"].first())
    wide["years"] = (wide["expiry"] - wide["quote_date"]).dt.days / 365
    wide = wide[wide["years"] > 5 / 365].join(forwards, on=["quote_date", "expiry"], how="inner")
    out = np.where(wide["strike"] >= wide["forward"], "call", "put")
    price = np.where(out == "call", wide["call"], wide["put"])
    rate = -np.log(wide["discount"]) / wide["years"]
    terms = (wide["strike"].to_numpy(), wide["years"].to_numpy())
    vol, status = implied_vol(price, out, *terms, forward=wide["forward"].to_numpy(), rate=rate.to_numpy())
    wide = wide.assign(vol=vol, rate=rate)[status == "ok"]
    g = greeks("call", wide["strike"], wide["years"], wide["vol"], forward=wide["forward"], rate=wide["rate"])
    # per 1.00 of the forward, and of spot as if it moved in proportion
    wide = wide.assign(delta_forward=g["delta"], delta=g["delta"] * wide["forward"] / wide["spot"], vega=g["vega"])
    wide = wide.sort_values(["expiry", "strike", "quote_date"])
    later = wide.groupby(["expiry", "strike"])[["quote_date", "call", "put", "spot", "forward"]].shift(-1)
    wide = wide.join(later.add_suffix("_next")).dropna(subset=["call_next"])
    wide = wide[(wide["quote_date_next"] - wide["quote_date"]).dt.days <= 4]
    return wide[wide["delta"].between(0.05, 0.95)]


def test_january_calls_are_hedged_by_the_parity_forward_and_by_spot(spxw: pd.DataFrame) -> None:
    january = spxw[spxw["quote_date"] < "2018-02-01"]
    call, put = january["call_next"] - january["call"], january["put_next"] - january["put"]
    spot, forward = january["spot_next"] - january["spot"], january["forward_next"] - january["forward"]
    by_forward = hedge_effectiveness(call, -january["delta_forward"] * forward)
    by_spot = hedge_effectiveness(call, -january["delta"] * spot)
    puts = hedge_effectiveness(put, -(january["delta"] - 1.0) * spot)
    assert len(january) > 500
    assert by_forward.effectiveness >= 0.987
    assert by_spot.effectiveness >= 0.971
    puts_by_forward = hedge_effectiveness(put, -(january["delta_forward"] - january["discount"]) * forward)
    assert puts.effectiveness == pytest.approx(0.929, abs=0.001)
    assert puts_by_forward.effectiveness == pytest.approx(0.968, abs=0.001)
    assert by_forward.passes


def test_least_variance_is_judged_on_days_it_has_not_seen(spxw: pd.DataFrame) -> None:
    moves = spxw.sort_values("quote_date", kind="stable").assign(
        change=lambda f: f["call_next"] - f["call"], spot_change=lambda f: f["spot_next"] - f["spot"]
    )
    model = MinVarianceDelta.fit(moves)
    assert model.gain_in_sample > 0.05
    assert not model.used  # it loses on the days after
    later = moves.iloc[model.n :]
    hedged = -model.adjusted(later["delta"], later["vega"], later["spot"], later["years"]) * later["spot_change"]
    plain = -later["delta"] * later["spot_change"]
    gain = 1 - ((later["change"] + hedged) ** 2).sum() / ((later["change"] + plain) ** 2).sum()
    assert gain == pytest.approx(model.gain_out_of_sample)
