"""Hull and White's minimum-variance delta, fitted online by least squares: judged by each move before it learns it.

What the Black–Scholes delta leaves of an option's change, change - delta dS, is regressed on
vega dS / (S sqrt T) (1, delta, delta^2). The normal equations are kept, so the fit is that of all moves at once.

Sources: Hull and White 2017, Optimal delta hedging for options, Journal of Banking and Finance 82, equation 5;
Young 2011, Recursive Estimation and Time-Series Analysis, ch. 2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.black_scholes import discounted_price, log_moneyness
from qflib.kernels.jit import kernel
from qflib.kernels.mills_ratio import cdf, density
from qflib.kernels.position_values import FIGURES, YEAR_NS, Terms

F = NDArray[np.float64]

#: Sums, in their order: how many moves, and instants at which there was a fit to judge; of what each delta left in
#: moves it was judged by; the normal equations, half of a symmetric matrix, their right side, and the squares of
#: what is to be explained.
SUMS = (
    "moves", "instants", "plain", "adjusted", "xx", "xy", "xz", "yy", "yz", "zz", "xu", "yu", "zu", "uu",
)  # fmt: skip
MOVES, INSTANTS, PLAIN, ADJUSTED = range(4)
_MATRIX, _RIGHT, _SQUARES = 4, 10, 13
_SINGULAR = 1e-10  # a pivot this much smaller than its diagonal says nothing of its coefficient
_VEGA, _OWN, _CASH = (FIGURES.index(name) for name in ("vega", "own_forward", "cash_qty"))


@kernel
def solve_normal(sums: F, coefficients: F) -> bool:
    """The three coefficients of the sums; False, and zeros, where the moves do not tell them apart. O(1)."""
    m = np.empty((3, 4))
    at = 0
    for i in range(3):
        for j in range(i, 3):
            m[i, j] = m[j, i] = sums[_MATRIX + at]
            at += 1
        m[i, 3] = sums[_RIGHT + i]
    coefficients[:] = 0.0
    scale = np.empty(3)
    for i in range(3):
        if not m[i, i] > 0.0:
            return False
        scale[i] = 1.0 / math.sqrt(m[i, i])
    for i in range(3):
        for j in range(3):
            m[i, j] *= scale[i] * scale[j]
        m[i, 3] *= scale[i]
    for k in range(3):  # symmetric and definite: no exchanges
        if not m[k, k] > _SINGULAR:
            return False
        for i in range(k + 1, 3):
            ratio = m[i, k] / m[k, k]
            for j in range(k, 4):
                m[i, j] -= ratio * m[k, j]
    for i in range(2, -1, -1):
        value = m[i, 3]
        for j in range(i + 1, 3):
            value -= m[i, j] * coefficients[j]
        coefficients[i] = value / m[i, i]
    for i in range(3):
        coefficients[i] *= scale[i]
    return True


@kernel
def learn_moves(
    delta: F, vega: F, spot: F, years: F, change: F, spot_change: F, forgetting: float, sums: F, coefficients: F
) -> bool:
    """Judge the fit by moves of one instant, then fit them too; False where the coefficients are not determined yet.

    Parameters
    ----------
    delta, vega, spot, years, change, spot_change
        float64 (n,): before the move, and the move.
    forgetting
        Weight of all earlier moves, 1: as much as these.
    sums, coefficients
        float64 (len(SUMS),) and (3,): brought up to date.

    Notes
    -----
    O(n).
    """
    n = delta.size
    judged = coefficients[0] != 0.0 or coefficients[1] != 0.0 or coefficients[2] != 0.0
    sums *= forgetting
    for i in range(n):
        d = delta[i]
        unit = vega[i] * spot_change[i] / (spot[i] * math.sqrt(years[i]))
        left = change[i] - d * spot_change[i]
        x, y, z = unit, unit * d, unit * d * d
        if judged:
            rest = left - (coefficients[0] * x + coefficients[1] * y + coefficients[2] * z)
            sums[PLAIN] += left * left
            sums[ADJUSTED] += rest * rest
        sums[_MATRIX] += x * x
        sums[_MATRIX + 1] += x * y
        sums[_MATRIX + 2] += x * z
        sums[_MATRIX + 3] += y * y
        sums[_MATRIX + 4] += y * z
        sums[_MATRIX + 5] += z * z
        sums[_RIGHT] += x * left
        sums[_RIGHT + 1] += y * left
        sums[_RIGHT + 2] += z * left
        sums[_SQUARES] += left * left
    sums[MOVES] += n
    sums[INSTANTS] += judged and n > 0
    return bool(solve_normal(sums, coefficients))


@kernel
def quoted_moves(
    at: NDArray[np.int64], terms: Terms, rate: float, before: F, now: F, time_ns: NDArray[np.int64], out: F
) -> int:
    """Moves of options between two quotes, time put aside: how many; they lie in the first columns of `out`.

    Parameters
    ----------
    at
        int64 (n,): options of the instrument table.
    terms, rate
        As of `value_positions`.
    before, now
        float64 (2, n): own forward and volatility of the quote before and of the last; NaN: none.
    time_ns
        int64 (n,): of the quote before.
    out
        float64 (6, n): overwritten; delta, vega, forward, years, change and forward's change. The delta is a call's, of
        a put too: what volatility does with the forward is a matter of the strike.
    """
    k = 0
    for i in range(at.size):
        f, v, f1, v1 = before[0, i], before[1, i], now[0, i], now[1, i]
        years = (terms.expiry_ns[at[i]] - time_ns[i]) / YEAR_NS
        if not (f > 0.0 and f1 > 0.0 and v > 0.0 and v1 > 0.0 and f != f1 and years > 0.0):
            continue
        strike, discount = terms.strike[at[i]], math.exp(-rate * years)
        s, s1 = v * math.sqrt(years), v1 * math.sqrt(years)
        x, x1 = log_moneyness(f, strike), log_moneyness(f1, strike)
        d1 = x / s + 0.5 * s
        out[0, k] = discount * cdf(d1)
        out[1, k] = discount * f * density(d1) * math.sqrt(years)
        out[2, k], out[3, k], out[5, k] = f, years, f1 - f
        first = discounted_price(1.0, f * discount, strike * discount, x, s)
        out[4, k] = discounted_price(1.0, f1 * discount, strike * discount, x1, s1) - first
        k += 1
    return k


@kernel
def delta_correction(
    entries: NDArray[Any], terms: Terms, figures: F, vol: F, time_ns: int, rate: float, coefficients: F
) -> float:
    """What the fit adds to the delta of positions, as `value_positions` values them. O(n)."""
    total = 0.0
    for i in range(len(entries)):
        at = entries[i].instrument
        years = (terms.expiry_ns[at] - time_ns) / YEAR_NS
        if terms.right[at] == 0.0 or figures[_CASH, i] == 0.0 or not (years > 0.0 and vol[i] > 0.0):
            continue
        own, s = figures[_OWN, i], vol[i] * math.sqrt(years)
        d = math.exp(-rate * years) * cdf(log_moneyness(own, terms.strike[at]) / s + 0.5 * s)
        bend = coefficients[0] + d * (coefficients[1] + d * coefficients[2])
        total += figures[_VEGA, i] / (own * math.sqrt(years)) * bend
    return total
