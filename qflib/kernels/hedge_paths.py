"""One option hedged along many paths at once, with proportional costs, by a rule that is a table of numbers.

At each look the rule wants the delta d at vol sigma_m, and trades to the nearer edge of d -+ w:

    sigma_m = sigma * m * sqrt(1 + exp(g0 + g1 ln(S^2 |gamma|)))
    w = w0 + exp(c0 + c1 ln|gamma| + c2 ln S) + a / S

with gamma at vol sigma. The columns of the table, a row a look: m, g0, g1, w0, c0, c1, c2, a; a term without effect
has g0 or c0 of `NOTHING`. Paths are lanes of straight-line code.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import special
from qflib.kernels.jit import inlined, kernel

Floats = NDArray[np.float64]

RULE_COLUMNS = ("vol_factor", "vol_level", "vol_power", "width", "band_level", "band_gamma", "band_spot", "band_flat")
NOTHING: Final = -700.0  # its exponential is zero beside anything
_FAR = 37.0  # standard deviations


@inlined
def _edge(held: float, wanted: float, width: float) -> float:
    """The holding of a band that is nearest to the one held."""
    return min(max(held, wanted - width), wanted + width)


@kernel
def hedge_along(
    paths: Floats,
    sign: float,
    strike: float,
    years: float,
    rate: float,
    vol: float,
    rule: Floats,
    cost: float,
    pnl: Floats,
    costs: Floats,
) -> None:
    """Sell one option at its Black-Scholes premium and hedge it to expiry; costs of the unwind are charged.

    Parameters
    ----------
    paths
        (looks + 1, n): prices of the underlying at the looks, which are even in time, and at expiry.
    sign, strike, years, rate, vol
        The option, and the vol that premium and deltas are from.
    rule
        (looks, 8): see the module.
    cost
        One way, as a share of what is traded.
    pnl, costs
        (n,): P&L at expiry, and the costs' present values. Written.

    Notes
    -----
    O(looks * n).
    """
    looks, n = len(rule), len(pnl)
    step = years / looks
    growth = math.exp(rate * step)
    held = np.zeros(n)
    root = vol * math.sqrt(years)
    for j in range(n):
        spot = paths[0, j]
        d1 = (math.log(spot / strike) + rate * years) / root + 0.5 * root
        in_1, in_2 = special.normal_tail(-sign * d1), special.normal_tail(-sign * (d1 - root))
        pnl[j] = sign * (spot * in_1 - strike * math.exp(-rate * years) * in_2)
        costs[j] = 0.0
    for k in range(looks):
        left = years - k * step
        _look(
            paths[k], sign, strike, left, rate, vol, rule[k], cost, math.exp(-rate * (years - left)), growth,
            held, pnl, costs,
        )  # fmt: skip
    end = math.exp(-rate * years)
    for j in range(n):
        spot = paths[looks, j]
        paid = abs(held[j]) * spot * cost
        costs[j] += paid * end
        pnl[j] += held[j] * spot - paid - max(sign * (spot - strike), 0.0)


@kernel
def _look(
    spots: Floats,
    sign: float,
    strike: float,
    left: float,
    rate: float,
    vol: float,
    rule: Floats,
    cost: float,
    discount: float,
    growth: float,
    held: Floats,
    pnl: Floats,
    costs: Floats,
) -> None:
    """One look at every path; `pnl` is the cash held, then grown to the next look."""
    factor, level, power, width, band_level, band_gamma, band_spot, band_flat = rule
    root, drift, time = math.sqrt(left), rate * left, vol * math.sqrt(left)
    for j in range(len(held)):
        spot = spots[j]
        log_spot = special.log(spot)
        x = log_spot - math.log(strike) + drift
        d1 = min(max(x / time + 0.5 * time, -_FAR), _FAR)
        gamma = special.normal_density(d1) / (spot * time)
        log_gamma = special.log(max(gamma, 1e-300))
        more = special.exp(level + power * (log_gamma + 2.0 * log_spot))
        used = vol * factor * math.sqrt(1.0 + more) * root
        d = min(max(x / used + 0.5 * used, -_FAR), _FAR)
        wanted = sign * special.normal_tail(-sign * d)
        wide = width + special.exp(band_level + band_gamma * log_gamma + band_spot * log_spot) + band_flat / spot
        holding = _edge(held[j], wanted, wide)
        traded = holding - held[j]
        paid = abs(traded) * spot * cost
        held[j] = holding
        costs[j] += paid * discount
        pnl[j] = (pnl[j] - traded * spot - paid) * growth
