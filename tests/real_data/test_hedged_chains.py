"""Hedges of recorded option quotes, day by day."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from qflib.desk.day_chains import daily_moves, read_day_chains
from qflib.hedging import MinVarianceDelta, hedge_effectiveness

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def spxw(test_data: Any) -> pd.DataFrame:
    """January and February 2018: calls and puts of one strike beside one another, with what they were the next day."""
    quotes = read_day_chains(test_data / "options/spxw_jan2018.csv.gz")
    moves = daily_moves(quotes[quotes["quote_date"] > "2018-01-01"])
    return moves[moves["delta"].between(0.05, 0.95)]


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
