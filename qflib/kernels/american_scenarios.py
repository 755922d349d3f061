"""Scenario P&L of American options of one right and expiry: the European price, and the premium off a table.

In the units of `qflib.kernels.american_values` (a put of strike 1 and expiry 1 at x, a call by exchange) the premium
for early exercise is a function of x and of the total vol s alone. Below the boundary B(s) the option is exercised and
is worth its payoff; above it the premium is smooth, so the table is of z = ln(x / B(s)) / s, from 0 on, by ln s: the
corner at the boundary lies on the table's edge and is never interpolated across. Cubic both ways.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import special
from qflib.kernels.jit import inlined, kernel
from qflib.kernels.lagrange import cubic_weights

F = NDArray[np.float64]


class PremiumTable(NamedTuple):
    """Premiums of the unit put.

    Parameters
    ----------
    boundary
        (ns,): ln B at the nodes of ln s.
    premium
        (ns, nz): at the nodes.
    first_s, step_s, step_z
        Where the nodes lie: ln s from the first in steps, z from 0 in steps.
    """

    boundary: F
    premium: F
    first_s: float
    step_s: float
    step_z: float


@kernel
def american_pnl(
    forward: float,
    spot_return: F,
    vol_shift: F,
    years_after: float,
    rate: float,
    carry: float,
    sign: float,
    strike: F,
    vol: F,
    cash_qty: F,
    value_now: F,
    vol_floor: float,
    table: PremiumTable,
    out: F,
) -> None:
    """Add the scenario P&L of m American options with time left at the horizon.

    Parameters
    ----------
    forward, spot_return, vol_shift
        Now; (n,) relative moves, (n,) vol points.
    years_after, rate, carry
        Years left at the horizon, above 0; discount rate; rate less yield: spot is forward e^(-carry years).
    sign
        +1 calls, -1 puts.
    strike, vol, cash_qty, value_now
        (m,): as in `option_pnl`.
    vol_floor
        Of vols after the shift.
    table
        Of the right, rates and years left.
    out
        (n,): P&L in reporting currency, added to.

    Notes
    -----
    O(n m). Beyond the last node of z the premium is that of the last. Early-exercise premium: Kim 1990; Black 1976.
    """
    boundary, premiums = table.boundary, table.premium
    ns, nz = premiums.shape
    root, spot_of = math.sqrt(years_after), math.exp(-carry * years_after)
    discount = math.exp(-rate * years_after)
    last = (nz - 1) * table.step_z
    for i in range(strike.size):
        k = strike[i]
        for j in range(out.size):
            after = forward * (1.0 + spot_return[j])
            spot = after * spot_of
            s = max(vol[i] + vol_shift[j], vol_floor) * root
            unit, x = (spot, k / spot) if sign > 0.0 else (k, spot / k)
            place = (special.log(s) - table.first_s) / table.step_s
            b = min(max(int(place), 1), ns - 3)
            q0, q1, q2, q3 = cubic_weights(place - b)
            log_b = q0 * boundary[b - 1] + q1 * boundary[b] + q2 * boundary[b + 1] + q3 * boundary[b + 2]
            z = (special.log(x) - log_b) / s
            if z <= 0.0:
                value = unit * (1.0 - x)
            else:
                d1 = special.log(after / k) / s + 0.5 * s
                european = sign * (after * _cdf(sign * d1) - k * _cdf(sign * (d1 - s)))
                at = min(z, last) / table.step_z
                a = min(max(int(at), 1), nz - 3)
                p0, p1, p2, p3 = cubic_weights(at - a)
                r0, r1, r2, r3 = premiums[b - 1], premiums[b], premiums[b + 1], premiums[b + 2]
                premium = (
                    q0 * (p0 * r0[a - 1] + p1 * r0[a] + p2 * r0[a + 1] + p3 * r0[a + 2])
                    + q1 * (p0 * r1[a - 1] + p1 * r1[a] + p2 * r1[a + 1] + p3 * r1[a + 2])
                    + q2 * (p0 * r2[a - 1] + p1 * r2[a] + p2 * r2[a + 1] + p3 * r2[a + 2])
                    + q3 * (p0 * r3[a - 1] + p1 * r3[a] + p2 * r3[a + 1] + p3 * r3[a + 2])
                )
                value = max(discount * european + unit * premium, unit * (1.0 - x))
            out[j] += cash_qty[i] * (value - value_now[i])


@inlined
def _cdf(x: float) -> float:
    return 0.5 * math.erfc(-x * 0.7071067811865476)
