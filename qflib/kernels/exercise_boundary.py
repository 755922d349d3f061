"""The early-exercise boundary of an American put: Newton steps on the smooth-pasting equation at Chebyshev nodes.

Scaled to strike 1 and expiry 1: a = rate T, b = dividend yield T, s = vol sqrt(T). At time tau = xi^2 to expiry the
boundary is X exp(-side s xi y), X its value at expiry; side is +1 for the boundary below which the put is exercised, -1
for the lower one of two (exercise above it). The equation, A = C, with t the elapsed time, u = tau - t and d-, d+ of
B(tau) / B(u):

    A = e^(-b tau) N(d1) + b int e^(-b t) N(d+) dt        (a part with a negative sign changes sides)
    C = int (a - b B(u)) e^(-a t) n(d-) / (B(tau) s sqrt(t)) dt

Steps are of ln A - ln C, which is nearly straight. The unknown is not y^2 itself but p = y^2 + 2 ln(alpha xi + beta
xi^2): near expiry N(-y) is like xi for a > b and like xi^2 for a = b, and without that logarithm a few nodes give many
digits.

Sources: Kim 1990, RFS 3 (the representation); Andersen, Lake and Offengenden 2016, J. Comp. Finance 20(1) (smooth
pasting as "FP-B", Chebyshev nodes in the square root of time); Evans, Kuske and Keller 2002, Math. Finance 12 (near
expiry); Andersen and Lake 2021, Wilmott (two boundaries). The offset, the angle and Newton's matrix are our own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import special
from qflib.kernels.exercise_grid import MOST_NODES, MOST_PLACES, ExerciseGrid, GridPair
from qflib.kernels.jit import kernel, simd_kernel
from qflib.kernels.linear_solve import factor, substitute

Floats = NDArray[np.float64]
#: boundary at expiry, alpha, beta
Frame = tuple[float, float, float]

_STEPS = 30
_CLOSE = 1e-5  # relative step after which the next one would be rounding
_KEEP = 1e-3  # relative step after which the matrix serves again
_STALE = 1e-5  # relative step at a matrix that does not serve for derivatives any more
_LEAST = 1e-12  # of y^2: a step may not leave the positive side

# Scratch memory is one array cut at constant places: LLVM sees that its rows do not overlap, and makes SIMD code
# without asking at run time. A row is a cache line longer than its numbers, so that rows do not share cache sets.
_P = MOST_PLACES + 8
(
    ROOT_TIME, ROOT_WHEN, WEIGHT, TIME, OFFSET, DECAY, PULL, OWN_LOG, OVER, Y2, LOG, LEVEL, E, V, TURN, CARRY, SLOPE
) = (k * _P for k in range(17))  # fmt: skip
_N = MOST_NODES + 8
(
    ROOT, NODE_OFFSET, UNKNOWN, NODE_Y2, NODE_LOG, NODE_OVER, NODE_SLOPE, START, START_SLOPE, SUM_P, SUM_TURN, SUM_V,
    SUM_CARRY, ABOVE, BELOW, OWN, OF_TURN, OF_CARRY, RESIDUAL, IN_A, IN_B, SUM_E, SUM_VT, SUM_CT
) = (17 * _P + k * _N for k in range(24))  # fmt: skip
_MATRIX = 17 * _P + 24 * _N
#: length of the scratch array
SCRATCH = _MATRIX + MOST_NODES * MOST_NODES


@kernel
def frame(a: float, b: float, s: float, side: float) -> Frame:
    """Boundary at expiry, and alpha and beta of the logarithm (0 where there is none). O(1)."""
    if side < 0.0 or a < b:
        return a / b, 0.0, 0.0
    return 1.0, (a - b) / s, 2.0 * abs(a)


@kernel
def offset(alpha: float, beta: float, xi: float) -> float:
    """-2 ln(alpha xi + beta xi^2), or 0."""
    return -2.0 * math.log(xi * (alpha + beta * xi)) if alpha + beta > 0.0 else 0.0


@kernel
def perpetual_distance(a: float, b: float, s: float, side: float, start: float) -> float:
    """|ln(X / B)| of the boundary of endless time; infinite where there is none. O(1)."""
    v = s * s
    k = (a - b) / v - 0.5
    square = k * k + 2.0 * a / v
    if square <= 0.0:
        return math.inf
    # the roots' product is -2 a / v: the smaller one without a difference
    root = -k - math.copysign(math.sqrt(square), k)
    other = -2.0 * a / v / root if root != 0.0 else 0.0
    power = min(root, other) if side > 0.0 else max(root, other)
    return abs(math.log(start * (power - 1.0) / power)) if power < 0.0 else math.inf


@kernel
def load_grid(grid: ExerciseGrid, w: Floats) -> None:
    """Copy what the equations read of the grid into scratch memory, once a batch."""
    for m in range(grid.root_time.size):
        w[ROOT_TIME + m] = grid.root_time[m]
        w[ROOT_WHEN + m] = grid.root_when[m]
        w[WEIGHT + m] = grid.weight[m]
    for i in range(grid.root.size):
        w[ROOT + i] = grid.root[i]


@kernel
def _first_guess(a: float, b: float, s: float, side: float, known: Frame, n: int, w: Floats) -> None:
    """Unknowns from the behaviour near expiry and in endless time."""
    start, alpha, beta = known
    far = perpetual_distance(a, b, s, side, start)
    for i in range(n):
        xi = w[ROOT + i]
        if alpha + beta > 0.0:
            y = math.sqrt(max(0.4, -2.0 * math.log(2.0 * max(alpha * xi, beta * xi * xi))))
        else:  # from X by 0.64; soon, where X is near 1, as if a were b
            y = max(0.64, math.sqrt(max(0.4, -2.0 * math.log(4.0 * abs(a) * xi * xi))) + math.log(start) / (s * xi))
        g = s * xi * y
        if 0.0 < far < math.inf:
            g = -far * math.expm1(-g / far)
        w[NODE_OFFSET + i] = offset(alpha, beta, xi)
        w[UNKNOWN + i] = (g / (s * xi)) ** 2 - w[NODE_OFFSET + i]


@simd_kernel
def _prepare(a: float, b: float, s: float, known: Frame, count: int, w: Floats) -> None:
    """What stays from step to step."""
    _, alpha, beta = known
    drift = (a - b - 0.5 * s * s) / s
    for m in range(count):
        t = w[ROOT_TIME + m] * w[ROOT_TIME + m]
        w[TIME + m] = t
        w[DECAY + m] = special.exp(-b * t)
        w[PULL + m] = drift * w[ROOT_TIME + m]
    if alpha + beta > 0.0:
        for m in range(count):
            w[OFFSET + m] = -2.0 * special.log(w[ROOT_WHEN + m] * (alpha + beta * w[ROOT_WHEN + m]))
    else:
        for m in range(count):
            w[OFFSET + m] = 0.0


@simd_kernel
def _place(
    a: float, b: float, s: float, side: float, start: float, n: int, count: int, across: Floats, w: Floats
) -> None:
    """The boundary at places, e = weight e^(-a t) n(d-) / (B s sqrt t), v = weight e^(-b t) N(side d+), and sums."""
    log_start = math.log(start)
    for i in range(n):
        y2 = max(w[UNKNOWN + i] + w[NODE_OFFSET + i], _LEAST)
        root = math.sqrt(y2)
        w[NODE_Y2 + i] = y2
        w[NODE_LOG + i] = log_start - side * s * w[ROOT + i] * root
        w[NODE_SLOPE + i] = -0.5 * side * s * w[ROOT + i] / root
        w[NODE_OVER + i] = special.exp(-w[NODE_LOG + i])
        w[SUM_P + i] = w[SUM_TURN + i] = w[SUM_V + i] = w[SUM_CARRY + i] = 0.0
    for m in range(0, count, n):
        for i in range(n):
            w[OWN_LOG + (m + i)] = w[NODE_LOG + i]
            w[OVER + (m + i)] = w[NODE_OVER + i]
    for m in range(count):
        w[Y2 + m] = w[OFFSET + m]
    for k in range(n):
        value, row = w[UNKNOWN + k], k * count
        for m in range(count):
            w[Y2 + m] += value * across[row + m]
    for m in range(count):
        y2, scale = w[Y2 + m], side * s * w[ROOT_WHEN + m]
        root = math.sqrt(max(y2, _LEAST))
        boundary = log_start - scale * root
        total = s * w[ROOT_TIME + m]
        d = (w[OWN_LOG + m] - boundary) / total + w[PULL + m]
        up = d + total
        level = special.exp(boundary)
        dense = special.exp(-0.5 * d * d - a * w[TIME + m]) * special.INV_SQRT_2PI * w[OVER + m] * w[WEIGHT + m]
        tail = dense * level * special.mills_ratio(abs(up))  # e^(-b t) n(d+) = e^(-a t) n(d-) B(u) / B(tau)
        e = dense / total
        w[LOG + m] = boundary
        w[LEVEL + m] = level
        w[E + m] = e
        w[V + m] = tail if side * up < 0.0 else w[DECAY + m] * w[WEIGHT + m] - tail
        flow = e * (a - b * level)
        w[TURN + m] = flow * d / total
        w[CARRY + m] = e * level
        w[SLOPE + m] = -0.5 * scale / root if y2 > _LEAST else 0.0  # the polynomial was cut: nothing moves it
    for m in range(0, count, n):
        for i in range(n):
            w[SUM_P + i] += w[E + (m + i)] * (a - b * w[LEVEL + (m + i)])
            w[SUM_TURN + i] += w[TURN + (m + i)]
            w[SUM_V + i] += w[V + (m + i)]
            w[SUM_CARRY + i] += w[CARRY + (m + i)]


@simd_kernel
def _residuals(a: float, b: float, s: float, side: float, in_a: float, in_c: float, n: int, w: Floats) -> None:
    """Ln A - ln C at the nodes, and the factors of its derivatives."""
    whole = 1.0 if side > 0.0 else 0.0
    for i in range(n):
        xi = w[ROOT + i]
        tau, total = xi * xi, s * xi
        d1 = (w[NODE_LOG + i] + (a - b) * tau) / total + 0.5 * total
        dense = special.exp(-0.5 * d1 * d1 - b * tau) * special.INV_SQRT_2PI
        tail = dense * special.mills_ratio(abs(d1))
        start = whole * (tail if d1 < 0.0 else special.exp(-b * tau) - tail)
        slope = whole * dense / total
        above = start + in_a * w[SUM_V + i]
        below = w[SUM_P + i] + in_c * w[SUM_V + i]
        w[START + i] = start
        w[START_SLOPE + i] = slope
        w[ABOVE + i] = above
        w[BELOW + i] = below
        w[RESIDUAL + i] = special.log(above) - special.log(below)
        lift = side * (in_a / above - in_c / below)  # of a carry
        w[OWN + i] = slope / above + lift * w[SUM_CARRY + i] + (w[SUM_P + i] + w[SUM_TURN + i]) / below
        w[OF_TURN + i] = -1.0 / below
        w[OF_CARRY + i] = b / below - lift


@simd_kernel
def _matrix(n: int, count: int, along: Floats, w: Floats, rows: Floats) -> None:
    """Derivatives of the residuals in the unknowns, row by row; TURN is overwritten."""
    for m in range(0, count, n):
        for i in range(n):
            gain = w[OF_TURN + i] * w[TURN + (m + i)] + w[OF_CARRY + i] * w[CARRY + (m + i)]
            w[TURN + (m + i)] = gain * w[SLOPE + (m + i)]
    for i in range(n):
        row = rows[i * n : (i + 1) * n]  # slices begin at 0, where LLVM sees that no index is negative
        for k in range(n):
            row[k] = 0.0
        for m in range(i, count, n):
            gain, carried = w[TURN + m], along[m * n : (m + 1) * n]
            for k in range(n):
                row[k] += gain * carried[k]
        row[i] += w[OWN + i] * w[NODE_SLOPE + i]


@simd_kernel
def _motions(
    a: float, b: float, s: float, side: float, known: Frame, in_a: float, in_c: float, n: int, count: int, w: Floats
) -> None:
    """Derivatives of the residuals in a and b at fixed unknowns."""
    start, alpha, beta = known
    moving = 2.0 if alpha + beta > 0.0 else 0.0
    beta_a = 2.0 if a > 0.0 else -2.0
    for i in range(n):
        own, xi = moving * w[OWN + i] * w[NODE_SLOPE + i], w[ROOT + i]
        over = 1.0 / (alpha + beta * xi) if moving > 0.0 else 0.0
        w[IN_A + i] = -own * (1.0 / s + beta_a * xi) * over
        w[IN_B + i] = own / s * over
        w[SUM_E + i] = w[SUM_VT + i] = w[SUM_CT + i] = 0.0
    for m in range(0, count, n):
        for i in range(n):
            t, e, level, carry = w[TIME + (m + i)], w[E + (m + i)], w[LEVEL + (m + i)], w[CARRY + (m + i)]
            total, xi = s * w[ROOT_TIME + (m + i)], w[ROOT_WHEN + (m + i)]
            flow = e * (a - b * level)
            turn = flow * ((w[OWN_LOG + (m + i)] - w[LOG + (m + i)]) / total + w[PULL + (m + i)]) / total
            gain = moving * (w[OF_TURN + i] * turn + w[OF_CARRY + i] * carry) * w[SLOPE + (m + i)]
            over = 1.0 / max(alpha + beta * xi, 1e-300)
            w[IN_A + i] -= gain * (1.0 / s + beta_a * xi) * over + (e - flow * t - turn * t) / w[BELOW + i]
            w[IN_B + i] += gain / s * over - (turn * t - carry) / w[BELOW + i]
            w[SUM_E + i] += e
            w[SUM_VT + i] += w[V + (m + i)] * t
            w[SUM_CT + i] += carry * t
    shift_a, shift_b = (1.0 / a, -1.0 / b) if start != 1.0 else (0.0, 0.0)
    sign_a = -1.0 if side < 0.0 else (1.0 if b >= 0.0 else 0.0)
    sign_c = -1.0 if side > 0.0 and b < 0.0 else 0.0
    for i in range(n):
        tau, slope = w[ROOT + i] * w[ROOT + i], w[START_SLOPE + i]
        above, below = w[ABOVE + i], w[BELOW + i]
        shift = slope / above + a * w[SUM_E + i] / below
        lift, tilt = in_a / above - in_c / below, sign_a / above - sign_c / below
        carried = side * w[SUM_CT + i]
        w[IN_A + i] += slope * tau / above + lift * carried + shift * shift_a
        w[IN_B + i] += shift * shift_b - tau * (w[START + i] + slope) / above
        w[IN_B + i] += tilt * w[SUM_V + i] - lift * (w[SUM_VT + i] + carried)


@kernel
def _steps(
    a: float, b: float, s: float, side: float, known: Frame, grid: ExerciseGrid, close: float, slopes: bool, w: Floats
) -> bool:
    """Newton steps from the unknowns that stand until one is below `close`; False where none comes to be.

    After a small step the matrix serves again, and the next errs by the product of both.
    """
    n, count = grid.root.size, grid.root_time.size
    in_a, in_c = (max(b, 0.0), max(-b, 0.0)) if side > 0.0 else (-b, 0.0)
    rows = w[_MATRIX : _MATRIX + n * n]
    before = made = math.inf
    _prepare(a, b, s, known, count, w)
    for _ in range(_STEPS):
        _place(a, b, s, side, known[0], n, count, grid.across, w)
        _residuals(a, b, s, side, in_a, in_c, n, w)
        if before > _KEEP:
            _matrix(n, count, grid.along, w, rows)
            if not factor(n, rows):
                return False
            made = math.inf
        substitute(n, rows, w[RESIDUAL : RESIDUAL + n])
        most = 0.0
        for i in range(n):
            step = abs(w[RESIDUAL + i]) / w[NODE_Y2 + i]
            if not math.isfinite(step):
                return False
            most = max(most, step)
        made = most if made == math.inf else made
        if most < close and slopes:
            if made > _STALE:  # derivatives err as the matrix does
                _matrix(n, count, grid.along, w, rows)
                if not factor(n, rows):
                    return False
            _motions(a, b, s, side, known, in_a, in_c, n, count, w)
            substitute(n, rows, w[IN_A : IN_A + n])
            substitute(n, rows, w[IN_B : IN_B + n])
            for i in range(n):
                w[IN_A + i] = -w[IN_A + i]
                w[IN_B + i] = -w[IN_B + i]
        for i in range(n):
            y2 = w[NODE_Y2 + i]
            w[UNKNOWN + i] += min(max(-w[RESIDUAL + i], -0.75 * y2), 3.0 * y2)
        if most < close:
            return True
        before = most
    return False


@kernel
def solve_boundary(
    a: float, b: float, s: float, side: float, known: Frame, grids: GridPair, slopes: bool, w: Floats, coarse: Floats
) -> bool:
    """Unknowns into UNKNOWN of scratch memory `w`, with `slopes` their derivatives into IN_A and IN_B.

    The coarse grid's boundary is where the fine one's steps begin. False where steps do not come to an end. Both
    scratch arrays have been through `load_grid`. O(nodes^2 (angles + nodes)) a step, 3 to 5 coarse and 2 fine ones.
    """
    n = grids.fine.root.size
    _first_guess(a, b, s, side, known, grids.coarse.root.size, coarse)
    _first_guess(a, b, s, side, known, n, w)
    if _steps(a, b, s, side, known, grids.coarse, 1e-2, False, coarse):
        _lift(grids, coarse, w)
        if _steps(a, b, s, side, known, grids.fine, _CLOSE, slopes, w):
            return True
        _first_guess(a, b, s, side, known, n, w)
    return _steps(a, b, s, side, known, grids.fine, _CLOSE, slopes, w)


@kernel
def _lift(grids: GridPair, coarse: Floats, w: Floats) -> None:
    """Unknowns of the coarse grid carried to the fine one, kept near its first guess: next to expiry they may swing."""
    n = grids.fine.root.size
    for i in range(n):
        value = w[NODE_OFFSET + i]
        for k in range(grids.coarse.root.size):
            value += coarse[UNKNOWN + k] * grids.lift[k * n + i]
        guess = w[UNKNOWN + i] + w[NODE_OFFSET + i]
        w[UNKNOWN + i] = min(max(value, 0.4 * guess), 2.5 * guess) - w[NODE_OFFSET + i]
