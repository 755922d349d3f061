"""A book as it is shown, walked: what a trade at once would cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from qflib.orderbook.cost import TradeCost, walk
from qflib.records import Instruments
from qflib.views.books import BookState


class ShownBook:
    """The levels of a live book, for whoever asks what walking them costs.

    Parameters
    ----------
    book
        As the view has it; None: nothing was told of it.
    instruments, instrument
        The instrument table, and whose book it is.
    fx
        Reporting currency a unit of quote currency: costs are in it.

    Attributes
    ----------
    bid, ask, mid, half_spread
        Of the best levels; NaN where a side is empty, mid and half-spread also where bid and ask meet or cross.

    Examples
    --------
    >>> from qflib.records import Instrument, Instruments
    >>> table = Instruments((Instrument("ACME.F", kind="spot"),))
    >>> ShownBook(None, table, 0).cost_to_trade("buy", 1.0).filled
    0.0
    """

    def __init__(self, book: BookState | None, instruments: Instruments, instrument: int, fx: float = 1.0) -> None:
        self.row, self.symbol, self._fx = instruments[instrument], instruments[instrument].symbol, fx
        self._levels = {}
        for side, rows in (("buy", None if book is None else book.asks), ("sell", None if book is None else book.bids)):
            told = np.zeros((0, 2), np.int64) if rows is None else rows
            price = np.asarray(instruments.to_price(instrument, told[:, 0]), np.float64)
            self._levels[side] = price, np.asarray(instruments.to_qty(instrument, told[:, 1]), np.float64)
        best = [float(self._levels[s][0][0]) if len(self._levels[s][0]) else np.nan for s in ("sell", "buy")]
        self.bid, self.ask = best
        if not best[0] < best[1]:  # crossed or locked, as in an auction: no more a market than one side alone
            best = [np.nan, np.nan]
        self.mid, self.half_spread = 0.5 * (best[0] + best[1]), 0.5 * (best[1] - best[0])

    def cost_to_trade(self, side: Literal["buy", "sell"], qty: float) -> TradeCost:
        """What a market order would cost against the mid, in reporting currency; O(levels)."""
        prices, sizes = self._levels[side]
        told = walk(side, qty, prices, sizes, self.mid, self.row)
        return replace(told, cost=told.cost * self._fx)
