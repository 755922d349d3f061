"""Resampling a series in blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@kernel
def copy_blocks(x: F8, starts: I8, lengths: I8, out: F8) -> int:
    """Blocks of x one after another into out, until it is full; x goes on from its end at its start.

    Politis and Romano (1994), The stationary bootstrap, section 2, where lengths are geometric.

    Parameters
    ----------
    x, out
        (n,) and (m,).
    starts, lengths
        (k,): where each block begins, 0 ≤ start < n, and how long it is, 1 at least.

    Returns
    -------
    int
        How many values were written: m, or fewer where the blocks do not suffice.
    """
    n, m = x.shape[0], out.shape[0]
    filled = 0
    for i in range(starts.shape[0]):
        at = starts[i]
        for _ in range(min(lengths[i], m - filled)):
            out[filled] = x[at]
            filled += 1
            at += 1
            if at == n:
                at = 0
        if filled == m:
            break
    return filled
