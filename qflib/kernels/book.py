"""Events on order books: full queues (L3), told levels (L2) and quotes, many instruments in one state.

`apply_event` changes one book by one event, in O(1) but for a level that comes or goes far from the best. It returns
OK, or a code below zero, and then no book has changed; on NEED_ORDERS or NEED_LEVELS grow the state and apply the same
event again. An order waits behind what stood at its level before it. A level's quantity that was told without
orders (LEVEL, QUOTE) stands before its orders; telling a level replaces its orders.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.bits import signed
from qflib.kernels.book_levels import (
    best,
    drop_level,
    find_level,
    level_orders,
    level_qty,
    make_level,
    next_price,
    rank_of,
    worse_level,
)
from qflib.kernels.book_state import (
    BAD_INSTRUMENT,
    BAD_PRICE,
    BAD_QTY,
    BAD_SIDE,
    DUPLICATE_ID,
    MAX_QTY,
    NEED_LEVELS,
    NEED_ORDERS,
    NO_PRICE,
    OK,
    ORDER_FREE,
    ORDER_LIVE,
    UNKNOWN_ID,
    UNKNOWN_KIND,
    BookState,
    Int,
    grow,
    home,
    new_state,
    with_instruments,
)
from qflib.kernels.jit import inlined, lean_kernel

__all__ = [
    "BAD_INSTRUMENT", "BAD_PRICE", "BAD_QTY", "BAD_SIDE", "DUPLICATE_ID", "MAX_QTY", "NEED_LEVELS",
    "NEED_ORDERS", "NO_PRICE", "OK", "UNKNOWN_ID", "UNKNOWN_KIND", "BookState", "apply_event", "best",
    "find_level", "find_order", "grow", "level_orders", "level_qty", "new_state", "next_price", "place_order",
    "qty_ahead", "rank_of", "with_instruments", "worse_level",
]  # fmt: skip

ADD, MODIFY, CANCEL, EXECUTE, TRADE, LEVEL, CLEAR, STATUS, QUOTE, SETTLEMENT = range(1, 11)

_ONE = np.uint64(1)
_ZERO = np.uint64(0)


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
        OK; UNKNOWN_ID (modify, cancel, execute), DUPLICATE_ID (add), BAD_QTY (negative, an add of 0, or a level over
        2**60 lots), BAD_SIDE, BAD_PRICE (-2**63), BAD_INSTRUMENT, UNKNOWN_KIND; NEED_ORDERS, NEED_LEVELS.

    Notes
    -----
    MODIFY with quantity 0 takes the order out; with a side other than its own it moves it there. EXECUTE records the
    event's price and quantity as the last trade. CLEAR empties both sides and keeps last trade, status and settlement.
    """
    i, s, oid = np.int64(instrument), np.int64(side), np.uint64(order_id)
    if i < 0 or i >= len(b.info):
        return BAD_INSTRUMENT
    if kind == ADD:
        return _add(b, i, s, oid, price_ticks, qty)
    if kind in (CANCEL, EXECUTE):
        if qty < 0:
            return BAD_QTY
        cell = find_cell(b, i, oid)
        row = np.uint64(b.cells[cell].row)
        if row == _ZERO:
            return UNKNOWN_ID
        _shrink(b, cell, row, qty)
        if kind == EXECUTE:
            b.info[i].last_ticks = price_ticks
            b.info[i].last_qty = qty
        return OK
    if kind == MODIFY:
        return _modify(b, i, s, oid, price_ticks, qty)
    if kind == LEVEL:
        return _tell_level(b, i, s, price_ticks, qty)
    if kind == QUOTE:
        return _quote(b, i, s, price_ticks, qty)
    if kind == TRADE:
        if qty < 0:
            return BAD_QTY
        b.info[i].last_ticks = price_ticks
        b.info[i].last_qty = qty
        return OK
    if kind == CLEAR:
        clear_side(b, 2 * i)
        clear_side(b, 2 * i + 1)
        return OK
    if kind == STATUS:
        b.info[i].status = np.uint32(qty)
        return OK
    if kind == SETTLEMENT:
        b.info[i].settlement_ticks = price_ticks
        b.info[i].settled = 1
        return OK
    return UNKNOWN_KIND


@lean_kernel
def find_order(b: BookState, instrument: Int, order_id: Int) -> Int:
    """Row of an order in `b.orders`; 0: unknown. O(1)."""
    return signed(b.cells[find_cell(b, instrument, np.uint64(order_id))].row)


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
    oid = np.uint64(order_id)
    place_in_cell(b, find_cell(b, instrument, oid), instrument, oid, qty, np.uint64(level))


@lean_kernel
def clear_side(b: BookState, book: Int) -> None:
    """Empty one side of one instrument (book = 2 * instrument + side - 1). O(what is there)."""
    while b.books[book].best != 0:
        row = np.int64(b.books[book].best)
        _empty_level(b, row)
        drop_level(b, row)


@inlined
def find_cell(b: BookState, instrument: Any, oid: Any) -> Any:
    """The table's cell of an order, or the free cell where it would go."""
    mask = np.uint64(len(b.cells) - 1)
    i = home(b, instrument, oid)
    while b.cells[i].row != 0 and not (b.cells[i].id == oid and b.cells[i].instrument == instrument):
        i = (i + _ONE) & mask
    return i


@inlined
def forget_cell(b: BookState, cell: Any) -> None:
    """Empty a cell; cells behind it move up where their search would break (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask = np.uint64(len(b.cells) - 1)
    i = cell
    j = (i + _ONE) & mask
    while b.cells[j].row != 0:
        start = home(b, b.cells[j].instrument, b.cells[j].id)
        if ((j - start) & mask) >= ((j - i) & mask):
            b.cells[i].id = b.cells[j].id
            b.cells[i].row = b.cells[j].row
            b.cells[i].instrument = b.cells[j].instrument
            i = j
        j = (j + _ONE) & mask
    b.cells[i].row = 0


@inlined
def link_order(b: BookState, row: Any, level: Any) -> None:
    """Put an order at the end of a level's queue."""
    tail = np.uint64(b.levels[level].tail)
    b.orders[row].level = level
    b.orders[row].prev = tail
    b.orders[row].next = 0
    if tail == _ZERO:
        b.levels[level].head = row
    else:
        b.orders[tail].next = row
    b.levels[level].tail = row
    b.levels[level].count += np.uint32(1)
    b.levels[level].qty += b.orders[row].qty


@inlined
def unlink_order(b: BookState, row: Any, level: Any) -> None:
    """Take an order out of its queue; its level stays, even empty."""
    before, after = np.uint64(b.orders[row].prev), np.uint64(b.orders[row].next)
    if before == _ZERO:
        b.levels[level].head = after
    else:
        b.orders[before].next = after
    if after == _ZERO:
        b.levels[level].tail = before
    else:
        b.orders[after].prev = before
    b.levels[level].count -= np.uint32(1)
    b.levels[level].qty -= b.orders[row].qty


@inlined
def free_order(b: BookState, row: Any) -> None:
    b.orders[row].next = b.heads[ORDER_FREE]
    b.heads[ORDER_FREE] = row
    b.heads[ORDER_LIVE] -= 1


@inlined
def _shrink(b: BookState, cell: Any, row: Any, qty: Any) -> None:
    """Take a quantity off an order; all of it takes the order out."""
    level = np.uint64(b.orders[row].level)
    if qty < b.orders[row].qty:
        b.orders[row].qty -= qty
        b.levels[level].qty -= qty
    else:
        unlink_order(b, row, level)
        forget_cell(b, cell)
        free_order(b, row)
        if b.levels[level].qty == 0:
            drop_level(b, np.int64(level))


@lean_kernel
def _empty_level(b: BookState, level: Int) -> None:
    """Forget a level's orders and quantity."""
    l = np.uint64(level)
    instrument = b.levels[l].book >> np.uint32(1)
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


@inlined
def place_in_cell(b: BookState, cell: Any, instrument: Any, oid: Any, qty: Any, level: Any) -> Any:
    """Put a new order at the end of a level's queue; its row. There must be one free."""
    row = np.uint64(b.heads[ORDER_FREE])
    b.heads[ORDER_FREE] = b.orders[row].next
    b.heads[ORDER_LIVE] += 1
    b.cells[cell].id = oid
    b.cells[cell].row = row
    b.cells[cell].instrument = instrument
    b.orders[row].id = oid
    b.orders[row].qty = qty
    link_order(b, row, level)
    return row


@inlined
def _add(b: BookState, instrument: Any, side: Any, oid: Any, price: Any, qty: Any) -> Int:
    book = 2 * np.int64(instrument) + np.int64(side) - 1
    cell = find_cell(b, instrument, oid)
    status = _check(b, side, price, qty)
    if qty == 0:
        status = BAD_QTY
    elif b.cells[cell].row != 0:
        status = DUPLICATE_ID
    elif status == OK and b.heads[ORDER_FREE] == 0:
        status = NEED_ORDERS
    if status == OK:
        level = np.uint64(make_level(b, book, rank_of(book, price)))
        if level == _ZERO:
            status = NEED_LEVELS
        elif b.levels[level].qty > MAX_QTY - qty:
            status = BAD_QTY
        else:
            place_in_cell(b, cell, instrument, oid, qty, level)
    return status


@lean_kernel
def _modify(b: BookState, instrument: Int, side: Int, oid: Int, price: Int, qty: Int) -> Int:
    cell = find_cell(b, instrument, np.uint64(oid))
    row = np.uint64(b.cells[cell].row)
    if row == _ZERO:
        return UNKNOWN_ID
    level = np.uint64(b.orders[row].level)
    book = np.int64(b.levels[level].book)
    own = (book & 1) + 1
    status = _check(b, own if side == 0 else side, price, qty)
    if status != OK:
        return status
    if qty == 0:
        _shrink(b, cell, row, b.orders[row].qty)
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
    status = _check(b, side, price, qty)
    if status != OK:
        return status
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
    status = _check(b, side, price, qty)
    if status != OK:
        return status
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


@inlined
def _check(b: BookState, side: Any, price: Any, qty: Any) -> Int:
    """What is wrong with a level's side, price or quantity."""
    status: Int = OK
    if side != 1 and side != 2:  # noqa: PLR1714
        status = BAD_SIDE
    elif qty < 0 or qty > MAX_QTY:
        status = BAD_QTY
    elif price == NO_PRICE:
        status = BAD_PRICE
    return status
