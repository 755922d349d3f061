"""The book as a ladder with cumulative depth and our own orders; told in binary."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dashboards.components.heatmap import digits
from dashboards.components.wire import HERE, Message, Wire, style

if TYPE_CHECKING:
    from qflib.records import Instruments
    from qflib.views.books import BookState


class Ladder(Wire):
    """Draws what `ladder_message` tells."""

    _esm: ClassVar[str | Path] = HERE / "ladder.js"
    _stylesheets: ClassVar[list[str]] = style("ladder")


def ladder_message(table: Instruments, book: BookState, own: list[tuple[int, int, float]]) -> Message:
    """One book, packed: bids, then asks, ticks and lots side by side; `own` as for the heat map."""
    i = book.instrument
    tick, lot = table.to_price(i, 1), table.to_qty(i, 1)
    return {
        "key": book.symbol, "n": len(book.bids), "k": len(book.asks), "own": [list(o) for o in own],
        "blob": np.concatenate([book.bids, book.asks]).astype(np.float64).tobytes(),
        "tick": tick, "digits": digits(tick), "lot": lot, "lots": digits(lot),
        "trade": book.last_ticks if book.last_qty else 0,
        "status": book.status.name.replace("_", " ").lower(), "seq": book.stamp.seq, "sent": time.time() * 1e3,
    }  # fmt: skip
