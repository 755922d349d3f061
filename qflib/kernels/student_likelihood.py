"""What the likelihood of a two-scaled Student's t and its slopes need of a sample, in one pass."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

F8 = NDArray[np.float64]


@kernel
def student_sums(y: F8, loc: float, scale: float, skew: float, df: float, out: F8) -> None:
    """Means over a sample of the terms of log density and score of `qflib.shortfall.laws.SkewedTLaw`.

    With u = (y − loc) / (scale (1 ± skew)), above and below the mode, and w = (df + 1) / (df + u²): of log(1 + u²/df),
    w u / (1 ± skew), w u² and ± w u² / (1 ± skew).

    Parameters
    ----------
    y
        (n,).
    loc, scale, skew, df
        Of the law; scale and df above 0, skew in (−1, 1).
    out
        (4,): the means, in this order.

    Notes
    -----
    O(n), some 10 ns a value.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty(4)
    >>> student_sums(np.array([-1.0, 1.0]), 0.0, 1.0, 0.0, 1.0, out)
    >>> out.round(6)
    array([0.693147, 0.      , 1.      , 0.      ])
    """
    logs = moves = squares = sides = 0.0
    for i in range(y.shape[0]):
        side = 1.0 if y[i] > loc else -1.0
        width = 1.0 + side * skew
        u = (y[i] - loc) / (scale * width)
        w = (df + 1.0) / (df + u * u)
        logs += math.log1p(u * u / df)
        moves += w * u / width
        squares += w * u * u
        sides += side * w * u * u / width
    n = y.shape[0]
    out[0], out[1], out[2], out[3] = logs / n, moves / n, squares / n, sides / n
