"""Single-barrier options under lognormal dynamics: down and up, in and out, call and put, with rebates.

The eight formulas are sums of six parts. A power of barrier over spot times a normal tail is taken as one exponential,
so that neither overflows where the other vanishes. Where the rebate's exponent would be imaginary (rates well below
0) the rebate is integrated over the hitting time by parts.

Sources: Merton 1973; Reiner and Rubinstein 1991, "Breaking down the barriers", Risk 4; Haug 2007, section 4.17;
Broadie, Glasserman and Kou 1997, Math. Finance 7, for discrete monitoring.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.black_scholes import black_scholes_price
from qflib.kernels.jit import kernel
from qflib.kernels.mills_ratio import cdf, mills
from qflib.kernels.special import INV_SQRT_2PI

Floats = NDArray[np.float64]

#: -zeta(1/2) / sqrt(2 pi): how far a barrier watched at times lies beyond one that is always watched
BEYOND = 0.5825971579390106
#: Gauss-Legendre on (0, 1)
_NODES, _MASSES = 0.5 * np.polynomial.legendre.leggauss(16)[0] + 0.5, 0.5 * np.polynomial.legendre.leggauss(16)[1]


@kernel
def weighted_cdf(log_weight: float, z: float) -> float:
    """e^log_weight N(z), finite wherever the product is. O(1)."""
    if z < 0.0:
        exponent = log_weight - 0.5 * z * z
        return math.exp(exponent) * INV_SQRT_2PI * mills(-z) if exponent > -745.0 else 0.0
    return math.exp(log_weight) * cdf(z)


@kernel
def _leg(phi: float, tail: float, asset: float, cash: float, log_ratio: float, mu: float, s: float, z: float) -> float:
    """Phi asset (H/S)^(2 mu + 2) N(tail z) - phi cash (H/S)^(2 mu) N(tail (z - s)); log_ratio 0 leaves powers out."""
    first = weighted_cdf(2.0 * (mu + 1.0) * log_ratio, tail * z)
    return phi * (asset * first - cash * weighted_cdf(2.0 * mu * log_ratio, tail * (z - s)))


@kernel
def _hit(tail: float, distance: float, mu: float, s: float) -> float:
    """Probability that the barrier at `distance` = ln(H/S) is hit; s the total vol."""
    return weighted_cdf(0.0, tail * (distance / s - mu * s)) + weighted_cdf(
        2.0 * mu * distance, tail * (distance / s + mu * s)
    )


@kernel
def _rebate_at_hit(tail: float, distance: float, mu: float, s: float, rate: float, years: float, vol: float) -> float:
    """Value of 1 paid when the barrier is hit."""
    square = mu * mu + 2.0 * rate / (vol * vol)
    if square >= 0.0:
        root = math.sqrt(square)
        z = distance / s + root * s
        first = weighted_cdf((mu + root) * distance, tail * z)
        return first + weighted_cdf((mu - root) * distance, tail * (z - 2.0 * root * s))
    total = math.exp(-rate * years) * _hit(tail, distance, mu, s)
    # rate int e^(-rate t) P(hit before t) dt, t = years x^2: the probability wakes at x = |distance| / s, then drifts
    near, most = max(abs(distance) / (6.0 * s), 1e-9), max(1.0 / (1.0 + abs(mu) * s), 5e-4)
    start = 0.0
    while start < 1.0:
        step = min(max(start, near), most, 1.0 - start)
        for i in range(_NODES.size):
            x = start + step * _NODES[i]
            t = years * x * x
            part = rate * math.exp(-rate * t) * _hit(tail, distance, mu, s * x)
            total += part * _MASSES[i] * step * 2.0 * years * x
        start = 1.0 if start + step > 1.0 - 1e-12 else start + step
    return total


@kernel
def barrier_price(
    sign: float,
    up: bool,
    knock_in: bool,
    spot: float,
    strike: float,
    barrier: float,
    rebate: float,
    years: float,
    rate: float,
    dividend_yield: float,
    vol: float,
) -> float:
    """Price; `sign` +1 for a call. A rebate of an out option is paid at the hit, of an in option at expiry. O(1)."""
    if not (math.isfinite(spot) and math.isfinite(vol)):
        return math.nan
    tail = -1.0 if up else 1.0
    vanilla = black_scholes_price(sign, spot, strike, years, rate, dividend_yield, vol)
    distance, carry = math.log(barrier / spot), rate - dividend_yield
    if tail * distance > 0.0:  # hit already
        return vanilla if knock_in else rebate
    late = rebate * math.exp(-rate * years)
    s = vol * math.sqrt(years)
    if s == 0.0:
        hit = distance == 0.0 or (carry != 0.0 and 0.0 < distance / carry <= years)
        if knock_in:
            return vanilla if hit else late
        return rebate * math.exp(-rate * distance / carry) if hit and distance != 0.0 else (rebate if hit else vanilla)
    mu = carry / (vol * vol) - 0.5
    asset, cash = spot * math.exp(-dividend_yield * years), strike * math.exp(-rate * years)
    drift, moneyness = (1.0 + mu) * s, math.log(spot / strike)
    a = _leg(sign, sign, asset, cash, 0.0, mu, s, moneyness / s + drift)
    b = _leg(sign, sign, asset, cash, 0.0, mu, s, -distance / s + drift)
    c = _leg(sign, tail, asset, cash, distance, mu, s, (2.0 * distance + moneyness) / s + drift)
    d = _leg(sign, tail, asset, cash, distance, mu, s, distance / s + drift)
    if knock_in:
        paid = 0.0
        if rebate != 0.0:
            paid = late * (
                weighted_cdf(0.0, tail * (-distance / s + mu * s))
                - weighted_cdf(2.0 * mu * distance, tail * (distance / s + mu * s))
            )
        if (sign > 0.0) != up:  # the barrier lies on the worthless side of a call that is down, a put that is up
            value = c if sign * (strike - barrier) > 0.0 else a - b + d
        else:
            value = a if sign * (strike - barrier) > 0.0 else b - c + d
        return value + paid
    paid = rebate * _rebate_at_hit(tail, distance, mu, s, rate, years, vol) if rebate != 0.0 else 0.0
    if (sign > 0.0) != up:
        value = a - c if sign * (strike - barrier) > 0.0 else b - d
    else:
        value = 0.0 if sign * (strike - barrier) > 0.0 else a - b + c - d
    return value + paid


@kernel
def barrier_batch(
    sign: Floats,
    up: bool,
    knock_in: bool,
    spot: Floats,
    strike: Floats,
    barrier: Floats,
    rebate: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    interval: float,
    out: Floats,
) -> None:
    """`barrier_price` of arrays of one length into `out`, watched every `interval` years (0: always); O(n)."""
    for i in range(out.size):
        moved = math.exp((1.0 if up else -1.0) * BEYOND * vol[i] * math.sqrt(interval))
        already = barrier[i] <= spot[i] if up else barrier[i] >= spot[i]
        out[i] = barrier_price(
            sign[i],
            up,
            knock_in,
            spot[i],
            strike[i],
            barrier[i] if already else barrier[i] * moved,
            rebate[i],
            years[i],
            rate[i],
            dividend_yield[i],
            vol[i],
        )
