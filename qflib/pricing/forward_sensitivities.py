"""Greeks on a forward in the normal and the shifted lognormal model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.pricing.european import bachelier
from qflib.pricing.greek_table import check_units, named, table
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments
from qflib.pricing.jets import Jet, black, exp, normal, sqrt, variables
from qflib.pricing.sensitivities import Units
from qflib.pricing.shifted import shifted_black76

_VARIABLES = ("spot", "strike", "years", "rate", "vol")


def bachelier_greeks(
    right: RightLike,
    forward: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    vol: NumberLike,
    rate: NumberLike = 0.0,
    *,
    units: Units = "natural",
) -> Any:
    """Price and Greeks of European options in the Bachelier (normal) model.

    Parameters
    ----------
    right, forward, strike, years, vol, rate
        As in `bachelier`.
    units
        As in `greeks`.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, one row an option, columns price,
        delta and gamma (in the forward), vega and volga (in the normal vol), theta, rho (the forward held: minus years
        times price), vanna, charm, veta, dual_delta, dual_gamma, elasticity. Without time or vol delta and dual_delta
        are those of the payoff, the others NaN.

    Raises
    ------
    InputError
        If a value is out of range, units are unknown, or shapes do not fit.

    Notes
    -----
    O(n). Relative error some 1e-15 times max(1, d^2), d the deviations from the money.
    Sources: Bachelier 1900; Haug 2007, section 1.3.1.

    Examples
    --------
    >>> from qflib.pricing import bachelier_greeks
    >>> g = bachelier_greeks("put", forward=-0.002, strike=0.001, years=2.0, vol=0.006)
    >>> round(g["delta"], 6), round(g["vega"], 6)
    (-0.638163, 0.530007)
    """
    check_units(units)
    a = arguments(right, normal_forward=forward, normal_strike=strike, years=years, rate=rate, vol=vol)
    sign, f, k, t, r, v = a.values
    x = variables(f, k, t, r, v)
    with np.errstate(all="ignore"):
        value = exp(-x[3] * x[2]) * normal(sign, x[0] - x[1], x[4] * sqrt(x[2]))
    return _told(a, value, bachelier(right, forward, strike, years, vol, rate), f, units, (f, k, t, r, v))


def shifted_greeks(
    right: RightLike,
    forward: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    vol: NumberLike,
    shift: NumberLike,
    rate: NumberLike = 0.0,
    *,
    units: Units = "natural",
) -> Any:
    """Price and Greeks of European options on a forward whose sum with a shift is lognormal.

    Parameters
    ----------
    right, forward, strike, years, vol, shift, rate
        As in `shifted_black76`.
    units
        As in `greeks`.

    Returns
    -------
    dict or DataFrame
        As `bachelier_greeks`, vega in the vol of the shifted forward.

    Raises
    ------
    InputError
        If forward or strike with the shift is not positive, another value is out of range, or units are unknown.

    Notes
    -----
    O(n). Relative error some 1e-15 times max(1, d1^2).
    Sources: Rubinstein 1983, "Displaced diffusion option pricing", J. Finance 38; Haug 2007, ch. 2.

    Examples
    --------
    >>> from qflib.pricing import shifted_greeks
    >>> g = shifted_greeks("call", forward=-0.002, strike=0.001, years=2.0, vol=0.25, shift=0.03)
    >>> round(g["delta"], 6), round(g["gamma"], 4)
    (0.455765, 40.0513)
    """
    check_units(units)
    price = shifted_black76(right, forward, strike, years, vol, shift, rate)
    a = arguments(right, normal_forward=forward, normal_strike=strike, years=years, rate=rate, vol=vol, any_shift=shift)
    sign, f, k, t, r, v, moved = a.values
    x = variables(f, k, t, r, v)
    with np.errstate(all="ignore"):
        value = exp(-x[3] * x[2]) * black(sign, x[0] + moved, x[1] + moved, x[4] * sqrt(x[2]))
    return _told(a, value, price, f, units, (f, k, t, r, v))


def _told(a: Arguments, value: Jet, price: Any, spot: Floats, units: Units, terms: tuple[Floats, ...]) -> Any:
    f, k, t, r, v = terms
    found = named(value, _VARIABLES)
    found["price"] = np.asarray(np.ravel(price), np.float64)
    certain: NDArray[np.bool_] = (t == 0.0) | (v == 0.0)
    for name, column in found.items():
        if name != "price":
            column[certain] = np.nan
    sign, there = a.values[0], certain & np.isfinite(f)
    share = np.where(sign * (f - k) > 0.0, sign, 0.0) * np.exp(-r * t)
    found["delta"][there], found["dual_delta"][there] = share[there], -share[there]
    return table(a, found, spot, units)
