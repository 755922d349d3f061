"""What a desk publishes first: ids that a second start does not change."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.desk.deployment import Deployment
from qflib.desk.explain import explain
from qflib.desk.opening import bookings, limits_control, scenario_controls
from qflib.errors import InputError, UnknownInstrumentError
from qflib.market import SimulatedMarket
from qflib.records import EXPLAIN, RISK, Batch
from qflib.shortfall import ScenarioSet, scenarios

FEED = SimulatedMarket(seed=1, duration="1s", underlyings=2)


def held(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"instrument": ["ACME.F", "BETA.F"], "qty": [1.0, -2.0], "avg_price": [100.0, 50.0]} | columns)


def test_ids_are_of_the_content() -> None:
    once, again = (list(bookings(FEED.instruments, "P", held())) for _ in range(2))
    assert [b.bookings.booking_id.tolist() for b in once] == [b.bookings.booking_id.tolist() for b in again]
    other = list(bookings(FEED.instruments, "P", held(qty=[1.0, -3.0])))
    assert other[0].bookings.booking_id == once[0].bookings.booking_id
    assert other[1].bookings.booking_id != once[1].bookings.booking_id
    assert [b.key for b in once] == ["ACME", "BETA"]


def test_two_equal_rows_are_two_positions() -> None:
    twice = pd.concat([held(), held()], ignore_index=True)
    ids = [i for b in bookings(FEED.instruments, "P", twice) for i in b.bookings.booking_id.tolist()]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("frame", "error", "told"),
    [
        (held().drop(columns="qty"), InputError, "'qty'"),
        (held(avg_price=[np.nan, 1.0]), InputError, "not finite"),
        (held(qty=[0.5, 1.0]), InputError, "multiple of the lot"),
        (held(instrument=["ACME.F", "NOPE"]), UnknownInstrumentError, "NOPE"),
    ],
)
def test_wrong_positions_get_a_sentence(frame: pd.DataFrame, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        list(bookings(FEED.instruments, "P", frame))


def test_a_scenario_set_comes_back_whole_from_its_controls() -> None:
    scen = scenarios.default(FEED.history, n_historical=100, n_simulated=50)
    chunks = list(scenario_controls(scen, chunk_rows=40))
    assert len({b.controls.control_id[0] for b in chunks}) == len(chunks) == 8
    assert ScenarioSet.from_tables([(b.scenario_set, b.shocks) for b in chunks]) == scen


def test_limits_must_be_finite() -> None:
    assert limits_control("P", {"max_es": 1e6}).controls.value.tolist() == [1e6]
    with pytest.raises(InputError, match="finite"):
        limits_control("P", {"max_es": float("nan")})


def test_explain_is_the_difference_of_sums() -> None:
    def report(time_ns: int, *rows: tuple[str, int, float, float]) -> Batch:
        names, books, delta, fees = zip(*rows, strict=True)
        total = [d + f for d, f in zip(delta, fees, strict=True)]
        told = EXPLAIN.make(underlying=list(names), book=list(books), delta=delta, fees=fees, total=total)
        return Batch.of("risk", risk=RISK.make(time_ns=[time_ns]), explain=told)

    first = report(10**9, ("A", 1, 5.0, 0.0), ("A", 2, -4.0, -1.0))
    # the second's B is new: all of it is of this period
    second = report(2 * 10**9, ("A", 1, 7.5, 0.0), ("A", 2, -6.0, -1.25), ("B", 1, 3.0, 0.0))
    made = explain([first, second]).iloc[0]
    assert made[made != 0.0].to_dict() == {"delta": 3.5, "fees": -0.25, "total": 3.25}
    assert explain([first]).empty


def test_a_set_that_was_in_force_can_be_so_again_by_another_version() -> None:
    """The exchange applies an id once: the same set under its own ids is passed over, under a version it is told on."""
    desk = Deployment(FEED.instruments, risk=True)
    exchange, exposures = desk.step("exchange"), desk.step("exposures")
    chosen = [ScenarioSet(("ACME", "BETA"), [[x, x], [-x, 0.0]], np.zeros((2, 2)), 86_400 * 10**9) for x in (0.1, 0.2)]

    def in_force(scen: ScenarioSet, seq: int, **version: str) -> list[str]:
        """Sets that exposures has of each underlying once it has what the exchange tells of these controls."""
        for n, control in enumerate(scenario_controls(scen, source=f"s{seq}", **version)):
            assert control.header.seq == n
            for told in exchange.feed(control):
                exposures.feed(told)
        return [exposures.state()[f"sets.{u}.id"][0].decode() for u in range(2)]

    first, second = chosen
    assert in_force(first, 0) == [first.set_id] * 2
    assert in_force(second, 1, version="a") == [second.set_id] * 2
    assert in_force(first, 2) == [second.set_id] * 2  # a second start of the desk changes nothing
    assert in_force(first, 3, version="b") == [first.set_id] * 2
    assert in_force(second, 4, version="a") == [first.set_id] * 2  # approved twice, applied once


def test_a_hedger_is_a_policy() -> None:
    feed = qf.datasets.load("sim", seed=7, duration="1s")
    with pytest.raises(InputError, match=r"hedger is 'band'; expected a policy, as qf\.hedgers\.Band"):
        qf.Desk(feed, hedger="band")  # type: ignore[arg-type]
