"""Small dense linear systems, row by row in one array: LU factors without exchanges, and substitution.

For kernels that solve one system an option: no calls into LAPACK, no memory made.

Source: Golub and Van Loan 2013, *Matrix Computations*, algorithms 3.2.1, 3.1.1 and 3.1.2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

Floats = NDArray[np.float64]


@kernel
def factor(n: int, rows: Floats) -> bool:
    """LU factors in place of an (n, n) matrix whose rows lie one after another; False where it is singular.

    Rows do not change places: for matrices whose diagonal leads, as a Volterra equation's does; the caller checks what
    comes of it. O(n^3).

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.kernels.linear_solve import factor, substitute
    >>> rows, x = np.array([4.0, 1.0, 2.0, 3.0]), np.array([6.0, 8.0])
    >>> factor(2, rows)
    True
    >>> substitute(2, rows, x)
    >>> x.tolist()
    [1.0, 2.0]
    """
    for k in range(n):
        pivot = rows[k * n + k]
        if not (abs(pivot) > 0.0 and math.isfinite(pivot)):
            return False
        over = 1.0 / pivot
        for i in range(k + 1, n):
            ratio = rows[i * n + k] * over
            rows[i * n + k] = ratio
            for j in range(k + 1, n):
                rows[i * n + j] -= ratio * rows[k * n + j]
    return True


@kernel
def substitute(n: int, rows: Floats, x: Floats) -> None:
    """Solve in place for one right side, by the factors. O(n^2)."""
    for i in range(n):
        for j in range(i):
            x[i] -= rows[i * n + j] * x[j]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            x[i] -= rows[i * n + j] * x[j]
        x[i] /= rows[i * n + i]
