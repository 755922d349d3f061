"""Greeks of digital options."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from qflib.pricing.digitals import digital, digital_arguments
from qflib.pricing.greek_table import check_units, named, table
from qflib.pricing.inputs import NumberLike, RightLike
from qflib.pricing.jets import log, sqrt, variables, weighted_cdf
from qflib.pricing.sensitivities import Units

_VARIABLES = ("spot", "strike", "years", "rate", "dividend_yield", "vol")


def digital_greeks(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    kind: Literal["cash", "asset", "gap"] = "cash",
    amount: NumberLike = 1.0,
    payoff_strike: NumberLike | None = None,
    units: Units = "natural",
) -> Any:
    """Price and Greeks of European digital options under Black-Scholes-Merton.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, vol, kind, amount, payoff_strike
        As in `digital`.
    units
        As in `greeks`.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, one row an option, columns price,
        delta, gamma, vega, theta, rho, dividend_rho, vanna, volga, charm, veta, dual_delta, dual_gamma (in the strike
        that decides), elasticity. NaN beside the price where years or vol is 0.

    Raises
    ------
    InputError
        If a value is out of range, a gap option has no payoff strike, or units are unknown.

    Notes
    -----
    O(n). The formulas of `digital`, differentiated exactly (second-order forward mode): rounding alone.
    Sources: Reiner and Rubinstein 1991; Haug 2007, section 4.19; Griewank and Walther 2008, ch. 13.

    Examples
    --------
    >>> from qflib.pricing import digital_greeks
    >>> g = digital_greeks("put", 100, 80, 0.75, 0.06, 0.06, 0.35, amount=10)
    >>> round(g["delta"], 6), round(g["vega"], 4)
    (-0.106059, 8.1539)
    """
    check_units(units)
    a = digital_arguments(right, spot, strike, years, rate, dividend_yield, vol, kind, amount, payoff_strike)
    sign, price, _, times, _, _, vols, amounts = a.values
    s, k, t, r, q, v = variables(*a.values[1:7])
    with np.errstate(all="ignore"):
        total = v * sqrt(t)
        d1 = (log(s / k) + (r - q) * t) / total + total * 0.5
        asset = weighted_cdf(log(s) - q * t, d1 * sign)
        cash = weighted_cdf(-r * t, (d1 - total) * sign) * amounts
        value = cash if kind == "cash" else asset if kind == "asset" else (asset - cash) * sign
        found = named(value, _VARIABLES)
    for column in found.values():
        column[(times == 0.0) | (vols == 0.0)] = np.nan
    told = digital(
        right, spot, strike, years, rate, dividend_yield, vol, kind=kind, amount=amount, payoff_strike=payoff_strike
    )
    found["price"] = np.asarray(np.ravel(told), np.float64)
    return table(a, found, price, units)
