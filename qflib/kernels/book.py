"""Events on order books: full queues (L3), told levels (L2) and quotes, many instruments in one state.

`apply_event` changes one book by one event, in O(1) but for a level that comes or goes far from the best. It returns
OK or OVERDRAWN, or a code below zero, and then no book has changed; on NEED_ORDERS or NEED_LEVELS grow the state and
apply the same event again. An order waits behind what stood at its level before it. A level's quantity that was told
without orders (LEVEL, QUOTE) stands before its orders; telling a level replaces its orders.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.bits import signed
from qflib.kernels.book_ids import cell_of, find_cell, forget_cell, hash_of, is_beyond, row_in_cell
from qflib.kernels.book_levels import (
    best,
    drop_level,
    find_level,
    level_for,
    level_orders,
    level_qty,
    make_level,
    next_price,
    rank_of,
    take_level_out,
    worse_level,
)
from qflib.kernels.book_queues import (
    first_order,
    free_order,
    link_order,
    next_order,
    place_hashed,
    place_in_cell,
    unlink_order,
)
from qflib.kernels.book_state import (
    BAD_INSTRUMENT,
    BAD_PRICE,
    BAD_QTY,
    BAD_SIDE,
    DUPLICATE_ID,
    ID_BOUND,
    ID_WANTED,
    MAX_QTY,
    NEED_LEVELS,
    NEED_ORDERS,
    NO_PRICE,
    OK,
    ORDER_FREE,
    OVERDRAWN,
    UNKNOWN_ID,
    UNKNOWN_KIND,
    BookState,
    Int,
    grow,
    new_state,
    with_instruments,
)
from qflib.kernels.jit import folded, lean_kernel

__all__ = [
    "BAD_INSTRUMENT", "BAD_PRICE", "BAD_QTY", "BAD_SIDE", "DUPLICATE_ID", "MAX_QTY", "NEED_LEVELS",
    "NEED_ORDERS", "NO_PRICE", "OK", "UNKNOWN_ID", "UNKNOWN_KIND", "BookState", "apply_event", "best",
    "clear_side", "drop_level", "find_cell", "find_level", "find_order", "first_order", "forget_cell", "free_order",
    "grow", "level_orders", "level_qty", "link_order", "make_level", "new_state", "next_order", "next_price",
    "place_in_cell", "place_order", "qty_ahead", "rank_of", "row_in_cell", "take_off", "unlink_order",
    "with_instruments", "worse_level",
]  # fmt: skip

ADD, MODIFY, CANCEL, EXECUTE, TRADE, LEVEL, CLEAR, STATUS, QUOTE, SETTLEMENT = range(1, 11)

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_MAX_QTY = np.uint64(MAX_QTY)


@lean_kernel
def apply_event(
    b: BookState, kind: Int, flags: Int, instrument: Int, side: Int, order_id: Int, price_ticks: Int, qty: Int
) -> Int:
    """Apply one event of `MarketEvents` to its instrument's books.

    Parameters
    ----------
    b
        The books; changed in place.
    kind, flags, instrument, side, order_id, price_ticks, qty
        As the columns of the record; `order_id` is any uint64, zero too.

    Returns
    -------
    status
        OK; OVERDRAWN (cancel, execute: of more than the order had, which went); UNKNOWN_ID (modify, cancel, execute),
        DUPLICATE_ID (add), BAD_QTY (negative, an add of 0, or a level over 2**60 lots), BAD_SIDE, BAD_PRICE (-2**63),
        BAD_INSTRUMENT, UNKNOWN_KIND; NEED_ORDERS, NEED_LEVELS.

    Notes
    -----
    MODIFY with quantity 0 takes the order out; with a side other than its own it moves it there. EXECUTE records the
    event's price and quantity as the last trade. CLEAR empties both sides and keeps last trade, status and settlement.
    """
    i, s, oid = np.int64(instrument), np.int64(side), np.uint64(order_id)
    return signed(apply_one(b, np.int64(kind), i, s, oid, np.int64(price_ticks), np.int64(qty)))


@folded
def apply_one(b: BookState, kind: Any, instrument: Any, side: Any, oid: Any, price: Any, qty: Any) -> Any:
    """As `apply_event`, in the caller; int64 all but the id, a uint64."""
    return apply_hashed(b, kind, instrument, side, oid, hash_of(instrument, oid), price, qty)


@folded
def apply_hashed(b: BookState, kind: Any, instrument: Any, side: Any, oid: Any, h: Any, price: Any, qty: Any) -> Any:
    """As `apply_one`, by the order's hash; of an id in the array it is not read."""
    status: Any = np.int64(OK)
    if np.uint64(instrument) >= np.uint64(len(b.info)):
        status = BAD_INSTRUMENT
    elif kind == ADD:
        status = _add(b, instrument, side, oid, h, price, qty)
    elif kind in (CANCEL, EXECUTE):
        cell = cell_of(b, instrument, oid, h)
        row = row_in_cell(b, cell)
        if qty < 0:
            status = BAD_QTY
        elif row == _ZERO:
            status = UNKNOWN_ID
        else:
            status = np.int64(OVERDRAWN) if qty > b.orders[row].qty else np.int64(OK)
            take_off(b, cell, row, qty)
            if kind == EXECUTE:
                i = np.uint64(instrument)
                b.info[i].last_ticks = price
                b.info[i].last_qty = qty
    elif kind == MODIFY:
        status = _modify(b, instrument, side, oid, price, qty)
    else:
        status = _apply_rest(b, kind, instrument, side, price, qty)
    return np.int64(status)


@lean_kernel
def _apply_rest(b: BookState, kind: Int, i: Int, side: Int, price: Int, qty: Int) -> Int:
    """What names no order."""
    status: Any = np.int64(OK)
    if kind == LEVEL:
        status = _tell_level(b, i, side, price, qty)
    elif kind == QUOTE:
        status = _quote(b, i, side, price, qty)
    elif kind == TRADE:
        if qty < 0:
            status = BAD_QTY
        else:
            b.info[i].last_ticks = price
            b.info[i].last_qty = qty
    elif kind == CLEAR:
        clear_side(b, 2 * i)
        clear_side(b, 2 * i + 1)
    elif kind == STATUS:
        b.info[i].status = np.uint32(qty)
    elif kind == SETTLEMENT:
        b.info[i].settlement_ticks = price
        b.info[i].settled = 1
    else:
        status = UNKNOWN_KIND
    return signed(status)


@lean_kernel
def find_order(b: BookState, instrument: Int, order_id: Int) -> Int:
    """Row of an order in `b.orders`; 0: unknown. O(1)."""
    return signed(row_in_cell(b, find_cell(b, np.int64(instrument), np.uint64(order_id))))


@lean_kernel
def qty_ahead(b: BookState, row: Int) -> Int:
    """Lots that stand before an order at its price. O(orders behind it)."""
    level = np.uint64(b.orders[row].level)
    ahead = b.levels[level].qty
    at = np.uint64(row)
    while at != _ZERO:
        ahead -= b.orders[at].qty
        at = np.uint64(b.orders[at].next)
    return signed(ahead)


@lean_kernel
def place_order(b: BookState, instrument: Int, order_id: Int, qty: Int, level: Int) -> None:
    """Put an unknown order at the end of the queue of a level's row; there must be a free order row. O(1)."""
    oid, k = np.uint64(order_id), np.int64(instrument)
    place_in_cell(b, find_cell(b, k, oid), k, oid, qty, np.uint64(level))


@lean_kernel
def clear_side(b: BookState, book: Int) -> None:
    """Empty one side of one instrument (book = 2 * instrument + side - 1). O(what is there)."""
    while b.books[book].best != 0:
        row = np.int64(b.books[book].best)
        _empty_level(b, row)
        drop_level(b, row)


@folded
def take_off(b: BookState, cell: Any, row: Any, qty: Any) -> None:
    """Take a quantity off the order in a cell; all of it takes the order out, and its level if nothing is left."""
    level = np.uint64(b.orders[row].level)
    if qty < b.orders[row].qty:
        b.orders[row].qty -= qty
        b.levels[level].qty -= qty
    else:
        unlink_order(b, row, level)
        forget_cell(b, cell)
        free_order(b, row)
        if b.levels[level].qty == 0:
            take_level_out(b, level)


@lean_kernel
def _empty_level(b: BookState, level: Int) -> None:
    """Forget a level's orders and quantity."""
    l = np.uint64(level)
    instrument = np.int64(b.levels[l].book) >> 1
    row = np.uint64(b.levels[l].head)
    while row != _ZERO:
        after = np.uint64(b.orders[row].next)
        forget_cell(b, find_cell(b, instrument, b.orders[row].id))
        free_order(b, row)
        row = after
    b.levels[l].qty = 0
    b.levels[l].count = 0
    b.levels[l].head = 0
    b.levels[l].tail = 0


@folded
def _add(b: BookState, instrument: Any, side: Any, oid: Any, h: Any, price: Any, qty: Any) -> Any:
    cell = cell_of(b, instrument, oid, h)
    status: Any = np.int64(OK)
    if (
        np.uint64(side - 1) > _ONE
        or np.uint64(qty - 1) >= _MAX_QTY
        or price == NO_PRICE
        or row_in_cell(b, cell) != _ZERO
        or b.heads[ORDER_FREE] == 0
        or is_beyond(b, cell, oid)
    ):
        status = np.int64(_refusal(b, row_in_cell(b, cell), side, oid, price, qty))
    else:
        book = 2 * instrument + side - 1
        level = np.uint64(level_for(b, book, rank_of(book, price)))
        if level == _ZERO:
            status = np.int64(NEED_LEVELS)
        elif b.levels[level].qty > MAX_QTY - qty:
            status = np.int64(BAD_QTY)
        else:
            place_hashed(b, cell, h, instrument, oid, qty, level)
    return status


@lean_kernel
def _refusal(b: BookState, row: Int, side: Int, oid: Int, price: Int, qty: Int) -> Int:
    """Why an add does not go as it is."""
    status = _check(side, price, qty)
    if qty == 0:
        status = np.int64(BAD_QTY)
    elif row != 0:
        status = np.int64(DUPLICATE_ID)
    elif status == OK:
        status = np.int64(NEED_ORDERS)
        if np.uint64(len(b.rows_by_id)) <= oid < np.uint64(b.heads[ID_BOUND]):
            b.heads[ID_WANTED] = np.int64(oid)
    return signed(status)


@lean_kernel
def _modify(b: BookState, instrument: Int, side: Int, oid: Int, price: Int, qty: Int) -> Int:
    cell = find_cell(b, np.int64(instrument), np.uint64(oid))
    row = np.uint64(row_in_cell(b, cell))
    if row == _ZERO:
        return UNKNOWN_ID
    level = np.uint64(b.orders[row].level)
    book = np.int64(b.levels[level].book)
    own = (book & 1) + 1
    status = _check(own if side == 0 else side, price, qty)
    if status != OK:
        return signed(status)
    if qty == 0:
        take_off(b, cell, row, b.orders[row].qty)
        return OK
    if side != 0:
        book = 2 * np.int64(instrument) + np.int64(side) - 1
    had = b.orders[row].qty
    rank = rank_of(book, price)
    if book == np.int64(b.levels[level].book) and rank == b.levels[level].rank:
        if qty <= had:
            b.orders[row].qty = qty
            b.levels[level].qty -= had - qty
            return OK
        if b.levels[level].qty - had > MAX_QTY - qty:
            return BAD_QTY
        unlink_order(b, row, level)
        b.orders[row].qty = qty
        link_order(b, row, level)
        return OK
    target = np.uint64(make_level(b, book, rank))
    if target == _ZERO:
        return NEED_LEVELS
    if b.levels[target].qty > MAX_QTY - qty:
        return BAD_QTY
    unlink_order(b, row, level)
    b.orders[row].qty = qty
    link_order(b, row, target)
    if b.levels[level].qty == 0:
        drop_level(b, np.int64(level))
    return OK


@lean_kernel
def _tell_level(b: BookState, instrument: Int, side: Int, price: Int, qty: Int) -> Int:
    status = _check(side, price, qty)
    if status != OK:
        return signed(status)
    book = 2 * instrument + side - 1
    rank = rank_of(book, price)
    if qty == 0:
        row: Int = find_level(b, book, rank)
        if row != 0:
            _empty_level(b, row)
            drop_level(b, row)
        return OK
    row = make_level(b, book, rank)
    if row == 0:
        return NEED_LEVELS
    if b.levels[row].count != 0:
        _empty_level(b, row)
    b.levels[row].qty = qty
    return OK


@lean_kernel
def _quote(b: BookState, instrument: Int, side: Int, price: Int, qty: Int) -> Int:
    status = _check(side, price, qty)
    if status != OK:
        return signed(status)
    book = 2 * instrument + side - 1
    kept: Int = 0
    if qty != 0:
        kept = make_level(b, book, rank_of(book, price))
        if kept == 0:
            return NEED_LEVELS
    row = np.int64(b.books[book].best)
    while row != 0:
        worse = worse_level(b, book, b.levels[row].rank)
        _empty_level(b, row)
        if row != kept:
            drop_level(b, row)
        row = np.int64(worse)
    if kept != 0:
        b.levels[kept].qty = qty
    return OK


@folded
def _check(side: Any, price: Any, qty: Any) -> Any:
    """What is wrong with a level's side, price or quantity."""
    status: Any = np.int64(OK)
    if side != 1 and side != 2:  # noqa: PLR1714
        status = np.int64(BAD_SIDE)
    elif qty < 0 or qty > MAX_QTY:
        status = np.int64(BAD_QTY)
    elif price == NO_PRICE:
        status = np.int64(BAD_PRICE)
    return status
