"""One instrument's book replayed and sampled on a grid of receipt time, with order-flow imbalance summed an event."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book import CLEAR, apply_event
from qflib.kernels.book_batch import EVENTS, count, heed
from qflib.kernels.book_content import depth_qty
from qflib.kernels.book_levels import rank_of, worse_level
from qflib.kernels.book_state import NEED_ORDERS, NO_PRICE, BookState, Int
from qflib.kernels.jit import inlined, lean_kernel

# Columns of `samples`; then, a level asked for: bid_ticks, bid_qty, ask_ticks, ask_qty.
TIME, BID, BID_QTY, ASK, ASK_QTY, OFI, BID_DEPTH, ASK_DEPTH, N_SAMPLE = range(9)
# Places of `memory`.
DUE, NEWEST, FLOW, LAST_RANK, LAST_SIZE, N_MEMORY = 0, 1, 2, 3, 5, 7

SNAPSHOT: Final = 2


@lean_kernel
def replay_sampled(
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
    period_ns: Int,
    depth: Int,
    ladder: Int,
    memory: NDArray[np.int64],
    samples: NDArray[np.int64],
    counters: NDArray[np.int64],
) -> Any:
    """Apply one instrument's rows to the state's only book and sample it.

    When receipt time reaches a multiple of the period, the state before the row that reaches it is sampled: a sample
    holds nothing that came at its time or later. Order-flow imbalance is that of Cont, Kukanov and Stoikov, "The price
    impact of order book events" (2014), their e_n, summed since the sample before; rows of a snapshot and the clearing
    of a book are no flow.

    Parameters
    ----------
    b
        A state of one instrument.
    kind, ..., receipt_ns
        Columns of `MarketEvents` of any instruments, read-only; all of them move time.
    row
        Where to go on.
    wanted
        The `instrument` whose rows are applied.
    depth, ladder
        Levels summed in BID_DEPTH and ASK_DEPTH; levels told one by one.
    memory
        (N_MEMORY,) int64, zero at first, kept between calls.
    samples
        (capacity, N_SAMPLE + 4 * ladder) int64, filled from 0.
    counters
        As `apply_events`.

    Returns
    -------
    row, n
        The next row and how many samples were made. Short of the end: `samples` is full, or the state is.
    """
    n = np.int64(0)
    for i in range(row, len(kind)):
        now = max(receipt_ns[i], memory[NEWEST])
        if memory[DUE] == 0:
            memory[DUE] = (now // period_ns + 1) * period_ns
            memory[LAST_RANK] = NO_PRICE
            memory[LAST_RANK + 1] = NO_PRICE
        while now >= memory[DUE]:
            if n == len(samples):
                return i, n
            sample(b, depth, ladder, memory, samples, n)
            memory[DUE] += period_ns
            n += 1
        memory[NEWEST] = now
        if np.int64(instrument[i]) != wanted:
            continue
        k, f, s = np.int64(kind[i]), np.int64(flags[i]), np.int64(side[i])
        status = apply_event(b, k, f, np.int64(0), s, order_id[i], price_ticks[i], qty[i])
        if status <= NEED_ORDERS:
            return i, n
        counters[EVENTS] += 1
        if status != 0:
            count(counters, abs(status), counters[EVENTS] - 1)
        b.info[0].time_ns = now
        fold_flow(b, memory, f & SNAPSHOT != 0 or k == CLEAR)
        heed(b, np.int64(0), f, counters, counters[EVENTS] - 1)
    return len(kind), n


@lean_kernel
def sample(
    b: BookState, depth: Int, ladder: Int, memory: NDArray[np.int64], samples: NDArray[np.int64], n: Int
) -> None:
    """Write the state of instrument 0 as sample `n` at the time due, and start its flow anew."""
    samples[n, :] = 0
    samples[n, TIME] = memory[DUE]
    samples[n, OFI] = memory[FLOW]
    memory[FLOW] = 0
    for s in range(2):
        row = np.int64(b.books[s].best)
        if row != 0:
            samples[n, BID + 2 * s] = rank_of(s, b.levels[row].rank)
            samples[n, BID_QTY + 2 * s] = b.levels[row].qty
        samples[n, BID_DEPTH + s] = depth_qty(b, s, depth)
        for j in range(ladder):
            if row != 0:
                samples[n, N_SAMPLE + 4 * j + 2 * s] = rank_of(s, b.levels[row].rank)
                samples[n, N_SAMPLE + 4 * j + 2 * s + 1] = b.levels[row].qty
                row = np.int64(worse_level(b, s, b.levels[row].rank))


@inlined
def fold_flow(b: BookState, memory: Any, still: Any) -> None:
    """Add one event's order-flow imbalance; by rank, both sides read alike, and an empty side has rank -inf."""
    for s in range(2):
        row = np.int64(b.books[s].best)
        rank, size = np.int64(NO_PRICE), np.int64(0)
        if row != 0:
            rank, size = b.levels[row].rank, b.levels[row].qty
        if not still:
            flow = flow_of(rank, size, memory[LAST_RANK + s], memory[LAST_SIZE + s])
            memory[FLOW] += flow if s == 0 else -flow
        memory[LAST_RANK + s] = rank
        memory[LAST_SIZE + s] = size


@inlined
def flow_of(rank: Any, size: Any, last_rank: Any, last_size: Any) -> Any:
    """One side's e_n: what is there now, unless it is worse, less what was there, unless it was worse."""
    return (size if rank >= last_rank else 0) - (last_size if rank <= last_rank else 0)
