"""The grid of a rule beside the daily delta."""

from __future__ import annotations

import math

import pytest

from qflib.errors import InputError
from qflib.hedging import cost_grid, simulate_hedges
from qflib.hedging.paths import GBM
from qflib.hedging.rules import STEADY, Delta


def test_a_cell_is_the_simulation_of_its_option() -> None:
    made = cost_grid(0.002, strikes=[90.0], years=[0.1], vols=[0.25], paths=8_192, seed=3)
    assert made.cells["world"].tolist()[:3] == [f"GBM at {x} of the vol" for x in ("0.8", "1", "1.2")]
    assert len(made.cells) == 5
    delta, steady = simulate_hedges(
        [Delta(), STEADY], GBM(0.25, 0.02), strike=90.0, years=0.1, rate=0.02, vol=0.25, cost=0.002, looks=25,
        paths=8_192, seed=3,
    ).to_frame().to_dict("records")  # fmt: skip
    cell = made.cells.iloc[1]
    assert (cell["es"], cell["cost"]) == (steady["es"], steady["mean_cost"])
    assert (cell["es_delta"], cell["cost_delta"]) == (delta["es"], delta["mean_cost"])
    assert cell["es_ratio"] == steady["es"] / delta["es"]
    assert len(made.losing) + int(made.better.sum()) == 5


@pytest.mark.parametrize("years", [math.nan, math.inf, -1.0])
def test_times_that_are_none_are_refused(years: float) -> None:
    with pytest.raises(InputError, match="years"):
        cost_grid(0.002, years=[years], paths=8_192)


def test_no_option_is_refused() -> None:
    with pytest.raises(InputError, match=r"strikes, years, vols are \[\], .*expected one of each at least"):
        cost_grid(0.002, strikes=[])
