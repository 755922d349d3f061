"""Profile-likelihood intervals of the shape, VaR and ES of a generalised Pareto tail.

The law is written by the figure in question in place of its scale, and all else is chosen anew at every value of it
(McNeil, Frey and Embrechts 2015, Quantitative risk management, section 5.2.4): the interval holds the values whose
greatest likelihood is not too far below the greatest of all, and is as lopsided as the likelihood is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from qflib.shortfall.gpd import ExcessLaw, negative_log_likelihood

F8 = NDArray[np.float64]

#: A negative log-likelihood so much above the best is as good as infinite, and can be subtracted.
_FAR = 1e6
#: Points looked at before the best one is refined; a least value is off by the square of what its place is.
_POINTS = 25


def shape_interval(y: F8, law: ExcessLaw, confidence: float) -> tuple[float, float]:
    """Where twice the profile log-likelihood of the shape is within the χ² quantile of its greatest."""

    def deviance(shape: float) -> float:
        return _scale_profile(y, law, shape)

    step = (1.0 + abs(law.shape)) / math.sqrt(law.n)
    return tuple(_end(deviance, law.shape, by, confidence, -1.0) for by in (-step, step))  # type: ignore[return-value]


def figure_intervals(
    y: F8, law: ExcessLaw, n: int, threshold: float, level: float, figures: tuple[float, float], confidence: float,
    fixed_rate: bool,
) -> tuple[tuple[float, float], tuple[float, float]]:  # fmt: skip
    """Of VaR and of ES at a level beyond the threshold.

    The share of losses beyond the threshold is estimated too, with the binomial likelihood, unless `fixed_rate`. ES has
    no upper end where a shape of 1 is likely enough: it is infinite there.
    """
    tail = 1.0 - level

    def scale_of_var(x: float, shape: F8, rate: float) -> F8:
        return (x - threshold) / _growth(shape, rate / tail)

    def scale_of_es(x: float, shape: F8, rate: float) -> F8:
        return (x - threshold) * (1.0 - shape) / (_growth(shape, rate / tail) + 1.0)

    def deviance_of(scale_of: Callable[[float, F8, float], F8]) -> Callable[[float], float]:
        def given(x: float, rate: float) -> float:
            def at(shape: F8) -> F8:
                return negative_log_likelihood(shape, scale_of(x, shape, rate), y)

            return _least(at, -0.95, 1.0 - 1e-9 if scale_of is scale_of_es else 3.0)

        def deviance(x: float) -> float:
            if fixed_rate:
                return 2.0 * (given(x, law.n / n) - law.nll)
            known = _binomial(law.n / n, law.n, n)
            spread = math.sqrt((1.0 - law.n / n) / law.n)
            log_rates = math.log(law.n / n) + spread * np.array([-6.0, 6.0])
            # beyond the threshold: the rate must exceed the tail
            low, high = max(float(log_rates[0]), math.log(tail) + 1e-9), min(float(log_rates[1]), -1e-12)
            found = optimize.minimize_scalar(
                lambda r: min(given(x, math.exp(r)), law.nll + _FAR) + _binomial(math.exp(r), law.n, n) - known,
                bounds=(low, high), method="bounded", options={"xatol": 1e-2 * spread},
            )  # fmt: skip
            return 2.0 * (float(found.fun) - law.nll)

        return deviance

    var, es = figures
    step = 0.5 * (var - threshold)
    of_var, of_es = deviance_of(scale_of_var), deviance_of(scale_of_es)
    var_ends = _end(of_var, var, -step, confidence, threshold), _end(of_var, var, step, confidence, threshold)
    step = 0.5 * (es - threshold)
    endless = _scale_profile(y, law, 1.0) <= _critical(confidence)
    up = math.inf if endless else _end(of_es, es, step, confidence, threshold)
    return var_ends, (_end(of_es, es, -step, confidence, threshold), up)


def _scale_profile(y: F8, law: ExcessLaw, shape: float) -> float:
    """Deviance of a shape, with its best scale."""

    def at(log_scale: F8) -> F8:
        return negative_log_likelihood(np.full(len(log_scale), shape), np.exp(log_scale), y)

    # below a shape of 0 the scale must hold the largest excess
    least = math.log(max(-shape * y[-1], 0.02 * law.scale)) + 1e-9
    return 2.0 * (_least(at, least, math.log(law.scale) + 4.0) - law.nll)


def _growth(shape: F8, ratio: float) -> F8:
    """(ratio^ξ − 1) / ξ: VaR less the threshold, in scales."""
    log = math.log(ratio)
    made: F8 = np.where(np.abs(shape * log) < 1e-12, log, np.expm1(shape * log) / np.where(shape == 0.0, 1.0, shape))
    return made


def _binomial(rate: float, k: int, n: int) -> float:
    """Negative log-likelihood of k losses of n beyond the threshold, but for a constant."""
    return -k * math.log(rate) - (n - k) * math.log1p(-rate) if k < n else -k * math.log(rate)


def _critical(confidence: float) -> float:
    return float(special.chdtri(1.0, 1.0 - confidence))


def _least(at: Callable[[F8], F8], low: float, high: float) -> float:
    """The least value between bounds: of a grid, refined around its best point."""
    grid = np.linspace(low, high, _POINTS)
    values = at(grid)
    best = int(np.argmin(values))
    if not math.isfinite(values[best]):
        return math.inf
    ends = grid[max(best - 1, 0)], grid[min(best + 1, _POINTS - 1)]
    found = optimize.minimize_scalar(
        lambda x: min(float(at(np.array([x]))[0]), values[best] + _FAR),
        bounds=ends,
        method="bounded",
        options={"xatol": 1e-4 * (high - low)},
    )
    return min(float(found.fun), float(values[best]))


def _end(deviance: Callable[[float], float], best: float, step: float, confidence: float, floor: float) -> float:
    """Where the deviance reaches the critical value on one side of the estimate, or the floor if it does not."""
    critical = _critical(confidence)

    def over(x: float) -> float:
        return min(deviance(x), 100.0 * critical) - critical  # where nothing fits, a root must still be enclosed

    near = best
    for _ in range(60):
        far = near + step
        if far <= floor:
            far = 0.5 * (near + floor)
        if over(far) > 0.0:
            return float(optimize.brentq(over, near, far, xtol=1e-6 * abs(far - best)))
        near, step = far, 1.6 * step
    return near
