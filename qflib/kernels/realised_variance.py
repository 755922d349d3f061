"""Realised variance and bipower variation of prices sampled on a grid of time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import inlined, kernel

# Places of `memory`: newest price, last sampled one, size of the last return; then what is asked for.
NEWEST, SAMPLED, LAST_RETURN, VARIANCE, BIPOWER, RETURNS, N_MEMORY = range(7)


@kernel
def fold_realised(
    time_ns: NDArray[np.int64],
    price: NDArray[np.float64],
    period_ns: int,
    memory: NDArray[np.float64],
    due_ns: NDArray[np.int64],
) -> None:
    """Fold prices: at each multiple of the period the newest one before it is sampled. O(prices).

    VARIANCE is the sum of squared log returns of samples (Andersen, Bollerslev, Diebold and Labys, "Modeling and
    forecasting realized volatility", 2003), BIPOWER pi / 2 times the sum of products of neighbouring
    returns' sizes (Barndorff-Nielsen and Shephard 2004).

    Parameters
    ----------
    time_ns, price
        (rows,) in time order, prices above 0.
    period_ns
        Of the grid; 0: every price is a sample.
    memory
        (N_MEMORY,), zero at first, kept between calls.
    due_ns
        (1,), the grid's next time, 0 at first, kept between calls.
    """
    for i in range(len(time_ns)):
        if period_ns > 0:
            if due_ns[0] == 0:
                due_ns[0] = (time_ns[i] // period_ns + 1) * period_ns
            elif time_ns[i] >= due_ns[0]:
                _take(memory)
                over = (time_ns[i] - due_ns[0]) // period_ns
                if over > 0:  # samples of the same price: returns of 0
                    memory[LAST_RETURN] = 0.0
                    memory[RETURNS] += over
                due_ns[0] += (over + 1) * period_ns
            memory[NEWEST] = price[i]
        else:
            memory[NEWEST] = price[i]
            _take(memory)


@inlined
def _take(memory: Any) -> None:
    if memory[SAMPLED] > 0.0:
        step = math.log(memory[NEWEST] / memory[SAMPLED])
        memory[VARIANCE] += step * step
        memory[BIPOWER] += math.pi / 2.0 * abs(step) * memory[LAST_RETURN]
        memory[LAST_RETURN] = abs(step)
        memory[RETURNS] += 1.0
    memory[SAMPLED] = memory[NEWEST]
