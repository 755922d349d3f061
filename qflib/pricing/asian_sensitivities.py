"""Greeks of options on an average: closed forms differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.pricing.asians import CONTINUOUS_NODES, Average, asian, asian_arguments, asian_continuous, known_average
from qflib.pricing.greek_table import check_units, named, table
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments
from qflib.pricing.jets import Jet, black, exp, expm1, log, log1p, select, sqrt, variables
from qflib.pricing.sensitivities import Units

_VARIABLES = ("spot", "strike", "years", "rate", "dividend_yield", "vol")


def asian_greeks(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    fixings: Sequence[float] | NDArray[Any],
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    average: Average = "arithmetic",
    fixed: tuple[int, float] = (0, 0.0),
    units: Units = "natural",
) -> Any:
    """Price and Greeks of European options on an average price, paid at the last fixing.

    Parameters
    ----------
    right, spot, strike, fixings, rate, dividend_yield, vol, average, fixed
        As in `asian`; the first fixing to come is after now.
    units
        As in `greeks`.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, one row an option, columns price,
        delta, gamma, vega, theta, rho, dividend_rho, vanna, volga, charm, veta, dual_delta, dual_gamma, elasticity.
        Theta brings all fixings to come nearer alike. NaN beside the price where vol is 0.

    Raises
    ------
    InputError
        If a value is out of range, fixings do not rise, the average or units are unknown, or shapes do not fit.

    Notes
    -----
    O(n fixings). Exact derivatives of the price of `asian` (second-order forward mode), rounding beside: for the
    geometric average the option's Greeks, for the arithmetic one those of the two moments' approximation;
    `asian_monte_carlo` tells delta and vega without it.
    Sources: Kemna and Vorst 1990; Turnbull and Wakeman 1991; Haug 2007, section 4.20; Griewank and Walther 2008,
    ch. 13.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.pricing import asian_greeks
    >>> g = asian_greeks("call", 100, 100, np.arange(1, 27) / 52, 0.05, 0.05, 0.2)
    >>> round(g["delta"], 6), round(g["vega"], 4)
    (0.504005, 16.3663)
    """
    check_units(units)
    a, times, (count, known) = asian_arguments(right, spot, strike, fixings, rate, dividend_yield, vol, average, fixed)
    priced = np.ravel(asian(right, spot, strike, times, rate, dividend_yield, vol, average=average, fixed=fixed))
    sign, price, strikes, rates, yields, vols = a.values
    last = np.full(a.size, times[-1])
    s, k, years, r, q, v = variables(price, strikes, last, rates, yields, vols)
    share = times.size / (times.size + count)
    with np.errstate(all="ignore"):
        early = [years - (times[-1] - t) for t in times]
        carry = r - q
        if average == "geometric":
            forward, variance = _geometric(s, early, carry, v, share, known)
            value = black(sign, forward, k, sqrt(variance))
        else:
            forward, variance = _arithmetic(s, early, carry, v)
            left = (k - (1.0 - share) * known) * (1.0 / share)
            certain = (forward - left) * np.maximum(sign, 0.0)  # a strike already met: a call is exercised, a put not
            value = select(left.value <= 0.0, certain, black(sign, forward, left, sqrt(variance))) * share
        found = named(exp(-r * years) * value, _VARIABLES)
    return _told(a, found, priced, vols > 0.0, units)


def asian_continuous_greeks(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    average: Average = "geometric",
    units: Units = "natural",
) -> Any:
    """Price and Greeks of European options on the average from now to expiry, watched always.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, vol, average
        As in `asian_continuous`.
    units
        As in `greeks`.

    Returns
    -------
    dict or DataFrame
        As `asian_greeks`; the average begins now whenever that is, so that theta shortens it. NaN beside the price
        where years or vol is 0.

    Raises
    ------
    InputError
        If a value is out of range, the average or units are unknown, or shapes do not fit.

    Notes
    -----
    O(n). As `asian_greeks`.
    Sources: Kemna and Vorst 1990; Turnbull and Wakeman 1991; Haug 2007, sections 4.20.1 and 4.20.2.

    Examples
    --------
    >>> from qflib.pricing import asian_continuous_greeks
    >>> g = asian_continuous_greeks("put", 80, 85, 0.25, rate=0.05, dividend_yield=-0.03, vol=0.2)
    >>> round(g["delta"], 6), round(g["rho"], 4)
    (-0.803088, -9.2039)
    """
    check_units(units)
    known_average(average)
    a = arguments(right, spot=spot, strike=strike, years=years, rate=rate, dividend_yield=dividend_yield, vol=vol)
    priced = np.ravel(asian_continuous(right, spot, strike, years, rate, dividend_yield, vol, average=average))
    sign = a.values[0]
    s, k, t, r, q, v = variables(*a.values[1:])
    with np.errstate(all="ignore"):
        carry, square = r - q, v * v
        if average == "geometric":
            variance = square * t * (1.0 / 3.0)
            forward = s * exp((carry - square * 0.5) * t * 0.5 + variance * 0.5)
        else:
            first = _grown(carry * t)
            excess = carry * 0.0
            for x, mass in CONTINUOUS_NODES:
                pair = exp(carry * t * (2.0 * x)) * expm1(square * t * x) * _grown(carry * t * (1.0 - x))
                excess = excess + pair * (2.0 * mass * (1.0 - x))
            forward, variance = s * first, log1p(excess / (first * first))
        found = named(exp(-r * t) * black(sign, forward, k, sqrt(variance)), _VARIABLES)
    return _told(a, found, priced, (a.values[3] > 0.0) & (a.values[6] > 0.0), units)


def _geometric(spot: Jet, times: list[Jet], carry: Jet, vol: Jet, share: float, known: float) -> tuple[Jet, Jet]:
    """Forward of the whole average and the variance of its logarithm."""
    n, square = len(times), vol * vol
    mean = sum(times[1:], times[0]) * (1.0 / n)
    pairs = sum((t * ((2.0 * (n - i) - 1.0) / (n * n)) for i, t in enumerate(times)), carry * 0.0)
    variance = square * pairs * (share * share)
    fixed = (1.0 - share) * float(np.log(known)) if share < 1.0 else 0.0
    return exp((log(spot) + (carry - square * 0.5) * mean) * share + variance * 0.5 + fixed), variance


def _arithmetic(spot: Jet, times: list[Jet], carry: Jet, vol: Jet) -> tuple[Jet, Jet]:
    """First moment of the average to come, and ln(second / first^2)."""
    square, zero = vol * vol, carry * 0.0
    first, later, excess = zero, zero, zero
    for t in reversed(times):
        grown = exp(carry * t)
        excess = excess + grown * (grown + later * 2.0) * expm1(square * t)
        later = later + grown
        first = first + grown
    return spot * first * (1.0 / len(times)), log1p(excess / (first * first))


def _grown(x: Jet) -> Jet:
    """Mean of e^(x u) over u in (0, 1): by its series where x is small."""
    small = np.abs(x.value) < 0.1
    series, term = x * 0.0 + 1.0, x * 0.0 + 1.0
    for k in range(2, 12):
        term = term * x * (1.0 / k)
        series = series + term
    return select(small, series, expm1(x) / x)


def _told(a: Arguments, found: dict[str, Floats], priced: Floats, there: NDArray[np.bool_], units: Units) -> Any:
    for name, column in found.items():
        if name != "price":
            column[~there] = np.nan
    found["price"] = np.asarray(priced, np.float64)
    return table(a, found, a.values[1], units)
