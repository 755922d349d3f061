"""A straight line through points, folded point by point."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

# Places of `memory`: points, means, sums of squares and products about them.
N, MEAN_X, MEAN_Y, SXX, SXY, SYY, N_MEMORY = range(7)


@kernel
def fold_line(x: NDArray[np.float64], y: NDArray[np.float64], memory: NDArray[np.float64]) -> None:
    """Fold points; one with a NaN is left out. O(points).

    Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4(3), 1962.

    Parameters
    ----------
    x, y
        (points,).
    memory
        (N_MEMORY,), zero at first, kept between calls.
    """
    for i in range(len(x)):
        if np.isnan(x[i]) or np.isnan(y[i]):
            continue
        memory[N] += 1.0
        dx, dy = x[i] - memory[MEAN_X], y[i] - memory[MEAN_Y]
        memory[MEAN_X] += dx / memory[N]
        memory[MEAN_Y] += dy / memory[N]
        memory[SXX] += dx * (x[i] - memory[MEAN_X])
        memory[SXY] += dx * (y[i] - memory[MEAN_Y])
        memory[SYY] += dy * (y[i] - memory[MEAN_Y])


@kernel
def line_of(memory: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Slope, intercept, the slope's standard error (n - 2) and R2 by least squares; NaN where undetermined. O(1)."""
    if memory[N] < 2.0 or memory[SXX] <= 0.0:
        return np.nan, np.nan, np.nan, np.nan
    slope = memory[SXY] / memory[SXX]
    rest = max(memory[SYY] - slope * memory[SXY], 0.0)
    error = math.sqrt(rest / (memory[N] - 2.0) / memory[SXX]) if memory[N] > 2.0 else np.nan
    r2 = 1.0 - rest / memory[SYY] if memory[SYY] > 0.0 else np.nan
    return slope, memory[MEAN_Y] - slope * memory[MEAN_X], error, r2
