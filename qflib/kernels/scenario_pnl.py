"""Full revaluation of one underlying's book over joint scenarios: scenario P&L vectors, gains positive.

A scenario j moves the forward by the relative `spot_return[j]` and every volatility by `vol_shift[j]` points; each
strike keeps its own volatility (sticky strike). Options are European, priced by Black (1976); what is revalued is never
expanded in Greeks. Each kernel **adds** to its output, position after position in the order given, so a vector is a
pure function of the inputs and vectors of several books add up.

The scenarios are cut into blocks that stay in the first-level cache with their running sums; the loop over a block is
one straight line of arithmetic (`qflib.kernels.special`), which LLVM turns into SIMD code. Error against exact
arithmetic: below 1e-14 of the forward, times the cash quantity, an option.

What is settled in coin needs no kernel of its own. At the scenario's spot an option's coin P&L is its P&L in quote
currency less the premium's own move, premium * spot_return; an inverse future's is linear in the return.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import special
from qflib.kernels.jit import simd_kernel

F = NDArray[np.float64]

BLOCK = 512  # scenarios: four arrays of 4 KiB


@simd_kernel
def call_after(
    log_growth: F, spot_return: F, vol_shift: F, moneyness: float, root_years: float, vol: float, floor: float, out: F
) -> None:
    """Undiscounted Black-76 values of one call with time left, over one block, as shares of today's forward.

    Parameters
    ----------
    log_growth, spot_return, vol_shift
        float64 (n,): the scenarios.
    moneyness
        Strike over today's forward.
    root_years
        Square root of the years left at the horizon, above 0.
    vol, floor
        The option's volatility now, and the least it may become.
    out
        float64 (n,): overwritten.
    """
    start = math.log(moneyness)
    for j in range(out.size):
        growth = 1.0 + spot_return[j]
        deviation = max(vol + vol_shift[j], floor) * root_years
        d1 = (log_growth[j] - start) / deviation + 0.5 * deviation
        d2 = d1 - deviation
        # F n(d1) = K n(d2): one exponential serves both tails; and one division both Mills ratios
        density = growth * special.INV_SQRT_2PI * special.exp(-0.5 * d1 * d1)
        a1 = min(abs(d1), 40.0)
        a2 = min(abs(d2), 40.0)
        q1 = special.mills_denominator(a1)
        q2 = special.mills_denominator(a2)
        scale = density / (q1 * q2)
        tail1 = scale * special.mills_numerator(a1) * q2
        tail2 = scale * special.mills_numerator(a2) * q1
        asset = tail1 if d1 < 0.0 else growth - tail1
        cash = tail2 if d2 < 0.0 else moneyness - tail2
        out[j] = asset - cash


@simd_kernel
def intrinsic_after(spot_return: F, moneyness: float, out: F) -> None:
    """Values of one call at its expiry, over one block, as shares of today's forward: overwrites `out`."""
    for j in range(out.size):
        out[j] = max(1.0 + spot_return[j] - moneyness, 0.0)


@simd_kernel
def option_pnl(
    forward: float,
    log_growth: F,
    spot_return: F,
    vol_shift: F,
    strike: F,
    years_after: F,
    vol: F,
    right: F,
    cash_qty: F,
    discount_after: F,
    value_now: F,
    vol_floor: float,
    out: F,
) -> None:
    """Add the scenario P&L of m European options on one forward.

    Parameters
    ----------
    forward
        Today's forward, in quote currency.
    log_growth, spot_return, vol_shift
        float64 (n,): log(1 + spot_return), spot_return (above −1), volatility points.
    strike, years_after, vol, right
        float64 (m,): strike; years left at the horizon (0 = expired: intrinsic value); volatility now; +1 call, −1 put.
    cash_qty
        float64 (m,): signed quantity times multiplier times reporting currency a quote currency.
    discount_after, value_now
        float64 (m,): discount factor at the horizon; discounted value of one option now, in quote currency.
    vol_floor
        Volatilities are floored here after the shift, above 0.
    out
        float64 (n,): P&L in reporting currency, added to.

    Notes
    -----
    O(n m). Black (1976), The pricing of commodity contracts. A put is the call less the forward plus the strike.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.records.schema import frozen
    >>> a = lambda *x: frozen(np.array(x, float))
    >>> out = np.zeros(2)
    >>> moves = a(0.0, 0.05)
    >>> one = a(1)
    >>> scenarios = frozen(np.log1p(moves)), moves, a(0, 0)
    >>> option_pnl(100.0, *scenarios, a(100), a(0.25), a(0.2), one, one, one, a(0), 0.01, out)
    >>> out.round(6)
    array([3.987761, 7.064019])
    """
    n = out.size
    value = np.empty(BLOCK)
    for first in range(0, n, BLOCK):
        stop = min(first + BLOCK, n)
        v = value[: stop - first]
        total = out[first:stop]
        r = spot_return[first:stop]
        for i in range(strike.size):
            moneyness = strike[i] / forward
            if years_after[i] > 0.0:
                call_after(
                    log_growth[first:stop],
                    r,
                    vol_shift[first:stop],
                    moneyness,
                    math.sqrt(years_after[i]),
                    vol[i],
                    vol_floor,
                    v,
                )
            else:
                intrinsic_after(r, moneyness, v)
            unit = cash_qty[i] * discount_after[i] * forward
            slope = unit if right[i] < 0.0 else 0.0
            level = slope * (1.0 - moneyness) + cash_qty[i] * value_now[i]
            for j in range(v.size):
                total[j] += unit * v[j] - (slope * r[j] + level)


@simd_kernel
def linear_pnl(cash_forward: float, spot_return: F, out: F) -> None:
    """Add the P&L of linear positions over n scenarios: `cash_forward` = Σ quantity·multiplier·forward·fx. O(n)."""
    for j in range(out.size):
        out[j] += cash_forward * spot_return[j]
