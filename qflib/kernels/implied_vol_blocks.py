"""Implied vols of many options at once, lognormal: a guess and two steps of fourth order over blocks of rows, checked.

The guess is the implied total vol of the normal model, h = x / s from ln(h / M(h)'s share), made lognormal by the
series of the vol at the money. The last step starts from the price itself, taken where nothing cancels (`mills_pair`):
what it finds missing, and how far it then goes, bound what is left. A row where either is not small, or that is no
usual option, is done by itself by `lognormal_implied_vol`, which says what is wrong with it.

Sources: Jäckel 2015, "Let's be rational", Wilmott (Householder's third-order iteration on the logarithm); Hagan, Kumar,
Lesniewski and Woodward 2002, Wilmott, for normal against lognormal vol.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import special
from qflib.kernels.bits import fma
from qflib.kernels.implied_vol import OK, lognormal_implied_vol
from qflib.kernels.jit import inlined, kernel
from qflib.kernels.lognormal_blocks import BLOCK, gain, in_range, mills_pair, regular

Floats = NDArray[np.float64]

_SQRT_2PI = 2.5066282746310002
_LOG_SQRT_2PI = 0.9189385332046727
_EPS = 2.220446049250313e-16
_TOP = 10.0  # of ln(share / (e^x - 1)): above, the strike is at the money
_MISSING, _STEP = 2e-4, 1e-4  # of the last step, relative: the next would be below 1e-15


@inlined
def _log_ratio_of_normal(w: float) -> float:
    """Ln h with n(h) / h - N(-h) = e^(_TOP - w^2), for w in [0, 26.6]: absolute error below 1e-3 (least squares)."""
    p = 0.00029450340499866015
    p = fma(p, w, -0.003215419669875645)
    p = fma(p, w, 0.025445807250177248)
    p = fma(p, w, -0.23098864241506237)
    p = fma(p, w, 1.5469024351470968)
    p = fma(p, w, -6.071789358418882)
    p = fma(p, w, 12.652981158009021)
    p = fma(p, w, -10.919922128058479)
    q = 5.458927967556264e-05
    q = fma(q, w, 0.00023552903527622546)
    q = fma(q, w, -0.007440472057038346)
    q = fma(q, w, 0.05327942899693114)
    q = fma(q, w, -0.22289255202874414)
    q = fma(q, w, 0.6356814559696439)
    q = fma(q, w, -1.1564296139073191)
    q = fma(q, w, 1.0)
    return p / q


@inlined
def guess(x: float, share: float, log_share: float) -> float:
    """Total vol of an out-of-the-money option worth `share` of its most, to a few 1e-3; 0 <= x <= 3.5."""
    most = special.exp(x) - 1.0 if x > 0.3 else special.expm1_near(min(x, 0.34))
    w2 = _TOP - (log_share - special.log(max(most, 1e-300)))
    h = special.exp(_log_ratio_of_normal(math.sqrt(min(max(w2, 0.0), 700.0))))
    r = x / h if w2 > 0.05 else share * special.exp(-0.5 * x) * _SQRT_2PI
    r2 = r * r
    return r * fma(r2, fma(r2, fma(r2, 127.0 / 322560.0, 7.0 / 1920.0), 1.0 / 24.0), 1.0)


@inlined
def _step(x: float, s: float, half: float, f: float) -> float:
    """Householder's step of third order towards f = 0, f = ln(price / price wanted)."""
    over = 1.0 / s
    z2, slope = (x * over) * (x * over), 0.5 / half
    bend = fma(-0.25 * s, s, z2) * over
    twist = fma(bend, bend, -3.0 * z2 * over * over) - 0.25
    newton = -2.0 * f * half
    second = bend - slope
    third = twist - slope * fma(3.0, bend, -2.0 * slope)
    return newton * fma(0.5 * second, newton, 1.0) / fma(newton, fma(third * (1.0 / 6.0), newton, second), 1.0)


@kernel
def lognormal_implied_vol_batch(
    price: Floats,
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    status: NDArray[np.int8],
) -> int:
    """`lognormal_implied_vol` of float64 arrays of one length into `vol` and int8 `status`.

    Returns
    -------
    fallbacks
        How many rows were done one by one.

    Notes
    -----
    O(n); no result depends on its neighbours.
    """
    moneyness, share, total = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    odd = np.empty(BLOCK, np.int64)
    fallbacks = 0
    for first in range(0, vol.size, BLOCK):
        n = min(BLOCK, vol.size - first)
        _begin(
            np.uint64(first), np.uint64(n), price, sign, spot, strike, years, rate, dividend_yield,
            moneyness, share, total, odd,
        )  # fmt: skip
        _finish(np.uint64(n), moneyness, share, total, odd)
        for j in range(n):
            vol[first + j] = total[j] / math.sqrt(years[first + j])
            status[first + j] = OK
        missed = odd[:n].sum()
        for j in range(n if missed != 0 else 0):
            if odd[j] != 0:
                i = first + j
                vol[i], status[i] = lognormal_implied_vol(
                    price[i], sign[i], spot[i], strike[i], years[i], rate[i], dividend_yield[i]
                )
        fallbacks += missed
    return fallbacks


@kernel
def _begin(
    first: Any,
    n: Any,
    price: Floats,
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    moneyness: Floats,
    share: Floats,
    total: Floats,
    odd: NDArray[np.int64],
) -> None:
    """A block's log-moneyness, out-of-the-money shares of the most there can be, and guesses of total vol."""
    for j in range(n):
        i = first + j
        t, r, q = years[i], rate[i], dividend_yield[i]
        x = special.log_quotient(spot[i], strike[i]) + (r - q) * t
        asset, cash = spot[i] * special.exp(-q * t), strike[i] * special.exp(-r * t)
        worth = sign[i] * gain(asset, cash, x)
        value = price[i] - max(worth, 0.0)
        noise = 32.0 * _EPS * max(asset, cash) if worth > 0.0 else 0.0
        most = asset if x <= 0.0 else cash
        part = value / most
        away = abs(x)
        usual = (
            in_range(spot[i], strike[i], q * t, r * t) & (t > 1e-9) & (value > noise) & (part > 1e-290) & (part < 0.6)
        )
        odd[j] = 0 if usual else 1
        part = part if usual else 0.1
        moneyness[j], share[j] = away, part
        total[j] = guess(away, part, special.log(part))


@kernel
def _finish(n: Any, moneyness: Floats, share: Floats, total: Floats, odd: NDArray[np.int64]) -> None:
    """Two steps from the guesses; `odd` where the last did not find the price next to the one wanted."""
    for j in range(n):
        x, wanted, s = moneyness[j], share[j], total[j]
        _, half = mills_pair(x, s)
        d1 = 0.5 * s - x / s
        s += _step(x, s, half, special.log(2.0 * half / wanted) - _LOG_SQRT_2PI - 0.5 * d1 * d1)
        _, half = mills_pair(x, s)
        have = 2.0 * half * special.normal_density(0.5 * s - x / s)
        missing = (have - wanted) / wanted
        f = missing * fma(missing, fma(missing, fma(missing, -0.25, 1.0 / 3.0), -0.5), 1.0)
        step = _step(x, s, half, f)
        total[j] = s + step
        good = (abs(missing) <= _MISSING) & (abs(step) <= _STEP * s) & regular(x, s)
        odd[j] = odd[j] if good else 1
