"""The rough Heston model: prices."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.errors import InputError
from qflib.kernels.rough_heston import rough_heston_slice
from qflib.pricing.heston_model import check_heston
from qflib.pricing.inputs import Floats, NumberLike, RightLike, arguments

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
    if not 20 <= steps <= _MOST_STEPS:
        raise InputError(f"steps {steps} are out of range; give 20 to {_MOST_STEPS}")
    a = arguments(
        right,
        spot=spot,
        strike=strike,
        years=years,
        rate=rate,
        dividend_yield=dividend_yield,
        v0=v0,
        kappa=kappa,
        theta=theta,
        sigma=sigma,
        rho=rho,
        hurst=hurst,
    )
    check_heston(a)
    sign, price, strikes, times, rates, yields, v, speed, mean, noise, corr, rough = a.values
    if not ((rough > 0.0) & (rough <= 0.5)).all():
        raise InputError(f"hurst {rough[(rough <= 0.0) | (rough > 0.5)][0]} is out of range; give above 0 to 1/2")
    if not ((times > 0.0) & (v + speed * mean > 0.0)).all():
        raise InputError("years and v0 + kappa theta must be positive; without time or variance take the payoff")
    asset, cash = price * np.exp(-yields * times), strikes * np.exp(-rates * times)
    k = np.log(price / strikes) + (rates - yields) * times
    share = np.full(a.size, np.nan)
    models = np.column_stack([times, rough, v, speed, mean, noise, corr]).reshape(-1, 7)
    distinct, slot = np.unique(models, axis=0, return_inverse=True)
    for i, (t, h, *model) in enumerate(distinct.tolist()):
        rows = np.flatnonzero((slot.reshape(-1) == i) & np.isfinite(k))
        if rows.size:
            share[rows] = _slice(k[rows], t, h, model, steps)
    call = asset - cash * share
    return a.restore(np.where(sign > 0.0, call, call - asset + cash), "price")


def _slice(k: Floats, years: float, hurst: float, model: list[float], steps: int) -> Floats:
    v0, kappa, theta, sigma, rho = model
    out = np.empty(k.size)
    rough_heston_slice(k, years, hurst, v0, kappa, theta, sigma, rho, steps, out)
    return out
