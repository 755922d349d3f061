"""Scenario P&L of a book in one underlying, read off a grid of log returns by vol shifts: cubic in both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import simd_kernel
from qflib.kernels.lagrange import cubic_weights

F = NDArray[np.float64]


@simd_kernel
def grid_pnl(
    table: F, first_x: float, step_x: float, first_v: float, step_v: float, log_growth: F, vol_shift: F, out: F
) -> None:
    """Add interpolated P&L to `out`.

    Parameters
    ----------
    table
        (nx, nv): the P&L at the nodes, four or more each way.
    first_x, step_x, first_v, step_v
        Where the nodes lie: log returns, vol shifts.
    log_growth, vol_shift
        (n,): scenarios, all within the second and the last but one node.
    out
        (n,): added to.

    Notes
    -----
    O(n). Error of fourth order in the steps, where the book is smooth.
    """
    nx, nv = table.shape
    per_x, per_v = 1.0 / step_x, 1.0 / step_v
    for j in range(out.size):
        x, v = (log_growth[j] - first_x) * per_x, (vol_shift[j] - first_v) * per_v
        a = min(max(int(x), 1), nx - 3)
        b = min(max(int(v), 1), nv - 3)
        p0, p1, p2, p3 = cubic_weights(x - a)
        q0, q1, q2, q3 = cubic_weights(v - b)
        r0, r1, r2, r3 = table[a - 1], table[a], table[a + 1], table[a + 2]
        out[j] += (
            p0 * (q0 * r0[b - 1] + q1 * r0[b] + q2 * r0[b + 1] + q3 * r0[b + 2])
            + p1 * (q0 * r1[b - 1] + q1 * r1[b] + q2 * r1[b + 1] + q3 * r1[b + 2])
            + p2 * (q0 * r2[b - 1] + q1 * r2[b] + q2 * r2[b + 1] + q3 * r2[b + 2])
            + p3 * (q0 * r3[b - 1] + q1 * r3[b] + q2 * r3[b + 1] + q3 * r3[b + 2])
        )
