"""What is live by order id: side, price and quantity left, for feeds that tell each of them once.

An execution, a cancel or a replacement often names an order by its id alone. A table of the live orders completes it:
open addressing with Fibonacci hashing (Knuth, TAOCP 3, 6.4), linear probing, and deletion that moves cells up
(algorithm R), so that its size follows the live orders. Eight ids that follow each other have their homes side by side:
venues that count their ids work on few cache lines. A cell is empty where its quantity is 0.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import folded, kernel, lean_kernel

CELL = np.dtype([("id", "<u8"), ("price", "<i8"), ("qty", "<u4"), ("at", "<u4")])  # at: 2 * instrument + side - 1

# Places in `heads`.
LIVE: Final = 0
SHIFT: Final = 1

_FIBONACCI = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_ONE, _3, _7 = np.uint64(1), np.uint64(3), np.uint64(7)


class OrderMemory(NamedTuple):
    """The table: cells (a power of two), and how many are live."""

    cells: NDArray[Any]  # CELL
    heads: NDArray[np.int64]


def new_memory(cells: int = 4096) -> OrderMemory:
    """An empty table of a power of two of cells, 16 or more.

    Examples
    --------
    >>> from qflib.kernels.order_memory import new_memory
    >>> int(new_memory(16).heads[0])
    0
    """
    heads = np.zeros(2, np.int64)
    heads[SHIFT] = 65 - int(cells).bit_length()
    return OrderMemory(np.zeros(cells, CELL), heads)


def with_room(m: OrderMemory, orders: int) -> OrderMemory:
    """A table with the same content where `orders` more fit at half load; `m` itself where they do. O(cells)."""
    wanted = 2 * (int(m.heads[LIVE]) + orders)
    if wanted <= len(m.cells):
        return m
    made = new_memory(1 << wanted.bit_length())
    _refill(m.cells, made)
    return made


def saved(m: OrderMemory) -> NDArray[Any]:
    """The live cells, by instrument and id: the same whatever the table's size and history. O(n log n)."""
    live = m.cells[m.cells["qty"] != 0]
    ordered: NDArray[Any] = live[np.lexsort((live["id"], live["at"] >> 1))]
    return ordered


def loaded(cells: NDArray[Any]) -> OrderMemory:
    """The table of what `saved` gave."""
    made = with_room(new_memory(), len(cells))
    _refill(np.ascontiguousarray(cells).astype(CELL, copy=False), made)
    return made


@kernel
def _refill(cells: NDArray[Any], made: OrderMemory) -> None:
    for k in range(len(cells)):
        if cells[k].qty != 0:
            i = recall(made, cells[k].at >> np.uint32(1), cells[k].id)
            made.cells[i] = cells[k]
            made.heads[LIVE] += 1


@folded
def recall(m: OrderMemory, instrument: Any, order_id: Any) -> Any:
    """The cell of an order, or the free one where it would go; there must be a free cell. O(1)."""
    mask = np.uint64(len(m.cells) - 1)
    i = home_of(m, np.uint64(instrument), order_id)
    while m.cells[i].qty != 0 and not (m.cells[i].id == order_id and m.cells[i].at >> np.uint32(1) == instrument):
        i = (i + _ONE) & mask
    return i


@folded
def keep(m: OrderMemory, cell: Any, instrument: Any, side: Any, order_id: Any, price: Any, qty: Any) -> None:
    """Write a new order (quantity above 0) into the free cell that `recall` found."""
    m.cells[cell].id = order_id
    m.cells[cell].price = price
    m.cells[cell].qty = qty
    m.cells[cell].at = np.uint32(2 * instrument + side - 1)
    m.heads[LIVE] += 1


@folded
def lessen(m: OrderMemory, cell: Any, qty: Any) -> None:
    """Take a quantity off the order in a cell; all of it, or more, takes it out."""
    if np.int64(qty) < np.int64(m.cells[cell].qty):
        m.cells[cell].qty -= np.uint32(qty)
    else:
        forget(m, cell)


@folded
def forget(m: OrderMemory, cell: Any) -> None:
    """Empty a cell; those behind it whose search would break move up."""
    mask = np.uint64(len(m.cells) - 1)
    i = np.uint64(cell)
    j = (i + _ONE) & mask
    while m.cells[j].qty != 0:
        start = home_of(m, np.uint64(m.cells[j].at >> np.uint32(1)), m.cells[j].id)
        if ((j - start) & mask) >= ((j - i) & mask):
            m.cells[i] = m.cells[j]
            i = j
        j = (j + _ONE) & mask
    m.cells[i].qty = 0
    m.heads[LIVE] -= 1


@lean_kernel
def empty(m: OrderMemory) -> None:
    """Forget every order. O(cells) where there are any."""
    if m.heads[LIVE] > 0:
        for k in range(len(m.cells)):
            m.cells[k].qty = 0
        m.heads[LIVE] = 0


@folded
def home_of(m: OrderMemory, instrument: Any, order_id: Any) -> Any:
    """The cell where the search for an order begins."""
    x = (order_id >> _3) ^ (instrument * _MIX)
    x ^= x >> np.uint64(32)
    return (((x * _FIBONACCI) >> (np.uint64(m.heads[SHIFT]) + _3)) << _3) | (order_id & _7)
