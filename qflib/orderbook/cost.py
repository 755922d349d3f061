"""What trading a quantity at once would cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records import Instrument


@dataclass(frozen=True, slots=True)
class TradeCost:
    """A book walked by a market order.

    Attributes
    ----------
    side, qty
        What was asked.
    filled
        What the book holds of it.
    avg_price
        Of the quantity filled; NaN where nothing is.
    mid
        Mean of best bid and ask; NaN where a side is empty.
    cost
        Paid above the mid (buy) or received below it (sell), in quote currency, multiplier in; positive is a cost.
        Of an option quoted in coin, in coin.
    levels
        Price levels touched.
    """

    side: str
    qty: float
    filled: float
    avg_price: float
    mid: float
    cost: float
    levels: int

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        return pd.DataFrame([asdict(self)])

    def plot(self) -> Any:
        """A bar of the cost."""
        import hvplot.pandas  # noqa: F401

        return self.to_frame().hvplot.bar(x="side", y="cost", ylabel="cost, quote currency")

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


def walk(
    side: str, qty: float, prices: NDArray[np.float64], sizes: NDArray[np.float64], mid: float, instrument: Instrument
) -> TradeCost:
    """Trade against levels, best first. O(levels).

    Raises
    ------
    InputError
        If the side is not "buy" or "sell", or the quantity is not a positive number.
    """
    if side not in ("buy", "sell"):
        raise InputError(f"side {side!r} is unknown; give 'buy' or 'sell'")
    if not (np.isfinite(qty) and qty > 0):
        raise InputError(f"quantity {qty} must be a positive number; the side says which way")
    before = np.cumsum(sizes) - sizes
    taken = np.clip(qty - before, 0.0, sizes)
    filled = float(taken.sum())
    avg = float((taken * prices).sum() / filled) if filled > 0 else float("nan")
    sign = 1.0 if side == "buy" else -1.0
    # An inverse contract is worth contract_value in quote currency whatever the price.
    unit = (
        instrument.contract_value / mid if instrument.inverse and instrument.contract_value else instrument.multiplier
    )
    return TradeCost(side, float(qty), filled, avg, mid, sign * (avg - mid) * filled * unit, int((taken > 0).sum()))
