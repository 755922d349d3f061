"""Rows of market data through the venue's books and past our orders: one call a batch, no Python an event.

What the venue tells us about our own resting orders, which it does not know (assumptions of a paper fill):

* A venue matches by price and time. Our order stands behind what was there when it came (`queue_place`).
* Where it tells orders, an order that is cancelled, executed or loses its place brings us nearer if it stood before us,
  and not if it stood behind. An EXECUTE of an order behind us, when nothing is before us, fills us first, at our price,
  up to its quantity; one at a worse price than ours (the trade went through us) fills us too. TRADE rows, told beside
  them, do not count.
* Where it tells levels, a TRADE at our price first eats the lots ahead of us, then fills us. A level that shrinks caps
  what is ahead of us: lots that went are first those behind us only while there are any.
* At a row with LAST (the book is whole), venue liquidity that crosses our price fills us at our price, once: what it
  gave is remembered as consumed. Not while the instrument is halted or closed.
* What we consumed of a level is forgotten when the venue contradicts it: it is at most the level's quantity, and a
  replaced quote starts anew. CLEAR and the rows of a snapshot change nothing of this until its last row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book import (
    NEED_ORDERS,
    NO_PRICE,
    BookState,
    apply_event,
    best,
    find_order,
    level_qty,
    next_price,
    rank_of,
)
from qflib.kernels.jit import kernel
from qflib.kernels.own_orders import (
    ASK,
    BID,
    FOR_ALL,
    N_CONSUMED,
    N_FILLS,
    N_TRADES,
    NOBODY,
    REFUSED_ROWS,
    SOURCE_TIME,
    UNKNOWN_ROWS,
    Overlay,
    consume,
    fill,
    forget,
)
from qflib.kernels.queue_place import come_nearer, find_again, first_behind, leave
from qflib.kernels.venue_matching import available, better

ADD, MODIFY, CANCEL, EXECUTE, TRADE, LEVEL, CLEAR, STATUS, QUOTE, SETTLEMENT = range(1, 11)
LAST, SNAPSHOT = 1, 2
SPARE = 64  # fills and consumed levels that the venue's crossing of us may add at one row
CONTINUOUS = 2

# Why `run_rows` stopped.
END, TIME, FILLED, NOTICE, FULL = 0, 1, 2, 3, 4


@kernel
def run_rows(
    b: BookState,
    o: Overlay,
    kinds: NDArray[np.uint32],
    flag_bits: NDArray[np.uint32],
    instrument: NDArray[np.uint32],
    sides: NDArray[np.uint32],
    order_id: NDArray[np.uint64],
    price_ticks: NDArray[np.int64],
    lots: NDArray[np.int64],
    venue_ns: NDArray[np.int64],
    receipt_ns: NDArray[np.int64],
    start: int,
    time_ns: int,
    limit_ns: int,
) -> tuple[int, int]:
    """Apply rows from `start` until something has to be told.

    Parameters
    ----------
    b, o
        The venue's books and our side; changed in place.
    kinds, flag_bits, instrument, sides, order_id, price_ticks, lots, venue_ns, receipt_ns
        Columns of `MarketEvents`, read-only and contiguous.
    start
        First row.
    time_ns
        Greatest receipt time of the source so far; `counts[SOURCE_TIME]` has it afterwards.
    limit_ns
        A row received at or after this time is not applied.

    Returns
    -------
    row, stop
        The next row, and END; TIME (`row` reaches the limit); FILLED or NOTICE (the row before `row` filled us, or told
        a status or settlement); FULL (grow, go on from `row`).

    Notes
    -----
    Amortised O(1) a row without our orders; O(own orders and consumed levels) on an instrument with some.
    """
    t = time_ns
    n = len(kinds)
    i, stop = start, END
    while i < n:
        r = receipt_ns[i]
        if r > t:
            if r >= limit_ns:
                stop = TIME
                break
            t = r
        k: Any = np.int64(instrument[i])
        if k >= len(o.newest):
            o.counts[UNKNOWN_ROWS] += 1
            i += 1
            continue
        kind: Any = np.int64(kinds[i])
        flags: Any = np.int64(flag_bits[i])
        side: Any = np.int64(sides[i])
        price, qty = price_ticks[i], lots[i]
        watched = o.watch[k] > 0
        before: Any = np.int64(0)
        resting, at = side, price
        oid = order_id[i]
        behind, left, before_it = NOBODY, np.int64(0), np.uint64(0)
        if kind == TRADE and o.counts[N_TRADES] == len(o.trades):
            stop = FULL
            break
        if watched:
            if o.counts[N_CONSUMED] + SPARE > len(o.consumed):
                stop = FULL
                break
            if kind in (CANCEL, EXECUTE, MODIFY) and o.levels[k] == 0:
                row = find_order(b, k, oid)
                if row > 0:
                    level = b.orders[row].level
                    book = np.int64(b.levels[level].book)
                    own_side, own_price = (book & 1) + 1, rank_of(book, b.levels[level].rank)
                    behind = first_behind(b, o, k, own_side, own_price, row)
                    left, before_it = np.int64(b.orders[row].qty), np.uint64(b.orders[row].prev)
                    if kind == EXECUTE:
                        resting, at = own_side, own_price
            elif kind == QUOTE and side in (1, 2):
                before = level_qty(b, k, side, price)
        status = apply_event(b, kind, flags, k, side, oid, price, qty)
        if status <= NEED_ORDERS:
            stop = FULL
            break
        i += 1
        o.newest[k] = max(o.newest[k], r)
        o.changed[k] = FOR_ALL
        o.changed_underlying[o.underlying[k]] = FOR_ALL
        if status < 0:
            o.counts[REFUSED_ROWS] += 1
            continue
        if kind == TRADE:
            tell_trade(o, k, side, price, qty, venue_ns[i - 1], r)
        if watched:
            if behind >= 0:
                nearer(b, o, kind, k, oid, behind, left, before_it)
            react(b, o, kind, flags, k, resting, oid, at, qty, before, behind)
            if o.counts[N_FILLS] > 0:
                stop = FILLED
                break
        if kind in (STATUS, SETTLEMENT):
            stop = NOTICE
            break
    o.counts[SOURCE_TIME] = t
    return i, stop


@kernel
def tell_trade(o: Overlay, k: Any, side: Any, price: Any, qty: Any, venue_ns: Any, receipt_ns: Any) -> None:
    """Keep a venue trade for the next publication."""
    j = o.counts[N_TRADES]
    o.counts[N_TRADES] = j + 1
    o.trades[j].instrument = k
    o.trades[j].side = side
    o.trades[j].price_ticks = price
    o.trades[j].qty = qty
    o.trades[j].venue_ns = venue_ns
    o.trades[j].receipt_ns = receipt_ns


@kernel
def react(
    b: BookState,
    o: Overlay,
    kind: Any,
    flags: Any,
    k: Any,
    side: Any,
    order_id: Any,
    price: Any,
    qty: Any,
    before: Any,
    behind: Any,
) -> None:
    """What a row that has been applied means for our orders on its instrument."""
    if kind == EXECUTE and o.levels[k] == 0:
        executed_order(o, k, side, order_id, price, qty, behind)
    elif kind == TRADE and o.levels[k] == 1:
        if side != 1:  # the aggressor sold, or is not told
            executed(o, k, BID, order_id, price, qty)
        if side != 2:
            executed(o, k, ASK, order_id, price, qty)
    if kind == CLEAR or flags & (SNAPSHOT | LAST) == SNAPSHOT:
        return
    if o.consumed_head[k] >= 0:
        reconsider(b, o, k, kind, side, price, qty, before)
    shrinks = flags & SNAPSHOT or kind in (CANCEL, MODIFY, EXECUTE, LEVEL, QUOTE)
    whole = flags & LAST and b.info[k].status in (0, CONTINUOUS)
    for s in (1, 2):
        slot = o.head[2 * k + s - 1]
        if slot < 0:
            continue
        if whole:
            p = best(b, k, 3 - s)
            if p != NO_PRICE and not better(3 - s, o.own[slot].price, p):
                crossed(b, o, k, s, order_id if kind in (ADD, MODIFY) else np.uint64(0))
                slot = o.head[2 * k + s - 1]
        while shrinks and slot >= 0:
            if flags & SNAPSHOT and o.levels[k] == 0:
                find_again(b, o, slot)
            elif o.own[slot].ahead > 0:
                o.own[slot].ahead = min(o.own[slot].ahead, available(b, o, k, s, o.own[slot].price))
            slot = o.own[slot].next


@kernel
def nearer(b: BookState, o: Overlay, kind: Any, k: Any, order_id: Any, behind: Any, had: Any, before_it: Any) -> None:
    """A venue order before ours has been cancelled, executed or modified.

    Parameters
    ----------
    b, o
        The venue's books afterwards, and our side.
    kind, k, order_id
        The row's.
    behind
        The first of our orders that it stood before.
    had, before_it
        Its lots, and the row of the order before it, as they were.
    """
    row = find_order(b, k, order_id)
    stays = False
    if row > 0:
        level = b.orders[row].level
        book = np.int64(b.levels[level].book)
        own, now = o.own[behind], np.int64(b.orders[row].qty)
        there = own.side == (book & 1) + 1 and own.price == rank_of(book, b.levels[level].rank)
        stays = there and (kind != MODIFY or now <= had)
        if stays:
            had -= now
    come_nearer(o, behind, had)
    if not stays:
        leave(b, o, behind, order_id, before_it)


@kernel
def executed_order(o: Overlay, k: Any, side: Any, order_id: Any, price: Any, qty: Any, behind: Any) -> None:
    """An order was executed at the venue: ours that it passed by, or that stood first and before it, are filled."""
    left = qty
    s = o.head[2 * k + side - 1]
    while s >= 0 and s != behind and left > 0 and not better(side, price, o.own[s].price):
        following, ours = o.own[s].next, o.own[s].price
        n = min(o.own[s].leaves, left) if ours != price or o.own[s].ahead == 0 else 0
        if n > 0:
            left -= n
            fill(o, s, NOBODY, order_id, ours, n)
        s = following


@kernel
def executed(o: Overlay, k: Any, side: Any, order_id: Any, price: Any, qty: Any) -> None:
    """Lots were traded at the venue on a side: our orders in front of them or passed by are filled."""
    passed, left = 0, qty
    s = o.head[2 * k + side - 1]
    while s >= 0 and left > 0 and not better(side, price, o.own[s].price):
        behind, ours = o.own[s].next, o.own[s].price
        if ours == price:
            eaten = min(max(o.own[s].ahead - passed, 0), left)
            passed += eaten
            left -= eaten
        n = min(o.own[s].leaves, left)
        if n > 0:
            left -= n
            fill(o, s, NOBODY, order_id, ours, n)
        s = behind
    s = o.head[2 * k + side - 1]
    while s >= 0 and not better(side, price, o.own[s].price):
        if o.own[s].price == price:
            o.own[s].ahead = max(o.own[s].ahead - passed, 0)
        s = o.own[s].next


@kernel
def reconsider(b: BookState, o: Overlay, k: Any, kind: Any, side: Any, price: Any, qty: Any, before: Any) -> None:
    """What we consumed is at most what the venue still tells; a replaced quote starts anew."""
    c = o.consumed_head[k]
    while c >= 0:
        after = o.consumed[c].next
        there = level_qty(b, k, o.consumed[c].side, o.consumed[c].price)
        if kind == QUOTE and o.consumed[c].side == side and not (o.consumed[c].price == price and before == qty):
            there = 0
        if there == 0:
            forget(o, k, c)
        elif there < o.consumed[c].qty:
            o.consumed[c].qty = there
        c = after


@kernel
def crossed(b: BookState, o: Overlay, k: Any, side: Any, order_id: Any) -> None:
    """Venue liquidity of the other side at or through our price fills us at our price."""
    other = 3 - side
    s = o.head[2 * k + side - 1]
    p = best(b, k, other)
    steps = 0
    while s >= 0 and p != NO_PRICE and not better(other, o.own[s].price, p):
        n = min(available(b, o, k, other, p), o.own[s].leaves)
        if n == 0:
            p = next_price(b, k, other, p)
            continue
        if steps == SPARE // 2:
            return  # the instrument's next row goes on
        steps += 1
        behind, gone = o.own[s].next, n == o.own[s].leaves
        consume(o, k, other, p, n)
        fill(o, s, NOBODY, order_id, o.own[s].price, n)
        if gone:
            s = behind
