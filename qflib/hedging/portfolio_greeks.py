"""Greeks of positions, in reporting currency, summed over groups."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.revaluation import Valued
from qflib.pricing import greeks

F8 = NDArray[np.float64]
Units = Literal["natural", "trader"]

#: those that add up over strikes and expiries
ADDITIVE = (
    "delta",
    "gamma",
    "vega",
    "theta",
    "rho",
    "vanna",
    "volga",
    "charm",
    "veta",
    "speed",
    "zomma",
    "color",
    "ultima",
)


def portfolio_greeks(valued: tuple[Valued, ...], labels: pd.DataFrame, qty: F8, units: Units) -> pd.DataFrame:
    """Sums of the positions' Greeks by the columns of `labels` (a row a position); O(positions).

    Raises
    ------
    InputError
        If units are unknown.
    """
    if units not in ("natural", "trader"):
        raise InputError(f"units {units!r} are unknown; expected 'natural' or 'trader'")
    out = {name: np.zeros(len(qty)) for name in ("value", *ADDITIVE)}
    for v in valued:
        for name, values in _of_underlying(v, units).items():
            out[name][v.position] = values
    frame = pd.concat([labels, pd.DataFrame(out)], axis=1)
    return frame.groupby(list(labels.columns), dropna=False).sum()


def _of_underlying(v: Valued, units: Units) -> dict[str, F8]:
    cash, forward = units == "trader", v.forward
    out = {name: np.zeros(len(v.cash_qty)) for name in ("value", *ADDITIVE)}
    o = v.option
    if o.any():
        each = greeks(v.right[o], v.strike[o], v.years[o], v.vol[o], forward=forward, rate=v.rate, units=units)
        for name in ADDITIVE:
            out[name][o] = v.cash_qty[o] * each[name].to_numpy()
        out["value"][o] = v.cash_qty[o] * v.price[o]
    # what is linear in the forward: contracts, and (negative) the coin premium of inverse options
    out["delta"] += v.linear if cash else v.linear / forward
    out["value"][v.spot] = v.linear[v.spot]
    return out
