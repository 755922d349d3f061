"""SABR implied vols in Hagan's expansion, lognormal and normal, and the density that they imply.

dF = alpha_t F^beta dW, d alpha_t = nu alpha_t dZ, corr(W, Z) = rho. The expansion is of first order in time: far from
the money and for long times the density it implies turns negative, which `sabr_density_factor` tells.

Sources: Hagan, Kumar, Lesniewski and Woodward 2002, "Managing smile risk", Wilmott, equations 2.17 and A.59; Obloj 2008
compares the variants; Gatheral and Jacquier 2014, equation 2.1, for the density.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.black_scholes import log_moneyness
from qflib.kernels.jit import kernel

Floats = NDArray[np.float64]

_STEP = 1e-3  # of ln strike in the density's differences: truncation and rounding are both below 1e-9


@kernel
def _angle(z: float, rho: float) -> float:
    """Z / x(z), x = ln((sqrt(1 - 2 rho z + z^2) + z - rho) / (1 - rho)); by its series where both vanish."""
    if abs(z) < 1e-4:
        return 1.0 + z * (-0.5 * rho + z * ((2.0 - 3.0 * rho * rho) / 12.0 + z * rho * (5.0 - 6.0 * rho * rho) / 24.0))
    root = math.sqrt(1.0 - 2.0 * rho * z + z * z)
    # ln of a number near 1, and of one that cancels for z < 0, by what it is beside 1
    if z > 0.0:
        return z / math.log1p((z + z * (z - 2.0 * rho) / (root + 1.0)) / (1.0 - rho))
    return -z / math.log1p((-z + z * (z - 2.0 * rho) / (root + 1.0)) / (1.0 + rho))


@kernel
def sabr_lognormal_vol(
    forward: float, strike: float, years: float, alpha: float, beta: float, rho: float, nu: float
) -> float:
    """Black vol of a strike; forward and strike positive, |rho| < 1. O(1)."""
    log, rest = log_moneyness(forward, strike), 1.0 - beta
    level = math.pow(forward * strike, 0.5 * rest)
    bend = (rest * log) ** 2
    z = nu / alpha * level * log
    grown = 1.0 + years * (
        rest * rest / 24.0 * alpha * alpha / (level * level)
        + 0.25 * rho * beta * nu * alpha / level
        + (2.0 - 3.0 * rho * rho) / 24.0 * nu * nu
    )
    return alpha / (level * (1.0 + bend / 24.0 + bend * bend / 1920.0)) * _angle(z, rho) * grown


@kernel
def sabr_normal_vol(
    forward: float, strike: float, years: float, alpha: float, beta: float, rho: float, nu: float
) -> float:
    """Bachelier vol of a strike; for beta = 0 forward and strike of any sign. O(1)."""
    skew = (2.0 - 3.0 * rho * rho) / 24.0 * nu * nu
    if beta == 0.0:
        return alpha * _angle(nu / alpha * (forward - strike), rho) * (1.0 + skew * years)
    log, rest = log_moneyness(forward, strike), 1.0 - beta
    level = math.pow(forward * strike, 0.5 * rest)
    square, bend = log * log, (rest * log) ** 2
    shape = (1.0 + square / 24.0 + square * square / 1920.0) / (1.0 + bend / 24.0 + bend * bend / 1920.0)
    z = nu / alpha * level * log
    grown = 1.0 + years * (
        -beta * (2.0 - beta) / 24.0 * alpha * alpha / (level * level) + 0.25 * rho * beta * nu * alpha / level + skew
    )
    return alpha * math.pow(forward * strike, 0.5 * beta) * shape * _angle(z, rho) * grown


@kernel
def sabr_density_factor(
    forward: float, strike: float, years: float, alpha: float, beta: float, rho: float, nu: float
) -> float:
    """Durrleman's g at ln(strike / forward): no butterfly is an arbitrage where it is at least 0. O(1)."""
    w = np.empty(5)
    for i in range(5):
        moved = strike * math.exp((i - 2) * _STEP)
        w[i] = sabr_lognormal_vol(forward, moved, years, alpha, beta, rho, nu) ** 2 * years
    slope = (8.0 * (w[3] - w[1]) - (w[4] - w[0])) / (12.0 * _STEP)
    bend = (16.0 * (w[1] + w[3]) - w[0] - w[4] - 30.0 * w[2]) / (12.0 * _STEP * _STEP)
    left = 1.0 + 0.5 * log_moneyness(forward, strike) * slope / w[2]
    factor: float = left * left - 0.25 * slope * slope * (1.0 / w[2] + 0.25) + 0.5 * bend
    return factor


@kernel
def sabr_batch(
    forward: Floats,
    strike: Floats,
    years: Floats,
    alpha: Floats,
    beta: Floats,
    rho: Floats,
    nu: Floats,
    kind: int,
    out: Floats,
) -> None:
    """Lognormal vols (kind 0), normal vols (1) or density factors (2) of arrays of one length into `out`; O(n)."""
    for i in range(out.size):
        if kind == 0:
            out[i] = sabr_lognormal_vol(forward[i], strike[i], years[i], alpha[i], beta[i], rho[i], nu[i])
        elif kind == 1:
            out[i] = sabr_normal_vol(forward[i], strike[i], years[i], alpha[i], beta[i], rho[i], nu[i])
        else:
            out[i] = sabr_density_factor(forward[i], strike[i], years[i], alpha[i], beta[i], rho[i], nu[i])
