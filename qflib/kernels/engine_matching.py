"""The order that comes in against those that rest: by price and time, or pro rata; never against its own account.

A step matches once, so that it can be left where no event finds room, and gone on with. At one price what is shown
trades first, then hidden orders, each by time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_levels import rank_of, worse_level
from qflib.kernels.book_queues import first_order, next_order
from qflib.kernels.book_state import NO_PRICE, Int
from qflib.kernels.engine_codes import (
    CANCELLED,
    CURSOR,
    DARK,
    DIVIDING,
    FIFO,
    FILLED,
    HAS_MORE,
    HIGH,
    LOW,
    NO_REASON,
    NOBODY,
    REMAINDER,
    REPLACED,
    SELF_TRADE,
    SHOWN,
    STAGE,
    STP_BOTH,
    STP_DECREMENT,
    STP_NEWEST,
    STP_NONE,
    STP_OLDEST,
    ZERO,
)
from qflib.kernels.engine_orders import (
    after_trade,
    bits_of,
    leaves_of,
    price_of,
    side_of,
    tell,
    tell_trade,
    traded,
    withdraw,
)
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_types import stp_of
from qflib.kernels.jit import lean_kernel


@lean_kernel
def best_level(e: EngineState, k: Int, side: Int) -> Int:
    """Row of the level of a side that trades first: the better price, shown before hidden; 0: none."""
    n = len(e.rules)
    shown, dark = 2 * k + side - 1, 2 * (DARK * n + k) + side - 1
    a, b = e.book.books[np.uint64(shown)].best_rank, e.book.books[np.uint64(dark)].best_rank
    if a == NO_PRICE and b == NO_PRICE:
        return 0
    return np.int64(e.book.books[np.uint64(shown if a >= b else dark)].best)


@lean_kernel
def would_take(e: EngineState, k: Int, side: Int, limit: Int) -> Int:
    """Whether an order at a price would trade at once."""
    level = best_level(e, k, 3 - side)
    if level == 0:
        return 0
    ours = rank_of(2 - side, limit)  # as a price of the other side is ranked
    return np.int64(e.book.levels[level].rank >= ours)


@lean_kernel
def fillable(e: EngineState, k: Int, side: Int, limit: Int, want: Int, account: Int, stp: Int) -> Int:
    """Whether all of an order could trade now, reserves and hidden orders in. O(orders that it would meet).

    Its own account's orders give nothing; where they would stop it (all but STP_NONE and STP_OLDEST), nothing at their
    price or a worse one does.
    """
    n = len(e.rules)
    worst = rank_of(2 - side, limit)  # as a price of the other side is ranked
    got: Any = np.int64(0)
    for counting in (0, 1):
        for place in (SHOWN, DARK):
            book = 2 * (place * n + k) + (3 - side) - 1
            level = np.int64(e.book.books[np.uint64(book)].best)
            while level != 0 and e.book.levels[np.uint64(level)].rank >= worst:
                rank = e.book.levels[np.uint64(level)].rank
                row = first_order(e.book, np.uint64(level))
                while row != NOBODY:
                    own = stp != STP_NONE and np.int64(e.tags[row].account) == account
                    if own and not counting and stp != STP_OLDEST:
                        worst = max(worst, rank + 1)
                    elif counting and not own:
                        got += leaves_of(e, np.int64(row))
                    row = next_order(e.book, row)
                level = np.int64(worse_level(e.book, book, rank))
    return np.int64(got >= want)


@lean_kernel
def step(e: EngineState) -> None:
    """Match the order that comes in once, or find that it trades no more."""
    t = e.taker[0]
    k, side = t.instrument, t.side
    level = 0 if t.leaves == 0 else best_level(e, k, 3 - side)
    if level == 0 or e.book.levels[np.uint64(level)].rank < rank_of(2 - side, t.limit):
        e.work[STAGE] = REMAINDER
        return
    l = np.uint64(level)
    shown = np.int64(e.book.levels[l].book) < 2 * len(e.rules)
    if e.rules[k].algorithm != FIFO and shown:
        e.work[CURSOR] = level
        e.work[STAGE] = DIVIDING
        return
    row = np.int64(first_order(e.book, l))
    if stp_of(t.bits) != STP_NONE and np.int64(e.tags[np.uint64(row)].account) == t.account:
        prevent(e, k, row)
    else:
        match(e, k, row, min(t.leaves, np.int64(e.book.orders[np.uint64(row)].qty)))


@lean_kernel
def match(e: EngineState, k: Int, row: Int, qty: Int) -> None:
    """One trade of the order that comes in with one that rests."""
    t = e.taker[0]
    r = np.uint64(row)
    price = price_of(e, r)
    left = traded(e, row, qty)
    t.leaves -= qty
    tell_trade(e, k, 3 - t.side, ZERO, e.book.orders[r].id, t.id, price, qty, left, t.leaves)
    e.work[HIGH] = max(e.work[HIGH], price)
    e.work[LOW] = min(e.work[LOW], price)
    after_trade(e, k, row)
    if t.leaves == 0:
        tell(e, FILLED, t.side, NO_REASON, 0, k, t.id, NOBODY, t.price, 0, 0, 0)


@lean_kernel
def prevent(e: EngineState, k: Int, row: Int) -> None:
    """Two orders of one account meet: what its rule says instead of a trade."""
    t = e.taker[0]
    stp = stp_of(t.bits)
    leaves = leaves_of(e, row)
    if stp == STP_DECREMENT:
        qty = min(leaves, t.leaves)
        if qty == leaves:
            end(e, k, row, CANCELLED, SELF_TRADE)
        else:
            shrink(e, k, row, leaves - qty, SELF_TRADE, price_of(e, np.uint64(row)))
        if qty == t.leaves:
            cancel_taker(e, SELF_TRADE)
        else:
            t.leaves -= qty
            tell(e, REPLACED, t.side, SELF_TRADE, 0, k, t.id, NOBODY, t.price, t.leaves, t.leaves, 0)
        return
    if stp in (STP_OLDEST, STP_BOTH):
        end(e, k, row, CANCELLED, SELF_TRADE)
    if stp in (STP_NEWEST, STP_BOTH):
        cancel_taker(e, SELF_TRADE)


@lean_kernel
def end(e: EngineState, k: Int, row: Int, kind: Int, reason: Int) -> None:
    """A resting or waiting order ends with what is left of it; `kind` is CANCELLED or EXPIRED."""
    r = np.uint64(row)
    leaves, price, oid = leaves_of(e, row), price_of(e, r), e.book.orders[r].id
    side = side_of(e, r)
    withdraw(e, k, row)
    tell(e, kind, side, reason, 0, k, oid, NOBODY, price, leaves, 0, 0)


@lean_kernel
def cancel_taker(e: EngineState, reason: Int) -> None:
    """The order that comes in goes with what is left of it."""
    t = e.taker[0]
    tell(e, CANCELLED, t.side, reason, 0, t.instrument, t.id, NOBODY, t.price, t.leaves, 0, 0)
    t.leaves = 0


@lean_kernel
def shrink(e: EngineState, k: Int, row: Int, leaves: Int, reason: Int, price: Int) -> None:
    """A resting order keeps its place with fewer open lots: first its reserve goes, then what is shown."""
    r = np.uint64(row)
    level = np.uint64(e.book.orders[r].level)
    had = np.int64(e.book.orders[r].qty)
    shown = min(had, leaves)
    if bits_of(e, r) & HAS_MORE:
        e.more[r].reserve = leaves - shown
    e.book.orders[r].qty = shown
    e.book.levels[level].qty -= had - shown
    tell(e, REPLACED, side_of(e, r), reason, 0, k, e.book.orders[r].id, NOBODY, price, shown, leaves, 0)
