"""The benchmark's market: rows that fill the books, and the flow after them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qflib.kernels.order_stream import new_stream, scrambled, take_rows
from qflib.records import MARKET_EVENTS

_SECOND = 1_000_000_000


class Market(NamedTuple):
    """Columns of `MARKET_EVENTS`."""

    instruments: int
    bounded: bool  # ids count up from 1
    fill: Any
    flow: Any

    def slice(self, start: int, stop: int) -> Any:
        """Rows of the flow."""
        return MARKET_EVENTS.slice(self.flow, start, stop)


def made(instruments: int, live: int, events: int, *, bounded: bool, seed: int = 1) -> Market:
    """`live` adds, then `events` rows that hold about as many live orders."""
    stream, fill = take_rows(new_stream(live, instruments, seed), live, live)
    _, flow = take_rows(stream, events, live)
    return Market(instruments, bounded, _columns(fill, 1, bounded), _columns(flow, 1 + live, bounded))


def _columns(rows: Any, start: int, bounded: bool) -> Any:
    time_ns = _SECOND + 1_000 * np.arange(start, start + len(rows.kind))
    named = rows._asdict()
    if not bounded:
        named["order_id"] = scrambled(rows.order_id)
    return MARKET_EVENTS.make(**named, venue_ns=time_ns, receipt_ns=time_ns)
