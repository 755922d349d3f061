"""Implied vol, lognormal and normal: Halley steps inside a bracket, and a residual that is checked.

Low prices are matched in 1 / ln(price), the middle in ln(price), prices near the maximum in ln(maximum - price):
in these the map from vol is nearly straight. A step that leaves the bracket halves it instead, so every
input that has a vol gets it, to a few eps times the condition number price / (vega vol).

Sources: Jäckel 2015, "Let's be rational", Wilmott (the objectives and the point of inflection).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.bachelier import normal_otm_value
from qflib.kernels.black_scholes import intrinsic_value, log_moneyness, otm_complement, otm_value
from qflib.kernels.jit import kernel
from qflib.kernels.mills_ratio import density

Floats = NDArray[np.float64]

OK, AT_INTRINSIC, BELOW_INTRINSIC, ABOVE_MAXIMUM, EXPIRED, NAN_INPUT = range(6)
#: name of each status code
STATUS_NAMES = ("ok", "at_intrinsic", "below_intrinsic", "above_maximum", "expired", "nan_input")

_EPS = 2.220446049250313e-16
_SQRT_2PI = 2.5066282746310002
_STEPS = 60
_NEAR = 1e-2  # a price, relative: the vol is then not the only thing that is near


@kernel
def _log_ratio(a: float, b: float) -> float:
    """ln(a / b), accurate where both are alike."""
    return math.log1p((a - b) / b) if abs(a - b) < 0.5 * b else math.log(a / b)


@kernel
def _halley(x: float, s: float, have: float, want: float, low: bool, upper: bool) -> float:
    """Step from s, whose price (upper: what it lacks to the maximum) is `have`, towards `want`."""
    d1, d2 = x / s + 0.5 * s, x / s - 0.5 * s
    slope = density(d1)
    bend = d1 * d2 / s  # second over first derivative of the value
    newton = _log_ratio(want, have) * have / slope
    if upper:
        newton, ratio = -newton, bend + slope / have
    else:
        ratio = bend - slope / have
        if low:
            now = math.log(have)
            newton, ratio = newton * now / math.log(want), ratio - 2.0 * slope / (have * now)
    damp = 1.0 + 0.5 * newton * ratio
    return newton / damp if damp > 0.25 else newton


@kernel
def total_vol(x: float, value: float, rest: float) -> float:
    """Total vol s with `otm_value`(x, s) = value; x <= 0, 0 < value < 1, and rest = 1 - value as known best.

    O(1): 2 to 4 Halley steps as a rule, at worst a bisection to neighbouring doubles.
    """
    bend = math.sqrt(-2.0 * x)  # the value is convex in s below, concave above
    at_bend = otm_value(x, bend)
    low, upper = value < at_bend, value > 0.5 and value > at_bend
    if low:
        s = -x / math.sqrt(-0.5 * x - 2.0 * math.log(value / at_bend))
    elif upper:
        s = max(bend, math.sqrt(-8.0 * math.log(min(1.0, 2.0 * rest))))
    else:
        s = bend + (value - at_bend) * _SQRT_2PI
    want = rest if upper else value
    least, most = 0.0, math.inf
    for _ in range(_STEPS):
        if not (least < s < most):
            s = _middle(least, most)
        have = otm_complement(x, s) if upper else otm_value(x, s)
        if have == want:
            return s
        if (have < want) != upper:
            least = s
        else:
            most = s
        step = _halley(x, s, have, want, low, upper)
        # steps are of third order: after one this small, from a price this near, the next is below rounding
        if abs(step) < 1e-6 * s and abs(have - want) <= _NEAR * want:
            return s + step
        s = s + step if math.isfinite(step) else math.inf  # no vol is felt here: halve the bracket
    return _bisect(x, want, upper)


@kernel
def _middle(least: float, most: float) -> float:
    if most == math.inf:
        return 2.0 * least if least > 0.0 else 1.0
    return math.sqrt(least * most) if least > 0.0 else 0.125 * most


@kernel
def _bisect(x: float, want: float, upper: bool) -> float:
    """Halve the bracket to neighbouring doubles: the price passes the one wanted between them."""
    least, most = 0.0, math.inf
    for _ in range(2000):
        s = _middle(least, most)
        if not least < s < most:
            break
        have = otm_complement(x, s) if upper else otm_value(x, s)
        if (have < want) != upper:
            least = s
        else:
            most = s
    return most


@kernel
def normal_total_vol(distance: float, value: float) -> float:
    """Total normal vol with `normal_otm_value`(distance, s) = value; distance >= 0, value > 0. O(1)."""
    if distance == 0.0:
        return value * _SQRT_2PI
    # in the tail ln(value) ~ -d^2/2; near the money value ~ s / sqrt(2 pi) - distance / 2
    u = value / distance
    s = (value + 0.5 * distance) * _SQRT_2PI if u > 0.1 else distance / math.sqrt(1.0 - 2.0 * math.log(u))
    least, most = 0.0, math.inf
    for _ in range(_STEPS):
        if not (least < s < most):
            s = _middle(least, most)
        have, d = normal_otm_value(distance, s), distance / s
        if have == value:
            return s
        if have < value:
            least = s
        else:
            most = s
        slope = density(d)
        step = _log_ratio(value, have) * have / slope  # Newton in ln(value), bent to second order
        damp = 1.0 + 0.5 * step * (d * d / s - slope / have)
        if damp > 0.25:
            step /= damp
        if abs(step) < 1e-6 * s and abs(have - value) <= _NEAR * value:
            return s + step
        s = s + step if math.isfinite(step) else math.inf
    least, most = 0.0, math.inf
    for _ in range(2000):
        s = _middle(least, most)
        if not least < s < most:
            break
        if normal_otm_value(distance, s) < value:
            least = s
        else:
            most = s
    return most


@kernel
def lognormal_implied_vol(
    price: float, sign: float, spot: float, strike: float, years: float, rate: float, dividend_yield: float
) -> tuple[float, int]:
    """Black-Scholes-Merton implied vol and its status code; NaN unless the code is `OK`. O(1)."""
    if not math.isfinite(price + spot + strike + years + rate + dividend_yield):
        return math.nan, NAN_INPUT
    if years <= 0.0:
        return math.nan, EXPIRED
    asset, cash = spot * math.exp(-dividend_yield * years), strike * math.exp(-rate * years)
    x = log_moneyness(spot, strike) + (rate - dividend_yield) * years
    if price >= (asset if sign > 0.0 else cash):
        return math.nan, ABOVE_MAXIMUM
    if sign * x > 0.0:
        value = price - sign * intrinsic_value(asset, cash, x)
        noise = 2.0 * _EPS * max(asset, cash)  # what is left after the subtraction must be more than its rounding
    else:
        value, noise = price, 0.0
    if value < -noise:
        return math.nan, BELOW_INTRINSIC
    if value <= noise:
        return math.nan, AT_INTRINSIC
    ceiling = asset if x <= 0.0 else cash  # a call that is out of the money is worth its asset at most
    share = value / ceiling
    rest = (ceiling - value) / ceiling
    if rest <= 0.0:
        return math.nan, ABOVE_MAXIMUM
    return total_vol(-abs(x), share, rest) / math.sqrt(years), OK


@kernel
def normal_implied_vol(
    price: float, sign: float, forward: float, strike: float, years: float, rate: float
) -> tuple[float, int]:
    """Bachelier implied vol and its status code; NaN unless the code is `OK`. O(1)."""
    if not math.isfinite(price + forward + strike + years + rate):
        return math.nan, NAN_INPUT
    if years <= 0.0:
        return math.nan, EXPIRED
    gain = sign * (forward - strike)
    value, noise = price * math.exp(rate * years), 0.0
    if gain > 0.0:
        value -= gain
        noise = 2.0 * _EPS * max(abs(forward), abs(strike))
    if value < -noise:
        return math.nan, BELOW_INTRINSIC
    if value <= noise:
        return math.nan, AT_INTRINSIC
    return normal_total_vol(abs(gain), value) / math.sqrt(years), OK


@kernel
def normal_implied_vol_batch(
    price: Floats,
    sign: Floats,
    forward: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    vol: Floats,
    status: NDArray[np.int8],
) -> None:
    """`normal_implied_vol` of float64 arrays of one length into `vol` and int8 `status`; O(n)."""
    for i in range(vol.size):
        vol[i], status[i] = normal_implied_vol(price[i], sign[i], forward[i], strike[i], years[i], rate[i])
