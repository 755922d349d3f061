"""Order-flow imbalance of every level between successive states of a book."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel


@kernel
def fold_level_flow(
    bid: NDArray[np.float64],
    bid_qty: NDArray[np.float64],
    ask: NDArray[np.float64],
    ask_qty: NDArray[np.float64],
    memory: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write e_n^m, the flow at level m between row n - 1 and row n. O(rows x levels).

    Xu, Gould and Howison, "Multi-level order-flow imbalance in a limit order book" (2018): the e_n of Cont, Kukanov
    and Stoikov (2014), section 2.1, at each level,
    e_n = q_n 1{b_n >= b_n-1} - q_n-1 1{b_n <= b_n-1} - r_n 1{a_n <= a_n-1} + r_n-1 1{a_n >= a_n-1}.

    Parameters
    ----------
    bid, bid_qty, ask, ask_qty
        (rows, levels), best first; a level that is not there has quantity 0 and any price.
    memory
        (4, levels), all NaN at first: the last row, kept between calls.
    out
        (rows, levels); NaN in the first row of all.
    """
    for n in range(bid.shape[0]):
        for m in range(bid.shape[1]):
            b = bid[n, m] if bid_qty[n, m] > 0 else -np.inf
            a = ask[n, m] if ask_qty[n, m] > 0 else np.inf
            flow = bid_qty[n, m] if b >= memory[0, m] else 0.0
            flow -= memory[1, m] if b <= memory[0, m] else 0.0
            flow -= ask_qty[n, m] if a <= memory[2, m] else 0.0
            flow += memory[3, m] if a >= memory[2, m] else 0.0
            out[n, m] = np.nan if np.isnan(memory[0, m]) else flow
            memory[0, m], memory[1, m] = b, bid_qty[n, m]
            memory[2, m], memory[3, m] = a, ask_qty[n, m]
