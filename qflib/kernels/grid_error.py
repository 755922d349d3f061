"""How far a book read off a grid of log returns by vol shifts can be from the truth: proven, an option at a time.

Cubic interpolation between four nodes a step h apart errs by at most 9/384 h⁴ times the greatest fourth derivative
(Lagrange's remainder, in the middle of a cell). Of a call C on a forward F e^x, struck at K, with the total volatility
s = σ√T at the horizon and the density n of the normal law at d2,

- ∂⁴C/∂x⁴ = F e^x N(d1) + K n(d2) (1/s − d2/s² + (d2² − 1)/s³),
- ∂⁴C/∂σ⁴ = T² K n(d2) P/s³ with a = (d1 + d2)²/4, b = s²/4, P = (a − b)³ − 9 a² + 3 b² + 6 a b + 12 a,

where n(d), |d| n(d), |d² − 1| n(d) and exp(−(a + b)/2) |P| have greatest values that no option exceeds. A put differs
by what is linear in the forward, which the first term covers. Both bounds fall as s grows: the grid's least s serves.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

F = NDArray[np.float64]

#: Lagrange's remainder in the middle of a cell; and how far errors at nodes can grow between them.
_REMAINDER, _LEBESGUE = 9.0 / 384.0, 1.25
#: Greatest n(d) and |d² − 1| n(d), at 0; |d| n(d), at 1; exp(−(a + b)/2) |P|, at a = 0 and b = (9 + √33)/2; rounded up.
_DENSITY, _SLOPE, _FOURTH = 0.398942281, 0.241970725, 5.95719
#: Rounding of the nodes and of the sums, as a share of the forward.
_ROUNDING = 1e-13
#: What reading a scenario off the grid costs, in options revalued.
_READ = 4.0


@kernel
def error_terms(moneyness: float, years: float, vol: float, top: float, floor: float) -> tuple[float, float]:
    """Greatest errors over step_x⁴ and over step_v⁴, as shares of the forward; infinite where there is a corner.

    Parameters
    ----------
    moneyness
        Strike over forward.
    years
        Left at the horizon.
    vol
        The least on the grid.
    top
        The greatest log return on the grid.
    floor
        Of vols: one at it or below has a corner, as has an option at its expiry.

    Notes
    -----
    O(1).
    """
    if vol <= floor or years <= 0.0:
        return math.inf, math.inf
    s = vol * math.sqrt(years)
    along = math.exp(top) + moneyness * (_DENSITY / s + _SLOPE / s**2 + _DENSITY / s**3)
    across = math.sqrt(moneyness * math.exp(top)) * _DENSITY * _FOURTH * years**2 / s**3
    return _REMAINDER * along, _LEBESGUE * _REMAINDER * across


@kernel
def book_errors(
    moneyness: F, years: F, vol: F, unit: F, box: F, nx: int, nv: int, floor: float, errors: F
) -> tuple[float, float]:
    """The greatest error of each option of a book on one grid, and the steps.

    Parameters
    ----------
    moneyness, years, vol
        float64 (m,): strike over forward, years left at the horizon, volatility now.
    unit
        float64 (m,): the forward's worth in one position, discounted, not negative.
    box
        float64 (4,): least and greatest log return, least and greatest vol shift that are read.
    nx, nv
        Nodes each way, one of them beyond the box on each side.
    floor
        Of vols.
    errors
        float64 (m,): overwritten.

    Notes
    -----
    O(m).
    """
    step_x, step_v = (box[1] - box[0]) / (nx - 3), (box[3] - box[2]) / (nv - 3)
    for i in range(moneyness.size):
        along, across = error_terms(moneyness[i], years[i], vol[i] + box[2] - step_v, box[1] + step_x, floor)
        errors[i] = unit[i] * (along * step_x**4 + across * step_v**4 + _ROUNDING * math.exp(box[1] + step_x))
    return step_x, step_v


@kernel
def cheapest_grid(
    moneyness: F, years: F, vol: F, unit: F, boxes: F, beyond: F, nx: F, nv: F, floor: float, scenarios: int,
    allowed: float, choice: NDArray[np.int64],
) -> None:  # fmt: skip
    """Choose box, nodes and how many options the grid holds, so that errors stay within what is allowed.

    Parameters
    ----------
    moneyness, years, vol, unit, floor
        As of `book_errors`.
    boxes
        float64 (k, 4).
    beyond
        float64 (k,): the share of scenarios outside each.
    nx, nv
        float64: numbers of nodes to choose from, rising.
    scenarios
        How many there are.
    allowed
        The sum of the errors of the options held.
    choice
        int64 (4,): box, nx, nv, options held, those of the least errors; 0 held: no grid is cheaper than none.

    Notes
    -----
    O(k · |nx| · |nv| · m), and a sort where it may pay.
    """
    m = moneyness.size
    along, across, errors = np.empty(m), np.empty(m), np.empty(m)
    least = float(m * scenarios)
    choice[:] = 0
    for k in range(len(boxes)):
        box = boxes[k]
        top = box[1] + (box[1] - box[0]) / (nx[0] - 3)
        for v in range(nv.size):
            step_v = (box[3] - box[2]) / (nv[v] - 3)
            for i in range(m):
                along[i], across[i] = error_terms(moneyness[i], years[i], vol[i] + box[2] - step_v, top, floor)
            for x in range(nx.size):
                held = m * (nx[x] * nv[v] + beyond[k] * scenarios) + _READ * scenarios
                if held >= least:
                    break
                step_x = (box[1] - box[0]) / (nx[x] - 3)
                for i in range(m):
                    errors[i] = along[i] * step_x**4 + across[i] * step_v**4 + _ROUNDING * math.exp(top)
                    errors[i] *= unit[i]
                errors.sort()
                within, n = 0.0, 0
                while n < m and within + errors[n] <= allowed:
                    within += errors[n]
                    n += 1
                cost = n * (nx[x] * nv[v] + beyond[k] * scenarios) + (m - n) * scenarios + _READ * scenarios
                if n > 0 and cost < least:
                    least = cost
                    choice[0], choice[1], choice[2], choice[3] = k, x, v, n
