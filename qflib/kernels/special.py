"""Exponential, logarithm, Mills ratio and normal tail without branches, so that loops over them become SIMD code.

A call of the C library keeps LLVM from vectorising a loop; these are polynomials and rationals of one straight line.
All coefficients are our own fits, made in 40-digit arithmetic and rounded to double: the approximation errors stated
below are those of the rounded coefficients; the total errors, with double arithmetic, are what the tests hold against
mpmath.

| function | range | fit | error of the fit | total relative error |
|---|---|---|---|---|
| `exp` | [−708, 709] | degree 11 on ±ln 2/2, interpolated at Chebyshev nodes | 1.7e-17 | 4e-16 |
| `log` | normal positive doubles | odd degree 15 in (m−1)/(m+1) | 5e-18 | 4e-16 |
| `mills_ratio` | [0, 1e30] | rational 9/10, minimax over the half line (Remez) | 4e-16 | 2e-15 |
| `mills_slope` | [0, 1e25] | rational 10/12, minimax over the half line (Remez) | 5e-17 | 1e-15 |
| `normal_tail` | [−37, 37] | the two above | | 4e-15 |

The Mills ratio is a Stieltjes function, so its best rationals have positive coefficients: numerator and denominator add
without cancelling. Range reductions: W. J. Cody and W. Waite, *Software Manual for the Elementary Functions*, 1980.
"""

from __future__ import annotations

import numpy as np

from qflib.kernels.bits import fma
from qflib.kernels.jit import inlined

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.693147180369123816490  # 32 bits, so that k * LN2_HIGH is exact for every exponent k
LN2_LOW = 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the rounded integer in the low bits
ROUND_BITS = 0x4338000000000000
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
HIGH_HALF = -0x8000000  # clears the low 27 bits: the square of what is left is exact
INV_SQRT_2PI = 0.3989422804014327


@inlined
def exp(x: float) -> float:
    """e**x, for x in [−708, 709]; beyond, the value at the nearer end.

    Relative error below 4e-16. O(1): 13 multiply-adds, no division.

    Examples
    --------
    >>> from numba import njit
    >>> from qflib.kernels import special
    >>> round(njit(lambda x: special.exp(x))(1.0), 14)
    2.71828182845905
    """
    c = min(max(x, -708.0), 709.0)
    shifted = fma(c, LOG2_E, ROUND)
    k = shifted - ROUND
    r = fma(-k, LN2_LOW, fma(-k, LN2_HIGH, c))
    p = 2.510038549551032e-08
    p = fma(p, r, 2.7620088445409746e-07)
    p = fma(p, r, 2.7557268459997064e-06)
    p = fma(p, r, 2.4801521295954376e-05)
    p = fma(p, r, 0.00019841269863053618)
    p = fma(p, r, 0.0013888888917213717)
    p = fma(p, r, 0.008333333333330062)
    p = fma(p, r, 0.04166666666662413)
    p = fma(p, r, 0.16666666666666669)
    p = fma(p, r, 0.5000000000000001)
    scale = (np.float64(shifted).view(np.int64) - ROUND_BITS + 1023) << 52
    return np.int64(scale).view(np.float64) * (fma(p * r, r, r) + 1.0)


@inlined
def log(x: float) -> float:
    """Natural logarithm of a positive, normal, finite x.

    Relative error below 4e-16, also next to 1. O(1): 10 multiply-adds, one division.

    Examples
    --------
    >>> from numba import njit
    >>> from qflib.kernels import special
    >>> round(njit(lambda x: special.log(x))(10.0), 14)
    2.30258509299405
    """
    bits = np.float64(x).view(np.int64)
    e = (bits - SQRT_HALF_BITS) >> 52
    m = np.int64(bits - (e << 52)).view(np.float64)  # in [sqrt(1/2), sqrt(2))
    k = np.int64(e + ROUND_BITS).view(np.float64) - ROUND
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    p = 0.14616585424888623
    p = fma(p, z, 0.15331710618210773)
    p = fma(p, z, 0.18182889455674947)
    p = fma(p, z, 0.22222211130259878)
    p = fma(p, z, 0.2857142862600327)
    p = fma(p, z, 0.39999999999899444)
    p = fma(p, z, 0.666666666666667)
    # 2s = f − s·f: the leading term f is exact, the rest is small beside it
    return k * LN2_HIGH + (f - (s * (f - p * z) - k * LN2_LOW))


@inlined
def log_quotient(a: float, b: float) -> float:
    """ln(a / b) of positive, normal, finite a and b with a normal quotient: accurate next to 1, where that rounds.

    Relative error below 5e-16. O(1): 9 multiply-adds, two divisions.

    Examples
    --------
    >>> from numba import njit
    >>> from qflib.kernels import special
    >>> f"{njit(lambda a, b: special.log_quotient(a, b))(1.0 + 2.0**-50, 1.0):.12e}"
    '8.881784197001e-16'
    """
    e = (np.float64(a / b).view(np.int64) - SQRT_HALF_BITS) >> 52
    near = b * np.int64((e + 1023) << 52).view(np.float64)  # a / near in [sqrt(1/2), sqrt(2)), so a - near is exact
    k = np.int64(e + ROUND_BITS).view(np.float64) - ROUND
    s = (a - near) / (a + near)
    z = s * s
    p = 0.14616585424888623
    p = fma(p, z, 0.15331710618210773)
    p = fma(p, z, 0.18182889455674947)
    p = fma(p, z, 0.22222211130259878)
    p = fma(p, z, 0.2857142862600327)
    p = fma(p, z, 0.39999999999899444)
    p = fma(p, z, 0.666666666666667)
    return fma(k, LN2_HIGH, 2.0 * s + fma(s * z, p, k * LN2_LOW))


@inlined
def expm1_near(x: float) -> float:
    """e**x - 1, for x in [-0.3466, 0.3466] (half of ln 2): relative error below 4e-16. O(1): 11 multiply-adds.

    Examples
    --------
    >>> from numba import njit
    >>> from qflib.kernels import special
    >>> f"{njit(lambda x: special.expm1_near(x))(1e-9):.12e}"
    '1.000000000500e-09'
    """
    p = 2.510038549551032e-08
    p = fma(p, x, 2.7620088445409746e-07)
    p = fma(p, x, 2.7557268459997064e-06)
    p = fma(p, x, 2.4801521295954376e-05)
    p = fma(p, x, 0.00019841269863053618)
    p = fma(p, x, 0.0013888888917213717)
    p = fma(p, x, 0.008333333333330062)
    p = fma(p, x, 0.04166666666662413)
    p = fma(p, x, 0.16666666666666669)
    p = fma(p, x, 0.5000000000000001)
    return fma(p * x, x, x)


@inlined
def mills_numerator(x: float) -> float:
    """Numerator of the Mills ratio's rational, for x >= 0: at most 5e-6 x**9 for large x."""
    p = 4.8978366008512222717e-6
    p = fma(p, x, 0.00012440925267567187818)
    p = fma(p, x, 0.0015627915218966147004)
    p = fma(p, x, 0.012509585195096529034)
    p = fma(p, x, 0.069656692519611585211)
    p = fma(p, x, 0.27851321777841475512)
    p = fma(p, x, 0.79896806780144189704)
    p = fma(p, x, 1.5906427372250926786)
    p = fma(p, x, 2.0112041347950669917)
    return fma(p, x, 1.2533141373154997636)


@inlined
def mills_denominator(x: float) -> float:
    """Denominator of the Mills ratio's rational, for x >= 0: between 1 and 5e-6 (x + 4)**10."""
    q = 4.8978366008512243108e-6
    q = fma(q, x, 0.00012440925267566690424)
    q = fma(q, x, 0.0015676893584994828323)
    q = fma(q, x, 0.012633994447454849242)
    q = fma(q, x, 0.071209688394252798211)
    q = fma(q, x, 0.29077398318445973295)
    q = fma(q, x, 0.86554819788689712925)
    q = fma(q, x, 1.8453798911842303326)
    q = fma(q, x, 2.6861413726327472354)
    q = fma(q, x, 2.4025932885786623952)
    return fma(q, x, 1.0)


@inlined
def mills_ratio(x: float) -> float:
    """(1 − N(x)) / n(x) for x in [0, 1e30], N and n the normal distribution and density.

    Relative error below 2e-15. O(1): 19 multiply-adds, one division.

    Examples
    --------
    >>> from numba import njit
    >>> from qflib.kernels import special
    >>> round(njit(lambda x: special.mills_ratio(x))(1.0), 14)
    0.6556795424188
    """
    return mills_numerator(x) / mills_denominator(x)


@inlined
def mills_slope_numerator(x: float) -> float:
    """Numerator of `mills_slope`'s rational, for x >= 0."""
    p = 2.40998131166303282921e-7
    p = fma(p, x, 0.000007375334740465025890176)
    p = fma(p, x, 0.0001134823835759658465412)
    p = fma(p, x, 0.001135114596139884530837)
    p = fma(p, x, 0.008098055156724604886657)
    p = fma(p, x, 0.04285473066699055568091)
    p = fma(p, x, 0.1701480445973002824574)
    p = fma(p, x, 0.5013637745367908608983)
    p = fma(p, x, 1.054913724315105777686)
    p = fma(p, x, 1.446015555601370398565)
    return fma(p, x, 0.9999999999999999973856)


@inlined
def mills_slope_denominator(x: float) -> float:
    """Denominator of `mills_slope`'s rational, for x >= 0."""
    q = 2.409981311663032809136e-7
    q = fma(q, x, 0.000007375334740465035035673)
    q = fma(q, x, 0.0001142053779694584777786)
    q = fma(q, x, 0.001157240600362876708691)
    q = fma(q, x, 0.008437056318461147875201)
    q = fma(q, x, 0.04621582246239932810257)
    q = fma(q, x, 0.1937714369278921420725)
    q = fma(q, x, 0.623427069109691635148)
    q = fma(q, x, 1.52143535754161511027)
    q = fma(q, x, 2.73761246373608869627)
    q = fma(q, x, 3.438021789723362445009)
    q = fma(q, x, 2.699329692916869864538)
    return fma(q, x, 1.0)


@inlined
def mills_slope(x: float) -> float:
    """-M'(x) = 1 - x M(x) for x in [0, 1e25], M the Mills ratio: where the subtraction loses every digit, too.

    Relative error below 1e-15. O(1): 22 multiply-adds, one division.

    Examples
    --------
    >>> from numba import njit
    >>> from qflib.kernels import special
    >>> f"{njit(lambda x: special.mills_slope(x))(30.0):.12e}"
    '1.107427825084e-03'
    """
    return mills_slope_numerator(x) / mills_slope_denominator(x)


@inlined
def normal_density(x: float) -> float:
    """n(x) = exp(−x²/2)/√(2π): relative error below 2e-15 for |x| <= 37 (the square is kept in two parts)."""
    high = np.int64(np.float64(x).view(np.int64) & HIGH_HALF).view(np.float64)
    rest = -0.5 * (x - high) * (x + high)  # below 4e-5: a cubic is its exponential
    growth = 1.0 + (rest + rest * rest * (0.5 + rest * (1.0 / 6.0)))
    return INV_SQRT_2PI * exp(-0.5 * high * high) * growth


@inlined
def normal_tail(x: float) -> float:
    """1 − N(x) for x in [−37, 37].

    Relative error below 4e-15, in the far tail too. O(1): 33 multiply-adds, one division.

    Examples
    --------
    >>> from numba import njit
    >>> from qflib.kernels import special
    >>> f"{njit(lambda x: special.normal_tail(x))(10.0):.12e}"
    '7.619853024161e-24'
    """
    tail = normal_density(x) * mills_ratio(abs(x))
    return tail if x > 0.0 else 1.0 - tail
