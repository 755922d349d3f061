"""A small convex programme: least 1/2 x'Hx + g'x + sum of cost |x| within bounds, by an active set.

A coordinate is free inside a stretch of constant slope of the cost (below 0 or above), or held at a kink or a bound.
Free ones take Newton's step as far as the nearest kink; where it is stationary, the held one whose slope calls loudest
is let go. Warm: from the optimum of a programme nearby it takes a step or two.

Source: Nocedal and Wright 2006, *Numerical Optimization*, algorithm 16.3, with the kinks of |x| as further constraints.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel
from qflib.kernels.linear_solve import factor, substitute

Floats = NDArray[np.float64]

_RIDGE = 1e-11  # of a diagonal of ones: where instruments are more than what they move


@kernel
def gradient(h: Floats, g: Floats, x: Floats, out: Floats) -> None:
    """H x + g. O(n^2)."""
    for i in range(len(x)):
        s = g[i]
        for j in range(len(x)):
            s += h[i, j] * x[j]
        out[i] = s


@kernel
def least(h: Floats, g: Floats, cost: Floats, lower: Floats, upper: Floats, x: Floats, steps: int) -> int:
    """Minimise in place, from a start.

    Parameters
    ----------
    h
        (n, n) positive semidefinite, its diagonal near 1 or 0.
    g, cost
        (n,): the linear term; the price of |x|, 0 or more.
    lower, upper
        (n,), lower <= upper; infinite: none.
    x
        (n,) the start, moved within the bounds. Written: the optimum.
    steps
        At most.

    Returns
    -------
    int
        Steps taken; -1 where they did not do, or there is no least value.

    Notes
    -----
    O(n^3) a step.
    """
    n = len(x)
    side = np.zeros(n, np.int64)  # of a free coordinate: where the cost's slope is cost * side; 0: it is held
    slope = np.empty(n)
    rows, right, which = np.empty(n * n), np.empty(n), np.empty(n, np.int64)
    size = 0.0
    for j in range(n):
        x[j] = min(max(x[j], lower[j]), upper[j])
        size = max(size, abs(g[j]) + cost[j])
        if lower[j] < x[j] < upper[j] and not (x[j] == 0.0 and cost[j] > 0.0):
            side[j] = 1 if x[j] > 0.0 or (x[j] == 0.0 and lower[j] >= 0.0) else -1
    polished = 0
    for step in range(steps):
        gradient(h, g, x, slope)
        worst, m, far_out = 0.0, 0, 0.0
        for j in range(n):
            far_out = max(far_out, abs(x[j]))
            if side[j] != 0:
                which[m] = j
                m += 1
                worst = max(worst, abs(slope[j] + cost[j] * side[j]))
        tolerance = 1e-12 * (size + n * far_out)
        if worst <= 1e-3 * tolerance or polished >= 3:
            polished = 0
            j, way = _loudest(slope, cost, lower, upper, x, side, tolerance)
            if j < 0:
                return step
            side[j] = way
            continue
        for a in range(m):
            i = which[a]
            right[a] = -(slope[i] + cost[i] * side[i])
            for b in range(m):
                rows[a * m + b] = h[i, which[b]] + (_RIDGE if a == b else 0.0)
        if not factor(m, rows):
            return -1
        substitute(m, rows, right)
        down, bend = 0.0, 0.0
        for a in range(m):
            i = which[a]
            down -= right[a] * (slope[i] + cost[i] * side[i])
            for b in range(m):
                bend += right[a] * h[i, which[b]] * right[b]
        reach = down / bend if bend > 0.0 else math.inf
        stop, at = -1, 0.0
        for a in range(m):
            i = which[a]
            end = _end(right[a], lower[i], upper[i], cost[i], side[i])
            far = (end - x[i]) / right[a] if right[a] != 0.0 else math.inf
            if far <= reach:
                reach, stop, at = max(far, 0.0), i, end
        if not math.isfinite(reach):  # flat to rounding: there is nothing to gain
            polished = 3
            continue
        for a in range(m):
            x[which[a]] += reach * right[a]
        polished += 1
        if stop >= 0:
            x[stop], side[stop], polished = at, 0, 0
    return -1


@kernel
def _end(way: float, lower: float, upper: float, cost: float, side: int) -> float:
    """Where a free coordinate's stretch ends that way."""
    if way > 0.0:
        return min(upper, 0.0) if cost > 0.0 and side < 0 else upper
    return max(lower, 0.0) if cost > 0.0 and side > 0 else lower


@kernel
def _loudest(
    slope: Floats, cost: Floats, lower: Floats, upper: Floats, x: Floats, side: NDArray[np.int64], tolerance: float
) -> tuple[int, int]:
    """The held coordinate along which the value falls fastest, and to which side; -1: none."""
    found, way, fastest = -1, 0, tolerance * 8.0
    for j in range(len(x)):
        if side[j] == 0:
            up = slope[j] + (cost[j] if x[j] >= 0.0 else -cost[j])
            down = slope[j] + (cost[j] if x[j] > 0.0 else -cost[j])
            if x[j] < upper[j] and -up > fastest:
                found, way, fastest = j, 1 if x[j] >= 0.0 else -1, -up
            if x[j] > lower[j] and down > fastest:
                found, way, fastest = j, 1 if x[j] > 0.0 else -1, down
    return found, way
