"""What early exercise adds to the price of an American put, from its boundary: an integral and its derivatives.

A put of strike 1 and expiry 1, at x = spot / strike, is worth

    E(x) + int_0^1 a e^(-a t) N(-d-(t, x / B(1 - t))) - b x e^(-b t) N(-d+(t, x / B(1 - t))) dt

with E the European price. Integrals run over sqrt(t) = 2 v / (1 + v^2), v = c sinh(z): c, the distance of x from the
boundary, spreads the places where the integrand turns. Delta and gamma are derivatives of the integrand; those in a and
b have the boundary's own motion in them.

Sources: Kim 1990, RFS 3; Andersen, Lake and Offengenden 2016, J. Comp. Finance 20(1).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import special
from qflib.kernels.exercise_boundary import IN_A, IN_B, UNKNOWN, Frame, offset
from qflib.kernels.exercise_grid import MOST_NODES, MOST_PRICE_PLACES, ExerciseGrid
from qflib.kernels.jit import kernel, simd_kernel

Floats = NDArray[np.float64]
#: price, x delta, x^2 gamma, derivatives in a and b
Values = tuple[float, float, float, float, float]

_NEAREST = 1e-9
_Q = MOST_PRICE_PLACES + 8
(TIME_ROOT, WHEN_ROOT, MASS, BOUNDARY, MOVE_A, MOVE_B, SPACE, F, F_X, F_XX, F_A, F_B) = (k * _Q for k in range(12))
_SERIES = 12 * _Q
#: length of the price's scratch array
PRICE_SCRATCH = _SERIES + MOST_NODES


@simd_kernel
def spread(close: float, grid: ExerciseGrid, z: Floats) -> None:
    """Places and weights of the price's integral for a distance `close` of the boundary; O(q)."""
    c = min(max(0.5 * close, _NEAREST), 2.0)
    width = math.asinh(1.0 / c)
    for m in range(grid.abscissa.size):
        grown = special.exp(width * grid.abscissa[m])
        v = 0.5 * c * (grown - 1.0 / grown)
        dv = 0.5 * c * (grown + 1.0 / grown) * width * grid.mass[m]
        over = 1.0 / (1.0 + v * v)
        fall = max(1.0 - v * v, 0.0)
        z[TIME_ROOT + m] = 2.0 * v * over
        z[WHEN_ROOT + m] = fall * over
        z[MASS + m] = dv * 8.0 * v * fall * over * over * over  # 2 sqrt(t) d sqrt(t)


@simd_kernel
def _from_nodes(nodes: int, grid: ExerciseGrid, w: Floats, out: int, z: Floats) -> None:
    """A polynomial through nodes, at places: Clenshaw's recurrence over the Chebyshev series. O(n (n + q))."""
    n, q = grid.root.size, grid.abscissa.size
    for k in range(n):
        z[_SERIES + k] = 0.0
    for i in range(n):
        for k in range(n):
            z[_SERIES + k] += grid.to_series[i * n + k] * w[nodes + i]
    for m in range(q):
        z[SPACE + m] = z[out + m] = 0.0
    for k in range(n - 1, 0, -1):
        term = z[_SERIES + k]
        for m in range(q):
            here = z[out + m]
            z[out + m] = term + (4.0 * z[WHEN_ROOT + m] - 2.0) * here - z[SPACE + m]
            z[SPACE + m] = here
    for m in range(q):
        z[out + m] = z[_SERIES] + (2.0 * z[WHEN_ROOT + m] - 1.0) * z[out + m] - z[SPACE + m]


@simd_kernel
def place_boundary(
    a: float, b: float, s: float, side: float, known: Frame, grid: ExerciseGrid, slopes: bool, w: Floats, z: Floats
) -> None:
    """The boundary's logarithm at the price's places, and its derivatives in a and b; O(n (n + q))."""
    start, alpha, beta = known
    q, level = grid.abscissa.size, math.log(start)
    _from_nodes(UNKNOWN, grid, w, BOUNDARY, z)
    moving = alpha + beta > 0.0
    if moving:
        for m in range(q):
            xi = max(z[WHEN_ROOT + m], 1e-150)
            z[BOUNDARY + m] -= 2.0 * special.log(xi * (alpha + beta * xi))
    if slopes:
        _from_nodes(IN_A, grid, w, MOVE_A, z)
        _from_nodes(IN_B, grid, w, MOVE_B, z)
        own_a, own_b = (1.0 / a, -1.0 / b) if start != 1.0 else (0.0, 0.0)
        beta_a = 2.0 if a > 0.0 else -2.0
        for m in range(q):
            y2, xi = z[BOUNDARY + m], z[WHEN_ROOT + m]
            turn = -0.5 * side * s * xi / math.sqrt(max(y2, 1e-300)) if y2 > 0.0 else 0.0
            over = 2.0 / max(alpha + beta * xi, 1e-300) if moving else 0.0
            z[MOVE_A + m] = own_a + turn * (z[MOVE_A + m] - over * (1.0 / s + beta_a * xi))
            z[MOVE_B + m] = own_b + turn * (z[MOVE_B + m] + over / s)
    for m in range(q):
        z[BOUNDARY + m] = level - side * s * z[WHEN_ROOT + m] * math.sqrt(max(z[BOUNDARY + m], 0.0))


@simd_kernel
def premium(x: float, a: float, b: float, s: float, side: float, slopes: bool, q: int, z: Floats) -> Values:
    """What exercise beyond a boundary adds to the price at x, and to its derivatives. O(q)."""
    level, drift = math.log(x), (a - b - 0.5 * s * s) / s
    for m in range(q):
        t = z[TIME_ROOT + m] * z[TIME_ROOT + m]
        total = s * z[TIME_ROOT + m]
        d = (level - z[BOUNDARY + m]) / total + drift * z[TIME_ROOT + m]
        up = d + total
        low, high = special.exp(-a * t) * z[MASS + m], special.exp(-b * t) * x * z[MASS + m]
        dense = low * special.exp(-0.5 * d * d) * special.INV_SQRT_2PI
        dense_up = dense * special.exp(z[BOUNDARY + m])  # high n(d+) = low n(d-) B
        below, above = dense * special.mills_ratio(abs(d)), dense_up * special.mills_ratio(abs(up))
        cash = below if side * d > 0.0 else low - below
        asset = above if side * up > 0.0 else high - above
        dense *= side / total
        flow = a * dense - b * dense_up * side / total
        z[F + m] = a * cash - b * asset
        z[F_X + m] = -flow - b * asset
        z[F_XX + m] = a * dense + flow * d / total
        if slopes:
            z[F_A + m] = cash * (1.0 - a * t) + flow * (z[MOVE_A + m] - t)
            z[F_B + m] = flow * (z[MOVE_B + m] + t) - asset * (1.0 - b * t)
    price = delta = gamma = in_a = in_b = 0.0
    for m in range(q):
        price += z[F + m]
        delta += z[F_X + m]
        gamma += z[F_XX + m]
    if slopes:
        for m in range(q):
            in_a += z[F_A + m]
            in_b += z[F_B + m]
    return price, delta, gamma, in_a, in_b


@simd_kernel
def last_log(known: Frame, n: int, s: float, side: float, w: Floats) -> float:
    """Ln of the boundary at the whole time to expiry. O(1)."""
    start, alpha, beta = known
    y2 = max(w[UNKNOWN + n - 1] + offset(alpha, beta, 1.0), 0.0)
    return math.log(start) - side * s * math.sqrt(y2)


@kernel
def log_at(xi: float, s: float, side: float, known: Frame, grid: ExerciseGrid, w: Floats) -> float:
    """Ln of the boundary at time xi^2, 0 < xi <= 1. O(n^2)."""
    start, alpha, beta = known
    n, value, before = grid.root.size, 0.0, 0.0
    for k in range(n - 1, -1, -1):
        term = 0.0
        for i in range(n):
            term += grid.to_series[i * n + k] * w[UNKNOWN + i]
        turn = 4.0 * xi - 2.0 if k > 0 else 2.0 * xi - 1.0
        value, before = term + turn * value - before, value
    return math.log(start) - side * s * xi * math.sqrt(max(value + offset(alpha, beta, xi), 0.0))
