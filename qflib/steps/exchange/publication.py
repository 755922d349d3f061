"""Marks and analytics: what changed of what is to be had, an underlying at a time.

Tops and depth are the venue's less what our orders consumed; our own resting orders are not in them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book_tops import changes
from qflib.kernels.own_orders import FOR_ANALYTICS, FOR_MARKS
from qflib.records import DEPTH, PLACES, TICK, TOPS, TRADES, Batch
from qflib.records.schema import frozen
from qflib.records.topics import ANALYTICS_RESULTS, EXCHANGE_MARKS
from qflib.steps.exchange.core import Core

MARKS_LEVELS = 5
ANALYTICS_LEVELS = 20


class Publication:
    """Sends what changed since it was last sent; marks and analytics each have their own memory of that."""

    def __init__(self, core: Core) -> None:
        self._core = core
        table = core.instruments
        self._members = {u: np.flatnonzero(table.underlying_index == u) for u in core.underlyings}
        self._has_depth = np.array([r.kind != "option" for r in table], np.uint8)

    def boundary(self, time_ns: int, closing: bool, places: Any = None) -> list[Batch]:
        """What is due at a multiple of the period: marks for every underlying, analytics for those that changed.

        Parameters
        ----------
        time_ns, closing
            Market time, and whether the sources have ended.
        places
            PLACES of our orders that have moved; None: none has.
        """
        trades = self._core.engine.take_trades()
        out = []
        for u in self._members:
            out.append(self.marks(u, time_ns, closing))
            out += self._analytics(u, trades, places)
        return out

    def marks(self, u: int, time_ns: int, closing: bool = False, **controls: Any) -> Batch:
        """Time, controls, and the tops and depth that changed since the last marks."""
        core = self._core
        tick = TICK.Columns(frozen(np.array([time_ns], np.int64)), frozen(np.array([closing], np.uint32)))
        tables = self._changes(u, FOR_MARKS, MARKS_LEVELS) | controls
        return core.outbox.make(EXCHANGE_MARKS, core.instruments.underlyings[u], "marks", tick=tick, **tables)

    def _analytics(self, u: int, trades: NDArray[Any], places: Any) -> list[Batch]:
        core = self._core
        tables = self._changes(u, FOR_ANALYTICS, ANALYTICS_LEVELS)
        if tables and len(trades):
            mine = trades[core.instruments.underlying_index[trades["instrument"]] == u]
            tables["trades"] = TRADES.Columns(*(frozen(mine[c.name]) for c in TRADES.columns))
        if places is not None:
            here = core.instruments.underlying_index[places.instrument] == u
            if here.any():
                tables["places"] = PLACES.take(places, here)
        if not tables:
            return []
        return [core.outbox.make(ANALYTICS_RESULTS, core.instruments.underlyings[u], "analytics", **tables)]

    def _changes(self, u: int, bit: int, levels: int) -> dict[str, Any]:
        """Tops and depth that changed since this was last asked; all at the first time; none where nothing did."""
        core = self._core
        o = core.engine.o
        if not o.changed_underlying[u] & bit:
            return {}
        o.changed_underlying[u] &= ~np.uint8(bit)
        made = changes(core.engine.book, o, self._members[u], self._has_depth, core.expired, bit, levels)
        for table in made:
            table.setflags(write=False)  # and so are its rows, which are the columns
        (instrument, status), values, deep, prices = made
        return {
            "tops": TOPS.Columns(instrument, *values[:6], status, *values[6:]),
            "depth": DEPTH.Columns(*deep, *prices),
        }
