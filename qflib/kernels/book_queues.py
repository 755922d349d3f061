"""Orders in the queues of levels: put at the end, take out, free. No branch: row 0 of orders is scribbled on."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_ids import fill_cell, hash_of
from qflib.kernels.book_state import ORDER_FREE, ORDER_LIVE, BookState
from qflib.kernels.jit import folded, inlined

_ZERO = np.uint64(0)


@inlined
def first_order(b: BookState, level: Any) -> Any:
    """Row of the first order of a level's queue; 0: none."""
    return np.uint64(b.levels[np.uint64(level)].head)


@inlined
def next_order(b: BookState, row: Any) -> Any:
    """Row of the order behind one; 0: none."""
    return np.uint64(b.orders[np.uint64(row)].next)


@folded
def link_order(b: BookState, row: Any, level: Any) -> None:
    """Put an order at the end of a level's queue, and its quantity on the level. O(1)."""
    tail = np.uint64(b.levels[level].tail)
    head = np.uint64(b.levels[level].head)
    b.orders[row].level = level
    b.orders[row].prev = tail
    b.orders[row].next = 0
    b.orders[tail].next = row
    b.levels[level].head = row if tail == _ZERO else head
    b.levels[level].tail = row
    b.levels[level].count += np.uint32(1)
    b.levels[level].qty += b.orders[row].qty


@folded
def unlink_order(b: BookState, row: Any, level: Any) -> None:
    """Take an order out of its queue; its level stays, even empty. O(1)."""
    before, after = np.uint64(b.orders[row].prev), np.uint64(b.orders[row].next)
    head, tail = np.uint64(b.levels[level].head), np.uint64(b.levels[level].tail)
    b.orders[before].next = after
    b.orders[after].prev = before
    b.levels[level].head = after if before == _ZERO else head
    b.levels[level].tail = before if after == _ZERO else tail
    b.levels[level].count -= np.uint32(1)
    b.levels[level].qty -= b.orders[row].qty


@folded
def free_order(b: BookState, row: Any) -> None:
    """Give an order's row back; its cell is forgotten before."""
    b.orders[row].next = b.heads[ORDER_FREE]
    b.heads[ORDER_FREE] = row
    b.heads[ORDER_LIVE] -= 1


@folded
def place_in_cell(b: BookState, cell: Any, instrument: Any, oid: Any, qty: Any, level: Any) -> Any:
    """Put a new order at the end of a level's queue; its row. There must be a free one. O(1)."""
    return place_hashed(b, cell, hash_of(instrument, oid), instrument, oid, qty, level)


@folded
def place_hashed(b: BookState, cell: Any, h: Any, instrument: Any, oid: Any, qty: Any, level: Any) -> Any:
    """As `place_in_cell`, by the order's hash."""
    row = np.uint64(b.heads[ORDER_FREE])
    b.heads[ORDER_FREE] = b.orders[row].next
    b.heads[ORDER_LIVE] += 1
    fill_cell(b, cell, h, row)
    b.orders[row].id = oid
    b.orders[row].qty = qty
    b.orders[row].instrument = np.uint32(instrument)
    link_order(b, row, level)
    return row
