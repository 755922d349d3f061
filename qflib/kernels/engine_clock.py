"""Orders good till a time: a heap of when they end; what is no longer there is passed over."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_state import Int
from qflib.kernels.engine_codes import (
    EXPIRED,
    IDLE,
    N_EXPIRIES,
    NO_REASON,
    NOW,
    STAGE,
    ZERO,
)
from qflib.kernels.engine_matching import end
from qflib.kernels.engine_orders import (
    bits_of,
    find,
)
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_types import expires
from qflib.kernels.jit import lean_kernel


@lean_kernel
def remember_expiry(e: EngineState, expire_ns: Int, oid: Int, k: Int) -> None:
    """Put an end into the heap; there is room. O(log n)."""
    heap, i = e.expiries, e.work[N_EXPIRIES]
    e.work[N_EXPIRIES] += 1
    heap[i].expire_ns = expire_ns
    heap[i].id = np.uint64(oid)
    heap[i].instrument = k
    while i > 0 and before(heap, i, (i - 1) >> 1):
        swap(heap, i, (i - 1) >> 1)
        i = (i - 1) >> 1


@lean_kernel
def is_due(e: EngineState) -> Int:
    """Whether an order's time is over."""
    return np.int64(e.work[N_EXPIRIES] > 0 and e.expiries[0].expire_ns <= e.work[NOW])


@lean_kernel
def is_live(e: EngineState, i: Int) -> Int:
    """Row of the order that an entry of the heap is about; 0: it is gone or ends at another time."""
    row = find(e, e.expiries[i].instrument, e.expiries[i].id)
    r = np.uint64(row)
    if row != 0 and expires(bits_of(e, r)) and e.more[r].expire_ns == e.expiries[i].expire_ns:
        return row
    return 0


@lean_kernel
def expire_next(e: EngineState) -> None:
    """End the order whose time was over first. O(log n)."""
    if not is_due(e):
        e.work[STAGE] = IDLE
        return
    row, k = is_live(e, ZERO), e.expiries[0].instrument
    if row != 0:
        end(e, k, row, EXPIRED, NO_REASON)
    drop_first(e)


@lean_kernel
def drop_first(e: EngineState) -> None:
    """Take the first entry out of the heap."""
    heap = e.expiries
    e.work[N_EXPIRIES] -= 1
    n = e.work[N_EXPIRIES]
    swap(heap, ZERO, n)
    i, child = np.int64(0), np.int64(1)
    while child < n:
        if child + 1 < n and before(heap, child + 1, child):
            child += 1
        if not before(heap, child, i):
            break
        swap(heap, i, child)
        i, child = child, 2 * child + 1


@lean_kernel
def pack_expiries(e: EngineState) -> Int:
    """Drop entries whose orders are gone or end at another time, and doubles; how many are left. O(n log n).

    Examples
    --------
    >>> from qflib.kernels.engine_state import new_engine
    >>> pack_expiries(new_engine(1))
    0
    """
    heap, n, kept = e.expiries, e.work[N_EXPIRIES], np.int64(0)
    while e.work[N_EXPIRIES] > 0:
        drop_first(e)  # to the end: the last is the first that ends
    for i in range(n >> 1):
        swap(heap, i, n - 1 - i)
    for i in range(n):
        if is_live(e, i) != 0 and (kept == 0 or before(heap, kept - 1, i)):
            swap(heap, kept, i)
            kept += 1
    e.work[N_EXPIRIES] = kept
    return kept


@lean_kernel
def before(heap: Any, i: Int, j: Int) -> Int:
    """Whether an entry comes before another: by time, instrument and id, so that no order depends on the heap's."""
    a, b = heap[i], heap[j]
    if a.expire_ns != b.expire_ns:
        return np.int64(a.expire_ns < b.expire_ns)
    if a.instrument != b.instrument:
        return np.int64(a.instrument < b.instrument)
    return np.int64(a.id < b.id)


@lean_kernel
def swap(heap: Any, i: Int, j: Int) -> None:
    """Change two entries' places."""
    expire_ns, oid, k = heap[i].expire_ns, heap[i].id, heap[i].instrument
    heap[i].expire_ns, heap[i].id, heap[i].instrument = heap[j].expire_ns, heap[j].id, heap[j].instrument
    heap[j].expire_ns, heap[j].id, heap[j].instrument = expire_ns, oid, k
