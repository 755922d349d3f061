"""Venue trades on the grid of a book's moments: those of one moment, price and side are one mark."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: `time_ns` is that of the book's moment that the trades came in or after; `seq` the record of the last of them.
MARK_ROW = np.dtype(
    [("seq", "i8"), ("time_ns", "i8"), ("side", "u4"), ("price_ticks", "i8"), ("qty", "i8"), ("n", "i8")]
)


class TradeMarks:
    """Marks of one instrument, as long as so many moments of its book.

    Parameters
    ----------
    moments
        How many of the book's moments they reach back.

    Examples
    --------
    >>> marks = TradeMarks(100)
    >>> marks.add(5, 1_000, 1, [(1, 99, 3), (2, 98, 1), (1, 99, 4)])
    >>> marks.since(-1)[["side", "price_ticks", "qty", "n"]].tolist()
    [(1, 99, 7, 2), (2, 98, 1, 1)]
    """

    def __init__(self, moments: int) -> None:
        self._moments = moments
        self._closed: deque[tuple[int, NDArray[Any]]] = deque()  # moment, its marks
        self._open: dict[tuple[int, int], list[int]] = {}  # (side, price): seq, quantity, count
        self._moment = self._time_ns = -1
        self._lock = Lock()

    def add(self, seq: int, time_ns: int, moment: int, trades: list[tuple[int, int, int]]) -> None:
        """Trades of one record, as (side, price, quantity); O(trades).

        Parameters
        ----------
        seq
            The record's.
        time_ns, moment
            When the book's last moment was, and how many there had been.
        trades
            In order.
        """
        with self._lock:
            if moment != self._moment:
                if self._open:
                    self._closed.append((self._moment, self._rows()))
                self._open, self._moment, self._time_ns = {}, moment, time_ns
                while self._closed and self._closed[0][0] <= moment - self._moments:
                    self._closed.popleft()
            for side, price, qty in trades:
                mark = self._open.setdefault((side, price), [seq, 0, 0])
                mark[0], mark[1], mark[2] = seq, mark[1] + qty, mark[2] + 1

    def since(self, seq: int) -> NDArray[Any]:
        """Marks that a record after `seq` added to (`MARK_ROW`), by rising time; O(marks given and one moment's)."""
        found = []
        with self._lock:
            parts = [self._rows(), *(rows for _, rows in reversed(self._closed))]
        for rows in parts:
            new = rows[rows["seq"] > seq]
            found.append(new)
            if len(rows) and not len(new):
                break
        return np.concatenate(found[::-1])

    def _rows(self) -> NDArray[Any]:
        told = [(seq, self._time_ns, *at, qty, n) for at, (seq, qty, n) in self._open.items()]
        return np.array(told, MARK_ROW)
