"""Depth through time with trades and best prices, as Bookmap draws it; a canvas, told in binary."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dashboards.components.wire import HERE, Message, Wire, style

if TYPE_CHECKING:
    from qflib.records import Instruments

_INT32 = 2**31 - 1


class Heatmap(Wire):
    """Draws what `depth_message` tells."""

    _esm: ClassVar[str | Path] = HERE / "heatmap.js"
    _stylesheets: ClassVar[list[str]] = style("heatmap")


def depth_message(
    table: Instruments,
    instrument: int,
    depth: NDArray[Any],
    trades: NDArray[Any],
    own: list[tuple[int, int, float]],
    base: int,
    *,
    full: bool,
) -> Message:
    """Moments of a book and its trades, packed.

    Parameters
    ----------
    table, instrument
        Whose ticks and lots they are.
    depth, trades
        Rows of `DEPTH_ROW` and `TRADE_ROW`, oldest first; of trades those of one moment, price and side may be one.
    own
        Resting orders of ours: ticks, side, leaves quantity in lots.
    base
        Ticks that prices are told from, so that they fit in 32 bits.
    full
        Whether all that was told before is to be forgotten.
    """
    n, k = len(depth), len(trades)
    ticks = np.empty((n, 40), np.int32)
    qty = np.empty((n, 40), np.float32)
    for at, side in ((0, "bid"), (20, "ask")):
        ticks[:, at : at + 20] = np.clip(depth[f"{side}_ticks"] - base, -_INT32, _INT32)
        qty[:, at : at + 20] = depth[f"{side}_qty"]
    blob = b"".join(
        (
            (depth["time_ns"] / 1e6).tobytes(),
            (trades["receipt_ns"] / 1e6).tobytes(),
            ticks.tobytes(),
            qty.tobytes(),
            np.clip(trades["price_ticks"] - base, -_INT32, _INT32).astype(np.int32).tobytes(),
            trades["qty"].astype(np.float32).tobytes(),
            trades["side"].astype(np.uint8).tobytes(),
        )
    )
    return {
        "full": full, "key": table[instrument].symbol, "base": base, "n": n, "k": k, "blob": blob,
        "tick": table.to_price(instrument, 1), "digits": digits(table.to_price(instrument, 1)),
        "lot": table.to_qty(instrument, 1), "lots": digits(table.to_qty(instrument, 1)),
        "own": [[ticks_ - base, side, qty_] for ticks_, side, qty_ in own],
        "seq": int(depth["seq"][-1]) if n else -1, "sent": time.time() * 1e3,
    }  # fmt: skip


def digits(step: float) -> int:
    """Decimals that a multiple of a step needs.

    Examples
    --------
    >>> digits(0.01), digits(0.25), digits(1.0), digits(1e-8)
    (2, 2, 0, 8)
    """
    text = f"{step:.10f}".rstrip("0")
    return len(text) - text.index(".") - 1
