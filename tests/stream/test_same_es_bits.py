"""1, 2 and 4 workers on what was recorded once: the same expected shortfall, bit for bit.

The desk that recorded it ran in one process, in another order and without Kafka: it is the oracle. A portfolio's
records are one partition's, whoever works on it, so that on recorded exposures every report is equal. On recorded marks
every exposure is equal; but those of several partitions meet in a portfolio's in an order that workers decide, and a
report tells of what is there when it is due. Where no partition runs ahead of another by a report, reports are equal.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from qflib.broker.clients import Connection
from qflib.desk.datasets import load
from qflib.desk.deployment import Deployment
from qflib.records.codec import decode
from qflib.records.partitions import name_of
from qflib.records.topics import ANALYTICS_RESULTS, EXCHANGE_MARKS, ORDERS_EXECUTED, RISK_EXPOSURES, RISK_METRICS
from qflib.stream.fold import Fold
from qflib.stream.stages import STAGES
from tests.stream.chain import Lists
from tests.stream.recorded import PARTITIONS, PORTFOLIOS, by_source, put, recorded, values
from tests.stream.working import workers

Recorded = tuple[Deployment, Lists]
COUNTS = (1, 2, 4)


@pytest.fixture(scope="module")
def market() -> Recorded:
    """Four underlyings, a partition each."""
    return recorded(load("sim", seed=7, duration="3s", rate=2_000), 100_000_000, 4)


@pytest.mark.parametrize("n", [n if n == 2 else pytest.param(n, marks=pytest.mark.faults) for n in COUNTS])
def test_portfolios_on_recorded_exposures(market: Recorded, own_kafka: Connection, tmp_path: Path, n: int) -> None:
    check_portfolios(market, own_kafka, tmp_path, n)


def check_portfolios(market: Recorded, c: Connection, folder: Path, n: int) -> None:
    """Every record of the stage is the recording desk's own; their ES figures are none of nothing."""
    desk, lists = market
    with workers(c, desk, ("portfolio",), n, folder) as run:
        put(c, lists, RISK_EXPOSURES)
        run.work_off()
        reports = run.wrote(RISK_METRICS)
        assert reports == values(lists, RISK_METRICS)
        theirs = [[v for v in p if decode(v).header.source.startswith("portfolio/")]
                  for p in values(lists, ANALYTICS_RESULTS)]  # fmt: skip
        assert run.wrote(ANALYTICS_RESULTS) == theirs
    told = shortfalls(reports)
    assert set(told) == set(PORTFOLIOS)
    assert all(len(es) >= 5 and (es > 0).all() and len(np.unique(es)) > 5 for es in told.values())
    assert sum(bool(p) for p in reports) == PARTITIONS  # each worker had a portfolio


def shortfalls(reports: list[list[bytes]]) -> dict[str, np.ndarray]:
    """By portfolio, of each report the three figures of every level."""
    made: dict[str, list[np.ndarray]] = {}
    for value in (v for p in reports for v in p):
        r = decode(value).risk
        if len(r.level):
            es = np.concatenate([r.es_unhedged, r.es_current, r.es_target])
            made.setdefault(r.portfolio[0].decode(), []).append(es)
    return {name: np.array(es) for name, es in made.items()}


@pytest.fixture(scope="module")
def chains(test_data: Path) -> Recorded:
    """Recorded option chains of bitcoin and ether, three days."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFLIB_DATA", str(test_data))
        feed = load("deribit", start="2026-02-01T00:00Z", end="2026-02-04T00:00Z")
    return recorded(feed, 3_600 * 10**9, 2)


@pytest.mark.data
@pytest.mark.faults
@pytest.mark.parametrize("n", COUNTS)
def test_portfolios_of_recorded_chains(chains: Recorded, own_kafka: Connection, tmp_path: Path, n: int) -> None:
    check_portfolios(chains, own_kafka, tmp_path, n)


STEP_NS = 250_000_000  # of a desk: the least between two exposures of an underlying, and between two reports
OPENED, LAST = 4, 8  # steps of the market: once all of it is known, and the end of what is compared


@pytest.mark.faults
@pytest.mark.parametrize("n", COUNTS)
def test_exposures_on_recorded_marks(market: Recorded, own_kafka: Connection, tmp_path: Path, n: int) -> None:
    """Executions come before all marks, as no order between two topics is kept; then marks, a step of time at once."""
    desk, lists = market
    start = min(decode(v).tick.time_ns[0] for p in values(lists, EXCHANGE_MARKS) for v in p[1:]) // 10**9 * 10**9
    ends = [0, *(start + k * STEP_NS for k in range(OPENED, LAST + 1))]
    with workers(own_kafka, desk, ("exposures", "portfolio"), n, tmp_path) as run:
        put(own_kafka, lists, ORDERS_EXECUTED)
        run.work_off()
        for begun, end in pairwise(ends):
            put(own_kafka, lists, EXCHANGE_MARKS, lambda v: begun < max(1, decode(v).tick.time_ns[0]) <= end)  # noqa: B023
            run.work_off()
        exposures, reports = by_source(run.wrote(RISK_EXPOSURES)), run.wrote(RISK_METRICS)
    revalued = revaluation(desk, lists, ends[-1])
    assert exposures == by_source(revalued)
    assert len(exposures) == PARTITIONS * PARTITIONS  # each worker's into each portfolio's partition
    told, expected = (of_times(r, ends[1]) for r in (reports, summed(desk, revalued)))
    assert told == expected
    assert len(told) == len(PORTFOLIOS) * (LAST - OPENED)


def revaluation(desk: Deployment, lists: Lists, end_ns: int) -> list[list[bytes]]:
    """What the step makes of executions, then marks up to some time: exposures by partition, in order of their time."""
    made: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for p in range(PARTITIONS):
        fold = Fold(STAGES["exposures"], desk.step("exposures", p), p, desk.table)
        marks = [r for r in lists.topics[EXCHANGE_MARKS, p] if decode(r.value or b"").tick.time_ns[0] <= end_ns]
        taken = [fold.take(ORDERS_EXECUTED, *r) for r in lists.topics[ORDERS_EXECUTED, p]]
        taken += [fold.take(EXCHANGE_MARKS, *r) for r in marks]
        for out in (out for t in taken for out in t.outputs):
            made[desk.table.place(name_of(out.key))].append(out.value)
    return [sorted(values, key=lambda v: int(decode(v).exposure.time_ns[0])) for values in made]


def summed(desk: Deployment, exposures: list[list[bytes]]) -> list[list[bytes]]:
    """What portfolios report of exposures."""
    made: list[list[bytes]] = []
    for p, records in enumerate(exposures):
        fold = Fold(STAGES["portfolio"], desk.step("portfolio", p), p, desk.table)
        taken = [fold.take(RISK_EXPOSURES, i, None, v) for i, v in enumerate(records)]
        made.append([out.value for t in taken for out in t.outputs if out.topic == RISK_METRICS])
    return made


def of_times(reports: list[list[bytes]], after_ns: int) -> dict[tuple[str, int], bytes]:
    """The figures of ES by portfolio and time, of reports later than a time."""
    risks = [decode(v).risk for p in reports for v in p]
    return {
        (r.portfolio[0].decode(), int(r.time_ns[0])): r.es_unhedged.tobytes() + r.es_current.tobytes()
        for r in risks
        if r.time_ns[0] > after_ns
    }
