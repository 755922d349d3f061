"""Matching our orders by price and time against the venue's liquidity and our own resting orders.

The venue's book stays as the venue tells it. What of a venue level is still to be had is its quantity less what we
consumed there. A queue at one price is, from the front: the venue's lots that stood before our first order (`ahead`),
our order, the venue's lots between it and our next one, and so on; the venue's later lots last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book import NO_PRICE, BookState, best, find_level, level_qty, next_price, rank_of
from qflib.kernels.jit import inlined, kernel
from qflib.kernels.own_orders import CONSUMED_FREE, N_FILLS, NO_ID, NOBODY, Overlay, consume, consumed_at, fill, link
from qflib.kernels.queue_place import join

DONE, MORE = 0, 1
MARKET = 1


@inlined
def better(side: Any, a: Any, b: Any) -> Any:
    """Whether price a is better than b on a side of the book."""
    return a > b if side == 1 else a < b


@kernel
def available(b: BookState, o: Overlay, k: Any, side: Any, price: Any) -> Any:
    """Venue lots at a price that we have not consumed."""
    return max(level_qty(b, k, side, price) - consumed_at(o, k, side, price), 0)


@kernel
def best_available(b: BookState, o: Overlay, k: Any, side: Any) -> int:
    """Best venue price with something left to be had; NO_PRICE: none."""
    price = best(b, k, side)
    while price != NO_PRICE and available(b, o, k, side, price) == 0:
        price = next_price(b, k, side, price)
    return int(price)


@kernel
def venue_order(b: BookState, k: Any, side: Any, price: Any, skip: Any) -> tuple[np.uint64, int]:
    """Id and lots left of the venue order that holds the lot after the first `skip`; id 0 where only levels are told.

    O(orders before it).
    """
    book = 2 * k + side - 1
    level = np.uint64(find_level(b, book, rank_of(book, price)))
    row = np.uint64(b.levels[level].head)
    orders: Any = np.int64(0)
    at = row
    while at != np.uint64(0):
        orders += b.orders[at].qty
        at = np.uint64(b.orders[at].next)
    past = np.int64(b.levels[level].qty) - orders  # told without orders: stands before them
    if skip < past:
        return np.uint64(0), past - skip
    while row != np.uint64(0):
        past += b.orders[row].qty
        if skip < past:
            return b.orders[row].id, past - skip
        row = np.uint64(b.orders[row].next)
    return np.uint64(0), 0


@kernel
def fillable(b: BookState, o: Overlay, k: Any, side: Any, price: Any, market: Any, want: Any) -> int:
    """Lots that an order could get now, counted up to `want`."""
    other = 3 - side
    got: Any = 0
    p = best(b, k, other)
    while p != NO_PRICE and got < want and (market == MARKET or not better(other, price, p)):
        got += available(b, o, k, other, p)
        p = next_price(b, k, other, p)
    s = o.head[2 * k + other - 1]
    while s >= 0 and got < want and (market == MARKET or not better(other, price, o.own[s].price)):
        got += o.own[s].leaves
        s = o.own[s].next
    return int(min(got, want))


@kernel
def take(b: BookState, o: Overlay, slot: Any, market: Any) -> int:
    """Match an order that comes in until nothing more is to be had at its price.

    Parameters
    ----------
    b
        The venue's books; read.
    o
        Our side: the order's leaves, resting orders, consumed levels and fills change.
    slot
        The order.
    market
        MARKET: at any price.

    Returns
    -------
    status
        DONE, or MORE: take out the fills, grow what is full and call again.

    Notes
    -----
    O(fills + consumed levels of the instrument). One fill a venue order or own order met, best price first, then by
    place in the queue.
    """
    k, side, limit = o.own[slot].instrument, o.own[slot].side, o.own[slot].price
    other = 3 - side
    while o.own[slot].leaves > 0:
        if o.counts[N_FILLS] == len(o.fills) or o.counts[CONSUMED_FREE] < 0:
            return MORE
        p = best_available(b, o, k, other)
        s = o.head[2 * k + other - 1]
        own = s >= 0 and (p == NO_PRICE or not better(other, p, o.own[s].price))
        at = o.own[s].price if own else p
        if at == NO_PRICE or (market != MARKET and better(other, limit, at)):
            return DONE
        n = o.own[slot].leaves
        venue = available(b, o, k, other, at)
        if own:
            venue = min(venue, o.own[s].ahead)
        if venue > 0:
            oid, lots = venue_order(b, k, other, at, consumed_at(o, k, other, at))
            n = min(n, venue, lots)
            consume(o, k, other, at, n)
            advance(o, k, other, at, n)
            fill(o, NOBODY, slot, oid, at, n)
        else:
            fill(o, s, slot, NO_ID, at, min(n, o.own[s].leaves))
    return DONE


@kernel
def advance(o: Overlay, k: Any, side: Any, price: Any, qty: Any) -> None:
    """Lots in front of our orders at a price are gone."""
    s = o.head[2 * k + side - 1]
    while s >= 0 and not better(side, price, o.own[s].price):
        if o.own[s].price == price:
            o.own[s].ahead = max(o.own[s].ahead - qty, 0)
        s = o.own[s].next


@kernel
def rest(b: BookState, o: Overlay, slot: Any) -> None:
    """What is left of an order waits behind everything at its price."""
    k, side, price = o.own[slot].instrument, o.own[slot].side, o.own[slot].price
    o.own[slot].ahead = available(b, o, k, side, price)
    if o.levels[k] == 0:
        join(b, o, slot)
    link(o, slot)
