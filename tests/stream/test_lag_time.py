"""Lag by time: from ends that rise and offsets that follow, for every pace of the group."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW
from qflib.stream.monitor.lag_time import STARTING_S, LagTime
from qflib.stream.monitor.offsets import Progress

RAW, NORMALIZED = (MARKET_RAW, 0), (MARKET_NORMALIZED, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_it_is_the_age_of_the_first_record_not_committed(steps: list[tuple[int, int]]) -> None:
    lag, end, done, came = LagTime(), 0, 0, list[int]()
    for now, (more, taken) in enumerate(steps):
        end += more
        came += [now] * more  # when each record was first seen
        done = min(done + taken, end)
        lag.see(Progress({"g": {RAW: done}}, {RAW: end}), float(now))
        wanted = now - came[done] if done < end else 0
        assert lag.seconds("g", float(now)) == {RAW: float(wanted)}
        assert lag.seconds("g", now + 0.5)[RAW] == (wanted + 0.5 if done < end else 0.0)


def test_a_transaction_s_marker_is_no_lag() -> None:
    lag = LagTime()
    lag.see(Progress({"g": {NORMALIZED: 9}}, {NORMALIZED: 10}), 1.0)
    assert lag.seconds("g", 60.0) == {NORMALIZED: 0.0}
    lag.see(Progress({"g": {NORMALIZED: 9}}, {NORMALIZED: 12}), 61.0)
    assert lag.seconds("g", 63.0) == {NORMALIZED: 2.0}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 15)), min_size=1, max_size=40))
def test_a_group_that_has_committed_nothing_is_as_late_as_one_that_stands_at_the_first_record_kept(
    steps: list[tuple[int, int, float]],
) -> None:
    lag, first, end, now = LagTime(), 4, 4, 0.0
    for more, gone, seconds in steps:
        now, end = now + seconds, end + more
        first = min(first + gone, end)  # retention
        ends, starts = {RAW: end, NORMALIZED: 1}, {RAW: first, NORMALIZED: 0}
        lag.see(Progress({"there": {RAW: first}}, ends, starts, {"g": [RAW, NORMALIZED]}), now)
        late = lag.seconds("there", now)[RAW]
        starting = 0.0 < late < STARTING_S
        assert lag.seconds("g", now) == {NORMALIZED: 0.0} | ({} if starting else {RAW: late})


def test_a_partition_that_was_never_committed_is_late_beside_one_that_is() -> None:
    lag, other = LagTime(), (MARKET_RAW, 1)
    told = Progress({"g": {RAW: 7}}, {RAW: 7, other: 5}, {RAW: 0, other: 0}, {"g": [RAW, other]})
    lag.see(told, 0.0)
    assert lag.seconds("g", STARTING_S - 1) == {RAW: 0.0}  # its stage may have just started
    assert lag.seconds("g", STARTING_S + 1) == {RAW: 0.0, other: STARTING_S + 1}
    assert (told.lag("g"), told.headrooms("g")) == (5, {RAW: 1.0, other: 0.0})


def test_the_slowest_group_s_ends_are_kept() -> None:
    lag = LagTime()
    for now in range(10):
        lag.see(Progress({"slow": {RAW: 2}, "fast": {RAW: now}}, {RAW: now}), float(now))
    assert lag.seconds("slow", 9.0) == {RAW: 6.0}
    assert lag.seconds("fast", 9.0) == {RAW: 0.0}
    assert lag.seconds("none", 9.0) == {}
