"""Rough Heston: the characteristic function from a fractional Riccati equation, prices by Lewis' integral.

v_t = v0 + 1 / Gamma(a) int_0^t (t - s)^(a - 1) (kappa (theta - v) ds + sigma sqrt(v) dZ), a = H + 1/2. At u - i/2

    D^a h = F(h) = -(u^2 + 1/4) / 2 + (rho sigma (iu + 1/2) - kappa) h + sigma^2 h^2 / 2,  h(0) = 0,
    ln phi = kappa theta int_0^T h dt + v0 int_0^T F(h) dt.

The equation is solved by the Adams corrector (product trapezoid) taken implicitly: with a quadratic F a step is a
quadratic equation, and no step is too long for large u. Two step counts give the limit by Richardson's rule, the error
being of order 1 + a in the step.

Sources: El Euch and Rosenbaum 2019, Math. Finance 29 (the equation); Diethelm, Ford and Freed 2004, Numer. Algorithms
36 (the weights); Lewis 2000 (the integral).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_TURN = 3.0
_NODES, _MASSES = 0.5 * np.polynomial.legendre.leggauss(16)[0] + 0.5, 0.5 * np.polynomial.legendre.leggauss(16)[1]
_DOUBLINGS = 24
_NOTHING = -36.0


@kernel
def adams_weights(a: float, steps: int, first: Floats, inner: Floats) -> None:
    """Weights of F_0 at step k + 1 into `first`[k], and of F at a distance of m steps into `inner`[m]. O(steps)."""
    for k in range(steps):
        first[k] = math.pow(k, a + 1.0) - (k - a) * math.pow(k + 1.0, a)
        m = k + 1.0
        inner[k] = math.pow(m + 1.0, a + 1.0) + math.pow(m - 1.0, a + 1.0) - 2.0 * math.pow(m, a + 1.0)


@kernel
def log_phi(
    u: float,
    years: float,
    a: float,
    v0: float,
    kappa: float,
    theta: float,
    sigma: float,
    rho: float,
    steps: int,
    first: Floats,
    inner: Floats,
    flow: Complexes,
) -> tuple[complex, complex, complex]:
    """Ln phi(u - i/2) by so many steps, its slopes in v0 and years; `flow` (steps + 1) is written. O(steps^2)."""
    constant = -0.5 * (u * u + 0.25)
    linear = rho * sigma * complex(0.5, u) - kappa
    dt = years / steps
    c = math.pow(dt, a) / math.gamma(a + 2.0)
    flow[0] = constant
    area, swept = 0.0 * linear, 0.5 * flow[0]
    h = 0.0 * linear
    for k in range(steps):
        total = first[k] * flow[0]
        for j in range(1, k + 1):
            total += inner[k - j] * flow[j]
        known, slope = c * (constant + total), 1.0 - c * linear
        h = 2.0 * known / (slope + np.sqrt(slope * slope - 2.0 * c * sigma * sigma * known))
        flow[k + 1] = constant + (linear + 0.5 * sigma * sigma * h) * h
        share = 1.0 if k < steps - 1 else 0.5
        area += share * h
        swept += share * flow[k + 1]
    return (kappa * theta * area + v0 * swept) * dt, swept * dt, kappa * theta * h + v0 * flow[steps]


@kernel
def rough_heston_slice(
    k: Floats,
    years: float,
    hurst: float,
    v0: float,
    kappa: float,
    theta: float,
    sigma: float,
    rho: float,
    steps: int,
    out: Floats,
) -> None:
    """Lewis' integral over pi at each ln(forward / strike): the call is asset - cash times it. O(places steps^2).

    Rows of `out`: it, its first and second slope in k, and its slopes in v0 and years.
    """
    a = hurst + 0.5
    few = steps // 2
    first, inner = np.empty(steps), np.empty(steps)
    flow = np.empty(steps + 1, np.complex128)
    adams_weights(a, steps, first, inner)
    turning = 1e-3
    for x in k:
        turning = max(turning, abs(x))
    # what correlation adds to the phase at most
    drag = abs(rho) * (v0 + kappa * theta * years)
    turning += min(drag / sigma, 4.0 * math.sqrt(drag)) if sigma > 0.0 else 0.0
    gain = 1.0 / (math.pow(2.0, 1.0 + a) - 1.0)
    out[:] = 0.0
    start, width = 0.0, 0.5
    for _ in range(_DOUBLINGS):
        if start > 0.0:
            edge, _, _ = log_phi(start, years, a, v0, kappa, theta, sigma, rho, few, first, inner, flow)
            if edge.real < _NOTHING:
                break
        pieces = 1 + int(width * turning / _TURN)
        step = width / pieces
        for j in range(pieces):
            for i in range(_NODES.size):
                u = start + (j + _NODES[i]) * step
                log0, v0_, t0 = log_phi(u, years, a, v0, kappa, theta, sigma, rho, few, first, inner, flow)
                log1, v1_, t1 = log_phi(u, years, a, v0, kappa, theta, sigma, rho, 2 * few, first, inner, flow)
                log = log1 + gain * (log1 - log0)
                in_v0, in_years = v1_ + gain * (v1_ - v0_), t1 + gain * (t1 - t0)
                weight = _MASSES[i] * step / (u * u + 0.25) / math.pi
                place = complex(0.5, u)
                for m in range(k.size):
                    part = np.exp(place * k[m] + log) * weight
                    out[0, m] += part.real
                    out[1, m] += (part * place).real
                    out[2, m] += (part * place * place).real
                    out[3, m] += (part * in_v0).real
                    out[4, m] += (part * in_years).real
        start += width
        width = start
