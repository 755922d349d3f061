"""The best levels of a book in one small array: what a step keeps of a book an instrument."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel


@kernel
def book_apply(levels: NDArray[np.int64], side: int, price_ticks: int, qty: int) -> int:
    """Set the quantity of a level; 0 takes it away.

    Parameters
    ----------
    levels
        (2, depth, 2): bids and asks, best first, price in ticks and lots; a level of 0 lots is none. Changed in place.
    side
        1 bid, 2 ask, as `Side`; another one changes nothing.
    price_ticks, qty
        The level and what now stands there.

    Returns
    -------
    int
        The level's place, 0 the best; -1 where it lies beyond the depth kept or was not there.

    Notes
    -----
    O(depth). What falls off the end is forgotten: where levels ahead of it go, the place is empty until a venue tells
    it again.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.kernels import book_apply
    >>> levels = np.zeros((2, 3, 2), np.int64)
    >>> book_apply(levels, 1, 100, 5), book_apply(levels, 1, 101, 2), book_apply(levels, 1, 100, 0)
    (0, 0, 1)
    >>> levels[0, 0].tolist()
    [101, 2]
    """
    if side not in {1, 2}:
        return -1
    own = levels[side - 1]
    depth = own.shape[0]
    at = 0
    while at < depth and own[at, 1] > 0 and (own[at, 0] > price_ticks if side == 1 else own[at, 0] < price_ticks):
        at += 1
    if at == depth:
        return -1
    there = own[at, 1] > 0 and own[at, 0] == price_ticks
    if qty <= 0:
        if not there:
            return -1
        for i in range(at, depth - 1):
            own[i, 0], own[i, 1] = own[i + 1, 0], own[i + 1, 1]
        own[depth - 1, 0], own[depth - 1, 1] = 0, 0
        return at
    if not there:
        for i in range(depth - 1, at, -1):
            own[i, 0], own[i, 1] = own[i - 1, 0], own[i - 1, 1]
    own[at, 0], own[at, 1] = price_ticks, qty
    return at
