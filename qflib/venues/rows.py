"""Rows of market events before they become columns, one venue message at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from qflib.records import MARKET_EVENTS, DeadReason, EventFlag, EventKind, Side

#: Kind, flags, instrument, side, price in ticks, quantity in lots, venue's time, receipt time.
Row = tuple[int, int, int, int, int, int, int, int]


class Refused(Exception):
    """The way out of nested calls of a decoder; never seen outside."""

    def __init__(self, reason: DeadReason, detail: str) -> None:
        self.reason, self.detail = reason, detail


def clear_row(at: int, receipt_ns: int, flags: int = EventFlag.LAST | EventFlag.GAP) -> Row:
    """The book of an instrument is empty: by default as something is missing, to await a snapshot."""
    return (EventKind.CLEAR, flags, at, Side.NONE, 0, 0, 0, receipt_ns)


def send(rows: list[Row], made: Iterable[Row]) -> None:
    """A message's rows, the last one marked."""
    before = len(rows)
    rows.extend(made)
    if len(rows) > before:
        kind, flags, *rest = rows[-1]
        rows[-1] = (kind, flags | EventFlag.LAST, *rest)  # type: ignore[assignment]


def columns_of(rows: list[Row]) -> Any:
    """`MARKET_EVENTS` columns of rows."""
    if not rows:
        return MARKET_EVENTS.empty
    kind, flags, at, side, price, qty, venue_ns, receipt_ns = np.array(rows, np.int64).T
    return MARKET_EVENTS.make(
        kind=kind, flags=flags, instrument=at, side=side, price_ticks=price, qty=qty,
        venue_ns=venue_ns, receipt_ns=receipt_ns,
    )  # fmt: skip
