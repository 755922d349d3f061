"""One instrument's book replayed, its features told after every message: spread, micro-price, flow, imbalance.

The rows of the best levels are remembered; they are looked for again only where a level came, went or may have moved.
Their quantities are read anew each time: a handful of loads that wait for nothing.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book import ADD, CLEAR, LEVEL, MODIFY, QUOTE, apply_one
from qflib.kernels.book_batch import EVENTS, LAST, count, heed
from qflib.kernels.book_ids import expect_id
from qflib.kernels.book_levels import best_rows, rank_of
from qflib.kernels.book_state import NEED_ORDERS, NO_PRICE, BookState, Int
from qflib.kernels.features import FLOW, LAST_RANK, LAST_SIZE, NEWEST, SNAPSHOT, flow_of
from qflib.kernels.jit import inlined, lean_kernel

# Columns of `tops`.
TIME, BID, BID_QTY, ASK, ASK_QTY, N_TOP = range(6)
# Columns of `values`: spread and micro-price in ticks, flow in lots, imbalance from -1 to 1.
SPREAD, MICRO, OFI, IMBALANCE, N_VALUE = range(5)
#: Of `near`, before the rows of the best levels: how many levels the side had; -1: look for them.
N_NEAR: Final = 1

_SOON = 8  # events


def new_memory(levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`memory` and `near` of `replay_events` before its first row."""
    memory = np.zeros(LAST_RANK + 4, np.int64)
    memory[LAST_RANK : LAST_RANK + 2] = NO_PRICE
    near = np.zeros((2, N_NEAR + levels), np.int64)
    near[:, 0] = -1
    return memory, near


@lean_kernel
def replay_events(
    b: BookState,
    kind: NDArray[np.uint32],
    flags: NDArray[np.uint32],
    instrument: NDArray[np.uint32],
    side: NDArray[np.uint32],
    order_id: NDArray[np.uint64],
    price_ticks: NDArray[np.int64],
    qty: NDArray[np.int64],
    receipt_ns: NDArray[np.int64],
    row: Int,
    wanted: Int,
    memory: NDArray[np.int64],
    near: NDArray[np.int64],
    tops: NDArray[np.int64],
    values: NDArray[np.float64],
    ladder: NDArray[np.int64],
    counters: NDArray[np.int64],
) -> Any:
    """Apply one instrument's rows to the state's only book; a row of features where a message ends. O(1) an event.

    Parameters
    ----------
    b
        A state of one instrument, changed by nobody else between calls.
    kind, ..., receipt_ns
        Columns of `MarketEvents` of any instruments, read-only.
    row
        Where to go on.
    wanted
        The `instrument` whose rows are applied.
    memory, near
        From `new_memory`, kept between calls; `near` knows how many levels "imbalance" sums. Set its first column to
        -1 where the state has grown.
    tops, values
        (capacity, N_TOP) and (capacity, N_VALUE), filled from 0. The micro-price is the mid weighted by the other
        side's quantity; the flow is e_n of Cont, Kukanov and Stoikov (2014), summed over the message's rows. NaN where
        a side is empty (imbalance: both).
    ladder
        (capacity, 4 * levels): a level's bid_ticks, bid_qty, ask_ticks, ask_qty; or no columns, and no levels are told.
    counters
        As `apply_events`.

    Returns
    -------
    row, n
        The next row and how many were told. Short of the end: `tops` is full, or the state is.
    """
    n = np.int64(0)
    for i in range(row, len(kind)):
        if i + _SOON < len(kind):
            expect_id(b, np.int64(0), order_id[i + _SOON])
        if np.int64(instrument[i]) != wanted:
            continue
        if n == len(tops):
            return i, n
        k, f, s = np.int64(kind[i]), np.int64(flags[i]), np.int64(side[i])
        status = apply_one(b, k, np.int64(0), s, order_id[i], price_ticks[i], qty[i])
        if status <= NEED_ORDERS:
            return i, n
        counters[EVENTS] += 1
        if status != 0:
            count(counters, abs(status), counters[EVENTS] - 1)
        memory[NEWEST] = max(receipt_ns[i], memory[NEWEST])
        b.info[0].time_ns = memory[NEWEST]
        # These alone may exchange one level for another: the count of levels would not tell.
        moved = k in (MODIFY, LEVEL, CLEAR, QUOTE)
        for book in range(2):
            levels = np.int64(b.books[book].levels)
            if moved or near[book, 0] != levels:
                if moved or near[book, 0] < 0 or _concerns(b, book, near, k == ADD, price_ticks[i]):
                    best_rows(b, book, near[book, N_NEAR:])
                near[book, 0] = levels
        bid_row, ask_row = np.uint64(near[0, N_NEAR]), np.uint64(near[1, N_NEAR])
        bid = b.levels[bid_row].rank if bid_row != 0 else np.int64(NO_PRICE)
        ask = b.levels[ask_row].rank if ask_row != 0 else np.int64(NO_PRICE)
        bid_qty, ask_qty = b.levels[bid_row].qty, b.levels[ask_row].qty
        if not (f & SNAPSHOT != 0 or k == CLEAR):
            memory[FLOW] += flow_of(bid, bid_qty, memory[LAST_RANK], memory[LAST_SIZE])
            memory[FLOW] -= flow_of(ask, ask_qty, memory[LAST_RANK + 1], memory[LAST_SIZE + 1])
        memory[LAST_RANK], memory[LAST_RANK + 1] = bid, ask
        memory[LAST_SIZE], memory[LAST_SIZE + 1] = bid_qty, ask_qty
        heed(b, np.int64(0), f, counters, counters[EVENTS] - 1)
        if f & LAST != 0:
            _tell(b, memory, near, tops, values, n)
            for j in range(ladder.shape[1] // 4):
                for book in range(2):
                    at = np.uint64(near[book, N_NEAR + j])
                    ladder[n, 4 * j + 2 * book] = rank_of(book, b.levels[at].rank) if at != 0 else 0
                    ladder[n, 4 * j + 2 * book + 1] = b.levels[at].qty
            n += 1
    return len(kind), n


@inlined
def _concerns(b: BookState, book: Any, near: Any, came: Any, price: Any) -> Any:
    """Whether a level that came, or one that went, is or was among the best ones."""
    worst = np.uint64(near[book, near.shape[1] - 1])
    mine = worst == 0
    if came:
        mine = mine or rank_of(book, price) > b.levels[worst].rank
    else:
        for j in range(N_NEAR, near.shape[1]):
            mine = mine or b.levels[np.uint64(near[book, j])].qty == 0
    return mine


@inlined
def _tell(b: BookState, memory: Any, near: Any, tops: Any, values: Any, n: Any) -> None:
    bid, ask, bid_qty, ask_qty = memory[LAST_RANK], ~memory[LAST_RANK + 1], memory[LAST_SIZE], memory[LAST_SIZE + 1]
    bids, asks = bid_qty, ask_qty
    for j in range(N_NEAR + 1, near.shape[1]):  # row 0, where there is no level, holds nothing
        bids += b.levels[np.uint64(near[0, j])].qty
        asks += b.levels[np.uint64(near[1, j])].qty
    both = bid_qty != 0 and ask_qty != 0
    tops[n, TIME] = memory[NEWEST]
    tops[n, BID], tops[n, ASK] = (bid if bid_qty != 0 else 0), (ask if ask_qty != 0 else 0)
    tops[n, BID_QTY], tops[n, ASK_QTY] = bid_qty, ask_qty
    values[n, SPREAD] = ask - bid if both else np.nan
    values[n, MICRO] = bid + (ask - bid) * (bid_qty / (bid_qty + ask_qty)) if both else np.nan
    values[n, OFI] = memory[FLOW]
    memory[FLOW] = 0
    values[n, IMBALANCE] = (bids - asks) / (bids + asks)
