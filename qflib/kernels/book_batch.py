"""A batch of events on the books of one state, with counts of what was wrong."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book import apply_event
from qflib.kernels.book_levels import rank_of
from qflib.kernels.book_state import NEED_ORDERS, BookState, Int
from qflib.kernels.jit import inlined, lean_kernel

# Places in `counters`: place -s counts status s; then
EVENTS: Final = 0
CROSSED: Final = 8  # at a row with LAST, the best bid was above the best ask
LOCKED: Final = 9  # at a row with LAST, they were equal
N_COUNTERS: Final = 10

LAST: Final = 1


@lean_kernel
def apply_events(
    b: BookState,
    kind: NDArray[np.uint32],
    flags: NDArray[np.uint32],
    instrument: NDArray[np.uint32],
    side: NDArray[np.uint32],
    order_id: NDArray[np.uint64],
    price_ticks: NDArray[np.int64],
    qty: NDArray[np.int64],
    receipt_ns: NDArray[np.int64],
    start: Int,
    stop: Int,
    counters: NDArray[np.int64],
) -> Int:
    """Apply rows `start` to `stop` of the columns of `MarketEvents`.

    Parameters
    ----------
    b
        The books; changed in place.
    kind, flags, instrument, side, order_id, price_ticks, qty, receipt_ns
        Columns, read-only and contiguous.
    counters
        (N_COUNTERS,) int64, added to: events, refusals by status, and crossed and locked books at rows with LAST.

    Returns
    -------
    row
        `stop`; or the row that found no room: grow the state and go on from it.
    """
    for i in range(start, stop):
        k, f, s = np.int64(kind[i]), np.int64(flags[i]), np.int64(side[i])
        at = np.int64(instrument[i])
        status = apply_event(b, k, f, at, s, order_id[i], price_ticks[i], qty[i])
        if status <= NEED_ORDERS:
            return i
        counters[0] += 1
        if status < 0:
            counters[-status] += 1
            if at >= len(b.info):
                continue
        b.info[at].time_ns = max(b.info[at].time_ns, receipt_ns[i])
        if f & LAST != 0:
            over = gap(b, at)
            if over >= 0:
                counters[CROSSED if over > 0 else LOCKED] += 1
    return stop


@inlined
def gap(b: BookState, instrument: Any) -> Any:
    """1: the best bid is above the best ask (crossed); 0: equal (locked); -1: neither."""
    bid = np.uint64(b.books[2 * instrument].best)
    ask = np.uint64(b.books[2 * instrument + 1].best)
    over = np.int64(-1)
    if bid != np.uint64(0) and ask != np.uint64(0):
        bid_ticks = b.levels[bid].rank
        ask_ticks = rank_of(np.int64(1), b.levels[ask].rank)
        if bid_ticks >= ask_ticks:
            over = np.int64(bid_ticks > ask_ticks)
    return over
