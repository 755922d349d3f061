"""Two versions of a step beside each other: minutes with the same bits, and the first row that differs."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.records import VALUES, Batch, Header, Instrument, Instruments
from qflib.records.topics import ANALYTICS_RESULTS
from qflib.views.versions import MINUTE_NS, Minute, VersionsView

TABLE = Instruments((Instrument("ACME.F", kind="spot"), Instrument("BETA.F", kind="spot")))
START = 1_700_000_040 * 1_000_000_000  # a whole minute
STEP_NS = MINUTE_NS // 6


def told(label: str, at: np.ndarray, values: np.ndarray, instrument: int = 0) -> Batch:
    n = len(at)
    table = VALUES.make(
        step=np.full(n, label, "S64"), version=np.ones(n, np.uint32), instrument=np.full(n, instrument, np.uint32),
        time_ns=START + at * STEP_NS, field=np.full(n, "vol", "S64"), value=values,
    )  # fmt: skip
    return Batch.of("analytics", Header("promoted/0", 0, 0), ANALYTICS_RESULTS, "ACME", values=table)


def seen(force: np.ndarray, beside: np.ndarray, cuts: list[int], keys: tuple[str, ...] = ("ACME",)) -> VersionsView:
    """Both versions' values, a row each ten seconds, cut into records at the same places."""
    view = VersionsView(TABLE)
    edges = [0, 1, *sorted(set(cuts) - {1}), len(force)]  # of both, something is heard at first
    for k, key in enumerate(keys):
        for a, b in itertools.pairwise(edges):
            at = np.arange(a, b)
            view.take(told("vol", at, force[a:b], k), key)
            view.take(told("vol@2", at, beside[a:b], k), key)
    return view


def test_minutes_with_the_same_bits() -> None:
    values = np.random.default_rng(1).standard_normal(60)
    view = seen(values, values, [7, 30], ("ACME", "BETA"))
    assert view.beside == ("vol@2",)
    minutes = view.minutes("vol@2")
    # the first may have begun before, the last is not over
    assert [(m.time_ns - START) // MINUTE_NS for m in minutes] == list(range(1, 9))
    assert all(m.same and m.rows == m.rows_beside == 12 and not m.first for m in minutes)
    assert len({m.digest for m in minutes}) == 8


def test_the_last_bit_of_a_value_is_seen_and_named() -> None:
    values = np.random.default_rng(2).standard_normal(60)
    other = values.copy()
    other[20] = np.nextafter(other[20], np.inf)
    minutes = seen(values, other, [25]).minutes("vol@2")
    assert [m.same for m in minutes] == [True, True, False, True, True, True, True, True][: len(minutes)]
    assert minutes[2].first == (
        f"ACME.F 22:17:20.000 vol {float(values[20])!r}; beside it ACME.F 22:17:20.000 vol {float(other[20])!r}"
    )


def test_a_row_more_is_a_difference() -> None:
    view, at = seen(np.zeros(1), np.zeros(1), []), np.arange(1, 30)
    view.take(told("vol", at, np.zeros(29)), "ACME")
    view.take(told("vol@2", np.delete(at, 7), np.zeros(28)), "ACME")
    first, *others = view.minutes("vol@2")
    assert not first.same
    assert (first.rows, first.rows_beside) == (6, 5)
    assert "22:15:20.000 vol 0.0; beside it ACME.F 22:15:30.000" in first.first
    assert all(m.same for m in others)


def test_one_version_alone_is_compared_with_nothing_and_not_kept() -> None:
    view = VersionsView(TABLE)
    for m in range(100):
        view.take(told("vol", np.arange(6 * m, 6 * m + 6), np.zeros(6)), "ACME")
    assert view.beside == view.minutes("vol@2") == ()
    assert sum(map(len, view._open.values())) <= 2


def test_a_version_that_has_ended_is_forgotten() -> None:
    values = np.zeros(6 * 30)
    view = seen(values[:60], values[:60], [])
    for m in range(10, 30):
        view.take(told("vol", np.arange(6 * m, 6 * m + 6), np.zeros(6)), "ACME")
    assert view.beside == ()
    assert len(view.minutes("vol@2")) == 8
    assert all(m.same for m in view.minutes("vol@2"))
    assert sum(map(len, view._open.values())) <= 2


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 59)), others=st.lists(st.integers(1, 59)), flip=st.integers(0, 59))
def test_where_records_are_cut_changes_nothing(cuts: list[int], others: list[int], flip: int) -> None:
    values = np.random.default_rng(3).standard_normal(60)
    other = values.copy()
    other[flip] += 1.0

    def minutes(cuts: list[int]) -> list[Minute]:
        return list(seen(values, other, cuts).minutes("vol@2"))

    a, b = minutes(cuts), minutes(others)
    assert a == b
    assert [m.same for m in a] == [(flip // 6) != k for k in range(1, 9)]
