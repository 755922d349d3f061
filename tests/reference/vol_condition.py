"""How much an implied vol moves, relatively, by a relative change of all it is made from."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.black_scholes_greeks import GREEKS
from qflib.kernels.lognormal_blocks import greeks_batch


def condition(sign: Any, spot: Any, strike: Any, years: Any, rate: Any, dividend_yield: Any, vol: Any) -> Any:
    """Sum over price, spot, strike, years, rate and yield of |input d vol / d input| / vol, at least 1."""
    columns = [np.array(c, np.float64) for c in (sign, spot, strike, years, rate, dividend_yield, vol)]
    for c in columns:
        c.flags.writeable = False
    table = np.empty((len(GREEKS), len(columns[0])))
    greeks_batch(*columns, table)
    g = dict(zip(GREEKS, table, strict=True))
    _, spot, strike, years, rate, dividend_yield, vol = columns
    moved = np.abs(g["price"])
    for value, by in ((spot, "delta"), (strike, "dual_delta"), (rate, "rho"), (dividend_yield, "dividend_rho")):
        moved = moved + np.abs(value * g[by])
    with np.errstate(divide="ignore"):
        return np.maximum((moved + np.abs(years * g["theta"])) / (g["vega"] * vol), 1.0)
