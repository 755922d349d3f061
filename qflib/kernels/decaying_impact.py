"""Impact that decays: what past trades still move a price by, and what a sequence of trades pays for it.

A trade of q at time s moves the price by q G(t - s) at t >= s: the propagator. G(t) = size 2^(-t / half_life), whose
memory is one number, or size (1 + t / scale)^-exponent.

Bouchaud, Gefen, Potters and Wyart 2004, "Fluctuations and response in financial markets", Quantitative Finance 4;
Obizhaeva and Wang 2013, "Optimal trading strategy and supply/demand dynamics", Journal of Financial Markets 16;
Gatheral 2010, "No-dynamic-arbitrage and market impact", Quantitative Finance 10(7).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

Floats = NDArray[np.float64]


@kernel
def power_decay(t: float, size: float, exponent: float, scale: float) -> float:
    """G of the power law."""
    return size * math.exp(-exponent * math.log1p(t / scale))


@kernel
def displaced_exponential(times: Floats, qty: Floats, at: float, size: float, half_life: float) -> float:
    """Price change left at `at` of trades at rising times up to it. O(n)."""
    out, now = 0.0, at
    for k in range(len(times)):
        now = times[k]
        out = out * math.exp2(-(now - times[max(k - 1, 0)]) / half_life) + size * qty[k]
    return out * math.exp2(-(at - now) / half_life)


@kernel
def displaced_power(times: Floats, qty: Floats, at: float, size: float, exponent: float, scale: float) -> float:
    """Price change left at `at` of trades at rising times up to it. O(n)."""
    out = 0.0
    for k in range(len(times)):
        out += qty[k] * power_decay(at - times[k], size, exponent, scale)
    return out


@kernel
def cost_exponential(times: Floats, qty: Floats, size: float, half_life: float) -> float:
    """What trades at rising times pay: half of each one's own impact, and all that is left of those before. O(n)."""
    paid, left = 0.0, 0.0
    for k in range(len(times)):
        if k:
            left *= math.exp2(-(times[k] - times[k - 1]) / half_life)
        paid += qty[k] * (left + 0.5 * size * qty[k])
        left += size * qty[k]
    return paid


@kernel
def cost_power(times: Floats, qty: Floats, size: float, exponent: float, scale: float) -> float:
    """As `cost_exponential`. O(n^2): a power law has no finite memory."""
    paid = 0.0
    for k in range(len(times)):
        left = 0.0
        for j in range(k):
            left += qty[j] * power_decay(times[k] - times[j], size, exponent, scale)
        paid += qty[k] * (left + 0.5 * size * qty[k])
    return paid
