"""A covariance matrix, folded row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel


@kernel
def fold_covariance(table: NDArray[np.float64], mean: NDArray[np.float64], products: NDArray[np.float64]) -> int:
    """Fold rows into their means and sums of products about them; a row that is not finite is left out.

    Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4(3), 1962.
    O(rows x columns^2).

    Parameters
    ----------
    table
        (rows, columns).
    mean
        (1 + columns,), zero at first, kept between calls: rows, then means.
    products
        (columns, columns), zero at first, kept between calls; over rows - 1 it is the covariance matrix.

    Returns
    -------
    rows
        Folded by all calls.
    """
    columns = table.shape[1]
    for i in range(table.shape[0]):
        finite = True
        for j in range(columns):
            finite = finite and np.isfinite(table[i, j])
        if not finite:
            continue
        before = mean[0]
        mean[0] += 1.0
        # A deviation from the old mean by one from the new: before / (before + 1) times two from the old one.
        for j in range(columns):
            for k in range(j + 1):
                step = (table[i, j] - mean[1 + j]) * (table[i, k] - mean[1 + k]) * (before / mean[0])
                products[j, k] += step
                if k < j:
                    products[k, j] += step
        for j in range(columns):
            mean[1 + j] += (table[i, j] - mean[1 + j]) / mean[0]
    return int(mean[0])
