"""The simulated market's daily history: joint GJR-GARCH spots with t innovations, and implied volatility."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.market.instruments import START, UNDERLYINGS, Underlying

DAYS = 1_500
_BURN_IN = 500
_FREEDOM = 5.0  # of the t innovations: daily tails of index 3 to 5 (Cont 2001)
# GJR-GARCH(1,1), Glosten, Jagannathan, Runkle 1993: persistence alpha + beta + gamma / 2 = 0.97.
_ALPHA, _GAMMA, _BETA = 0.03, 0.08, 0.90
_REVERTS = 60.0  # days in which implied volatility forgets


def daily_history(seed: int) -> pd.DataFrame:
    """Closes of the business days before the market's start, of all underlyings.

    Returns
    -------
    DataFrame (1500, 8): index tz-aware UTC at 21:00; columns (underlying, "spot" | "atm_vol"). The last row is the
    price and the implied volatility that the market starts with. O(days).

    Examples
    --------
    >>> daily_history(7).iloc[-1].round(4).tolist()
    [100.0, 0.28, 50.0, 0.36, 200.0, 0.22, 80.0, 0.32]
    """
    # One stream for all underlyings: each column is the same whichever of them are asked for.
    rng = np.random.Generator(np.random.PCG64([seed, 0x4849_5354]))
    n = DAYS + _BURN_IN
    # One chi-square a day for all: joint extremes, as in a multivariate t.
    mix = np.sqrt((_FREEDOM - 2.0) / rng.chisquare(_FREEDOM, n))
    common = rng.standard_normal(n)
    days = pd.bdate_range(end=START.tz_localize(None).normalize() - pd.offsets.BDay(1), periods=DAYS)
    columns = {}
    for u in UNDERLYINGS:
        own, noise = rng.standard_normal(n), rng.standard_normal(n)
        shock = mix * (u.common * common + math.sqrt(1.0 - u.common**2) * own)
        returns, variance = _garch(shock, u.volatility / math.sqrt(252.0))
        columns[u.name, "spot"] = _spot(returns[_BURN_IN:], u.start)
        columns[u.name, "atm_vol"] = _implied(u, returns, variance, noise)[_BURN_IN:]
    frame = pd.DataFrame(columns, index=(days + pd.Timedelta("21h")).tz_localize("UTC").as_unit("ns"))
    frame.index.name = "time"
    frame.columns = pd.MultiIndex.from_tuples(list(columns), names=["underlying", "field"])
    return frame


def _garch(shock: NDArray[np.float64], deviation: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Daily log returns and their conditional variances."""
    omega = deviation**2 * (1.0 - _ALPHA - _GAMMA / 2.0 - _BETA)
    returns, variance = np.empty(len(shock)), np.empty(len(shock))
    v = deviation**2
    for i, z in enumerate(shock.tolist()):
        variance[i] = v
        r = returns[i] = math.sqrt(v) * z
        v = min(omega + (_ALPHA + _GAMMA * (r < 0.0)) * r * r + _BETA * v, 16.0 * deviation**2)
    return returns, variance


def _spot(returns: NDArray[np.float64], end: float) -> NDArray[np.float64]:
    """Prices that end at `end`."""
    centred = returns - returns.mean()  # no drift: the first price is the last
    return np.asarray(end * np.exp(np.cumsum(centred) - centred.sum()), np.float64)


def _implied(
    u: Underlying, returns: NDArray[np.float64], variance: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Implied volatility: half of the conditional one's move, a leverage term, noise; drawn to its end."""
    daily = u.volatility / math.sqrt(252.0)
    log_level = 0.5 * np.log(np.sqrt(variance) / daily)
    leverage = np.empty(len(returns))
    x = 0.0
    for i, (r, e) in enumerate(zip(returns.tolist(), noise.tolist(), strict=True)):
        x = 0.95 * x - 1.2 * r + 0.015 * e
        leverage[i] = x
    total = log_level + leverage
    left = np.arange(len(total))[::-1]
    return np.asarray(u.implied * np.exp(total - total[-1] * np.exp(-left / _REVERTS)), np.float64)
