"""Trades as dots of a picture: those of one record, price and side are one, so that they reach as far as depth does."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qflib.views.books import TRADE_ROW
from qflib.views.ring import Ring

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.changed import Changed

_KEPT = 40_000  # an instrument's: what is told of depth at once, with ten prices and sides a moment
_FEW = 256


def marks_of(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of `TRADE_ROW`, those of one record, price and side added up; in order, at the time of the last of them.

    Examples
    --------
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
    made["qty"] = np.add.reduceat(ordered["qty"], starts)
    made["receipt_ns"] = np.maximum.reduceat(ordered["receipt_ns"], starts)
    return made[np.lexsort((made["receipt_ns"], made["seq"]))]


class TradeMarks:
    """The marks of every instrument, for all sessions.

    Parameters
    ----------
    views
        The read model: the trades it has, and those that come.
    """

    def __init__(self, views: Views) -> None:
        self._rings: dict[int, Ring] = {}
        self._lock = Lock()
        self.end = views.listen(self._listen)
        for i in range(len(views.instruments)):
            self._take(i, views.books.trades(i))

    def since(self, instrument: int, seq: int, *, from_ns: int = 0) -> NDArray[Any]:
        """The marks (`TRADE_ROW`) of later records than one, and of no earlier time."""
        ring = self._rings.get(instrument)
        if ring is None:
            return np.zeros(0, TRADE_ROW)
        rows = ring.last(_FEW)
        if len(rows) == _FEW and rows["seq"][0] > seq:
            rows = ring.last()
        return rows[(rows["seq"] > seq) & (rows["receipt_ns"] >= from_ns)]

    def _listen(self, changed: Changed) -> None:
        for trades in changed.trades:
            self._take(trades.instrument, trades.rows)

    def _take(self, instrument: int, rows: NDArray[Any]) -> None:
        if len(rows):
            with self._lock:
                ring = self._rings.setdefault(instrument, Ring(TRADE_ROW, _KEPT))
                ring.extend(marks_of(rows))
