"""Surfaces of total implied variance: raw SVI slices and the SSVI surface with the power-law slope.

k is ln(strike / forward), w total variance vol^2 T, theta its value at the money.
SSVI: w = theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)), phi = eta / (theta^gamma (1 + theta)^(1-gamma)).

Source: Gatheral and Jacquier 2014, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

Floats = NDArray[np.float64]


@kernel
def ssvi_slope(theta: float, eta: float, gamma: float) -> float:
    """Power-law phi(theta), equation 4.5 of the source in the form that is free of arbitrage."""
    return eta / (math.pow(theta, gamma) * math.pow(1.0 + theta, 1.0 - gamma))


@kernel
def ssvi_variance(k: float, theta: float, rho: float, eta: float, gamma: float) -> float:
    """Total variance of SSVI; O(1)."""
    if theta <= 0.0:
        return 0.0
    u = ssvi_slope(theta, eta, gamma) * k
    return 0.5 * theta * (1.0 + rho * u + math.sqrt((u + rho) * (u + rho) + 1.0 - rho * rho))


@kernel
def ssvi_variance_batch(k: Floats, theta: Floats, rho: float, eta: float, gamma: float, out: Floats) -> None:
    """`ssvi_variance` of float64 arrays of one length into `out`; O(n)."""
    for i in range(out.size):
        out[i] = ssvi_variance(k[i], theta[i], rho, eta, gamma)


@kernel
def ssvi_gradient_batch(k: Floats, theta: Floats, rho: float, eta: float, gamma: float, out: Floats) -> None:
    """`ssvi_variance` and its derivatives in theta, rho, eta and gamma into `out` (5, n), theta above 0; O(n)."""
    for i in range(k.size):
        at = theta[i]
        phi = ssvi_slope(at, eta, gamma)
        u = phi * k[i]
        root = math.sqrt(u * u + 2.0 * u * rho + 1.0)
        w = 0.5 * at * (1.0 + rho * u + root)
        by_slope = 0.5 * at * (rho + (u + rho) / root) * u  # in ln phi
        out[0, i] = w
        out[1, i] = w / at + by_slope * ((gamma - 1.0) / (1.0 + at) - gamma / at)
        out[2, i] = 0.5 * at * u * (1.0 + 1.0 / root)
        out[3, i] = by_slope / eta
        out[4, i] = by_slope * math.log((1.0 + at) / at)


@kernel
def svi_variance(k: float, a: float, b: float, rho: float, m: float, sigma: float) -> float:
    """Total variance of a raw SVI slice, equation 3.1; O(1)."""
    return a + b * (rho * (k - m) + math.hypot(k - m, sigma))


@kernel
def svi_density_factor(k: float, a: float, b: float, rho: float, m: float, sigma: float) -> float:
    """Durrleman's g(k), equation 2.1: the slice has a density, no butterfly arbitrage, where g >= 0."""
    root = math.hypot(k - m, sigma)
    w = a + b * (rho * (k - m) + root)
    slope = b * (rho + (k - m) / root)
    bend = b * sigma * sigma / (root * root * root)
    left = 1.0 - 0.5 * k * slope / w
    return left * left - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * bend


@kernel
def svi_batch(
    k: Floats, a: Floats, b: Floats, rho: Floats, m: Floats, sigma: Floats, variance: Floats, factor: Floats
) -> None:
    """`svi_variance` and `svi_density_factor` of float64 arrays of one length; O(n)."""
    for i in range(k.size):
        variance[i] = svi_variance(k[i], a[i], b[i], rho[i], m[i], sigma[i])
        factor[i] = svi_density_factor(k[i], a[i], b[i], rho[i], m[i], sigma[i])
