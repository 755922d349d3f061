"""Options on the average of a lognormal price at given times: moments, and a simulation with a control.

Sources: Kemna and Vorst 1990, J. Banking Finance 14 (geometric average, and as control of the arithmetic one); Turnbull
and Wakeman 1991, JFQA 26 (moments of the arithmetic average); Haug 2007, sections 4.20.1 to 4.20.3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel
from qflib.kernels.random_stream import mixed, next_uniform, normal_pair

Floats = NDArray[np.float64]


@kernel
def geometric_moments(times: Floats, carry: float, vol: float) -> tuple[float, float]:
    """Mean and variance of the mean of ln(S_t / S_0) over rising times. O(n)."""
    n, mean, variance = times.size, 0.0, 0.0
    for i in range(n):
        mean += times[i]
        variance += times[i] * (2.0 * (n - i) - 1.0)
    return (carry - 0.5 * vol * vol) * mean / n, vol * vol * variance / (n * n)


@kernel
def arithmetic_moments(times: Floats, carry: float, vol: float) -> tuple[float, float]:
    """First moment of the mean of S_t / S_0 over rising times, and ln(second / first^2). O(n)."""
    n, first, excess, later = times.size, 0.0, 0.0, 0.0
    for i in range(n - 1, -1, -1):
        grown = math.exp(carry * times[i])
        # beside the product of means: expm1 keeps the digits that small variances have
        excess += grown * (grown + 2.0 * later) * math.expm1(vol * vol * times[i])
        later += grown
        first += grown
    return first / n, math.log1p(excess / (first * first))


@kernel
def asian_simulation(
    sign: float, spot: float, strike: float, times: Floats, carry: float, vol: float, paths: int, seed: int, out: Floats
) -> None:
    """Sums over pairs of mirrored paths of what the arithmetic (x) and geometric (y) average give: x, y, xx, xy, yy.

    Rows of `out`: the payoff, and its pathwise derivatives in spot and vol. O(paths n). The numbers are those of the
    seed's own stream, in order.
    """
    n = times.size
    rng = np.empty(1, np.int64)
    rng[0] = np.int64(mixed(np.uint64(seed)))
    normals, pair = np.empty(n + 1), np.empty((3, 2))
    out[:] = 0.0
    for _ in range((paths + 1) // 2):
        for j in range(0, n, 2):
            normals[j], normals[j + 1] = normal_pair(next_uniform(rng), next_uniform(rng))
        pair[:] = 0.0
        for mirror in range(2):
            log, total, mean, before = 0.0, 0.0, 0.0, 0.0
            brownian, slopes, mean_slope = 0.0, 0.0, 0.0
            for j in range(n):
                step = times[j] - before
                before = times[j]
                z = normals[j] if mirror == 0 else -normals[j]
                log += (carry - 0.5 * vol * vol) * step + vol * math.sqrt(step) * z
                brownian += math.sqrt(step) * z
                grown, slope = math.exp(log), brownian - vol * times[j]  # of ln S in vol
                total += grown
                mean += log
                slopes += grown * slope
                mean_slope += slope
            if sign * (spot * total / n - strike) > 0.0:
                pair[0, 0] += 0.5 * (sign * (spot * total / n - strike))
                pair[1, 0] += 0.5 * sign * total / n
                pair[2, 0] += 0.5 * sign * spot * slopes / n
            level = math.exp(mean / n)
            if sign * (spot * level - strike) > 0.0:
                pair[0, 1] += 0.5 * (sign * (spot * level - strike))
                pair[1, 1] += 0.5 * sign * level
                pair[2, 1] += 0.5 * sign * spot * level * mean_slope / n
        for i in range(3):
            x, y = pair[i, 0], pair[i, 1]
            out[i, 0] += x
            out[i, 1] += y
            out[i, 2] += x * x
            out[i, 3] += x * y
            out[i, 4] += y * y


@kernel
def moments_batch(times: Floats, carry: Floats, vol: Floats, geometric: bool, first: Floats, second: Floats) -> None:
    """Moments of arrays of one length over the same times; O(n times)."""
    for i in range(first.size):
        if geometric:
            first[i], second[i] = geometric_moments(times, carry[i], vol[i])
        else:
            first[i], second[i] = arithmetic_moments(times, carry[i], vol[i])
