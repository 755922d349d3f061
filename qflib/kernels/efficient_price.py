"""The price that the simulated flow follows: stochastic volatility, jumps, and one common factor.

On a grid of 100 ms the log price moves by sigma * v * (rho * z_common + sqrt(1 - rho**2) * z_own), where log v is a
sum of Ornstein-Uhlenbeck factors of several time scales (as in Chernov, Gallant, Ghysels, Tauchen 2003, "Alternative
models for stock price dynamics"), correlated with the price (leverage), plus jumps of Laplace size (Kou 2002).
"""

from __future__ import annotations

import math
from typing import Any

from qflib.kernels.jit import kernel
from qflib.kernels.random_stream import next_uniform, normal_pair, uniform_at

GRID_NS = 100_000_000
SECONDS = GRID_NS / 1e9
SESSION_SECONDS = 6.5 * 3600
YEAR_SECONDS = 252 * SESSION_SECONDS  # trading time: a day's variance falls into its session

# Places in the flat float64 state: the path, then the model.
P_FROM, P_TO, P_VOL, P_FAST, P_SLOW, P_COMMON, P_ATM = 4, 5, 6, 7, 8, 9, 10
M_SIGMA, M_RHO, M_ATM = 11, 12, 13

# Standard deviations of the log-volatility factors and their time constants in seconds.
_FAST, _FAST_S = 0.25, 20.0
_SLOW, _SLOW_S = 0.30, 200.0
_COMMON, _COMMON_S = 0.25, 90.0
_VARIANCE = _FAST**2 + _SLOW**2 + _COMMON**2
_LEVERAGE = -0.5
# Log implied volatility moves as its daily history does: against the price's log return, and a session's own standard
# deviation, forgotten in 60 sessions.
_IMPLIED_LEVERAGE, _IMPLIED, _IMPLIED_S = -1.2, 0.033, 60 * SESSION_SECONDS
# Jumps a second, and their share of the variance: the annual volatility is that of both, whichever the underlying.
_JUMPS_OWN, _JUMPS_COMMON, _JUMP_SHARE = 1 / 90, 1 / 240, 0.15
# A Laplace size's variance is twice its mean square: the mean absolute log return per unit of annual volatility.
_JUMP_SIZE = math.sqrt(_JUMP_SHARE / (2.0 * (_JUMPS_OWN + _JUMPS_COMMON) * YEAR_SECONDS))
_MOST = 3.0  # bound on v, so that a stretch of bad luck leaves a sane market


@kernel
def _drawn_to_mean(x: float, seconds: float, deviation: float, shock: float) -> float:
    kept = math.exp(-SECONDS / seconds)
    return x * kept + deviation * math.sqrt(1.0 - kept * kept) * shock


@kernel
def _jump(u: float, v: float, w: float, a_second: float) -> float:
    """A jump's log return per unit of annual volatility, mostly 0."""
    if u > a_second * SECONDS:
        return 0.0
    size = -_JUMP_SIZE * math.log(v)
    return size if w > 0.5 else -size


@kernel
def _level(x: Any) -> float:
    """v, with E[v**2] = 1: the annual volatility keeps its meaning."""
    return min(math.exp(x[P_FAST] + x[P_SLOW] + x[P_COMMON] - _VARIANCE), _MOST)


@kernel
def step_price(x: Any, rng: Any, common: Any, k: int) -> None:
    """Move from grid point k to k + 1. O(1).

    Parameters
    ----------
    x
        float64: price in ticks at both ends of the interval, v, its factors, log of implied over start (places P_...);
        annual volatility, correlation with the common factor, implied volatility at the start (M_...).
    rng
        int64, this underlying's own stream.
    common
        uint64, the seed of the common factor; shocks are taken by k, so each underlying can be made alone.
    """
    z, y = normal_pair(uniform_at(common, 5 * k), uniform_at(common, 5 * k + 1))
    own_z, own_y = normal_pair(next_uniform(rng), next_uniform(rng))
    slow_y, implied_y = normal_pair(next_uniform(rng), next_uniform(rng))
    rho = x[M_RHO]
    shock = rho * z + math.sqrt(1.0 - rho * rho) * own_z
    across = math.sqrt(1.0 - _LEVERAGE * _LEVERAGE)
    sigma = x[M_SIGMA] * math.sqrt((1.0 - _JUMP_SHARE) * SECONDS / YEAR_SECONDS)
    start = x[P_TO]
    jump = _jump(next_uniform(rng), next_uniform(rng), next_uniform(rng), _JUMPS_OWN)
    jump += _jump(
        uniform_at(common, 5 * k + 2), uniform_at(common, 5 * k + 3), uniform_at(common, 5 * k + 4), _JUMPS_COMMON
    )
    x[P_FROM] = start * math.exp(x[M_SIGMA] * jump)
    x[P_TO] = x[P_FROM] * math.exp(sigma * x[P_VOL] * shock)
    x[P_FAST] = _drawn_to_mean(x[P_FAST], _FAST_S, _FAST, _LEVERAGE * shock + across * own_y)
    x[P_SLOW] = _drawn_to_mean(x[P_SLOW], _SLOW_S, _SLOW, slow_y)
    x[P_COMMON] = _drawn_to_mean(x[P_COMMON], _COMMON_S, _COMMON, _LEVERAGE * z + across * y)
    x[P_VOL] = _level(x)
    x[P_ATM] *= math.exp(-SECONDS / _IMPLIED_S)
    x[P_ATM] += (
        _IMPLIED_LEVERAGE * math.log(x[P_TO] / start) + _IMPLIED * math.sqrt(SECONDS / SESSION_SECONDS) * implied_y
    )


@kernel
def price_at(x: Any, into: float) -> float:
    """Price in ticks at the part `into` (0 to 1) of the interval: straight between grid points. O(1)."""
    return float(x[P_FROM] + (x[P_TO] - x[P_FROM]) * into)


@kernel
def start_price(x: Any, rng: Any, common: Any, ticks: float) -> None:
    """The path before the first step, its volatility drawn from where it settles: no calm opening. O(1)."""
    z, _ = normal_pair(uniform_at(common, 0), uniform_at(common, 1))
    fast, slow = normal_pair(next_uniform(rng), next_uniform(rng))
    x[P_FAST], x[P_SLOW], x[P_COMMON] = _FAST * fast, _SLOW * slow, _COMMON * z
    x[P_FROM] = ticks
    x[P_TO] = ticks
    x[P_VOL] = _level(x)
