"""Implied vols of American prices with cash dividends, by the tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.implied_vol import ABOVE_MAXIMUM, AT_INTRINSIC, BELOW_INTRINSIC, EXPIRED, NAN_INPUT, OK
from qflib.pricing.american_options import by_tree
from qflib.pricing.inputs import Arguments, Floats, frozen

_LEAST_TOTAL, _MOST_TOTAL = 1e-4, 8.0
_CLOSE = 1e-12  # of the underlying
_STEPS = 100


def dividend_vols(
    a: Arguments, dividends: Sequence[tuple[float, float]], steps: int
) -> tuple[Floats, NDArray[np.int8]]:
    """Vols and statuses of flat arguments sign, spot, strike, years, rate, yield, price."""
    _, spot, strike, years, _, _, price = a.values
    status = np.full(a.size, OK, np.int8)
    status[years <= 0.0] = EXPIRED
    status[np.isnan(price) | np.isnan(spot)] = NAN_INPUT
    vol = np.full(a.size, np.nan)
    on = np.flatnonzero(status == OK)
    if not on.size:
        return vol, status

    def priced(rows: NDArray[np.int64], vols: Floats) -> Floats:
        terms = Arguments((*(frozen(x[rows]) for x in a.values[:6]), frozen(vols)), rows.shape, None)
        return by_tree(terms, steps, dividends)

    root = np.sqrt(years[on])
    low, high = _LEAST_TOTAL / root, _MOST_TOTAL / root
    wanted, noise = price[on], 1e-10 * np.maximum(spot, strike)[on]
    least = _without_vol(a, on, dividends, steps)
    status[on[wanted < least - noise]] = BELOW_INTRINSIC
    status[on[np.abs(wanted - least) <= noise]] = AT_INTRINSIC
    most = priced(on, high)
    status[on[wanted >= most - noise]] = ABOVE_MAXIMUM
    left = np.flatnonzero(status[on] == OK)
    if left.size:
        rows = on[left]
        vol[rows] = _between(
            lambda at, vols: priced(rows[at], vols) - wanted[left[at]],
            low[left], high[left], (least - wanted)[left], (most - wanted)[left], _CLOSE * spot[rows],
        )  # fmt: skip
    return vol, status


def _between(f: object, low: Floats, high: Floats, at_low: Floats, at_high: Floats, close: Floats) -> Floats:
    """Roots by regula falsi in ln vol, an end's value halved where it stays (Illinois)."""
    assert callable(f)
    x, y, fx, fy = np.log(low), np.log(high), at_low.copy(), at_high.copy()
    out, left = np.exp(0.5 * (x + y)), np.arange(low.size)
    for step in range(_STEPS):
        share = fx[left] / (fx[left] - fy[left])
        # the slope at the ends tells little of prices that are flat there: halve now and then
        share = np.where((step % 3 == 2) | ~np.isfinite(share), 0.5, np.clip(share, 0.01, 0.99))
        here = x[left] + share * (y[left] - x[left])
        miss = f(left, np.exp(here))
        out[left] = np.exp(here)
        under = ~(miss > 0.0)
        fy[left] = np.where(under, 0.5 * fy[left], miss)
        fx[left] = np.where(under, miss, 0.5 * fx[left])
        x[left], y[left] = np.where(under, here, x[left]), np.where(under, y[left], here)
        done = (np.abs(miss) <= close[left]) | (y[left] - x[left] <= 1e-14)
        left = left[~done]
        if not left.size:
            break
    return out


def _without_vol(a: Arguments, on: NDArray[np.int64], dividends: Sequence[tuple[float, float]], steps: int) -> Floats:
    """The greatest value of exercise at one of the tree's times were there no vol."""
    sign, spot, strike, years, rate, dividend_yield, _ = (x[on, None] for x in a.values)
    n = steps + 1 - steps % 2
    now = years * np.arange(n + 1) / n
    cash = np.zeros_like(now)
    for time, amount in dividends:
        cash += np.where((now < time) & (time <= years), amount * np.exp(-rate * (time - now)), 0.0)
    level = (spot - cash[:, :1]) * np.exp((rate - dividend_yield) * now) + cash
    return np.asarray(np.maximum((np.exp(-rate * now) * sign * (level - strike)).max(axis=1), 0.0))
