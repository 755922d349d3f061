"""Trades as dots of a picture: those of one record, price and side are one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def marks_of(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of `TRADE_ROW`, those of one record, price and side added up; in order, at the time of the last of them.

    Examples
    --------
    >>> from qflib.views.books import TRADE_ROW
    >>> rows = np.zeros(3, TRADE_ROW)
    >>> rows["price_ticks"], rows["qty"], rows["receipt_ns"] = [7, 8, 7], [1, 2, 3], [10, 20, 30]
    >>> marks_of(rows)[["price_ticks", "qty", "receipt_ns"]].tolist()
    [(8, 2, 20), (7, 4, 30)]
    """
    if not len(rows):
        return rows
    ordered = rows[np.lexsort((rows["side"], rows["price_ticks"], rows["seq"]))]
    key = np.stack([ordered["seq"], ordered["price_ticks"], ordered["side"].astype(np.int64)])
    starts = np.concatenate(([0], np.flatnonzero((np.diff(key) != 0).any(axis=0)) + 1))
    made = ordered[starts]
    for name, add in (("qty", np.add), ("receipt_ns", np.maximum), ("venue_ns", np.maximum)):
        made[name] = add.reduceat(ordered[name], starts)
    return made[np.lexsort((made["receipt_ns"], made["seq"]))]
