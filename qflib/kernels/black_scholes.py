"""European prices under lognormal dynamics: Black-Scholes-Merton and Black-76, vanilla and digital.

A price is the discounted intrinsic value plus the price of the out-of-the-money option, and that one is a density
times a difference of Mills ratios: relative accuracy holds from deep tails to vanishing time and vol.

Sources: Black and Scholes 1973; Merton 1973; Black 1976; Haug 2007, ch. 1; Jäckel 2015 for the form.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel
from qflib.kernels.mills_ratio import NO_DENSITY, cdf, density, mills, mills_difference

Floats = NDArray[np.float64]


@kernel
def log_moneyness(spot: float, strike: float) -> float:
    """ln(spot / strike), accurate next to the money where the quotient rounds."""
    if 0.5 * strike < spot < 2.0 * strike:
        return math.log1p((spot - strike) / strike)
    quotient = spot / strike
    return math.log(quotient) if 1e-300 < quotient < 1e300 else math.log(spot) - math.log(strike)


@kernel
def otm_value(x: float, s: float) -> float:
    """Out-of-the-money call as a share of its asset: N(x/s + s/2) - e^-x N(x/s - s/2), for x <= 0 and s >= 0.

    `x` is the log of forward over strike, `s` the total vol. A put is the same with both sides exchanged. O(1).
    """
    if not (x <= 0.0 and s >= 0.0):
        return math.nan
    if s == 0.0:
        return 0.0
    z, t = -x / s, 0.5 * s
    d1 = t - z
    if d1 < -NO_DENSITY:
        return 0.0
    if t < 0.5 or t < 0.1 * z:
        return density(d1) * mills_difference(z, t)
    if d1 > 0.0:
        return 1.0 - density(d1) * (mills(d1) + mills(z + t))
    return density(d1) * (mills(-d1) - mills(z + t))


@kernel
def otm_complement(x: float, s: float) -> float:
    """1 - `otm_value`, accurate where the value nears its maximum: N(-d1) + e^-x N(d2)."""
    z, t = -x / s, 0.5 * s
    d1 = t - z
    if d1 < 0.0:
        return 1.0 - otm_value(x, s)
    return density(d1) * (mills(d1) + mills(z + t))


@kernel
def intrinsic_value(asset: float, cash: float, x: float) -> float:
    """Present value asset - cash, x = ln(asset / cash): by expm1 next to the money, where the difference rounds."""
    if abs(x) < 0.3:
        return cash * math.expm1(x)
    return asset - cash


@kernel
def discounted_price(sign: float, asset: float, cash: float, x: float, s: float) -> float:
    """Price from present values: spot e^-qT or forward e^-rT, strike e^-rT, x = ln(asset / cash), total vol s."""
    if x <= 0.0:
        value = asset * otm_value(x, s)
        return value if sign > 0.0 else value - intrinsic_value(asset, cash, x)
    value = cash * otm_value(-x, s)
    return value if sign < 0.0 else value + intrinsic_value(asset, cash, x)


@kernel
def black_scholes_price(
    sign: float, spot: float, strike: float, years: float, rate: float, dividend_yield: float, vol: float
) -> float:
    """Black-Scholes-Merton price; `sign` is +1 for a call, -1 for a put. O(1)."""
    return discounted_price(
        sign,
        spot * math.exp(-dividend_yield * years),
        strike * math.exp(-rate * years),
        log_moneyness(spot, strike) + (rate - dividend_yield) * years,
        vol * math.sqrt(years),
    )


@kernel
def digital_probability(sign: float, x: float, s: float, shift: float) -> float:
    """N(sign d), d = x/s + shift s: d1 for shift +1/2, d2 for -1/2; at s = 0 the limit, one half on the strike."""
    if s == 0.0:
        return 0.5 if x == 0.0 else (1.0 if sign * x > 0.0 else 0.0)
    return cdf(sign * (x / s + shift * s))


@kernel
def digital_batch(
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    asset: Floats,
    cash: Floats,
) -> None:
    """Asset-or-nothing price into `asset` and that of one unit of cash into `cash`; O(n)."""
    for i in range(asset.size):
        x = log_moneyness(spot[i], strike[i]) + (rate[i] - dividend_yield[i]) * years[i]
        s = vol[i] * math.sqrt(years[i])
        asset[i] = spot[i] * math.exp(-dividend_yield[i] * years[i]) * digital_probability(sign[i], x, s, 0.5)
        cash[i] = math.exp(-rate[i] * years[i]) * digital_probability(sign[i], x, s, -0.5)
