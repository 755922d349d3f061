"""Sums of draws from the tail of a law, by its quantile function on a uniform grid in log u."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@kernel
def tail_sums(count: I8, deep: F8, quantile: F8, step: float, total: F8) -> None:
    """The sum of each simulation's draws.

    Parameters
    ----------
    count
        (n,) draws a simulation.
    deep
        (count.sum(),) how far each draw lies below the tail's edge in log u: standard exponentials. Those beyond the
        grid are taken at its end.
    quantile
        (m,) quantiles at the edge, at `step` below it, and so on; between them the line.
    step
        Of the grid, in log u.
    total
        (n,) filled.

    Notes
    -----
    O(draws), some 5 ns each.
    """
    at, last = 0, len(quantile) - 1
    for i in range(len(count)):
        one = 0.0
        for _ in range(count[i]):
            x = min(deep[at] / step, last - 1e-9)
            j = int(x)
            one += quantile[j] + (x - j) * (quantile[j + 1] - quantile[j])
            at += 1
        total[i] = one
