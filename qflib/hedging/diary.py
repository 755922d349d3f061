"""A delta hedge kept by hand: what is bought at each look, what it has cost so far, and the interest on that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.pricing import greeks
from qflib.pricing.inputs import arguments


def hedge_diary(
    prices: Sequence[float] | pd.Series[Any],
    strike: float,
    years: float,
    rate: float,
    vol: float,
    *,
    right: str = "call",
    contracts: float = 1.0,
    dividend_yield: float = 0.0,
) -> pd.DataFrame:
    """The table of a delta hedge of an option sold, as textbooks print it.

    Parameters
    ----------
    prices
        Of the underlying at even times, the first at the sale, the last at expiry.
    strike, years, rate, vol, right, dividend_yield
        The option.
    contracts
        How many were sold, each on one unit.

    Returns
    -------
    DataFrame
        A row a time: price, delta, bought, cost (of what was bought), cumulative (with interest until then), interest
        (simple, of the time that follows). ``attrs["hedge_cost"]`` is what the hedge has cost at expiry, the strike
        received where the option is exercised.

    Raises
    ------
    InputError
        If there are fewer than two prices, or a figure is out of range.

    Notes
    -----
    O(n). Source: Hull, "Options, Futures, and Other Derivatives", tables 19.2 and 19.3.

    Examples
    --------
    >>> diary = hedge_diary([49.0, 48.12, 52.0], strike=50.0, years=2 / 52, rate=0.05, vol=0.2, contracts=1000)
    >>> diary["delta"].round(3).tolist()
    [0.328, 0.091, 1.0]
    """
    path = np.asarray(prices, np.float64)
    if path.ndim != 1 or len(path) < 2:
        raise InputError(f"prices have shape {path.shape}; give a path of two or more")
    n = len(path) - 1
    left = years - years / n * np.arange(n)
    sign = float(arguments(right, strike=strike).values[0][0])
    table = greeks(right, strike, left, vol, spot=path[:-1], rate=rate, dividend_yield=dividend_yield)
    end = sign if sign * (path[-1] - strike) > 0 else 0.0
    delta = np.append(table["delta"].to_numpy(np.float64), end)
    bought = contracts * np.diff(delta, prepend=0.0)
    cost = bought * path
    cumulative, interest = np.empty(n + 1), np.zeros(n + 1)
    total = 0.0
    for k in range(n + 1):
        total += cost[k] + (interest[k - 1] if k else 0.0)
        cumulative[k] = total
        interest[k] = total * rate * years / n if k < n else 0.0
    frame = pd.DataFrame(
        {"price": path, "delta": delta, "bought": bought, "cost": cost, "cumulative": cumulative, "interest": interest}
    )
    frame.index.name = "look"
    frame.attrs["hedge_cost"] = total - end * contracts * strike
    return frame
