"""Inverse options: struck in currency, premium and payoff in the coin itself (Deribit)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.pricing.european import black76
from qflib.pricing.inputs import NumberLike, RightLike
from qflib.pricing.sensitivities import greeks


def inverse_black76(
    right: RightLike,
    forward: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    vol: NumberLike,
    rate: NumberLike = 0.0,
) -> Any:
    """Premium in coin of inverse options: the Black-76 price over the forward.

    Parameters
    ----------
    right, forward, strike, years, vol, rate
        As in `black76`.

    Returns
    -------
    float, ndarray or Series
        Coins an option on one coin.

    Raises
    ------
    InputError
        As `black76`.

    Notes
    -----
    O(n). Source: Deribit's option specification; Alexander and Imeraj 2021, "Inverse options in a Black-Scholes world".

    Examples
    --------
    >>> from qflib.pricing import inverse_black76
    >>> round(inverse_black76("put", forward=78919.8, strike=88000, years=0.014043, vol=0.5515), 4)
    0.1164
    """
    price = black76(right, forward, strike, years, vol, rate)
    return price / (forward if np.ndim(price) == 0 or isinstance(price, pd.Series) else np.asarray(forward))


def inverse_greeks(
    right: RightLike,
    forward: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    vol: NumberLike,
    rate: NumberLike = 0.0,
) -> Any:
    """Premium and Greeks in coin of inverse options, delta adjusted for the premium.

    Parameters
    ----------
    right, forward, strike, years, vol, rate
        As in `black76`.

    Returns
    -------
    dict or DataFrame
        `price` in coin; `delta`, premium-adjusted: the Black-76 delta minus the coin premium, the coins that hedge the
        coin P&L; `gamma`, its slope in the forward; `vega`, `theta`, `volga`, `veta` in coin; `vanna`, `charm`, the
        slopes of `delta` in vol and against time to expiry; `black_delta`.

    Raises
    ------
    InputError
        As `black76`.

    Notes
    -----
    O(n). Source: Alexander and Imeraj 2021.

    Examples
    --------
    >>> from qflib.pricing import inverse_greeks
    >>> g = inverse_greeks("call", forward=100.0, strike=100.0, years=0.5, vol=0.6)
    >>> round(g["delta"], 6) == round(g["black_delta"] - g["price"], 6)
    True
    """
    g = greeks(right, strike, years, vol, forward=forward, rate=rate)
    f = np.asarray(forward, np.float64) if isinstance(g, pd.DataFrame) else float(np.asarray(forward))
    if isinstance(g, pd.DataFrame):
        f = np.broadcast_to(f, (len(g),))
    price = g["price"] / f
    delta = g["delta"] - price
    made = {
        "price": price,
        "delta": delta,
        "gamma": g["gamma"] - delta / f,
        "vega": g["vega"] / f,
        "theta": g["theta"] / f,
        "vanna": g["vanna"] - g["vega"] / f,
        "volga": g["volga"] / f,
        "charm": g["charm"] - g["theta"] / f,
        "veta": g["veta"] / f,
        "black_delta": g["delta"],
    }
    return pd.DataFrame(made) if isinstance(g, pd.DataFrame) else made
