"""European prices and Greeks of many options at once: straight lines over blocks of rows, which become SIMD code.

With z = |x| / s, t = s / 2 and Y_k = (-1)^k M^(k)(z), the Mills ratio's derivatives at z, the series

    M(z -+ t) = sum of Y_k t^k / k!  +-  for even and odd k

hold both normal probabilities of a price, and its out-of-the-money value as twice the odd terms: all positive, so that
nothing cancels. From M and -M', each a rational, the terms a_k = Y_k t^k / k! follow by

    a_(k+1) = (t^2 a_(k-1) - z t a_k) / (k + 1).

For s <= 1.5 and |x| <= 3.5 the error of that recurrence is that of its start, and 27 terms reach 1e-17. Other rows
(no time, no vol, far from the money, NaN) are done one by one by `black_scholes_price` and `greeks`.

Sources: Black and Scholes 1973; Merton 1973; Haug 2007, ch. 2; Gautschi 1967, SIAM Rev. 9, for the recurrence; Jäckel
2015 for prices as differences of Mills ratios.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import special
from qflib.kernels.bits import fma
from qflib.kernels.black_scholes import black_scholes_price
from qflib.kernels.black_scholes_greeks import GREEKS, greeks
from qflib.kernels.jit import inlined, kernel

Floats = NDArray[np.float64]

BLOCK = 256
_STRIDE = BLOCK + 8  # rows of a tile do not lie on one set of the cache
_PLAIN = len(GREEKS) - 1  # without elasticity
_SMALL, _LARGE, _EXPONENT = 1e-290, 1e290, 700.0


@inlined
def mills_pair(x: float, s: float) -> Any:
    """Even and odd terms of M(z -+ t): their sum is M(z - t), their difference M(z + t). For x <= 3.5 and s <= 1.5."""
    t, u = 0.5 * s, -0.5 * x
    z = x / s
    t2 = t * t
    below, below_slope = special.mills_denominator(z), special.mills_slope_denominator(z)
    over = 1.0 / (below * below_slope)
    a0 = special.mills_numerator(z) * (over * below_slope)
    a1 = special.mills_slope_numerator(z) * (over * below) * t
    a2 = fma(t2, a0, u * a1) * (1 / 2)
    a3 = fma(t2, a1, u * a2) * (1 / 3)
    a4 = fma(t2, a2, u * a3) * (1 / 4)
    a5 = fma(t2, a3, u * a4) * (1 / 5)
    a6 = fma(t2, a4, u * a5) * (1 / 6)
    a7 = fma(t2, a5, u * a6) * (1 / 7)
    a8 = fma(t2, a6, u * a7) * (1 / 8)
    a9 = fma(t2, a7, u * a8) * (1 / 9)
    a10 = fma(t2, a8, u * a9) * (1 / 10)
    a11 = fma(t2, a9, u * a10) * (1 / 11)
    a12 = fma(t2, a10, u * a11) * (1 / 12)
    a13 = fma(t2, a11, u * a12) * (1 / 13)
    a14 = fma(t2, a12, u * a13) * (1 / 14)
    a15 = fma(t2, a13, u * a14) * (1 / 15)
    a16 = fma(t2, a14, u * a15) * (1 / 16)
    a17 = fma(t2, a15, u * a16) * (1 / 17)
    a18 = fma(t2, a16, u * a17) * (1 / 18)
    a19 = fma(t2, a17, u * a18) * (1 / 19)
    a20 = fma(t2, a18, u * a19) * (1 / 20)
    a21 = fma(t2, a19, u * a20) * (1 / 21)
    a22 = fma(t2, a20, u * a21) * (1 / 22)
    a23 = fma(t2, a21, u * a22) * (1 / 23)
    a24 = fma(t2, a22, u * a23) * (1 / 24)
    a25 = fma(t2, a23, u * a24) * (1 / 25)
    a26 = fma(t2, a24, u * a25) * (1 / 26)
    a27 = fma(t2, a25, u * a26) * (1 / 27)
    even = a0 + (a2 + (a4 + (a6 + (a8 + (a10 + (a12 + (a14 + (a16 + (a18 + (a20 + (a22 + (a24 + a26))))))))))))
    odd = a1 + (a3 + (a5 + (a7 + (a9 + (a11 + (a13 + (a15 + (a17 + (a19 + (a21 + (a23 + (a25 + a27))))))))))))
    return even, odd


@inlined
def regular(x: float, s: float) -> Any:
    """Whether log-moneyness and total vol are where `mills_pair` holds, and the density is not zero."""
    away = abs(x)
    return (s >= 1e-8) & (s <= 1.5) & (away <= 3.5) & (away <= 37.0 * s)


@inlined
def in_range(spot: float, strike: float, growth: float, discount: float) -> Any:
    """Whether prices and exponents are where straight-line logarithms and exponentials hold."""
    prices = (spot > _SMALL) & (spot < _LARGE) & (strike > _SMALL) & (strike < _LARGE)
    return prices & (abs(growth) < _EXPONENT) & (abs(discount) < _EXPONENT)


@inlined
def gain(asset: float, cash: float, x: float) -> float:
    """Asset - cash, x = ln(asset / cash): by expm1 next to the money, where the difference rounds."""
    near = special.expm1_near(min(max(x, -0.34), 0.34))
    return cash * near if abs(x) < 0.34 else asset - cash


@kernel
def black_scholes_batch(
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    out: Floats,
) -> None:
    """`black_scholes_price` of float64 arrays of one length into `out`, to the same accuracy; O(n)."""
    odd = np.empty(BLOCK, np.int64)
    for first in range(0, out.size, BLOCK):
        n = min(BLOCK, out.size - first)
        _prices(np.uint64(first), np.uint64(n), sign, spot, strike, years, rate, dividend_yield, vol, out[first:], odd)
        for j in range(n if odd[:n].sum() != 0 else 0):
            if odd[j] != 0:
                i = first + j
                out[i] = black_scholes_price(sign[i], spot[i], strike[i], years[i], rate[i], dividend_yield[i], vol[i])


@kernel
def _prices(
    first: Any,
    n: Any,
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    out: Floats,
    odd: NDArray[np.int64],
) -> None:
    """A block's prices; `odd` where one is to be done by itself."""
    for j in range(n):
        i = first + j
        t, r, q = years[i], rate[i], dividend_yield[i]
        x = special.log_quotient(spot[i], strike[i]) + (r - q) * t
        s = vol[i] * math.sqrt(t)
        asset, cash = spot[i] * special.exp(-q * t), strike[i] * special.exp(-r * t)
        away = abs(x)
        _, half = mills_pair(away, s)
        weight = special.normal_density(0.5 * s - away / s) * (asset if x <= 0.0 else cash)
        out[j] = 2.0 * weight * half + max(sign[i] * gain(asset, cash, x), 0.0)
        odd[j] = 0 if regular(x, s) & in_range(spot[i], strike[i], q * t, r * t) else 1


@kernel
def greeks_batch(
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    out: Floats,
) -> None:
    """`greeks` of float64 arrays of length n into `out` of shape (18, n); with (17, n) without elasticity. O(n)."""
    odd = np.empty(BLOCK, np.int64)
    tile = np.empty(_PLAIN * _STRIDE)
    for first in range(0, out.shape[1], BLOCK):
        n = min(BLOCK, out.shape[1] - first)
        _greeks(np.uint64(first), np.uint64(n), sign, spot, strike, years, rate, dividend_yield, vol, tile, odd)
        for g in range(_PLAIN):
            row, at = out[g, first:], g * _STRIDE
            for j in range(n):
                row[j] = tile[at + j]
        if out.shape[0] > _PLAIN:
            for j in range(n):
                price = tile[j]
                out[_PLAIN, first + j] = tile[_STRIDE + j] * spot[first + j] / price if price != 0.0 else np.nan
        for j in range(n if odd[:n].sum() != 0 else 0):
            if odd[j] != 0:
                i = first + j
                one = greeks(sign[i], spot[i], strike[i], years[i], rate[i], dividend_yield[i], vol[i])
                for g in range(out.shape[0]):
                    out[g, i] = one[g]


@kernel
def _greeks(
    first: Any,
    n: Any,
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    tile: Floats,
    odd: NDArray[np.int64],
) -> None:
    """A block's price and Greeks into `tile`, one behind the other; `odd` where one is to be done by itself."""
    for j in range(n):
        i = first + j
        c, t, r, q, sigma = sign[i], years[i], rate[i], dividend_yield[i], vol[i]
        root = math.sqrt(t)
        s = sigma * root
        over = 1.0 / (spot[i] * strike[i] * s * sigma)  # one division for four
        over_s = over * (spot[i] * strike[i] * sigma)
        over_vol = over * (spot[i] * strike[i] * s)
        over_spot = over * (strike[i] * s * sigma)
        over_strike = over * (spot[i] * s * sigma)
        over_years = (sigma * over_s) * (sigma * over_s)
        b = r - q
        x = special.log_quotient(spot[i], strike[i]) + b * t
        growth = special.exp(-q * t)
        asset, cash = spot[i] * growth, strike[i] * special.exp(-r * t)
        away = abs(x)
        even, half = mills_pair(away, s)
        weight = special.normal_density(0.5 * s - away * over_s) * (asset if x <= 0.0 else cash)
        near, far = weight * (even + half), weight * (even - half)  # what the likelier and the other side get
        # of the option that is out of the money: a call on the asset for x <= 0, a put on the cash beyond
        below = x <= 0.0
        out_of = (c > 0.0) == below  # at the money the call is the one out of it, and the put has what it leaves
        asset_leg, cash_leg = near if below else far, far if below else near
        asset_leg = asset_leg if out_of else asset - asset_leg
        cash_leg = cash_leg if out_of else cash - cash_leg
        d1 = x * over_s + 0.5 * s
        d2 = d1 - s
        gamma, vega = weight * over_spot * over_spot * over_s, weight * root
        product, slope = d1 * d2, (b * t * over_s - 0.5 * d2) * over_years
        decay = q + d1 * slope
        mid = 0.5 * over_years
        delta = asset_leg * over_spot
        tile[j] = 2.0 * weight * half + max(c * gain(asset, cash, x), 0.0)
        tile[_STRIDE + j] = c * delta
        tile[2 * _STRIDE + j] = gamma
        tile[3 * _STRIDE + j] = vega
        tile[4 * _STRIDE + j] = c * (q * asset_leg - r * cash_leg) - mid * vega * sigma
        tile[5 * _STRIDE + j] = c * t * cash_leg
        tile[6 * _STRIDE + j] = -c * t * asset_leg
        tile[7 * _STRIDE + j] = -weight * over_spot * d2 * over_vol
        tile[8 * _STRIDE + j] = vega * product * over_vol
        tile[9 * _STRIDE + j] = c * q * delta - weight * over_spot * slope
        tile[10 * _STRIDE + j] = vega * (decay - mid)
        tile[11 * _STRIDE + j] = -gamma * over_spot * fma(d1, over_s, 1.0)
        tile[12 * _STRIDE + j] = gamma * (product - 1.0) * over_vol
        tile[13 * _STRIDE + j] = gamma * (decay + mid)
        tile[14 * _STRIDE + j] = -vega * over_vol * over_vol * (product * (1.0 - product) + d1 * d1 + d2 * d2)
        tile[15 * _STRIDE + j] = -c * cash_leg * over_strike
        tile[16 * _STRIDE + j] = weight * over_strike * over_strike * over_s
        product_fits = (over > 1e-280) & (over < 1e280)
        usual = regular(x, s) & in_range(spot[i], strike[i], q * t, r * t) & (sigma > 1e-6) & (t > 1e-9) & product_fits
        odd[j] = 0 if usual else 1
