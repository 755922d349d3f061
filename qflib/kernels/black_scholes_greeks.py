"""All Greeks of a European option under lognormal dynamics, a year and per 1.00.

theta, charm, veta and color are minus the derivative in years to expiry: the change as time passes.
At zero vol or time the Greeks are the limits on either side of the strike; on the strike itself delta and its kin
are the mean of both sides and the unbounded ones are given as 0.

Sources: Haug 2007, ch. 2; third orders by differentiating once more, with
d(d1)/dT = (-ln(S/K) + (b + v^2/2) T) / (2 T s).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.black_scholes import discounted_price, log_moneyness
from qflib.kernels.jit import kernel
from qflib.kernels.mills_ratio import NO_DENSITY, cdf, density

Floats = NDArray[np.float64]

#: order of the columns that `greeks` returns
GREEKS = (
    "price",
    "delta",
    "gamma",
    "vega",
    "theta",
    "rho",
    "dividend_rho",
    "vanna",
    "volga",
    "charm",
    "veta",
    "speed",
    "zomma",
    "color",
    "ultima",
    "dual_delta",
    "dual_gamma",
    "elasticity",
)

Greeks = tuple[
    float, float, float, float, float, float, float, float, float,
    float, float, float, float, float, float, float, float, float,
]  # fmt: skip


@kernel
def greeks(
    sign: float, spot: float, strike: float, years: float, rate: float, dividend_yield: float, vol: float
) -> Greeks:
    """Price and Greeks in the order of `GREEKS`; `sign` is +1 for a call, -1 for a put. O(1)."""
    growth, discount = math.exp(-dividend_yield * years), math.exp(-rate * years)
    asset, cash = spot * growth, strike * discount
    moneyness, carry = log_moneyness(spot, strike), (rate - dividend_yield) * years
    x, root = moneyness + carry, math.sqrt(years)
    s = vol * root
    price = discounted_price(sign, asset, cash, x, s)
    if s > 0.0 or math.isnan(s):
        d1 = x / s + 0.5 * s
    else:
        d1 = x if x == 0.0 or math.isnan(x) else math.copysign(2.0 * NO_DENSITY, x)
    d2 = d1 - s
    in_money, exercise = sign * cdf(sign * d1), sign * cdf(sign * d2)
    delta = growth * in_money
    dual_delta = -discount * exercise
    rho, dividend_rho = years * cash * exercise, -years * asset * in_money
    elasticity = delta * spot / price if price != 0.0 else math.nan
    theta, charm = dividend_yield * asset * in_money - rate * cash * exercise, dividend_yield * delta
    flat = abs(d1) > NO_DENSITY
    vega = 0.0 if flat else asset * density(d1) * root
    if flat or s == 0.0:
        return (
            price, delta, 0.0, vega, theta, rho, dividend_rho, 0.0, 0.0,
            charm, 0.0, 0.0, 0.0, 0.0, 0.0, dual_delta, 0.0, elasticity,
        )  # fmt: skip
    gamma = growth * density(d1) / (spot * s)
    slope = (carry - moneyness + 0.5 * s * s) / (2.0 * years * s)  # of d1 in years
    product, decay = d1 * d2, dividend_yield + d1 * slope
    return (
        price,
        delta,
        gamma,
        vega,
        theta - 0.5 * vega * vol / years,
        rho,
        dividend_rho,
        -growth * density(d1) * d2 / vol,
        vega * product / vol,
        charm - growth * density(d1) * slope,
        vega * (decay - 0.5 / years),
        -gamma / spot * (1.0 + d1 / s),
        gamma * (product - 1.0) / vol,
        gamma * (decay + 0.5 / years),
        -vega / (vol * vol) * (product * (1.0 - product) + d1 * d1 + d2 * d2),
        dual_delta,
        discount * density(d2) / (strike * s),
        elasticity,
    )
