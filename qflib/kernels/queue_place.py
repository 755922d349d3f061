"""Where our orders stand in a queue that the venue tells order by order: exactly.

Each of our orders remembers the last venue order in front of it (`last_ahead`). A venue order stands before ours if
ours remembers it, or one behind it in the venue's queue. What leaves there brings ours nearer, what leaves behind does
not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book import BookState, find_level, rank_of
from qflib.kernels.jit import kernel
from qflib.kernels.own_orders import NOBODY, Overlay, consumed_at

_ZERO = np.uint64(0)


@kernel
def _remember(b: BookState, o: Overlay, slot: Any, row: Any) -> None:
    """The order of a row is the last in front of ours; row 0: none is."""
    o.own[slot].known = np.int64(row != _ZERO)
    o.own[slot].last_ahead = b.orders[row].id if row != _ZERO else _ZERO


@kernel
def join(b: BookState, o: Overlay, slot: Any) -> None:
    """Our order comes to its queue: all that are there stand before it. O(1)."""
    k, side, price = o.own[slot].instrument, o.own[slot].side, o.own[slot].price
    book = 2 * k + side - 1
    level = np.uint64(find_level(b, book, rank_of(book, price)))
    _remember(b, o, slot, np.uint64(b.levels[level].tail) if level != _ZERO else _ZERO)


@kernel
def first_behind(b: BookState, o: Overlay, k: Any, side: Any, price: Any, row: Any) -> Any:
    """The first of our orders that a venue order stands before, all later ones at the price too; NOBODY: none.

    O(the venue's orders behind it), where we have orders at its price.
    """
    first = o.head[2 * k + side - 1]
    while first >= 0 and o.own[first].price != price:
        first = o.own[first].next
    if first < 0:
        return NOBODY
    at = np.uint64(row)
    while at != _ZERO:
        s = first
        while s >= 0 and o.own[s].price == price:
            if o.own[s].known == 1 and o.own[s].last_ahead == b.orders[at].id:
                return s
            s = o.own[s].next
        at = np.uint64(b.orders[at].next)
    return NOBODY


@kernel
def come_nearer(o: Overlay, first: Any, lots: Any) -> None:
    """Lots before one of our orders, and those behind it at its price, are gone."""
    s, price = first, o.own[first].price
    while s >= 0 and o.own[s].price == price:
        o.own[s].ahead = max(o.own[s].ahead - lots, 0)
        s = o.own[s].next


@kernel
def leave(b: BookState, o: Overlay, first: Any, order_id: Any, before: Any) -> None:
    """A venue order is no longer in front of ours: those that remember it remember the row before it."""
    s, price = first, o.own[first].price
    while s >= 0 and o.own[s].price == price:
        if o.own[s].known == 1 and o.own[s].last_ahead == order_id:
            _remember(b, o, s, before)
        s = o.own[s].next


@kernel
def find_again(b: BookState, o: Overlay, slot: Any) -> None:
    """After a snapshot: our order's place by the order it remembers; else behind as many lots as before. O(queue)."""
    k, side, price = o.own[slot].instrument, o.own[slot].side, o.own[slot].price
    book = 2 * k + side - 1
    level = np.uint64(find_level(b, book, rank_of(book, price)))
    if level == _ZERO:
        o.own[slot].ahead = 0
        _remember(b, o, slot, _ZERO)
        return
    orders: Any = np.int64(0)
    row = np.uint64(b.levels[level].head)
    while row != _ZERO:
        orders += b.orders[row].qty
        row = np.uint64(b.orders[row].next)
    consumed = np.int64(consumed_at(o, k, side, price))
    wanted = o.own[slot].ahead + consumed
    before: Any = np.int64(b.levels[level].qty) - orders  # told without orders: stands before them
    there, found = _ZERO, _ZERO
    row = np.uint64(b.levels[level].head)
    while row != _ZERO and found == _ZERO:
        if before < wanted:
            there = row
        before += b.orders[row].qty
        if o.own[slot].known == 1 and b.orders[row].id == o.own[slot].last_ahead:
            found = row
        row = np.uint64(b.orders[row].next)
    if found != _ZERO:
        o.own[slot].ahead = max(before - consumed, 0)
        _remember(b, o, slot, found)
    else:
        o.own[slot].ahead = max(min(o.own[slot].ahead, np.int64(b.levels[level].qty) - consumed), 0)
        _remember(b, o, slot, there)
