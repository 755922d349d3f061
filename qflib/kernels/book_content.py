"""What stands in the books, in the order that matters: instrument, side, best level first, queue order.

This order does not depend on where rows lie in the pools, so content makes snapshots and digests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.bits import signed
from qflib.kernels.book import place_order
from qflib.kernels.book_levels import make_level, rank_of, worse_level
from qflib.kernels.book_state import ID_WANTED, INFO, NEED_ORDERS, ORDER_LIVE, BookState, Int, grow, new_state
from qflib.kernels.jit import kernel, lean_kernel

TOP_LEVELS = 5  # levels summed in bid_depth and ask_depth


@kernel
def levels_of(b: BookState, first: Int, stop: Int) -> Any:
    """Levels of the instruments `first` to `stop`: (instrument, side, price_ticks, qty, orders). O(levels)."""
    n = np.int64(0)
    for k in range(2 * first, 2 * stop):
        n += b.books[k].levels
    instrument, side = np.empty(n, np.uint32), np.empty(n, np.uint32)
    price, qty, orders = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    at = 0
    for k in range(2 * first, 2 * stop):
        row = np.int64(b.books[k].best)
        while row != 0:
            instrument[at], side[at] = k >> 1, (k & 1) + 1
            price[at] = rank_of(k, b.levels[row].rank)
            qty[at], orders[at] = b.levels[row].qty, b.levels[row].count
            at += 1
            row = np.int64(worse_level(b, k, b.levels[row].rank))
    return instrument, side, price, qty, orders


@kernel
def orders_of(b: BookState, first: Int, stop: Int) -> Any:
    """Orders of the instruments `first` to `stop`, in the order of `levels_of`, each queue from its head: (id, qty)."""
    ids, qty = np.empty(b.heads[ORDER_LIVE], np.uint64), np.empty(b.heads[ORDER_LIVE], np.int64)
    at = 0
    for k in range(2 * first, 2 * stop):
        row = np.int64(b.books[k].best)
        while row != 0:
            order = np.int64(b.levels[row].head)
            while order != 0:
                ids[at], qty[at] = b.orders[order].id, b.orders[order].qty
                at += 1
                order = np.int64(b.orders[order].next)
            row = np.int64(worse_level(b, k, b.levels[row].rank))
    return ids[:at].copy(), qty[:at].copy()


@kernel
def depth_of(b: BookState, instrument: Int, n: Int) -> Any:
    """The best `n` levels a side, bids first: (side, level, price_ticks, qty, orders). O(n)."""
    side, level = np.empty(2 * n, np.uint32), np.empty(2 * n, np.uint32)
    price, qty, orders = np.empty(2 * n, np.int64), np.empty(2 * n, np.int64), np.empty(2 * n, np.int64)
    at = 0
    for k in range(2 * instrument, 2 * instrument + 2):
        row = np.int64(b.books[k].best)
        j = 0
        while row != 0 and j < n:
            side[at], level[at] = (k & 1) + 1, j
            price[at] = rank_of(k, b.levels[row].rank)
            qty[at], orders[at] = b.levels[row].qty, b.levels[row].count
            at += 1
            j += 1
            row = np.int64(worse_level(b, k, b.levels[row].rank))
    return side[:at].copy(), level[:at].copy(), price[:at].copy(), qty[:at].copy(), orders[:at].copy()


@kernel
def tops_of(b: BookState, which: NDArray[np.uint32]) -> Any:
    """Best levels and five-level depth: (bid_ticks, bid_qty, ask_ticks, ask_qty, bid_depth, ask_depth). O(which)."""
    out = np.zeros((6, len(which)), np.int64)
    for i in range(len(which)):
        for s in range(2):
            k = 2 * np.int64(which[i]) + s
            row = np.int64(b.books[k].best)
            if row != 0:
                out[2 * s, i] = rank_of(k, b.levels[row].rank)
                out[2 * s + 1, i] = b.levels[row].qty
            out[4 + s, i] = depth_qty(b, k, TOP_LEVELS)
    return out


@lean_kernel
def depth_qty(b: BookState, book: Int, n: Int) -> Int:
    """Lots on the best `n` levels of one side of an instrument (book = 2 * instrument + side - 1). O(n)."""
    total = np.int64(0)
    row = np.int64(b.books[book].best)
    while row != 0 and n > 0:
        total += b.levels[row].qty
        n -= 1
        row = np.int64(worse_level(b, book, b.levels[row].rank))
    return signed(total)


def save(b: BookState) -> dict[str, NDArray[Any]]:
    """The content of all books as named arrays, the same however the state came about.

    Returns
    -------
    arrays
        ``levels.{instrument,side,price_ticks,qty,orders}``, ``orders.{id,qty}`` and ``info.{field}`` an instrument.
        O(content).
    """
    levels = levels_of(b, 0, len(b.info))
    ids, qty = orders_of(b, 0, len(b.info))
    out = {f"levels.{n}": a for n, a in zip(LEVEL_COLUMNS, levels, strict=True)}
    out |= {"orders.id": ids, "orders.qty": qty}
    return out | {f"info.{n}": b.info[n].copy() for n in INFO.names or ()}


def load(content: dict[str, NDArray[Any]], ids: int = 0) -> BookState:
    """Books with the content that `save` gave: from here on the same events do the same; `ids` as `new_state`'s.

    O(content).

    Examples
    --------
    >>> from qflib.kernels.book import apply_event, best, new_state
    >>> b = new_state(1)
    >>> apply_event(b, 1, 0, 0, 2, 77, 10050, 3)
    0
    >>> best(load(save(b)), 0, 2)
    10050
    """
    n_orders, n_levels = len(content["orders.id"]), len(content["levels.qty"])
    room = max(256, 2 * n_levels)
    b = new_state(len(content["info.status"]), max(1024, 2 * n_orders), room, room, ids)
    bounded = content["orders.id"][content["orders.id"] < ids]
    if len(bounded):
        b.heads[ID_WANTED] = bounded.max()
        b = grow(b, NEED_ORDERS)
    instrument, side, price, qty, orders = (np.ascontiguousarray(content[f"levels.{n}"]) for n in LEVEL_COLUMNS)
    # Directories double as they grow, and what they leave behind is packed by `grow`: the arena may need several.
    level, order = 0, 0
    while True:
        level, order = _fill(
            b, instrument, side, price, qty, orders, content["orders.id"], content["orders.qty"], level, order
        )
        if level == len(price):
            break
        b = grow(b)
    for n in INFO.names or ():
        b.info[n] = content[f"info.{n}"]
    return b


LEVEL_COLUMNS = ("instrument", "side", "price_ticks", "qty", "orders")


@kernel
def _fill(
    b: BookState,
    instrument: Any,
    side: Any,
    price: Any,
    qty: Any,
    orders: Any,
    ids: Any,
    order_qty: Any,
    level: Int,
    order: Int,
) -> Any:
    """Put levels and their orders in, from `level` and `order` on; where it stopped for want of room."""
    while level < len(price):
        k = 2 * np.int64(instrument[level]) + np.int64(side[level]) - 1
        row = make_level(b, k, rank_of(k, price[level]))
        if row == 0:
            break
        for _ in range(orders[level]):
            place_order(b, np.int64(instrument[level]), ids[order], order_qty[order], row)
            order += 1
        b.levels[row].qty = qty[level]
        level += 1
    return level, order
