"""Tops and depth of the instruments that changed, as the columns of their records, in one call.

They show what is to be had: the venue's levels less what we consumed of them. A hedger that saw the venue's own book
would take the same lots again and again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book import BookState
from qflib.kernels.book_levels import rank_of, worse_level
from qflib.kernels.jit import kernel
from qflib.kernels.own_orders import Overlay, consumed_at

TOP_LEVELS = 5  # levels in a top's depth


@kernel
def changes(
    b: BookState,
    o: Overlay,
    members: NDArray[np.int64],
    has_depth: NDArray[np.uint8],
    expired: NDArray[np.uint8],
    bit: int,
    n_levels: int,
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint32], NDArray[np.int64]]:
    """What of some instruments changed since this was last asked for the same reader.

    Parameters
    ----------
    b, o
        The books, and the overlay whose `changed` says what to send; the reader's bit is taken off.
    members
        Instruments of one underlying.
    has_depth, expired
        (n,) 1 where an instrument's levels are sent; 1 where it has expired.
    bit
        The reader.
    n_levels
        Levels of depth a side.

    Returns
    -------
    top_codes, top_values, depth_codes, depth_values
        (2, m) uint32 instrument, status; (9, m) int64 the other columns of `Tops` in order; (3, d) uint32 instrument,
        side, level; (2, d) int64 price, quantity. O(members + levels sent), where we consumed of an instrument
        O(levels x consumed levels) more.
    """
    m, deep = 0, 0
    for k in members:
        if o.changed[k] & bit:
            m += 1
            deep += has_depth[k]
    top_codes, top_values = np.zeros((2, m), np.uint32), np.zeros((9, m), np.int64)
    depth_codes, depth_values = (
        np.empty((3, 2 * n_levels * deep), np.uint32),
        np.empty((2, 2 * n_levels * deep), np.int64),
    )
    j, d = 0, 0
    for k in members:
        if not o.changed[k] & bit:
            continue
        o.changed[k] &= ~np.uint8(bit)
        top_codes[0, j] = k
        top_codes[1, j] = 5 if expired[k] else b.info[k].status
        taken = o.consumed_head[k] >= 0
        for s in range(2):
            book = 2 * k + s
            row: Any = np.int64(b.books[book].best)
            n = n_levels if has_depth[k] else TOP_LEVELS
            level = 0
            while row != 0 and level < n:
                rank: Any = np.int64(b.levels[row].rank)
                price = rank_of(book, rank)
                qty: Any = np.int64(b.levels[row].qty)
                row = worse_level(b, book, rank)
                if taken:
                    qty -= consumed_at(o, k, np.int64(s + 1), price)
                    if qty <= 0:
                        continue
                if level == 0:
                    top_values[2 * s, j] = price
                    top_values[2 * s + 1, j] = qty
                if level < TOP_LEVELS:
                    top_values[7 + s, j] += qty
                if has_depth[k]:
                    depth_codes[0, d], depth_codes[1, d], depth_codes[2, d] = k, s + 1, level
                    depth_values[0, d] = price
                    depth_values[1, d] = qty
                    d += 1
                level += 1
        top_values[4, j] = b.info[k].last_ticks
        top_values[5, j] = b.info[k].last_qty
        top_values[6, j] = o.newest[k]
        j += 1
    return top_codes, top_values, depth_codes[:, :d], depth_values[:, :d]
