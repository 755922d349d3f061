"""The rate of events through all stages: from the slowest one's first rise to its last."""

from __future__ import annotations

import pytest

from qflib.stream.monitor.throughput import Flow, Through

S = 10**9


def at(second: float, exchange: int, archive: int) -> Through:
    return Through(round(second * S), {"exchange": exchange, "archive": archive})


def told(flow: Flow, *looks: Through, opened_ns: int = S, ended_ns: int = 4 * S) -> Flow:
    for look in looks:
        flow.see(look, opened_ns if look.at_ns >= opened_ns else 0, over=look.at_ns > ended_ns)
    return flow


def test_neither_the_opening_nor_the_way_through_bends_it() -> None:
    flow = told(
        Flow(),
        at(0, 0, 0),
        at(0.9, 500, 500),  # what the desk opened on
        at(2, 1_500, 500),
        at(3, 2_500, 1_500),
        at(4, 3_500, 2_500),
        at(5, 3_500, 3_500),  # the source has ended; the archive comes after
        at(9, 3_500, 3_500),
    )
    assert flow.seconds == 2.0
    assert flow.rate() == flow.rate("archive") == 1_000.0
    assert flow.rate("exchange") == 500.0  # in the same time


def test_one_that_rose_once_counts_from_the_beginning() -> None:
    flow = told(Flow(), at(0, 0, 0), at(2, 800, 0), at(3, 800, 800), at(9, 800, 800), ended_ns=2 * S)
    assert (flow.seconds, flow.rate()) == (2.0, 400.0)


def test_a_desk_that_stands_still_gets_no_rate_for_it() -> None:
    rising = [at(s, 1_000 * s, 1_000 * s) for s in range(12)]
    hung = [at(s, 11_000, 11_000) for s in (30, 61)]
    assert told(Flow(), *rising, *hung, ended_ns=61 * S).rate() == 10_000 / 60
    later = at(62, 12_000, 12_000)
    assert told(Flow(), *rising, *hung, later, ended_ns=30 * S).rate() == 11_000 / 61


@pytest.mark.parametrize("looks", [(), (at(0, 5, 5),), (at(0, 5, 5), at(2, 9, 5))], ids=["none", "opening", "no rise"])
def test_without_a_rise_there_is_no_rate(looks: tuple[Through, ...]) -> None:
    flow = told(Flow(), *looks)
    assert (flow.seconds, flow.rate(), flow.rate("exchange")) == (0.0, 0.0, 0.0)
