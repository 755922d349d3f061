"""A forecast and its outcome share a horizon, without overlap; positions are frozen at the forecast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qflib.records import EXPOSURE, POSITIONS, VECTORS, Batch
from qflib.steps.portfolio.outcomes import Outcomes
from qflib.steps.portfolio.sums import Sums

MIN = 60 * 10**9
LEVELS = (0.975, 0.99)


def sums(qty: int, lot_value: float, actual: float, time_ns: int = 0, forecast: list[float] | None = None) -> Sums:
    made = Sums(("A",))
    vector = forecast or [-4.0, 1.0]
    made.put(
        Batch.of(
            "exposures",
            exposure=EXPOSURE.make(
                portfolio=["P"],
                underlying=["A"],
                set_id=["s"],
                actual_pnl=[actual],
                time_ns=[time_ns],
                outcome_ns=[MIN],
            ),
            positions=POSITIONS.make(instrument=[0], book=[1], qty=[qty], lot_value=[lot_value], fx=[2.0]),
            vectors=VECTORS.make(client=[0.0], hedge=[0.0]),
            forecast=VECTORS.make(client=vector, hedge=[0.0] * len(vector)),
        )
    )
    return made


def at(outcomes: Outcomes, time_ns: int, qty: int, lot_value: float, actual: float = 0.0) -> Any:
    return outcomes.update("P", sums(qty, lot_value, actual, time_ns), time_ns)


def test_hypothetical_and_actual_of_one_horizon() -> None:
    outcomes = Outcomes(LEVELS, MIN, window=10)
    assert at(outcomes, 4 * MIN + 7, 5, 99.0) is None  # joined on its way: no forecast
    assert at(outcomes, 5 * MIN + 1, 3, 100.0, 50.0) is None
    assert at(outcomes, 5 * MIN + 30 * 10**9, 9, 101.0, 70.0) is None
    rows = at(outcomes, 6 * MIN, 9, 104.0, 90.0)
    assert rows.outcome.tolist() == [b"hypothetical"] * 2 + [b"actual"] * 2
    # 3 lots were held at the forecast, not 9; a lot gained 4 at 2 a unit
    np.testing.assert_array_equal(rows.pnl, [24.0, 24.0, 40.0, 40.0])
    np.testing.assert_array_equal(rows.forecast_es, [4.0] * 4)  # the worst of two scenarios over the horizon
    np.testing.assert_array_equal(rows.es, [-24.0, -24.0, -40.0, -40.0])  # a gain is a negative loss


def test_a_horizon_not_watched_to_its_end_has_no_outcome() -> None:
    outcomes = Outcomes(LEVELS, MIN, window=10)
    for minute in (4, 5):
        assert at(outcomes, minute * MIN, 3, 100.0) is None
    assert at(outcomes, 8 * MIN, 3, 90.0) is None
    assert at(outcomes, 9 * MIN, 3, 91.0).pnl[0] == 6.0


def test_without_a_forecast_of_every_underlying_nothing_is_opened() -> None:
    outcomes = Outcomes(LEVELS, MIN, window=10)
    at(outcomes, 4 * MIN, 3, 100.0)
    late = sums(3, 100.0, 0.0, time_ns=4 * MIN + 1)  # its forecast is of the former horizon
    light = Batch.of("exposures", exposure=late.latest["A"].exposure._replace(time_ns=np.array([5 * MIN])))
    late.put(light)
    assert late.time_ns() == 5 * MIN
    assert outcomes.update("P", late, 5 * MIN) is None
    assert at(outcomes, 6 * MIN, 3, 100.0) is None
    assert at(outcomes, 7 * MIN, 3, 100.0) is not None


def test_rolling_shortfall_is_that_of_the_window() -> None:
    outcomes = Outcomes(LEVELS, MIN, window=3)
    at(outcomes, MIN, 1, 0.0)
    value = 100.0
    for k, step in enumerate([0.0, -5.0, 2.0, -1.0, -3.0]):
        value += step
        rows = at(outcomes, (k + 2) * MIN, 1, value)
    assert rows.n[0] == 3
    assert rows.es[0] == 6.0  # the worst of 2, -1 and -3, at 2 a unit


def test_state_goes_on() -> None:
    whole, cut = (Outcomes(LEVELS, MIN, window=5) for _ in range(2))
    told = 0
    for k in range(1, 7):
        other = Outcomes(LEVELS, MIN, window=5)
        other.load(cut.state())
        cut = other
        a, b = (at(o, k * MIN, 2, 100.0 + k * k, float(k)) for o in (whole, cut))
        assert (a is None) == (b is None)
        if a is not None:
            told += 1
            assert [x.tobytes() for x in a] == [x.tobytes() for x in b]
    assert told == 4


def test_sums_of_two_sets_are_never_mixed() -> None:
    def exposure(underlying: str, set_id: str, pnl: float) -> Batch:
        return Batch.of(
            "exposures",
            exposure=EXPOSURE.make(portfolio=["P"], underlying=[underlying], set_id=[set_id]),
            vectors=VECTORS.make(client=[pnl, -pnl], hedge=[0.0, 0.0]),
        )

    made = Sums(("A", "B"))
    made.put(exposure("A", "old", 1.0))
    made.put(exposure("B", "old", 10.0))
    assert made.vectors()[0].tolist() == [11.0, -11.0]
    made.put(exposure("A", "new", 100.0))
    assert made.complete_set() == "old"
    assert made.vectors()[0].tolist() == [11.0, -11.0]
    made.put(exposure("B", "new", 1_000.0))
    assert made.complete_set() == "new"
    assert made.vectors()[0].tolist() == [1_100.0, -1_100.0]
    assert made.set_ids() == ["new"]


@pytest.mark.parametrize("light_first", [False, True])
def test_a_light_exposure_renews_time_and_keeps_the_vectors(light_first: bool) -> None:
    made = sums(3, 100.0, 5.0)
    light = Batch.of(
        "exposures",
        exposure=EXPOSURE.make(portfolio=["P"], underlying=["A"], set_id=["s"], time_ns=[7], actual_pnl=[6.0]),
    )
    made.put(light)
    if light_first:
        made.put(light)
    assert made.time_ns() == 7
    assert made.actual_pnl() == 6.0
    assert made.vectors()[0].tolist() == [0.0]
    assert made.positions()[0].qty.tolist() == [3]
