"""From (instrument, id) to the row of an order: an array for ids that are bounded, a hash table for all others.

A *cell* names the place of an id: of the array, marked by its top bit, or of the table. The table is open addressing
with linear search (Fibonacci hashing: Knuth, TAOCP 3, 6.4). What it holds is one word: the upper half of the id's hash
and the order's row; the home of a word is in the word, so taking one out and making the table wider read no order. An
id below the bound goes to the table where another instrument's order has its place in the array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.bits import prefetch
from qflib.kernels.book_state import HASH_SHIFT, HASHED, ID_BOUND, BookState
from qflib.kernels.jit import folded, inlined

_FIBONACCI = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_ZERO, _ONE, _32 = np.uint64(0), np.uint64(1), np.uint64(32)
_ROW = np.uint64(0xFFFFFFFF)
_BY_ID = np.uint64(1 << 63)


@inlined
def hash_of(instrument: Any, oid: Any) -> Any:
    """The table's hash of an order; O(1)."""
    x = oid ^ (np.uint64(instrument) * _MIX)
    x ^= x >> _32
    return x * _FIBONACCI


@folded
def _search(b: BookState, instrument: Any, oid: Any, h: Any) -> Any:
    """Place in the table of an order, or the free one where it would go."""
    mask = np.uint64(len(b.cells) - 1)
    i = h >> np.uint64(b.heads[HASH_SHIFT])
    cell = b.cells[i]
    while cell != _ZERO:
        if (cell ^ h) >> _32 == _ZERO:
            row = cell & _ROW
            if b.orders[row].id == oid and np.int64(b.orders[row].instrument) == instrument:
                break
        i = (i + _ONE) & mask
        cell = b.cells[i]
    return i


@folded
def find_cell(b: BookState, instrument: Any, oid: Any) -> Any:
    """The cell of an order, or the free cell where it would go; the instrument an int64, the id a uint64. O(1)."""
    return cell_of(b, instrument, oid, hash_of(instrument, oid))


@folded
def cell_of(b: BookState, instrument: Any, oid: Any, h: Any) -> Any:
    """As `find_cell`, by the order's hash; of an id in the array it is not read."""
    found = oid | _BY_ID
    if oid >= np.uint64(len(b.rows_by_id)):
        found = _search(b, instrument, oid, h)
    else:
        row = np.uint64(b.rows_by_id[oid])
        own = row != _ZERO and np.int64(b.orders[row].instrument) == instrument
        if not own and (row != _ZERO or b.heads[HASHED] != 0):
            at = _search(b, instrument, oid, hash_of(instrument, oid))
            if row != _ZERO or b.cells[at] != _ZERO:
                found = at
    return found


@folded
def row_in_cell(b: BookState, cell: Any) -> Any:
    """The order's row that a cell holds, a uint64; 0: the cell is free."""
    return np.uint64(b.rows_by_id[cell & ~_BY_ID]) if cell & _BY_ID != _ZERO else b.cells[cell] & _ROW


@folded
def is_beyond(b: BookState, cell: Any, oid: Any) -> Any:
    """Whether an id in a cell of the table belongs in the array, were it longer."""
    return cell & _BY_ID == _ZERO and np.uint64(len(b.rows_by_id)) <= oid < np.uint64(b.heads[ID_BOUND])


@folded
def fill_cell(b: BookState, cell: Any, h: Any, row: Any) -> None:
    """Write the row of an order of a hash into its free cell."""
    if cell & _BY_ID != _ZERO:
        b.rows_by_id[cell & ~_BY_ID] = row
    else:
        b.cells[cell] = ((h >> _32) << _32) | row
        b.heads[HASHED] += 1


@folded
def forget_cell(b: BookState, cell: Any) -> None:
    """Empty a cell; words behind it move up where their search would break (Knuth, TAOCP 3, 6.4, algorithm R)."""
    if cell & _BY_ID != _ZERO:
        b.rows_by_id[cell & ~_BY_ID] = 0
    else:
        mask = np.uint64(len(b.cells) - 1)
        shift = np.uint64(b.heads[HASH_SHIFT])
        i = cell
        j = (i + _ONE) & mask
        word = b.cells[j]
        while word != _ZERO:
            if ((j - (word >> shift)) & mask) >= ((j - i) & mask):
                b.cells[i] = word
                i = j
            j = (j + _ONE) & mask
            word = b.cells[j]
        b.cells[i] = _ZERO
        b.heads[HASHED] -= 1


@folded
def expect_id(b: BookState, instrument: Any, oid: Any) -> Any:
    """Ask memory for the cell of an order that will be looked for soon; its hash, or 0 where the array holds its id."""
    h = _ZERO
    if oid < np.uint64(len(b.rows_by_id)):
        prefetch(b.rows_by_id, oid)
    else:
        h = hash_of(instrument, oid)
        prefetch(b.cells, h >> np.uint64(b.heads[HASH_SHIFT]))
    return h


@folded
def likely_row(b: BookState, oid: Any, h: Any) -> Any:
    """The row in the first place where an order is looked for: mostly its own, or 0, or another's."""
    if oid < np.uint64(len(b.rows_by_id)):
        row = np.uint64(b.rows_by_id[oid])
    else:
        row = b.cells[h >> np.uint64(b.heads[HASH_SHIFT])] & _ROW
    return row
