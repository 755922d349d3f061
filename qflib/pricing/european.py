"""European option prices: Black-Scholes-Merton, Black-76, Bachelier."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.bachelier import bachelier_batch
from qflib.kernels.lognormal_blocks import black_scholes_batch
from qflib.pricing.inputs import NumberLike, RightLike, arguments


def black_scholes(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
) -> Any:
    """Black-Scholes-Merton price of European options.

    Parameters
    ----------
    right
        "call" or "put" (also "c", "p", +1, -1), or an array of them.
    spot, strike
        Prices in one currency, positive. A NaN spot or vol gives a NaN price.
    years
        Time to expiry, ACT/365; 0 gives the payoff.
    rate, dividend_yield
        Continuously compounded, a year; any sign.
    vol
        Annual, 0.2 is 20 %; 0 gives the discounted intrinsic value of the forward.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If a value is out of range, not a number, or shapes do not fit.

    Notes
    -----
    O(n). Relative error about 1e-15 times max(1, d1^2), far out of the money too.
    Sources: Black and Scholes 1973; Merton 1973; Haug 2007, section 1.1.

    Examples
    --------
    >>> from qflib.pricing import black_scholes
    >>> round(black_scholes("call", spot=60, strike=65, years=0.25, rate=0.08, dividend_yield=0, vol=0.3), 4)
    2.1334
    >>> black_scholes(["call", "put"], 100, [100, 110], 0.5, 0.0, 0.0, 0.2).round(4)
    array([ 5.6372, 12.2112])
    """
    a = arguments(right, spot=spot, strike=strike, years=years, rate=rate, dividend_yield=dividend_yield, vol=vol)
    sign, price, strikes, times, rates, yields, vols = a.values
    out = np.empty(a.size)
    black_scholes_batch(sign, price, strikes, times, rates, yields, vols, out)
    return a.restore(out, "price")


def black76(
    right: RightLike,
    forward: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    vol: NumberLike,
    rate: NumberLike = 0.0,
) -> Any:
    """Black-76 price of European options on a forward or future.

    Parameters
    ----------
    right
        "call" or "put", or an array of them.
    forward, strike
        Prices in one currency, positive. A NaN forward or vol gives a NaN price.
    years, vol, rate
        As in `black_scholes`; `rate` discounts the premium.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If a value is out of range, not a number, or shapes do not fit.

    Notes
    -----
    O(n). Sources: Black 1976; Haug 2007, section 1.1.6.

    Examples
    --------
    >>> from qflib.pricing import black76
    >>> round(black76("put", forward=19, strike=19, years=0.75, vol=0.28, rate=0.10), 4)
    1.7011
    """
    a = arguments(right, forward=forward, strike=strike, years=years, rate=rate, vol=vol)
    sign, price, strikes, times, rates, vols = a.values
    out = np.empty(a.size)
    black_scholes_batch(
        sign, price, strikes, times, rates, rates, vols, out
    )  # a forward is a spot that yields the rate
    return a.restore(out, "price")


def bachelier(
    right: RightLike,
    forward: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    vol: NumberLike,
    rate: NumberLike = 0.0,
) -> Any:
    """Bachelier (normal model) price of European options: forwards and strikes of any sign.

    Parameters
    ----------
    right
        "call" or "put", or an array of them.
    forward, strike
        Prices in one currency.
    years, rate
        As in `black76`.
    vol
        Normal vol: price units a square-root year.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If a value is out of range, not a number, or shapes do not fit.

    Notes
    -----
    O(n). Sources: Bachelier 1900; Haug 2007, section 1.3.1.

    Examples
    --------
    >>> from qflib.pricing import bachelier
    >>> round(bachelier("call", forward=0.05, strike=0.03, years=1, vol=0.02), 6)
    0.021666
    """
    a = arguments(right, normal_forward=forward, normal_strike=strike, years=years, rate=rate, vol=vol)
    sign, price, strikes, times, rates, vols = a.values
    out = np.empty(a.size)
    bachelier_batch(sign, price, strikes, times, rates, vols, out)
    return a.restore(out, "price")
