"""Which of the two best queues empties first, and which way the price moves then."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel


@kernel
def up_probabilities(
    bid: NDArray[np.float64], ask: NDArray[np.float64], nodes: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probability that the ask's queue empties before the bid's, where orders come and go at equal rates.

    Cont and de Larrard, "Price dynamics in a Markovian limit order market", SIAM Journal on Financial Mathematics 4
    (2013), proposition 3: of a walk in the quarter plane,
    1 / pi * integral over (0, pi) of (2 - cos t - sqrt((2 - cos t)^2 - 1))^ask sin(bid t) cos(t / 2) / sin(t / 2).

    Parameters
    ----------
    bid, ask
        (n,) queues in units of the mean order, whole numbers of 1 or more.
    nodes, weights
        Of a quadrature on (0, 1); as many as resolve sin(bid t).

    Returns
    -------
    probabilities
        (n,). O(n x nodes).
    """
    out = np.empty(len(bid))
    for i in range(len(bid)):
        total = 0.0
        for j in range(len(nodes)):
            t = math.pi * nodes[j]
            # acosh(2 - cos t), written so that it does not cancel at small t.
            s = math.sin(t / 2.0)
            fall = 2.0 * math.asinh(s)
            total += weights[j] * math.exp(-ask[i] * fall) * math.sin(bid[i] * t) * math.cos(t / 2.0) / s
        out[i] = total
    return out
