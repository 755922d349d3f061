"""Heston prices and their derivatives by Lewis' single integral on the contour through -i/2.

dS = (r - q) S dt + sqrt(v) S dW, dv = kappa (theta - v) dt + sigma sqrt(v) dZ, corr(W, Z) = rho. With F the forward,
k = ln(F / K) and phi the characteristic function of ln(S_T / F):

    call = S e^(-q T) - K e^(-r T) / pi * int_0^inf Re[e^((iu + 1/2) k) phi(u - i/2)] / (u^2 + 1/4) du

phi is taken in the form that needs no branch to be followed (the "little trap"), with differences written as quotients
so that it also holds for sigma -> 0. Panels double from the origin, are cut by the integrand's oscillation, and end
where phi has no digits left. Derivatives in S and v put factors (iu + 1/2) and D under the integral.

Sources: Heston 1993, RFS 6; Lewis 2000, *Option Valuation under Stochastic Volatility*, ch. 2; Albrecher, Mayer,
Schoutens and Tistaert 2007, "The little Heston trap", Wilmott.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

Floats = NDArray[np.float64]

#: what the integral gives: call price, spot delta, spot^2 gamma, and derivatives v, vv, spot v
HestonValues = tuple[float, float, float, float, float, float]

_TURN = 3.0  # radians that the integrand may turn within a piece of 16 nodes
_NODES, _MASSES = 0.5 * np.polynomial.legendre.leggauss(16)[0] + 0.5, 0.5 * np.polynomial.legendre.leggauss(16)[1]
_DOUBLINGS = 34  # to u = 1e10
_NOTHING = -42.0  # ln of what is below the last digit
_MOST_PIECES = 20_000


@kernel
def _log1p_share(x: complex) -> complex:
    """ln(1 + x) / x."""
    if abs(x) < 1e-3:
        return 1.0 - x * (0.5 - x * (1.0 / 3.0 - x * (0.25 - x * (0.2 - x / 6.0))))
    share: complex = np.log(1.0 + x) / x
    return share


@kernel
def exponent(u: float, years: float, kappa: float, sigma: float, rho: float) -> tuple[complex, complex]:
    """(C / (kappa theta), D) with phi(u - i/2) = exp(C + D v0). O(1)."""
    weight = u * u + 0.25
    xi = kappa - rho * sigma * complex(0.5, u)
    d = np.sqrt(xi * xi + sigma * sigma * weight)
    over = xi + d
    less = -weight / over  # (xi - d) / sigma^2
    decay = np.exp(-d * years)
    g = less * sigma * sigma / over
    power = less * (1.0 - decay) / (1.0 - g * decay)
    x = g * (1.0 - decay) / (1.0 - g)
    # 2 / sigma^2 ln(1 + x), of which x has the factor sigma^2
    shed = 2.0 * less / over * (1.0 - decay) / (1.0 - g) * _log1p_share(x)
    return less * years - shed, power


@kernel
def heston_values(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    v0: float,
    kappa: float,
    theta: float,
    sigma: float,
    rho: float,
) -> HestonValues:
    """Call price and derivatives. O(pieces), some hundreds of characteristic functions as a rule."""
    asset, cash = spot * math.exp(-dividend_yield * years), strike * math.exp(-rate * years)
    k = math.log(spot / strike) + (rate - dividend_yield) * years
    if v0 + kappa * theta * years < 1e-16:  # no variance ever
        gain = 1.0 if asset > cash else 0.0
        return gain * (asset - cash), gain * asset, 0.0, 0.0, 0.0, 0.0
    # phase of the integrand for large u: of k, and of rho (v0 + kappa theta T) / sigma at most
    drag = abs(rho) * (v0 + kappa * theta * years)
    turning = abs(k) + (min(drag / sigma, 4.0 * math.sqrt(drag)) if sigma > 0.0 else 0.0) + 1e-3
    s0 = s1 = s2 = s3 = s4 = s5 = 0.0
    start, width = 0.0, 0.5
    for _ in range(_DOUBLINGS):
        c, d = exponent(start, years, kappa, sigma, rho)
        if start > 0.0 and (kappa * theta * c + d * v0).real < _NOTHING:
            break
        pieces = min(1 + int(width * turning / _TURN), _MOST_PIECES)
        step = width / pieces
        for j in range(pieces):
            for i in range(_NODES.size):
                u = start + (j + _NODES[i]) * step
                c, d = exponent(u, years, kappa, sigma, rho)
                p = complex(0.5, u)
                term = np.exp(p * k + kappa * theta * c + d * v0) * (_MASSES[i] * step / (u * u + 0.25))
                s0 += term.real
                s1 += (term * p).real
                s2 += (term * p * (p - 1.0)).real
                s3 += (term * d).real
                s4 += (term * d * d).real
                s5 += (term * d * p).real
        start += width
        width = start
    scale = -cash / math.pi
    return asset + scale * s0, asset + scale * s1, scale * s2, scale * s3, scale * s4, scale * s5


#: order of the rows that `heston_batch` writes
HESTON_VALUES = (
    "price",
    "delta",
    "gamma",
    "theta",
    "rho",
    "dividend_rho",
    "variance_delta",
    "variance_gamma",
    "variance_vanna",
)


@kernel
def heston_batch(
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    v0: Floats,
    kappa: Floats,
    theta: Floats,
    sigma: Floats,
    rho: Floats,
    out: Floats,
) -> None:
    """Price and Greeks of arrays of length n into `out` of shape (len(HESTON_VALUES), n); O(n)."""
    for i in range(out.shape[1]):
        t, s, r, q, v = years[i], spot[i], rate[i], dividend_yield[i], v0[i]
        if not math.isfinite(s):
            out[:, i] = math.nan
            continue
        asset, cash = s * math.exp(-q * t), strike[i] * math.exp(-r * t)
        if t == 0.0:
            gain = sign[i] * (s - strike[i])
            out[:, i] = 0.0
            out[0, i] = max(gain, 0.0)
            out[1, i] = sign[i] if gain > 0.0 else 0.0
            continue
        price, first, second, in_v, in_vv, in_sv = heston_values(
            s, strike[i], t, r, q, v, kappa[i], theta[i], sigma[i], rho[i]
        )
        if sign[i] < 0.0:
            price, first = price - asset + cash, first - asset
        # what Heston's equation says of time
        decay = r * price - (r - q) * first - 0.5 * v * second - rho[i] * sigma[i] * v * in_sv
        decay -= 0.5 * sigma[i] * sigma[i] * v * in_vv + kappa[i] * (theta[i] - v) * in_v
        out[0, i] = price
        out[1, i] = first / s
        out[2, i] = second / (s * s)
        out[3, i] = decay
        out[4, i] = t * (first - price)
        out[5, i] = -t * first
        out[6, i] = in_v
        out[7, i] = in_vv
        out[8, i] = in_sv / s
