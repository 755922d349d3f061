"""When snapshots are due."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from qflib.stream.schedule import _SHARE, Schedule


def test_a_partitions_first_input_is_followed_by_a_snapshot() -> None:
    s = Schedule(every_s=10.0, every_batches=100)
    s.begin(0, 0, 0.0, -1)
    assert s.due(0, 1, 0.0)
    s.taken(0, 1, 0.0, 0.0, 7)
    assert not s.due(0, 2, 5.0)
    assert s.journal_offset(0) == 7


def test_what_was_restored_is_on_record_already() -> None:
    s = Schedule(every_s=10.0, every_batches=100)
    s.begin(0, 500, 0.0, 3)
    assert not s.due(0, 501, 1.0)
    assert s.due(0, 600, 1.0)
    assert s.due(0, 501, 10.0)


def test_a_costly_one_keeps_the_others_waiting() -> None:
    s = Schedule(every_s=1.0, every_batches=10)
    for p in range(2):
        s.begin(p, 5, 0.0, 0)
    s.taken(0, 15, 1.0, cost_s=0.5, journal_offset=0)
    rest = 0.5 / _SHARE
    assert not s.due(1, 1_000, 0.9 * rest)
    assert s.due(1, 1_000, 1.0 + rest)


def test_partitions_take_turns() -> None:
    """All due at once, they are not written at once: a worker would stand still for all of them."""
    s = Schedule(every_s=8.0, every_batches=10**9)
    for p in range(4):
        s.begin(p, 1, 0.0, 0)
    written: list[tuple[float, int]] = []
    for tick in range(800, 1_600):
        now = tick / 100
        for p in range(4):
            if s.due(p, 2, now):
                s.taken(p, 2, now, 0.001, 0)
                written.append((now, p))
    times = [now for now, _ in written]
    assert sorted(p for _, p in written[:4]) == [0, 1, 2, 3]
    assert all(b - a >= 0.99 for a, b in itertools.pairwise(times))


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 3), st.floats(0, 0.2)), min_size=1, max_size=200))
def test_snapshots_never_take_more_than_their_share(steps: list[tuple[float, int, float]]) -> None:
    s, now, batches, begun = Schedule(every_s=1.0, every_batches=2), 0.0, 1, 0.0
    for p in range(4):
        s.begin(p, batches, now, 0)
    last = 0.0
    for wait, p, cost in steps:
        now += wait
        batches += 1
        if s.due(p, batches, now):
            assert now - begun >= last / _SHARE - 1e-9
            begun, last = now, cost
            s.taken(p, batches, now, cost, 0)
