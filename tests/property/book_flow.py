"""What a venue tells of one instrument."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.order_stream import new_stream, take_rows
from qflib.records import MARKET_EVENTS


def flow(seed: int, n: int, live: int = 40) -> Any:
    """A venue's events of one instrument, from an empty book on."""
    stream, fill = take_rows(new_stream(live, seed=seed), live, live)
    _, rows = take_rows(stream, n, live)
    joined = {name: np.concatenate([getattr(fill, name), getattr(rows, name)]) for name in fill._fields}
    time_ns = 1_000 * np.arange(1, live + n + 1)
    return MARKET_EVENTS.make(**joined, receipt_ns=time_ns, venue_ns=time_ns)
