"""An order of the matching engine: into its queue, out of it, shrunk, shown again; and what is told of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book_ids import find_cell, forget_cell, row_in_cell
from qflib.kernels.book_levels import drop_level, make_level, rank_of
from qflib.kernels.book_queues import free_order, link_order, place_in_cell, unlink_order
from qflib.kernels.book_state import Int
from qflib.kernels.engine_codes import (
    CONTINUOUS,
    DARK,
    FIFO,
    FILLED,
    FOR_CLOSE,
    HAS_MORE,
    HIDDEN,
    N_EVENTS,
    NO_REASON,
    NOBODY,
    NOW,
    PARKED,
    RESTING,
    SHOWN,
    STOP_WAITS,
    STOPS,
    TOP,
    TRADED,
)
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_types import expires
from qflib.kernels.jit import folded, lean_kernel

_ONE = np.uint64(1)


@folded
def tell(
    e: EngineState, kind: Any, side: Any, reason: Any, flags: Any, instrument: Any,
    oid: Any, contra: Any, price: Any, qty: Any, leaves: Any, contra_leaves: Any,
) -> None:  # fmt: skip
    """Write an event; there is room."""
    write_event(
        e.events, e.work[N_EVENTS], e.work[NOW], np.int64(kind), np.int64(side), np.int64(reason), np.int64(flags),
        np.int64(instrument), np.uint64(oid), np.uint64(contra), np.int64(price), np.int64(qty), np.int64(leaves),
        np.int64(contra_leaves),
    )  # fmt: skip
    e.work[N_EVENTS] += 1


@folded
def write_event(
    events: NDArray[Any], at: Int, now: Int, kind: Int, side: Int, reason: Int, flags: Int, instrument: Int,
    oid: Int, contra: Int, price: Int, qty: Int, leaves: Int, contra_leaves: Int,
) -> None:  # fmt: skip
    """Write an event at a place: compiled once, not wherever something is told.

    Parameters
    ----------
    events, at
        Where.
    now, kind, side, reason, flags, instrument, oid, contra, price, qty, leaves, contra_leaves
        The event's.
    """
    x = events[np.uint64(at)]
    x.kind, x.side, x.reason, x.marks, x.instrument = kind, side, reason, flags, instrument
    x.order_id, x.contra_id, x.price_ticks, x.qty = oid, contra, price, qty
    x.leaves, x.contra_leaves, x.time_ns = leaves, contra_leaves, now


@folded
def bits_of(e: EngineState, row: Any) -> Any:
    """An order's tag."""
    return np.int64(e.tags[row].bits)


@folded
def reserve_of(e: EngineState, row: Any) -> Any:
    """Lots of an order that are not shown."""
    return e.more[row].reserve if np.int64(e.tags[row].bits) & HAS_MORE else np.int64(0)


@folded
def book_of(e: EngineState, row: Any) -> Any:
    """The side (2 * place row + side - 1) that an order rests on."""
    return np.int64(e.book.levels[np.uint64(e.book.orders[row].level)].book)


@folded
def side_of(e: EngineState, row: Any) -> Any:
    """An order's side; stops are queued on the other one, which puts the next trigger first."""
    book = book_of(e, row)
    side = (book & 1) + 1
    return 3 - side if book // (2 * len(e.rules)) == STOPS else side


@folded
def price_of(e: EngineState, row: Any) -> Any:
    """The price at which an order is queued; a waiting stop's trigger."""
    level = np.uint64(e.book.orders[row].level)
    return rank_of(e.book.levels[level].book, e.book.levels[level].rank)


@lean_kernel
def leaves_of(e: EngineState, row: Int) -> Int:
    """Open lots of an order, shown or not."""
    return np.int64(np.int64(e.book.orders[row].qty) + reserve_of(e, row))


@lean_kernel
def find(e: EngineState, k: Int, oid: Int) -> Int:
    """Row of a live order of an instrument wherever it waits; 0: none."""
    return np.int64(row_in_cell(e.book, find_cell(e.book, k, np.uint64(oid))))


@lean_kernel
def rest(
    e: EngineState, k: Int, place: Int, side: Int, price: Int, oid: Int, leaves: Int,
    account: Int, bits: Int, display: Int, expire_ns: Int, limit: Int,
) -> None:  # fmt: skip
    """Put an order at the end of its queue and tell it; there is room.

    Parameters
    ----------
    e
        The engine.
    k, place, side, price
        Where: an instrument, one of its places, the price it is queued by.
    oid, leaves, account, bits, display, expire_ns, limit
        The order; `limit` is the price of a stop that waits.
    """
    b = e.book
    book = 2 * (place * len(e.rules) + k) + (2 - side if place == STOPS else side - 1)
    shown = leaves
    if display > 0 and place == SHOWN:
        shown = min(display, leaves)
    rank = rank_of(book, price)
    best = np.uint64(b.books[np.uint64(book)].best)
    leads = best == NOBODY or rank > b.levels[best].rank
    level = np.uint64(make_level(b, book, rank))
    cell = find_cell(b, k, np.uint64(oid))
    row = place_in_cell(b, cell, k, np.uint64(oid), shown, level)
    if display > 0 or place == STOPS or expires(bits):
        bits |= HAS_MORE
        e.more[row].reserve = leaves - shown
        e.more[row].display = display
        e.more[row].expire_ns = expire_ns
        e.more[row].limit = limit
    e.tags[row].account = account
    if leads and place == SHOWN and e.rules[k].algorithm != FIFO and e.rules[k].session == CONTINUOUS:
        bits |= TOP
        _set_top(e, k, side, row)
    e.tags[row].bits = bits
    flags = HIDDEN if place == DARK or bits & HIDDEN else 0
    if place == STOPS:
        flags |= STOP_WAITS
    elif place == PARKED:
        flags |= FOR_CLOSE
    tell(e, RESTING, side, NO_REASON, flags, k, np.uint64(oid), NOBODY, price, shown, leaves, 0)


@lean_kernel
def withdraw(e: EngineState, k: Int, row: Int) -> None:
    """Take an order out, all of it."""
    b = e.book
    r = np.uint64(row)
    level = np.uint64(b.orders[r].level)
    if bits_of(e, r) & TOP:
        _set_top(e, k, side_of(e, r), NOBODY)
    forget_cell(b, find_cell(b, k, b.orders[r].id))
    unlink_order(b, r, level)
    free_order(b, r)
    if b.levels[level].qty == 0:
        drop_level(b, np.int64(level))


@lean_kernel
def traded(e: EngineState, row: Int, qty: Int) -> Int:
    """Take lots that traded off a resting order's shown quantity; what is left open of it.

    What follows from it, an iceberg that shows more or an order filled, is `after_trade`'s, once the trade is told.
    """
    b = e.book
    r = np.uint64(row)
    level = np.uint64(b.orders[r].level)
    reserve = reserve_of(e, r)
    left = np.int64(b.orders[r].qty) - qty
    b.orders[r].qty = left
    b.levels[level].qty -= qty
    return np.int64(left + reserve)


@lean_kernel
def after_trade(e: EngineState, k: Int, row: Int) -> None:
    """A resting order that shows nothing any more shows its reserve, or is filled."""
    b = e.book
    r = np.uint64(row)
    if b.orders[r].qty > 0:
        return
    level = np.uint64(b.orders[r].level)
    book = np.int64(b.levels[level].book)
    side = (book & 1) + 1
    price = rank_of(book, b.levels[level].rank)
    oid = b.orders[r].id
    reserve = reserve_of(e, r)
    if reserve > 0:
        shown = min(e.more[r].display, reserve)
        e.more[r].reserve = reserve - shown
        if bits_of(e, r) & TOP:
            _set_top(e, k, side, NOBODY)
        unlink_order(b, r, level)
        b.orders[r].qty = shown
        link_order(b, r, level)
        tell(e, RESTING, side, NO_REASON, 0, k, oid, NOBODY, price, shown, reserve, 0)
        return
    withdraw(e, k, row)
    tell(e, FILLED, side, NO_REASON, 0, k, oid, NOBODY, price, 0, 0, 0)


@lean_kernel
def tell_trade(
    e: EngineState, k: Int, side: Int, flags: Int, oid: Int, contra: Int, price: Int, qty: Int, leaves: Int, other: Int
) -> None:
    """A match; `side` is that of `oid`."""
    tell(e, TRADED, side, NO_REASON, flags, k, np.uint64(oid), np.uint64(contra), price, qty, leaves, other)
    e.book.info[k].last_ticks = price
    e.book.info[k].last_qty = qty


@lean_kernel
def _set_top(e: EngineState, k: Int, side: Int, row: Any) -> None:
    """The order that made the best price; the one before is no longer; 0: nobody."""
    former = e.rules[k].top_bid if side == 1 else e.rules[k].top_ask
    if former != 0:
        e.tags[former].bits = np.int64(e.tags[former].bits) & ~TOP
    if side == 1:
        e.rules[k].top_bid = row
    else:
        e.rules[k].top_ask = row
