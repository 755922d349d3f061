"""What stands in the matching engine, in the order that matters; it makes snapshots, digests and pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book_ids import find_cell
from qflib.kernels.book_levels import make_level, rank_of, worse_level
from qflib.kernels.book_queues import first_order, next_order, place_in_cell
from qflib.kernels.book_state import ORDER_LIVE, Int, short_of
from qflib.kernels.engine_clock import remember_expiry
from qflib.kernels.engine_codes import (
    HAS_MORE,
    N_PLACES,
    STOPS,
    TOP,
)
from qflib.kernels.engine_orders import (
    bits_of,
    leaves_of,
    side_of,
)
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_types import expires
from qflib.kernels.jit import kernel, lean_kernel

#: An order as it stands: `qty` is what is shown, `leaves` what is open, `at` the price it is queued by.
STANDING = np.dtype(
    [
        ("instrument", "u4"),
        ("place", "u1"),
        ("side", "u1"),
        ("spare", "u2"),
        ("account", "u4"),
        ("bits", "u4"),
        ("order_id", "u8"),
        ("at", "i8"),
        ("qty", "i8"),
        ("leaves", "i8"),
        ("display", "i8"),
        ("expire_ns", "i8"),
        ("limit", "i8"),
    ]
)


@kernel
def standing(e: EngineState, first: Int, stop: Int) -> Any:
    """Orders of instruments `first` to `stop`: by place, side, price and queue (STANDING). O(orders)."""
    n = len(e.rules)
    out = np.zeros(e.book.heads[ORDER_LIVE], STANDING)
    at = 0
    for k in range(first, stop):
        for place in range(N_PLACES):
            for parity in range(2):
                book = 2 * (place * n + k) + parity
                level = np.int64(e.book.books[np.uint64(book)].best)
                while level != 0:
                    rank = e.book.levels[np.uint64(level)].rank
                    row = first_order(e.book, np.uint64(level))
                    while row != np.uint64(0):
                        write(e, out, at, k, place, row, rank_of(book, rank))
                        at += 1
                        row = next_order(e.book, row)
                    level = np.int64(worse_level(e.book, book, rank))
    return out[:at]


@lean_kernel
def write(e: EngineState, out: NDArray[Any], at: Int, k: Int, place: Int, row: Any, price: Int) -> None:
    """One order of `standing`."""
    bits = bits_of(e, row)
    out[at].instrument, out[at].place, out[at].side = k, place, side_of(e, row)
    out[at].account, out[at].bits = e.tags[row].account, bits
    out[at].order_id, out[at].at = e.book.orders[row].id, price
    out[at].qty, out[at].leaves = e.book.orders[row].qty, leaves_of(e, np.int64(row))
    if bits & HAS_MORE:
        out[at].display, out[at].expire_ns = e.more[row].display, e.more[row].expire_ns
        out[at].limit = e.more[row].limit


@lean_kernel
def put_back(e: EngineState, orders: NDArray[Any], start: Int) -> Int:
    """Orders as `standing` gave them, from `start` on; the row for which the book has no room, or their number.

    O(orders); the heap of expiries has room for them all.
    """
    n = len(e.rules)
    for i in range(start, len(orders)):
        if short_of(e.book) != 0:
            return i
        o = orders[i]
        k, place, bits = np.int64(o.instrument), np.int64(o.place), np.int64(o.bits)
        book = 2 * (place * n + k) + (2 - np.int64(o.side) if place == STOPS else np.int64(o.side) - 1)
        level = np.uint64(make_level(e.book, book, rank_of(book, o.at)))
        row = place_in_cell(e.book, find_cell(e.book, k, o.order_id), k, o.order_id, o.qty, level)
        e.tags[row].account, e.tags[row].bits = o.account, bits
        if bits & HAS_MORE:
            e.more[row].reserve, e.more[row].display = o.leaves - o.qty, o.display
            e.more[row].expire_ns, e.more[row].limit = o.expire_ns, o.limit
        if bits & TOP and o.side == 1:
            e.rules[k].top_bid = row
        elif bits & TOP:
            e.rules[k].top_ask = row
        if expires(bits):
            remember_expiry(e, o.expire_ns, o.order_id, k)
    return np.int64(len(orders))
