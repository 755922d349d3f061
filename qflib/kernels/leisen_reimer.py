"""Leisen-Reimer tree of American options, and with discrete dividends the tree of the escrowed spot.

An odd number of steps centred on the strike: the error falls as 1/n, without the zigzag of other trees.

Sources: Leisen and Reimer 1996, Appl. Math. Finance 3 (Peizer-Pratt inversion 2); Haug 2007, section 7.1.3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.american import Values
from qflib.kernels.jit import kernel

Floats = NDArray[np.float64]


@kernel
def peizer_pratt(z: float, n: int) -> float:
    """Probability whose binomial of n steps has the normal quantile z, n odd. O(1)."""
    y = z / (n + 1.0 / 3.0 + 0.1 / (n + 1.0))
    e = math.exp(-y * y * (n + 1.0 / 6.0))
    low = 0.5 * e / (1.0 + math.sqrt(1.0 - e))  # 1/2 - sqrt(1 - e) / 2 would cancel
    return low if z < 0.0 else 1.0 - low


@kernel
def tree_price(
    sign: float,
    spot: float,
    strike: float,
    a: float,
    b: float,
    s: float,
    steps: int,
    cash: Floats,
    out: Floats,
) -> None:
    """Price, x delta and x^2 gamma (in the spot) into `out`; O(steps^2).

    `a`, `b` and `s` are rate, yield and vol over the whole time. `cash` (steps + 1) is the value at each step of the
    dividends still to come before expiry: the spot is a lognormal part that lacks them, plus them.
    """
    n = steps + 1 - steps % 2
    dt = 1.0 / n
    growth, discount = math.exp((a - b) * dt), math.exp(-a * dt)
    base = spot - cash[0]
    d1 = (math.log(base / strike) + a - b) / s + 0.5 * s
    up_share, p = peizer_pratt(d1, n), peizer_pratt(d1 - s, n)
    # the tails keep their digits: 1 - p would not
    rest_share, rest = peizer_pratt(-d1, n), peizer_pratt(s - d1, n)
    out[0] = out[1] = out[2] = math.nan
    if not (p > 0.0 and rest > 0.0 and up_share > 0.0 and rest_share > 0.0):
        return
    up, down = growth * up_share / p, growth * rest_share / rest
    ratio = up / down
    values = np.empty(n + 1)
    level = base * math.exp(n * math.log(down))
    for j in range(n + 1):
        values[j] = max(sign * (level + cash[n] - strike), 0.0)
        level *= ratio
    win, lose = discount * p, discount * rest
    for i in range(n - 1, -1, -1):
        level = base * math.exp(i * math.log(down))
        for j in range(i + 1):
            hold = win * values[j + 1] + lose * values[j]
            values[j] = max(hold, sign * (level + cash[i] - strike))
            level *= ratio
        if i == 2:
            low, mid, high = base * down * down, base * up * down, base * up * up
            up_slope, down_slope = (values[2] - values[1]) / (high - mid), (values[1] - values[0]) / (mid - low)
            out[2] = (up_slope - down_slope) / (0.5 * (high - low)) * spot * spot
        if i == 1:
            out[1] = (values[1] - values[0]) / (base * (up - down)) * spot
    out[0] = values[0]


@kernel
def without_chance(x: float, a: float, b: float) -> Values:
    """The greatest of e^(-a t) - x e^(-b t) over t in [0, 1], or nothing: the price as vol vanishes. O(1)."""
    when, best = 0.0, 1.0 - x
    if math.exp(-a) - x * math.exp(-b) > best:
        when, best = 1.0, math.exp(-a) - x * math.exp(-b)
    if a != b and a * b > 0.0:
        turn = math.log(x * b / a) / (b - a)
        if 0.0 < turn < 1.0 and math.exp(-a * turn) - x * math.exp(-b * turn) > best:
            when, best = turn, math.exp(-a * turn) - x * math.exp(-b * turn)
    if best <= 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    cash, asset = math.exp(-a * when), x * math.exp(-b * when)
    return best, -asset, 0.0, -when * cash, when * asset


@kernel
def _extrapolated(x: float, a: float, b: float, s: float, steps: int, none: Floats, out: Floats) -> None:
    """Twice the tree of twice the steps, less the tree: the error of order 1 / steps is gone."""
    tree_price(-1.0, x, 1.0, a, b, s, steps, none, out)
    price, first, second = out[0], out[1], out[2]
    tree_price(-1.0, x, 1.0, a, b, s, 2 * steps, none, out)
    out[0], out[1], out[2] = 2.0 * out[0] - price, 2.0 * out[1] - first, 2.0 * out[2] - second


@kernel
def tree_values(x: float, a: float, b: float, s: float, steps: int, slopes: bool) -> Values:
    """The American put of strike 1 and expiry 1 by two trees; derivatives in a and b by central differences."""
    none, out = np.zeros(2 * steps + 2), np.empty(3)
    _extrapolated(x, a, b, s, steps, none, out)
    price, first, second, in_a, in_b = out[0], out[1], out[2], 0.0, 0.0
    if math.isnan(price):  # the tree has one path
        return without_chance(x, a, b)
    if price <= 1.0 - x:
        return 1.0 - x, -x, 0.0, 0.0, 0.0
    if slopes:
        h = 1e-4 * max(abs(a), abs(b))
        for k in range(2):
            h_a, h_b = (h, 0.0) if k == 0 else (0.0, h)
            _extrapolated(x, a + h_a, b + h_b, s, steps, none, out)
            above = out[0]
            _extrapolated(x, a - h_a, b - h_b, s, steps, none, out)
            slope = (above - out[0]) / (2.0 * h)
            if k == 0:
                in_a = slope
            else:
                in_b = slope
    return price, first, second, in_a, in_b


@kernel
def tree_batch(
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    steps: int,
    times: Floats,
    amounts: Floats,
    out: Floats,
) -> None:
    """Prices by a tree of arrays of length n into `out`, with cash dividends at `times` (years). O(n steps^2)."""
    cash, found = np.empty(steps + 2), np.empty(3)
    n = steps + 1 - steps % 2
    for i in range(out.size):
        for k in range(n + 1):
            now, value = years[i] * k / n, 0.0
            for j in range(times.size):
                if now < times[j] <= years[i]:
                    value += amounts[j] * math.exp(-rate[i] * (times[j] - now))
            cash[k] = value
        if not (math.isfinite(spot[i]) and math.isfinite(vol[i])) or spot[i] - cash[0] <= 0.0:
            out[i] = math.nan
            continue
        if years[i] <= 0.0:
            out[i] = max(sign[i] * (spot[i] - strike[i]), 0.0)
            continue
        a, b, s = rate[i] * years[i], dividend_yield[i] * years[i], vol[i] * math.sqrt(years[i])
        tree_price(sign[i], spot[i], strike[i], a, b, max(s, 1e-9), steps, cash, found)
        out[i] = found[0]
