"""Greeks of European options, all seventeen, in natural or trader's units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels.black_scholes_greeks import GREEKS
from qflib.kernels.lognormal_blocks import greeks_batch
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments

Units = Literal["natural", "trader"]


def greeks(
    right: RightLike,
    strike: NumberLike,
    years: NumberLike,
    vol: NumberLike,
    *,
    spot: NumberLike | None = None,
    forward: NumberLike | None = None,
    rate: NumberLike = 0.0,
    dividend_yield: NumberLike = 0.0,
    units: Units = "natural",
) -> Any:
    """Price and Greeks of European options, on a spot (Black-Scholes-Merton) or a forward (Black-76).

    Parameters
    ----------
    right
        "call" or "put", or an array of them.
    strike, years, vol, rate
        As in `black_scholes`.
    spot, forward
        One of the two; NaN gives NaN Greeks. On a forward, delta and gamma are in the forward, rho holds it fixed
        (minus years times price) and dividend_rho is 0.
    dividend_yield
        With `spot` only.
    units
        "natural": a year and per 1.00, theta, charm, veta and color minus the derivative in years to expiry.
        "trader": theta a calendar day, vega, rho and dividend_rho a point, cash delta (delta times spot) and cash
        gamma for 1 % (gamma times spot squared / 100); the others stay.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, one row an option, columns price,
        delta, gamma, vega, theta, rho, dividend_rho, vanna, volga, charm, veta, speed, zomma, color, ultima,
        dual_delta, dual_gamma, elasticity.

    Raises
    ------
    InputError
        If a value is out of range, not one of spot and forward is given, or units are unknown.

    Notes
    -----
    O(n). Source: Haug 2007, ch. 2.

    Examples
    --------
    >>> from qflib.pricing import greeks
    >>> g = greeks("call", strike=100, years=1, vol=0.2, spot=100, rate=0.05, dividend_yield=0.02)
    >>> round(g["delta"], 6), round(g["theta"], 6)
    (0.586851, -5.089319)
    >>> greeks(["call", "put"], 100, 0.5, 0.2, forward=101.0, units="trader")[["delta", "theta"]].round(4)
         delta   theta
    0  56.1654 -0.0155
    1 -44.8346 -0.0155
    """
    if units not in ("natural", "trader"):
        raise InputError(f"units {units!r} are unknown; expected 'natural' or 'trader'")
    a, on_forward = spot_or_forward(right, spot, forward, rate, dividend_yield, strike=strike, years=years, vol=vol)
    sign, strikes, times, vols, price, rates, yields = a.values
    out = np.empty((len(GREEKS), a.size))
    greeks_batch(sign, price, strikes, times, rates, yields, vols, out)
    if on_forward:  # a future's forward does not move with the rate that discounts the premium
        out[GREEKS.index("rho")] = -times * out[0]
        out[GREEKS.index("dividend_rho")] = 0.0 * out[0]
    if units == "trader":
        to_trader(dict(zip(GREEKS, out, strict=True)), price)
    if not a.shape:
        return {name: float(out[i, 0]) for i, name in enumerate(GREEKS)}
    return pd.DataFrame(out.T, index=a.index, columns=list(GREEKS))


def spot_or_forward(
    right: RightLike,
    spot: NumberLike | None,
    forward: NumberLike | None,
    rate: NumberLike,
    dividend_yield: NumberLike,
    *,
    missing: bool = False,
    **terms: NumberLike,
) -> tuple[Arguments, bool]:
    """Arguments right, terms, price, rate, yield for a model on the spot; a forward is a spot that yields the rate.

    Rates may be NaN where they may be `missing`.
    """
    on = "missing_" if missing else ""
    if (spot is None) == (forward is None):
        raise InputError(f"spot is {spot!r} and forward is {forward!r}; give exactly one of them")
    if spot is not None:
        rates = {f"{on}rate": rate, f"{on}dividend_yield": dividend_yield}
        return arguments(right, **terms, spot=spot, **rates), False
    if not np.array_equal(np.asarray(dividend_yield), 0.0):
        raise InputError(f"dividend_yield {dividend_yield!r} goes with spot; a forward holds it already: leave it out")
    assert forward is not None
    a = arguments(right, **terms, forward=forward, **{f"{on}rate": rate})
    return Arguments((*a.values, a.values[-1]), a.shape, a.index), True


def to_trader(greeks_: Mapping[str, Floats], price: Floats) -> None:
    """Columns by name to trader's units, in place: see `greeks`."""
    columns = dict(greeks_)
    columns["theta"] /= 365.0
    for name in ("vega", "rho", "dividend_rho"):
        if name in columns:
            columns[name] /= 100.0
    columns["delta"] *= price
    columns["gamma"] *= price * price / 100.0
