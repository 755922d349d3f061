"""An auction's one price, and its trades: the most that can trade, the least left over, then where what is left pushes.

Every price between two orders' limits that ties is as good; the last trade decides, or the middle. At one price who is
shown trades before who is hidden, each by time; reserves take part.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_levels import rank_of, worse_level
from qflib.kernels.book_queues import first_order, next_order
from qflib.kernels.book_state import NO_PRICE, Int
from qflib.kernels.engine_codes import (
    AT_MARKET,
    AUCTION,
    BUY,
    DARK,
    HIGH,
    LOW,
    NEXT,
    NOBODY,
    PRICE,
    SELL,
    SHOWN,
    STAGE,
    TARGET,
    ZERO,
)
from qflib.kernels.engine_matching import best_level
from qflib.kernels.engine_orders import after_trade, leaves_of, tell_trade, traded
from qflib.kernels.engine_state import EngineState
from qflib.kernels.jit import inlined, lean_kernel


@lean_kernel
def levels_in_call(e: EngineState, k: Int) -> Int:
    """Levels that an instrument's auction looks at: rows that `scratch` must have."""
    n, total = len(e.rules), np.int64(0)
    for place in (SHOWN, DARK):
        for side in (0, 1):
            total += np.int64(e.book.books[np.uint64(2 * (place * n + k) + side)].levels)
    return total


@lean_kernel
def auction_price(e: EngineState, k: Int) -> tuple[Int, Int, Int]:
    """Price, lots that trade, and what is left over (bought lots positive); NO_PRICE, 0, 0: nothing trades.

    O(orders); `scratch` has `levels_in_call` rows.

    Parameters
    ----------
    e
        The engine.
    k
        An instrument.
    """
    asks = collect(e, k, SELL, ZERO)
    bids = collect(e, k, BUY, asks)
    x = e.scratch
    i, j = np.int64(0), asks + bids - 1
    supply, demand = np.int64(0), np.int64(0)
    for row in range(asks, asks + bids):
        demand += x[row, 1]
    if i < asks and x[i, 0] == -AT_MARKET:
        supply += x[i, 1]
        i += 1
    most, least, low, high = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    pushes_up, pushes_down = ZERO != 0, ZERO != 0
    while True:
        p = AT_MARKET
        if i < asks:
            p = x[i, 0]
        if j >= asks:
            p = min(p, x[j, 0])
        if p == AT_MARKET:
            break
        if i < asks and x[i, 0] == p:
            supply += x[i, 1]
            i += 1
        over = demand - supply
        volume = min(demand, supply)
        if volume > most or (volume == most and volume > 0 and abs(over) < abs(least)):
            most, least, low, high = volume, over, p, p
            pushes_up, pushes_down = over > 0, over < 0
        elif volume == most and volume > 0 and abs(over) == abs(least):
            high = p
            pushes_up, pushes_down = pushes_up and over > 0, pushes_down and over < 0
        if j >= asks and x[j, 0] == p:
            demand -= x[j, 1]
            j -= 1
    last = e.book.info[k].last_ticks if e.book.info[k].last_qty != 0 else NO_PRICE
    if most == 0:  # orders at market alone trade at the last price
        bought = x[asks, 1] if bids > 0 and x[asks, 0] == AT_MARKET else np.int64(0)
        sold = x[0, 1] if asks > 0 and x[0, 0] == -AT_MARKET else np.int64(0)
        if last == NO_PRICE or min(bought, sold) == 0:
            return NO_PRICE, 0, 0
        return last, min(bought, sold), bought - sold
    if pushes_up:
        return high, most, least
    if pushes_down:
        return low, most, least
    price = low + (high - low) // 2 if last == NO_PRICE else min(max(last, low), high)
    return price, most, left_over(e, asks, bids, price)


@lean_kernel
def left_over(e: EngineState, asks: Int, bids: Int, price: Int) -> Int:
    """Lots wanted at a price less those offered."""
    over = np.int64(0)
    for row in range(asks + bids):
        p, lots = e.scratch[row, 0], e.scratch[row, 1]
        if row < asks and p <= price:
            over -= lots
        elif row >= asks and p >= price:
            over += lots
    return over


@lean_kernel
def collect(e: EngineState, k: Int, side: Int, at: Int) -> Int:
    """Write prices and open lots of a side from row `at` of `scratch` on, best first; how many."""
    n = len(e.rules)
    shown, dark = 2 * k + side - 1, 2 * (DARK * n + k) + side - 1
    a = np.int64(e.book.books[np.uint64(shown)].best)
    b = np.int64(e.book.books[np.uint64(dark)].best)
    row = at
    while a != 0 or b != 0:
        rank_a = e.book.levels[np.uint64(a)].rank if a != 0 else NO_PRICE
        rank_b = e.book.levels[np.uint64(b)].rank if b != 0 else NO_PRICE
        rank = max(rank_a, rank_b)
        lots = np.int64(0)
        if rank_a == rank:
            lots += lots_of(e, a)
            a = np.int64(worse_level(e.book, shown, rank))
        if rank_b == rank:
            lots += lots_of(e, b)
            b = np.int64(worse_level(e.book, dark, rank))
        e.scratch[row, 0] = rank_of(side - 1, rank)
        e.scratch[row, 1] = lots
        row += 1
    return row - at


@lean_kernel
def lots_of(e: EngineState, level: Int) -> Int:
    """Open lots at a level, reserves in."""
    lots = np.int64(0)
    row = first_order(e.book, np.uint64(level))
    while row != NOBODY:
        lots += leaves_of(e, np.int64(row))
        row = next_order(e.book, row)
    return lots


@lean_kernel
def uncross(e: EngineState) -> None:
    """The auction's next trade, at its price; none: the stage after it."""
    k, price = e.work[TARGET], e.work[PRICE]
    bid, ask = best_level(e, k, BUY), best_level(e, k, SELL)
    if bid == 0 or ask == 0 or _price(e, bid) < price or _price(e, ask) > price:
        e.work[STAGE] = e.work[NEXT]
        return
    buyer = np.int64(first_order(e.book, np.uint64(bid)))
    seller = np.int64(first_order(e.book, np.uint64(ask)))
    b, s = np.uint64(buyer), np.uint64(seller)
    qty = min(np.int64(e.book.orders[b].qty), np.int64(e.book.orders[s].qty))
    bought, sold = e.book.orders[b].id, e.book.orders[s].id
    left, other = traded(e, buyer, qty), traded(e, seller, qty)
    tell_trade(e, k, BUY, AUCTION, bought, sold, price, qty, left, other)
    e.work[HIGH] = max(e.work[HIGH], price)
    e.work[LOW] = min(e.work[LOW], price)
    after_trade(e, k, buyer)
    after_trade(e, k, seller)


@inlined
def _price(e: EngineState, level: Any) -> Any:
    book = e.book.levels[np.uint64(level)].book
    return rank_of(book, e.book.levels[np.uint64(level)].rank)
