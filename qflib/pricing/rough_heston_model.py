"""The rough Heston model: prices and Greeks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels.rough_heston import rough_heston_slice
from qflib.pricing.heston_model import heston_arguments
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike

_MOST_STEPS = 4_000


def rough_heston(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    v0: NumberLike,
    kappa: NumberLike,
    theta: NumberLike,
    sigma: NumberLike,
    rho: NumberLike,
    hurst: NumberLike,
    *,
    steps: int = 200,
) -> Any:
    """Price of European options in the rough Heston model.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho
        As in `heston`; years and v0 + kappa theta positive.
    hurst
        Roughness of the variance, above 0 and at most 1/2, where the model is Heston's.
    steps
        Of the fractional equation, 20 to 4,000, even; an odd number takes one less.

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
    O(slices places steps^2), some 20 ms a slice: strikes of one expiry and model cost as one. Error below 1e-6 of the
    spot with 200 steps.
    Sources: El Euch and Rosenbaum 2019; Diethelm, Ford and Freed 2004.

    Examples
    --------
    >>> from qflib.pricing import rough_heston
    >>> terms = (1.0, 0.03, 0.0, 0.04, 0.3, 0.04, 0.4, -0.7, 0.1)
    >>> rough_heston("call", 100, [75, 100, 130], *terms).round(2)
    array([28.39,  8.34,  0.2 ])
    """
    terms = (spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho)
    a = _given(right, *terms, hurst=hurst, steps=steps)
    return a.restore(_values(a, steps)["price"], "price")


def rough_heston_greeks(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    v0: NumberLike,
    kappa: NumberLike,
    theta: NumberLike,
    sigma: NumberLike,
    rho: NumberLike,
    hurst: NumberLike,
    *,
    steps: int = 200,
) -> Any:
    """Price and Greeks of European options in the rough Heston model, the variance held where the spot moves.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho, hurst, steps
        As in `rough_heston`.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, columns price, delta, gamma, theta (a
        year, minus the derivative in years, the variance's past flat), rho, dividend_rho, dual_delta, variance_delta
        (in v0), vega (in sqrt(v0), per 1.00).

    Raises
    ------
    InputError
        As `rough_heston`.

    Notes
    -----
    O(slices places steps^2): all under the integral that gives the price. Error below 1e-6 of what they are in units
    of spot, years and variance with 200 steps.
    Sources: El Euch and Rosenbaum 2019; Lewis 2000, ch. 2.

    Examples
    --------
    >>> from qflib.pricing import rough_heston_greeks
    >>> g = rough_heston_greeks("call", 100, 100, 1.0, 0.03, 0.0, 0.04, 0.3, 0.04, 0.4, -0.7, 0.1)
    >>> round(g["delta"], 4), round(g["vega"], 3)
    (0.7326, 30.612)
    """
    terms = (spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho)
    a = _given(right, *terms, hurst=hurst, steps=steps)
    found = _values(a, steps)
    if not a.shape:
        return {name: float(column[0]) for name, column in found.items()}
    return pd.DataFrame(found, index=a.index)


def _given(right: RightLike, *terms: NumberLike, hurst: NumberLike, steps: int) -> Arguments:
    if not 20 <= steps <= _MOST_STEPS:
        raise InputError(f"steps {steps} are out of range; give 20 to {_MOST_STEPS}")
    a = heston_arguments(right, *terms, hurst=hurst)
    _, _, _, times, _, _, v, speed, mean, _, _, rough = a.values
    if not ((rough > 0.0) & (rough <= 0.5)).all():
        raise InputError(f"hurst {rough[(rough <= 0.0) | (rough > 0.5)][0]} is out of range; give above 0 to 1/2")
    if not ((times > 0.0) & (v + speed * mean > 0.0)).all():
        raise InputError("years and v0 + kappa theta must be positive; without time or variance take the payoff")
    return a


def _values(a: Arguments, steps: int) -> dict[str, Floats]:
    sign, price, strikes, times, rates, yields, v, speed, mean, noise, corr, rough = a.values
    carry = rates - yields
    asset, cash = price * np.exp(-yields * times), strikes * np.exp(-rates * times)
    k = np.log(price / strikes) + carry * times
    shares = np.full((5, a.size), np.nan)
    models = np.column_stack([times, rough, v, speed, mean, noise, corr]).reshape(-1, 7)
    distinct, slot = np.unique(models, axis=0, return_inverse=True)
    for i, (t, h, *model) in enumerate(distinct.tolist()):
        rows = np.flatnonzero((slot.reshape(-1) == i) & np.isfinite(k))
        if rows.size:
            shares[:, rows] = _slice(k[rows], t, h, model, steps)
    share, slope, bend, in_v0, in_years = cash * shares
    put = np.where(sign > 0.0, 0.0, 1.0)  # a put is the call less the asset and with the cash
    variance_delta = -in_v0
    return {
        "price": asset - share - put * (asset - cash),
        "delta": ((1.0 - put) * asset - slope) / price,
        "gamma": (slope - bend) / (price * price),
        "theta": yields * asset - rates * share + carry * slope + in_years + put * (rates * cash - yields * asset),
        "rho": times * (share - slope - put * cash),
        "dividend_rho": times * (slope - (1.0 - put) * asset),
        "dual_delta": (slope - share + put * cash) / strikes,
        "variance_delta": variance_delta,
        "vega": 2.0 * np.sqrt(v) * variance_delta,
    }


def _slice(k: Floats, years: float, hurst: float, model: list[float], steps: int) -> Floats:
    v0, kappa, theta, sigma, rho = model
    out = np.empty((5, k.size))
    rough_heston_slice(k, years, hurst, v0, kappa, theta, sigma, rho, steps, out)
    return out
