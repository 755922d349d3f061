"""American puts under a negative rate and a yet lower yield: exercised between two boundaries, until they meet.

As long as the boundaries are apart each is solved as if it stood alone: the upper one is that of a put, the lower one
begins at rate / yield and rises. Where they cross, exercise ends: a longer option has no exercise region above that
time, and its premium is the integral up to it.

Sources: Battauz, De Donno and Sbuelz 2015, Management Science 61; Andersen and Lake 2021, "Fast American option
pricing: the double-boundary case", Wilmott.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.american import (
    MASS,
    MOVE_A,
    MOVE_B,
    TIME_ROOT,
    WHEN_ROOT,
    Values,
    last_log,
    log_at,
    place_boundary,
    premium,
    spread,
)
from qflib.kernels.black_scholes_greeks import greeks
from qflib.kernels.exercise_boundary import frame, load_grid, solve_boundary
from qflib.kernels.exercise_grid import ExerciseGrid, GridPair
from qflib.kernels.jit import kernel

Floats = NDArray[np.float64]

_HALVINGS = 40


@kernel
def gap(xi: float, a: float, b: float, s: float, grid: ExerciseGrid, upper: Floats, lower: Floats) -> float:
    """Ln upper - ln lower boundary at time xi^2. O(n^2)."""
    high = log_at(xi, s, 1.0, frame(a, b, s, 1.0), grid, upper)
    return high - log_at(xi, s, -1.0, frame(a, b, s, -1.0), grid, lower)


@kernel
def both(
    share: float,
    a: float,
    b: float,
    s: float,
    grids: GridPair,
    slopes: bool,
    upper: Floats,
    lower: Floats,
    coarse: Floats,
) -> bool:
    """Solve both boundaries for a time to expiry that is a share of the whole."""
    a, b, s = a * share, b * share, s * math.sqrt(share)
    if not solve_boundary(a, b, s, 1.0, frame(a, b, s, 1.0), grids, slopes, upper, coarse):
        return False
    return solve_boundary(a, b, s, -1.0, frame(a, b, s, -1.0), grids, slopes, lower, coarse)


@kernel
def meeting(
    a: float, b: float, s: float, grids: GridPair, slopes: bool, upper: Floats, lower: Floats, coarse: Floats
) -> tuple[float, float]:
    """Share of the time that was solved, and of that share the root of the time at which boundaries meet (1: not yet).

    A share of 0 says that no boundaries came.
    """
    share, least, most = 1.0, 0.0, 1.0
    for _ in range(_HALVINGS):
        if both(share, a, b, s, grids, slopes, upper, lower, coarse):
            a1, b1, s1 = a * share, b * share, s * math.sqrt(share)
            n, cross = grids.fine.root.size, 1.0
            for i in range(n):
                if gap(grids.fine.root[i], a1, b1, s1, grids.fine, upper, lower) <= 0.0:
                    cross = grids.fine.root[i]
                    low, high = (grids.fine.root[i - 1] if i > 0 else 0.0), cross
                    for _ in range(60):
                        middle = 0.5 * (low + high)
                        if gap(middle, a1, b1, s1, grids.fine, upper, lower) > 0.0:
                            low = middle
                        else:
                            high = middle
                    return share, 0.5 * (low + high)
            if share == 1.0 or most - least < 1e-9 * most:
                return share, 1.0
            least = share
        else:
            most = share
        share = 0.5 * (least + most)
    return (least, 1.0) if least > 0.0 and both(least, a, b, s, grids, slopes, upper, lower, coarse) else (0.0, 1.0)


@kernel
def between_boundaries(
    x: float, a: float, b: float, s: float, grids: GridPair, slopes: bool, w: Floats, coarse: Floats, z: Floats
) -> Values:
    """The put for b < a < 0; NaN where the boundaries do not come."""
    grid, lower = grids.fine, np.empty(w.size)
    n, q = grid.root.size, grid.abscissa.size
    load_grid(grid, w)
    load_grid(grid, lower)
    load_grid(grids.coarse, coarse)
    share, cross = meeting(a, b, s, grids, slopes, w, lower, coarse)
    if share == 0.0:
        return math.nan, math.nan, math.nan, math.nan, math.nan
    level = math.log(x)
    g = greeks(-1.0, x, 1.0, 1.0, a, b, s)
    known, below = (
        frame(a * share, b * share, s * math.sqrt(share), 1.0),
        frame(a * share, b * share, s * math.sqrt(share), -1.0),
    )
    part = s * math.sqrt(share)
    if share == 1.0 and cross == 1.0:
        high, low = last_log(known, n, s, 1.0, w), last_log(below, n, s, -1.0, lower)
        if low <= level <= high:
            return 1.0 - x, -x, 0.0, 0.0, 0.0
        if level > high:
            spread((level - high) / s, grid, z)
            place_boundary(a, b, s, 1.0, known, grid, slopes, w, z)
            p = premium(x, a, b, s, 1.0, slopes, q, z)
            return g[0] + p[0], x * g[1] + p[1], x * x * g[2] + p[2], g[5] + p[3], g[6] + p[4]
        spread((low - level) / s, grid, z)
        place_boundary(a, b, s, -1.0, below, grid, slopes, lower, z)
        p = premium(x, a, b, s, -1.0, slopes, q, z)
        cash, asset = math.exp(-a), x * math.exp(-b)  # seen from below, exercise is certain: a forward
        return cash - asset + p[0], -asset + p[1], p[2], -cash + p[3], asset + p[4]
    # exercise ends at time `end`: before, the premium of both boundaries; places of u = end v^2
    end = share * cross * cross
    total0 = total1 = total2 = total3 = total4 = 0.0
    for side in (1.0, -1.0):
        for m in range(q):
            v = grid.abscissa[m]
            z[WHEN_ROOT + m] = cross * v
            z[TIME_ROOT + m] = math.sqrt(1.0 - end * v * v)
            z[MASS + m] = 2.0 * end * v * grid.mass[m]
        if side > 0.0:
            place_boundary(a * share, b * share, part, side, known, grid, slopes, w, z)
        else:
            place_boundary(a * share, b * share, part, side, below, grid, slopes, lower, z)
        for m in range(q):
            z[MOVE_A + m] *= share
            z[MOVE_B + m] *= share
        # the put's share below the upper boundary, less that below the lower one
        p = premium(x, a, b, s, 1.0, slopes, q, z)
        total0, total1, total2 = total0 + side * p[0], total1 + side * p[1], total2 + side * p[2]
        total3, total4 = total3 + side * p[3], total4 + side * p[4]
    return g[0] + total0, x * g[1] + total1, x * x * g[2] + total2, g[5] + total3, g[6] + total4
