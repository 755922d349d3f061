"""What a person's order book does with events that do not fit, one by one, at times, and as it is walked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import DataError, InputError
from qflib.orderbook import OrderBook
from qflib.orderbook.books import Counters
from qflib.orderbook.misfits import MAX_NOTED
from qflib.records import MARKET_EVENTS, EventFlag, EventKind, Instrument, Instruments
from tests.property.book_flow import flow

CLEAR, ADD, EXECUTE = EventKind.CLEAR, EventKind.ADD, EventKind.EXECUTE


TWO = Instruments((Instrument("ACME.F"), Instrument("BETA.F")))


@dataclass
class Recording:
    """A feed of these batches."""

    batches: list[Any]
    instruments: Instruments = TWO

    def events(self) -> Any:
        return iter(self.batches)


def cut(events: Any, places: list[int]) -> list[Any]:
    ends = [0, *sorted({min(p, len(events.kind)) for p in places}), len(events.kind)]
    return [MARKET_EVENTS.slice(events, a, b) for a, b in itertools.pairwise(ends)]


def snapshot(book: OrderBook, time_ns: int) -> Any:
    """A CLEAR, and all orders of a book as they stand."""
    rows = book.books.orders_of(0)
    n = len(rows["qty"])
    return MARKET_EVENTS.make(
        kind=np.array([CLEAR, *[ADD] * n], np.uint32),
        flags=np.array([2] * n + [3], np.uint32),
        side=np.append(0, rows["side"]).astype(np.uint32),
        order_id=np.append(np.uint64(0), rows["order_id"]),
        price_ticks=np.append(0, rows["price_ticks"]),
        qty=np.append(0, rows["qty"]),
        receipt_ns=np.full(n + 1, time_ns),
        venue_ns=np.full(n + 1, time_ns),
    )


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(1, 99), damage=st.lists(st.integers(0, 10**6), max_size=8), data=st.data())
def test_row_by_row_is_as_all_at_once(seed: int, damage: list[int], data: st.DataObject) -> None:
    events = flow(seed, 300, live=data.draw(st.sampled_from([40, 1_500])))  # the second makes the state grow
    table = MARKET_EVENTS.to_struct(events)
    for d in damage:
        row = table[d % len(table)]
        what = d % 6
        if what == 5:
            row["flags"] |= np.uint32(EventFlag.GAP)
        elif what < 3:
            row[("order_id", "side", "instrument")[what]] = d % 7
        else:
            row["kind"] = (EXECUTE, 77)[what - 3]
    whole, single = OrderBook("ACME.F"), OrderBook("ACME.F")
    whole_counts = whole.apply(table, policy="count")
    single_counts, misfits = Counters(), list[tuple[int, str]]()
    for i in range(len(table)):
        single_counts += single.apply(table[i : i + 1], policy="count")
        misfits += [(i, reason) for _, reason in single.misfits.itertuples(index=False)]
    assert single.books.digest() == whole.books.digest()
    assert single_counts == whole_counts
    assert misfits[:MAX_NOTED] == list(whole.misfits.itertuples(index=False, name=None))
    assert len(misfits) == whole_counts.misfits + whole_counts.crossed + whole_counts.locked


def test_the_first_misfit_is_named_and_nothing_else_is_held_up() -> None:
    table = MARKET_EVENTS.to_struct(flow(3, 50))
    table["order_id"][[20, 30]] = table["order_id"][5]
    book = OrderBook("ACME.F")
    with pytest.raises(DataError, match=r"2 duplicate ids; the first is event 20 \(duplicate id\)"):
        book.apply(table)
    assert book.misfits["event"].tolist()[:2] == [20, 30]
    gone = MARKET_EVENTS.to_struct(MARKET_EVENTS.make(kind=[EXECUTE], side=[1], order_id=[10**6], qty=[1]))
    with pytest.raises(DataError, match=r"1 unknown ids; the first is event 0"):
        book.apply(gone)
    with pytest.raises(InputError, match="policy 'ignore' is unknown"):
        book.apply(gone, policy="ignore")  # type: ignore[arg-type]


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(1, 99),
    lost=st.lists(st.integers(60, 339), min_size=1, max_size=4),
    snapshots=st.lists(st.integers(60, 339), max_size=4, unique=True),
    cuts=st.lists(st.integers(0, 400), max_size=5),
)
def test_resync_waits_for_a_snapshot_and_is_right_after_it(
    seed: int, lost: list[int], snapshots: list[int], cuts: list[int]
) -> None:
    venue, parts, sent = OrderBook("ACME.F"), list[Any](), flow(seed, 300)
    kept = [row for row in range(340) if row not in lost]
    for row in range(340):
        one = MARKET_EVENTS.slice(sent, row, row + 1)
        venue.apply(one)
        if row in kept:
            parts.append(one)
        if row in snapshots:
            parts.append(snapshot(venue, 1_000 * (row + 1)))
    told = MARKET_EVENTS.concat(parts)
    whole, by_parts = OrderBook("ACME.F"), OrderBook("ACME.F")
    counted = whole.apply(told, policy="resync")
    at, summed = 0, Counters()
    for part in cut(told, cuts):
        summed += by_parts.apply(part, policy="resync")
        at += len(part.kind)
        assert by_parts.in_sync or not len(by_parts.orders())
    assert summed == counted
    assert counted.events + counted.passed_over == len(told.kind)
    assert by_parts.in_sync == whole.in_sync
    assert by_parts.books.digest() == whole.books.digest()
    if max(lost) <= max(snapshots, default=-1):
        assert whole.in_sync
        pd.testing.assert_frame_equal(whole.orders(), venue.orders())
    if not whole.in_sync:
        assert not len(whole.orders())
        assert counted.refused

    shown = OrderBook("ACME.F")
    frame = shown.replay(Recording(cut(told, cuts)), "event", policy="resync")
    assert frame.attrs["counters"]["passed_over"] == counted.passed_over
    assert shown.in_sync == whole.in_sync
    pd.testing.assert_frame_equal(shown.misfits, whole.misfits)
    pd.testing.assert_frame_equal(shown.orders(), whole.orders())


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(1, 99),
    times=st.lists(st.integers(-1, 400), max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=5),
)
def test_snapshots_hold_what_had_come_before_their_time(seed: int, times: list[int], cuts: list[int]) -> None:
    sent = flow(seed, 300)
    sent = sent._replace(instrument=np.where(np.arange(340) % 11 == 7, 1, 0).astype(np.uint32))
    book = OrderBook("ACME.F")
    asked = pd.to_datetime([1_000 * t for t in times], utc=True)
    frame = book.snapshots(Recording(cut(sent, cuts)), asked, n=3)
    assert frame.attrs["counters"]["events"] == (sent.instrument == 0).sum()
    for t in times:
        twin = OrderBook("ACME.F", TWO)
        twin.apply(MARKET_EVENTS.slice(sent, 0, max(0, min(t - 1, 340))), policy="count")
        depth = twin.depth(3)
        got = frame[frame.index.get_level_values("time") == pd.Timestamp(1_000 * t, tz="UTC")].reset_index()
        pd.testing.assert_frame_equal(got[depth.columns], depth)
    whole = OrderBook("ACME.F", TWO)
    whole.apply(sent, policy="count")
    assert book.books.digest() == whole.books.digest()


def test_snapshot_times_are_checked() -> None:
    book = OrderBook("ACME.F")
    with pytest.raises(InputError, match="no time zone"):
        book.snapshots(Recording([flow(1, 1)]), ["2026-01-05 14:30"])
    with pytest.raises(InputError, match="are no times"):
        book.snapshots(Recording([flow(1, 1)]), ["noon, or so"])
    assert book.snapshots(Recording([flow(1, 1)]), []).empty


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(1, 99), told=st.integers(0, 50))
def test_walking_a_book_finds_every_order_and_level(seed: int, told: int) -> None:
    book = OrderBook("ACME.F")
    book.apply(flow(seed, 200), policy="count")
    if told:  # a quantity told without orders stands before those that come after it
        price = book.best["bid"]
        ticks = round(price / 0.01)
        rows = {"kind": [EventKind.LEVEL, ADD], "side": [1, 1], "order_id": [0, 999_999], "qty": [told, 3]}
        book.apply(MARKET_EVENTS.make(**rows, price_ticks=[ticks, ticks]))
    orders = book.orders()
    assert len(orders) == int(book.books.state.heads[1])
    for row in orders.itertuples():
        held = book.order(row.order_id)
        assert (held["side"], held["price"], held["qty"], held["ahead"]) == (row.side, row.price, row.qty, row.ahead)
    levels = pd.DataFrame(book)
    depth = book.depth(1_000)[["side", "price", "qty", "orders"]]
    pd.testing.assert_frame_equal(levels, depth.reset_index(drop=True), check_dtype=False)


def test_negative_quantities_go_by_the_policy() -> None:
    rows = MARKET_EVENTS.to_struct(flow(1, 20))
    rows["qty"][[7, 9]] = -3
    book = OrderBook("ACME.F")
    with pytest.raises(DataError, match="row 7 has quantity -3 lots"):
        book.apply(rows)
    assert not len(book.orders())
    counters = book.apply(rows, policy="count")
    assert (counters.events, counters.bad_quantities) == (60, 2)
    assert book.misfits["reason"].tolist()[:2] == ["bad quantity"] * 2
    single = OrderBook("ACME.F")
    assert sum(single.apply(rows[i : i + 1], policy="count").bad_quantities for i in range(60)) == 2
    fresh = OrderBook("ACME.F")
    assert fresh.apply(rows, policy="resync").passed_over == 52
    assert not fresh.in_sync


def test_gaps_go_by_the_policy() -> None:
    events = MARKET_EVENTS.to_struct(flow(5, 60))
    events["flags"][[30, 70]] |= np.uint32(EventFlag.GAP)
    book, whole = OrderBook("ACME.F"), OrderBook("ACME.F")
    counters = book.apply(events, policy="count")
    assert (counters.gaps, counters.refused, counters.misfits) == (2, 0, 2)
    assert book.misfits.query("reason == 'missing data'")["event"].tolist() == [30, 70]
    assert book.digest == whole_digest(whole, events)
    with pytest.raises(DataError, match=r"2 of 100 events .* 2 gaps; the first is event 30 \(missing data\)"):
        OrderBook("ACME.F").apply(events)
    lost = OrderBook("ACME.F")
    told = lost.apply(events, policy="resync")
    assert (told.gaps, told.passed_over, lost.in_sync) == (1, len(events) - 31, False)
    assert lost.depth(5).empty
    assert OrderBook("ACME.F").apply(events[30:31], policy="count").gaps == 1  # a row alone


def whole_digest(book: OrderBook, events: Any) -> str:
    """The digest of a book that was told the same without gaps."""
    plain = events.copy()
    plain["flags"] &= ~np.uint32(EventFlag.GAP)
    assert book.apply(plain).misfits == 0
    return book.digest


def test_a_book_emptied_for_a_gap_is_out_of_sync_until_its_snapshot() -> None:
    table = MARKET_EVENTS.to_struct(
        MARKET_EVENTS.make(
            kind=[EventKind.LEVEL, CLEAR, EventKind.LEVEL, CLEAR, EventKind.LEVEL],
            flags=[EventFlag.LAST, EventFlag.LAST | EventFlag.GAP, EventFlag.LAST, EventFlag.SNAPSHOT, EventFlag.LAST],
            side=[1, 0, 2, 0, 1],
            price_ticks=[100, 0, 103, 0, 101],
            qty=[5, 0, 6, 0, 7],
        )
    )
    for end, synced, bid in [(1, True, 1.0), (2, False, np.nan), (3, False, np.nan), (5, True, 1.01)]:
        book = OrderBook("ACME.F")
        counters = book.apply(table[:end], policy="resync")
        assert book.in_sync is synced
        np.testing.assert_equal(book.best["bid"], bid)
        assert counters.gaps == (end > 1)
        assert counters.passed_over == (end > 2)


@pytest.mark.parametrize("kind", [EXECUTE, EventKind.CANCEL])
def test_what_takes_more_than_an_order_has_is_told(kind: EventKind) -> None:
    rows = MARKET_EVENTS.to_struct(
        MARKET_EVENTS.make(
            kind=[ADD, ADD, kind],
            flags=[1] * 3,
            side=[1] * 3,
            order_id=[1, 2, 1],
            price_ticks=[10] * 3,
            qty=[5, 7, 300],
        )
    )
    book = OrderBook("ACME.F")
    counters = book.apply(rows, policy="count")
    assert (counters.overdrawn, counters.refused, counters.misfits) == (1, 0, 1)
    assert book.misfits.to_dict("records") == [{"event": 2, "reason": "overdrawn"}]
    assert book.orders()["order_id"].tolist() == [2]
    with pytest.raises(DataError, match=r"1 overdrawn; the first is event 2 \(overdrawn\)"):
        OrderBook("ACME.F").apply(rows)
    lost = OrderBook("ACME.F")
    lost.apply(rows, policy="resync")
    assert not lost.in_sync
    single = OrderBook("ACME.F")
    single.apply(rows[:2])
    with pytest.raises(DataError, match="1 overdrawn"):
        single.apply(rows[2:])
    assert single.misfits["reason"].tolist() == ["overdrawn"]
    assert single.digest == book.digest


def test_one_row_of_an_array_is_a_row() -> None:
    rows = MARKET_EVENTS.to_struct(flow(3, 50))
    whole, single = OrderBook("ACME.F"), OrderBook("ACME.F")
    whole.apply(rows)
    for row in rows:
        single.apply(row)
    assert single.digest == whole.digest
    with pytest.raises(InputError, match="give MARKET_EVENTS columns"):
        single.apply(MARKET_EVENTS)


def test_a_book_is_in_sync_from_a_snapshot_to_the_next_gap_under_every_policy() -> None:
    def one(kind: EventKind, flags: int = 1, **more: Any) -> Any:
        return MARKET_EVENTS.to_struct(
            MARKET_EVENTS.make(kind=[kind], flags=[flags], **{k: [v] for k, v in more.items()})
        )

    level = one(EventKind.LEVEL, side=1, price_ticks=5, qty=1)
    clear, gone = one(CLEAR, EventFlag.SNAPSHOT), one(CLEAR, EventFlag.LAST | EventFlag.GAP)
    book = OrderBook("ACME.F")
    for rows, synced in [(level, True), (gone, False), (level, False), (clear, True), (gone, False), (clear, True)]:
        book.apply(rows, policy="count")
        assert book.in_sync is synced
    feed = Recording([MARKET_EVENTS.from_struct(np.concatenate([clear, level, gone]))])
    for run in (lambda b: b.replay(feed, "event"), lambda b: b.snapshots(feed, [])):
        book = OrderBook("ACME.F")
        run(book)
        assert not book.in_sync


@pytest.mark.parametrize("wrong", [np.nan, 1.5, -1, float(2**60), "abc", None, True])
def test_ids_that_are_none_are_refused(wrong: Any) -> None:
    frame = pd.DataFrame({"kind": "add", "side": "buy", "price": 1.0, "qty": 1.0, "order_id": pd.Series([1, wrong])})
    with pytest.raises(InputError, match="row 1: order_id"):
        OrderBook("ACME.F").apply(frame.astype({"order_id": object}))
    missing = frame.assign(order_id=pd.array([1, None], "Int64"))
    with pytest.raises(InputError, match="row 1: order_id"):
        OrderBook("ACME.F").apply(missing)
    whole = pd.DataFrame({"kind": ["add"], "side": ["buy"], "price": [1.0], "qty": [1.0], "order_id": [float(2**53)]})
    OrderBook("ACME.F").apply(whole)
    with pytest.raises(InputError, match="has gap 2"):
        OrderBook("ACME.F").apply(whole.assign(gap=2))
