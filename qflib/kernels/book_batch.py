"""A batch of events on the books of one state, with counts of what was wrong."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.bits import prefetch
from qflib.kernels.book import apply_hashed
from qflib.kernels.book_ids import expect_id, likely_row
from qflib.kernels.book_levels import likely_place
from qflib.kernels.book_state import AHEAD, NEED_ORDERS, ORDER_LIVE, OVERDRAWN, BookState, Int
from qflib.kernels.jit import folded, lean_kernel

# Places in `counters`: place |s| counts status s (so OVERDRAWN, of more taken off an order than it had); then
EVENTS: Final = 0
CROSSED: Final = 8  # at a row with LAST, the best bid was above the best ask
LOCKED: Final = 9  # at a row with LAST, they were equal
GAPS: Final = 10  # rows with GAP
N_COUNTERS: Final = 12
#: Where `counters` has more room: how many were noted; then of each the event and the place that counts it.
NOTED: Final = 12

LAST, GAP = 1, 4

_RING = np.uint64(AHEAD - 1)
_FEW, _CROWD = 16, 4096  # instruments and orders whose books stay close by
_FAR, _NEAR, _NEXT = np.uint64(16), np.uint64(8), np.uint64(4)  # rows ahead that memory is asked for


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
        (N_COUNTERS,) int64, added to: events, refusals by status, crossed and locked books at rows with LAST, and
        rows with GAP; with more room, the first of them are noted by their event.

    Returns
    -------
    row
        `stop`; or the row that found no room: grow the state and go on from it.
    """
    n, seen = np.uint64(stop), counters[EVENTS] - start
    many, crowded = len(b.info) > _FEW, b.heads[ORDER_LIVE] > _CROWD
    for j in range(start, min(start + np.int64(_FAR), stop)):
        b.ahead[j & _RING] = expect_id(b, np.int64(instrument[j]), order_id[j])
    for j in range(start, stop):
        i = np.uint64(j)
        far, near, next_ = i + _FAR, i + _NEAR, i + _NEXT
        if far < n:
            b.ahead[far & _RING] = expect_id(b, np.int64(instrument[far]), order_id[far])
            if crowded:
                prefetch(b.orders, likely_row(b, order_id[near], b.ahead[near & _RING]))
                _expect_neighbours(b, order_id[next_], b.ahead[next_ & _RING])
            if many:
                prefetch(b.page_rows, likely_place(b, instrument[near], side[near], price_ticks[near]))
                level = b.page_rows[likely_place(b, instrument[next_], side[next_], price_ticks[next_])]
                prefetch(b.levels, np.uint64(level))
        at, h = np.int64(instrument[i]), b.ahead[i & _RING]
        status = apply_hashed(b, np.int64(kind[i]), at, np.int64(side[i]), order_id[i], h, price_ticks[i], qty[i])
        if status != 0:
            if status <= NEED_ORDERS:
                counters[EVENTS] = seen + j
                return j
            count(counters, abs(status), seen + j)
            if at >= len(b.info):
                continue
        u = np.uint64(at)
        b.info[u].time_ns = max(b.info[u].time_ns, receipt_ns[i])
        heed(b, u, np.int64(flags[i]), counters, seen + j)
    counters[EVENTS] = seen + stop
    return stop


@folded
def heed(b: BookState, instrument: Any, flags: Any, counters: Any, event: Any) -> None:
    """Count what an event's flags say: rows are missing before it; its message ends, and the book is crossed."""
    if flags & (LAST | GAP) != 0:
        if flags & GAP != 0:
            count(counters, GAPS, event)
        if flags & LAST != 0:
            place = crossing(b, instrument)
            if place != 0:
                count(counters, place, event)


@folded
def count(counters: Any, place: Any, event: Any) -> None:
    """Count what was wrong with an event, and note the event where there is room."""
    counters[place] += 1
    if len(counters) > NOTED:
        at = NOTED + 1 + 2 * counters[NOTED]
        if at + 1 < len(counters):
            counters[at] = event
            counters[at + 1] = place
            counters[NOTED] += 1


@folded
def misfits(counters: Any) -> Any:
    """Events that did not fit, of those counted."""
    return counters[1:CROSSED].sum() + counters[GAPS] + counters[OVERDRAWN]


@lean_kernel
def apply_fitting(
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
    """As `apply_events`, but it stops after the first row that is a misfit.

    Returns
    -------
    row
        `stop`; the row after the one that made it stop, which is counted; or the row that found no room, which is not.
    """
    for j in range(start, stop):
        wrong = misfits(counters)
        done = apply_events(
            b, kind, flags, instrument, side, order_id, price_ticks, qty, receipt_ns, j, j + 1, counters
        )
        if done == j or misfits(counters) != wrong:
            return done
    return stop


@folded
def _expect_neighbours(b: BookState, oid: Any, h: Any) -> None:
    """Ask memory for what an order hangs on: whatever its event does, as asking in vain costs less than a branch."""
    row = likely_row(b, oid, h)
    prefetch(b.levels, np.uint64(b.orders[row].level))
    prefetch(b.orders, np.uint64(b.orders[row].next))
    prefetch(b.orders, np.uint64(b.orders[row].prev))


@folded
def crossing(b: BookState, instrument: Any) -> Any:
    """CROSSED: the best bid is above the best ask; LOCKED: they are equal; 0: neither."""
    bid, ask = np.uint64(2 * np.int64(instrument)), np.uint64(2 * np.int64(instrument) + 1)
    bid_ticks, ask_ticks = b.books[bid].best_rank, ~b.books[ask].best_rank
    place = np.int64(0)
    if bid_ticks >= ask_ticks and b.books[bid].best != 0 and b.books[ask].best != 0:
        place = np.int64(CROSSED) if bid_ticks > ask_ticks else np.int64(LOCKED)
    return place
