"""The coefficient of a power law of given exponent, folded point by point."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

# Places of `memory`: points, coefficient, sum of squared powers, of squared residuals; mean of y, squares about it.
N, COEFFICIENT, POWERS, REST, MEAN, SPREAD, N_MEMORY = range(7)


@kernel
def fold_power_law(
    x: NDArray[np.float64], y: NDArray[np.float64], exponent: float, memory: NDArray[np.float64]
) -> None:
    """Fold points of y = coefficient x^exponent, by recursive least squares. O(points).

    Brown, Durbin and Evans, "Techniques for testing the constancy of regression relationships over time", Journal of
    the Royal Statistical Society B 37 (1975): their recursive residuals w_r, by which S_r = S_r-1 + w_r^2.

    Parameters
    ----------
    x, y
        (points,) finite, x above 0.
    exponent
        The same in every call.
    memory
        (N_MEMORY,), zero at first, kept between calls.
    """
    for i in range(len(x)):
        power = math.pow(x[i], exponent)
        miss = y[i] - memory[COEFFICIENT] * power
        before = memory[POWERS]
        memory[POWERS] += power * power
        memory[COEFFICIENT] += miss * power / memory[POWERS]
        memory[REST] += miss * miss * (before / memory[POWERS])
        memory[N] += 1.0
        from_mean = y[i] - memory[MEAN]
        memory[MEAN] += from_mean / memory[N]
        memory[SPREAD] += from_mean * (y[i] - memory[MEAN])
