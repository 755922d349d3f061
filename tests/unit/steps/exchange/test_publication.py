"""What goes out at boundaries, when sources end, and beside executions."""

from __future__ import annotations

from qflib.records import Reason

from .conftest import T0

PERIOD = 100_000_000


def test_a_boundary_tells_the_state_before_the_row_that_reaches_it(scene):
    scene.market((1, 0, 1, 1, 9990, 5))
    scene.market((1, 0, 1, 2, 9989, 5), (5, 0, 1, 0, 9995, 2))
    scene.now = T0 + PERIOD
    _, batches = scene.market((1, 0, 1, 3, 9991, 5))
    assert [(b.kind, b.key, b.tick.time_ns.tolist()) for b in batches if b.kind == "marks"] == [
        ("marks", "ACME", [T0 + PERIOD]),
        ("marks", "OTHER", [T0 + PERIOD]),
    ]
    marks, analytics, other = batches
    assert marks.tops.bid_ticks.tolist()[0] == analytics.tops.bid_ticks.tolist()[0] == 9990
    assert marks.tops.bid_depth[0] == 10
    assert marks.depth.price_ticks.tolist() == [9990, 9989]
    assert analytics.trades.qty.tolist() == [2]
    assert len(other.tops.instrument) == 0


def test_only_what_changed_is_told_again(scene):
    scene.market((1, 0, 1, 1, 9990, 5), (9, 1, 1, 0, 200, 5))
    scene.clock(T0 + PERIOD)
    scene.market((9, 1, 1, 0, 201, 5))
    _, batches = scene.clock(T0 + 5 * PERIOD)
    assert [(b.kind, b.key, b.tops.instrument.tolist()) for b in batches] == [
        ("marks", "ACME", [1]),
        ("analytics", "ACME", [1]),
        ("marks", "OTHER", []),
    ]
    assert len(batches[0].depth.level) == 0


def test_the_end_is_told_once_all_sources_have_ended(scene):
    _, batches = scene.clock(T0 + PERIOD, closing=1)
    assert [b.tick.closing.tolist() for b in batches if b.kind == "marks"] == [[0], [0], [1], [1]]
    _, batches = scene.clock(T0 + PERIOD, closing=1)
    assert batches == []


def test_marks_follow_executions_but_not_rejects(scene):
    _, batches = scene.order()
    assert [b.kind for b in batches] == ["execution", "marks"]
    rows, batches = scene.order(qty=0)
    assert rows[0].reason == Reason.BAD_QUANTITY
    assert [b.kind for b in batches] == ["execution"]


def test_marks_after_an_execution_show_what_is_left_to_be_had(scene):
    scene.market((1, 0, 2, 1, 10010, 5), (1, 0, 2, 2, 10020, 7), (1, 0, 2, 3, 10030, 4), (1, 0, 1, 4, 9990, 6))
    venue = scene.step.books_digest
    scene.clock(T0 + PERIOD)
    marks = scene.order(price=10020, qty=8, tif=3)[1][-1]
    assert (marks.kind, marks.tops.ask_ticks.tolist(), marks.tops.ask_qty.tolist()) == ("marks", [10020], [4])
    assert (marks.tops.ask_depth.tolist(), marks.tops.bid_depth.tolist()) == ([8], [6])
    depth = marks.depth
    asks = list(zip(depth.level.tolist(), depth.price_ticks.tolist(), depth.qty.tolist(), strict=True))
    assert asks == [(0, 9990, 6), (0, 10020, 4), (1, 10030, 4)]
    _, [_, analytics, _] = scene.clock(T0 + 2 * PERIOD)
    assert (analytics.kind, analytics.tops.ask_ticks.tolist(), analytics.depth.qty.tolist()) == (
        "analytics",
        [10020],
        [6, 4, 4],
    )
    assert scene.step.books_digest == venue


def test_a_side_that_we_took_whole_is_told_empty_until_the_venue_renews_it(scene):
    scene.market((9, 1, 2, 0, 300, 5))
    marks = scene.order(1, price=300, qty=5, tif=3)[1][-1]
    assert marks.tops.instrument[marks.tops.ask_qty != 0].tolist() == []
    scene.market((9, 1, 2, 0, 300, 6))
    marks = scene.clock(T0 + PERIOD)[1][0]
    assert (marks.tops.ask_ticks.tolist(), marks.tops.ask_qty.tolist()) == ([300], [6])
