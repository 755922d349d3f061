"""Delays of reports against hand-made batches, and the sketch of quantiles against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.stream.monitor import delays
from qflib.stream.monitor.delays import Delays, Track
from qflib.stream.monitor.folded import Folded
from qflib.stream.monitor.quantiles import Quantiles
from qflib.stream.monitor.thinned import Thinned


def two_underlyings() -> Delays:
    """ACME in batches of receipt times 10 to 19 and 20 to 29 that came at 1,000 and 2,000; BETA 0 to 9 at 1,500."""
    made = Delays()
    made.add("ACME", "sim:ACME", 10, 19, 1_000)
    made.add("ACME", "sim:ACME", 20, 29, 2_000)
    made.add("BETA", "sim:BETA", 0, 9, 1_500)
    return made


def test_latency_is_from_the_newest_event_of_any_underlying() -> None:
    assert two_underlyings().of([("ACME", 15), ("BETA", 3)], 3_000) == (1_500, 1_500, 2_000)


def test_staleness_is_from_the_first_event_left_out() -> None:
    # ACME 19 is its batch's last: the next event came at 2,000; of BETA all is in
    assert two_underlyings().of([("ACME", 19), ("BETA", 9)], 3_000) == (1_500, 1_500, 1_000)


def test_nothing_left_out_is_not_stale() -> None:
    assert two_underlyings().of([("ACME", 29), ("BETA", 9)], 3_000) == (2_000, 1_000, 0)


def test_an_event_that_came_after_the_report_is_not_left_out() -> None:
    assert two_underlyings().of([("ACME", 19), ("BETA", 9)], 1_700) == (1_500, 200, 0)


def test_a_report_on_what_nobody_saw_has_no_delay() -> None:
    assert two_underlyings().of([("ACME", 5)], 3_000) is None
    assert two_underlyings().of([("GAMMA", 15)], 3_000) is None


def test_a_source_that_is_ahead_does_not_make_a_report_younger() -> None:
    made = Delays()
    made.add("ACME", "futures", 10, 19, 1_000)
    made.add("ACME", "options", 10, 19, 1_800)
    assert made.of([("ACME", 15)], 3_000) == (1_000, 2_000, 2_000)


def test_a_track_forgets_what_is_long_past(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delays, "_KEPT", 4)
    track = Track()
    for k in range(100):
        track.add(k * 10, k * 10 + 9, k)
        assert track.came(k * 10 + 3) == k
        assert track.next_came(k * 10 + 9) is None
        assert len(track._last) < 8
    assert track.came(5) is None
    assert track.came(965) == 96


@given(st.lists(st.floats(1e-2, 1e6), min_size=1, max_size=300), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_within_one_per_cent(values: list[float], q: float) -> None:
    sketch = Quantiles()
    for v in values:
        sketch.add(v)
    exact = np.quantile(values, q, method="inverted_cdf")
    assert sketch.at(q) == pytest.approx(exact, rel=0.0101)
    assert sketch.max == max(values)


def test_of_nothing_there_is_no_quantile() -> None:
    assert Quantiles().figures() == {"p50": None, "p99": None, "max": None}


def test_what_came_at_once_took_no_time() -> None:
    sketch = Quantiles()
    for v in (-1.0, 0.0, 0.0):  # append times are whole milliseconds, cut off: a little below zero happens
        sketch.add(v)
    assert sketch.figures() == {"p50": 0.0, "p99": 0.0, "max": 0.0}


def test_thinned_samples_keep_the_median() -> None:
    made = Thinned(2, most=64)
    assert made.median() is None
    for k in range(10_001):
        made.add((float(k), -float(k)))
    assert made.median() == pytest.approx([5_000, -5_000], abs=200)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 1_000)), min_size=1, max_size=200))
def test_folded_counts_what_lies_before_an_offset(steps: list[tuple[int, int]]) -> None:
    folded, offset, rows = Folded(), -1, []
    for gap, n in steps:  # control markers leave gaps
        offset += gap
        rows.append((offset, n))
        folded.add(offset, n)
    for at in range(offset + 2):
        assert folded.before(at) == sum(n for o, n in rows if o < at)
    middle = offset // 2
    folded.forget(middle)
    for at in range(middle, offset + 2):
        assert folded.before(at) == sum(n for o, n in rows if o < at)


def test_folded_forgets_and_stays_exact() -> None:
    folded = Folded()
    for k in range(10_000):
        folded.add(2 * k, 10)
        folded.forget(2 * k - 100)
        assert len(folded._offset) < 300
    assert folded.total == folded.before(20_000) == 100_000
    assert folded.before(19_990) == 10 * 9_995
