"""Implied vols of American prices, with a status for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.implied_vol import (
    ABOVE_MAXIMUM,
    AT_INTRINSIC,
    BELOW_INTRINSIC,
    EXPIRED,
    NAN_INPUT,
    OK,
)
from qflib.kernels.implied_vol_blocks import lognormal_implied_vol_batch
from qflib.pricing.american_dividends import dividend_vols
from qflib.pricing.american_options import values
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments, frozen
from qflib.pricing.inversion import Policy, answered, checked, known

_STEPS = 60
_LEAST_TOTAL, _MOST_TOTAL = 1e-7, 30.0
#: of the underlying: what the price's own error lets a vol be known by
_CLOSE = 1e-11


def american_implied_vol(
    price: NumberLike,
    right: RightLike,
    strike: NumberLike,
    years: NumberLike,
    *,
    spot: NumberLike,
    rate: NumberLike = 0.0,
    dividend_yield: NumberLike = 0.0,
    policy: Policy = "nan",
    dividends: Sequence[tuple[float, float]] = (),
    steps: int = 501,
) -> tuple[Any, Any]:
    """Implied vol of American option prices, and why where there is none.

    Parameters
    ----------
    price
        Premiums; NaN where there is no quote.
    right, strike, years, spot, rate, dividend_yield
        As in `american`; options with years <= 0 are expired.
    policy
        As in `implied_vol`.
    dividends, steps
        As in `american`: with cash dividends the prices are the tree's, and the vol is that of the spot less their
        present value.

    Returns
    -------
    iv : float, ndarray or Series
        Annual vols: `american` at them gives the price to 1e-9 of the underlying.
    status : str, ndarray or Series
        As in `implied_vol`. The intrinsic value is that of the best time to exercise were there no vol; an option that
        is to be exercised now has it whatever the vol, so that none is implied: at_intrinsic.

    Raises
    ------
    InputError
        If an argument is out of range, or by the policy.

    Notes
    -----
    O(n); Newton steps inside a bracket from the European vol, 4 to 8 prices with vega an option. With dividends
    O(n steps^2): some ten trees an option, regula falsi inside a bracket; to 1e-9 of the underlying by the tree, whose
    own error is about 1 / steps.
    Sources: as `american`; Jäckel 2015, "Let's be rational" (the European vol).

    Examples
    --------
    >>> from qflib.pricing import american_implied_vol
    >>> iv, status = american_implied_vol([9.569445, 50.0], "put", [100, 150], 1.0, spot=100, rate=0.05)
    >>> iv.round(4), status.tolist()
    (array([0.2921,    nan]), ['ok', 'at_intrinsic'])
    >>> iv, _ = american_implied_vol(8.5441, "call", 100, 0.5, spot=100, rate=0.05, dividends=[(0.25, 2.0)])
    >>> round(iv, 4)
    0.3
    """
    checked(policy)
    a = arguments(
        right, spot=spot, missing_strike=strike, any_years=years, missing_rate=rate,
        missing_dividend_yield=dividend_yield, price=price,
    )  # fmt: skip
    vol, status = dividend_vols(known(a, 6), dividends, steps) if len(dividends) else _solved(known(a, 6))
    return answered(a, a.values[-1], vol, status, policy)


def _solved(a: Arguments) -> tuple[Floats, NDArray[np.int8]]:
    sign, spot, strike, years, rate, dividend_yield, price = a.values
    n = a.size
    status = np.full(n, OK, np.int8)
    status[years <= 0.0] = EXPIRED
    status[np.isnan(price) | np.isnan(spot)] = NAN_INPUT
    # vol 0 and endless vol bound the price
    least, most = np.full(n, np.nan), np.full(n, np.nan)
    on = np.flatnonzero(status == OK)
    least[on] = _prices(a, on, np.zeros(on.size))[0]
    asset, cash = spot[on], strike[on]
    growth = np.where(sign[on] > 0.0, np.exp(-dividend_yield[on] * years[on]), np.exp(-rate[on] * years[on]))
    most[on] = np.where(sign[on] > 0.0, asset, cash) * np.maximum(growth, 1.0)
    noise = 1e-12 * np.maximum(spot, strike)
    status[on[price[on] < least[on] - noise[on]]] = BELOW_INTRINSIC
    status[on[np.abs(price[on] - least[on]) <= noise[on]]] = AT_INTRINSIC
    status[on[price[on] >= most[on]]] = ABOVE_MAXIMUM
    vol = np.full(n, np.nan)
    on = np.flatnonzero(status == OK)
    if on.size:
        vol[on] = _steps(a, on)
    return vol, status


def _steps(a: Arguments, on: NDArray[np.int64]) -> Floats:
    """Newton's steps in vol; one that leaves the bracket, or finds no vega, halves it."""
    sign, spot, strike, years, rate, dividend_yield, price = (x[on] for x in a.values)
    root = np.sqrt(years)
    low, high = _LEAST_TOTAL / root, _MOST_TOTAL / root
    vol, european = np.empty(on.size), np.empty(on.size, np.int8)
    lognormal_implied_vol_batch(
        frozen(price),
        frozen(sign),
        frozen(spot),
        frozen(strike),
        frozen(years),
        frozen(rate),
        frozen(dividend_yield),
        vol,
        european,
    )
    vol = np.where((european == OK) & (vol > low) & (vol < high), vol, 0.3)
    wanted, left = price, np.arange(on.size)
    for _ in range(_STEPS):
        found, vega = _prices(a, on[left], vol[left], slopes=True)
        miss = found - wanted[left]
        over = miss > 0.0
        high[left] = np.where(over, np.minimum(high[left], vol[left]), high[left])
        low[left] = np.where(over, low[left], np.maximum(low[left], vol[left]))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = vol[left] - miss / vega
        inside = (step > low[left]) & (step < high[left]) & (vega > 0.0)
        moved = np.where(inside, step, np.sqrt(low[left] * high[left]))
        done = (np.abs(miss) <= _CLOSE * spot[left]) | (high[left] - low[left] <= 1e-14 * high[left])
        done |= inside & (np.abs(step - vol[left]) <= 1e-13 * vol[left])
        vol[left] = np.where(done & ~inside, vol[left], moved)
        left = left[~done]
        if not left.size:
            break
    return vol


def _prices(a: Arguments, on: NDArray[np.int64], vol: Floats, slopes: bool = False) -> tuple[Floats, Floats]:
    """Price and vega of some rows at other vols."""
    rows = values(Arguments((*(frozen(x[on]) for x in a.values[:-1]), frozen(vol)), on.shape, None), slopes=slopes)
    return rows[0], rows[3]
