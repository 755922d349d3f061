"""American options one by one: which boundaries there are, and price and Greeks from them.

A put of strike 1 and expiry 1 with a = rate T, b = dividend yield T, s = vol sqrt(T):

| a, b | exercised |
|---|---|
| a <= 0 and b >= a | never: the European price |
| a > 0, or a = 0 > b | below one boundary |
| b < a < 0 | between two boundaries, until they meet |

Exercise pays (a - b x) dt ahead of holding, which is positive there and nowhere else. A call is a put with spot and
strike, rate and yield exchanged (McDonald and Schroder 1998). Theta follows from the differential equation, vega from
the scaling T V_T = a V_a + b V_b + s V_s / 2.

Grids by difficulty: 16 nodes for usual options (error about 1e-8 of the strike), 24 where the rate is a little below
the yield and the boundary turns at once, 32 where it turns quickly, 40 for very long or volatile ones and for two
boundaries. A drift away from exercise makes a long life a short one (`felt_years`); one towards it that outruns the vol
(b - a > 20 s) leaves the boundary no room to turn in, and a Leisen-Reimer tree answers. Below s = 1e-8 the price is
that of a path without chance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.american import PRICE_SCRATCH, Values, last_log, log_at, place_boundary, premium, spread
from qflib.kernels.black_scholes_greeks import greeks
from qflib.kernels.double_boundary import between_boundaries, meeting
from qflib.kernels.exercise_boundary import SCRATCH, frame, load_grid, solve_boundary
from qflib.kernels.exercise_grid import GridPair, grid_pair
from qflib.kernels.jit import kernel
from qflib.kernels.leisen_reimer import tree_values, without_chance

Floats = NDArray[np.float64]

#: order of the rows that `american_batch` writes
VALUES = ("price", "delta", "gamma", "vega", "theta", "rho", "dividend_rho")
#: below this total vol the price is that of a path without chance, wrong by less than 0.4 s of the strike
NO_CHANCE = 1e-8
_OUTRUN = 20.0
_TREE_STEPS = 1001
_UNFELT = 80.0
_SHORTEST = 1e-12
_NO_RATE = 1e-14  # it moves a price by less than itself


class Grids(NamedTuple):
    """The grids of `american_batch`."""

    usual: GridPair
    near: GridPair
    quick: GridPair
    extreme: GridPair


def grids() -> Grids:
    """The grids that the bounds are stated for; tens of milliseconds once.

    Examples
    --------
    >>> grids().usual.fine.root.size
    16
    """
    return Grids(grid_pair(16, 12, 32), grid_pair(24, 20, 48), grid_pair(32, 32, 64), grid_pair(40, 48, 128))


@kernel
def is_usual(a: float, b: float, s: float) -> bool:
    """Whether 16 nodes, 24 where `is_near`, hold 1e-8 of the strike."""
    return a >= 0.0 and s <= 0.6 and max(abs(a), abs(b)) <= 0.12 and abs(a - b) <= 2.0 * s


@kernel
def is_near(a: float, b: float, s: float) -> bool:
    """Whether a lies a little below b, where the boundary turns at once and 16 nodes are too few."""
    return a < b < a * math.exp(0.45 * s)


@kernel
def below_boundary(
    x: float, a: float, b: float, s: float, grids: GridPair, slopes: bool, w: Floats, coarse: Floats, z: Floats
) -> Values:
    """The put that is exercised below one boundary; NaN where the boundary does not come. O(n^2 (angles + n))."""
    known, grid = frame(a, b, s, 1.0), grids.fine
    load_grid(grid, w)
    load_grid(grids.coarse, coarse)
    if not solve_boundary(a, b, s, 1.0, known, grids, slopes, w, coarse):
        return math.nan, math.nan, math.nan, math.nan, math.nan
    distance = math.log(x) - last_log(known, grid.root.size, s, 1.0, w)
    if distance <= 0.0:
        return 1.0 - x, -x, 0.0, 0.0, 0.0
    spread(distance / s, grid, z)
    place_boundary(a, b, s, 1.0, known, grid, slopes, w, z)
    g = greeks(-1.0, x, 1.0, 1.0, a, b, s)
    p = premium(x, a, b, s, 1.0, slopes, grid.abscissa.size, z)
    return g[0] + p[0], x * g[1] + p[1], x * x * g[2] + p[2], g[5] + p[3], g[6] + p[4]


@kernel
def felt_years(years: float, rate: float, dividend_yield: float, vol: float) -> float:
    """Time that a put can feel: where the drift leads away from exercise, what is later than this has chance e^-40."""
    away = rate - dividend_yield - 0.5 * vol * vol
    if rate > 0.0 and away > 0.0 and away * away * years > _UNFELT * vol * vol:
        return max(_UNFELT * vol * vol / (away * away), _SHORTEST)
    return years


@kernel
def unit_put(
    x: float, a: float, b: float, s: float, grids: Grids, slopes: bool, w: Floats, coarse: Floats, z: Floats
) -> Values:
    """The put of strike 1 and expiry 1 at spot x > 0, whatever its boundaries. Time independent of x."""
    if s < NO_CHANCE:
        return without_chance(x, a, b)
    a, b = a if abs(a) > _NO_RATE else 0.0, b if abs(b) > _NO_RATE else 0.0
    if a <= 0.0 and b >= a:
        g = greeks(-1.0, x, 1.0, 1.0, a, b, s)
        return g[0], x * g[1], x * x * g[2], g[5], g[6]
    if abs(a - b) > _OUTRUN * s:
        return tree_values(x, a, b, s, _TREE_STEPS, slopes)
    chosen = grids.quick
    if is_usual(a, b, s):
        chosen = grids.near if is_near(a, b, s) else grids.usual
    elif a < 0.0 or s > 2.0 or max(abs(a), abs(b)) > 1.0:
        chosen = grids.extreme
    if a < 0.0:
        v = between_boundaries(x, a, b, s, chosen, slopes, w, coarse, z)
    else:
        v = below_boundary(x, a, b, s, chosen, slopes, w, coarse, z)
    return v if math.isfinite(v[0]) else tree_values(x, a, b, s, _TREE_STEPS, slopes)


@kernel
def american_values(
    sign: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    vol: float,
    grids: Grids,
    slopes: bool,
    w: Floats,
    coarse: Floats,
    z: Floats,
) -> tuple[float, float, float, float, float, float, float]:
    """`VALUES` of one option; vega, rho and dividend_rho are 0 without `slopes`. A NaN spot or vol gives NaN."""
    nan = math.nan
    if not (math.isfinite(spot) and math.isfinite(vol)):
        return nan, nan, nan, nan, nan, nan, nan
    call = sign > 0.0
    if spot <= 0.0 or strike <= 0.0:  # nothing is left to chance: now, at expiry or never
        end = sign * (spot * math.exp(-dividend_yield * years) - strike * math.exp(-rate * years))
        return max(end, sign * (spot - strike), 0.0), sign if spot > strike else 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if years <= 0.0:
        gain = sign * (spot - strike)
        return max(gain, 0.0), sign if gain > 0.0 else 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    years = felt_years(years, dividend_yield, rate, vol) if call else felt_years(years, rate, dividend_yield, vol)
    root = math.sqrt(years)
    s = vol * root
    if call:
        x, unit, a, b = strike / spot, spot, dividend_yield * years, rate * years
    else:
        x, unit, a, b = spot / strike, strike, rate * years, dividend_yield * years
    price, first, second, in_a, in_b = unit_put(x, a, b, s, grids, slopes, w, coarse, z)
    exercised = second == 0.0 and price == 1.0 - x
    decay = 0.0 if exercised or s < NO_CHANCE else 0.5 * s * s * second + (a - b) * first - a * price
    vega = 2.0 * unit * (decay - a * in_a - b * in_b) / s * root if slopes and s >= NO_CHANCE else 0.0
    if s < NO_CHANCE:
        decay = a * in_a + b * in_b
    if call:
        # spot delta of spot times the put at strike / spot; the second derivatives in spot and strike share one form
        delta, gamma = price - first, second / spot
        rho, dividend_rho = in_b, in_a
    else:
        delta, gamma = first / x, second / (x * x * strike)
        rho, dividend_rho = in_a, in_b
    over = unit / years
    if exercised:
        return sign * (spot - strike), sign, 0.0, 0.0, 0.0, 0.0, 0.0
    return unit * price, delta, gamma, vega, -decay * over, unit * years * rho, unit * years * dividend_rho


@kernel
def american_batch(
    sign: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    grids: Grids,
    slopes: bool,
    out: Floats,
) -> None:
    """`american_values` of float64 arrays of length n into `out` of shape (len(VALUES), n); O(n)."""
    w, coarse, z = np.empty(SCRATCH), np.empty(SCRATCH), np.empty(PRICE_SCRATCH)
    for i in range(out.shape[1]):
        row = american_values(
            sign[i], spot[i], strike[i], years[i], rate[i], dividend_yield[i], vol[i], grids, slopes, w, coarse, z
        )
        for j in range(out.shape[0]):
            out[j, i] = row[j]


@kernel
def boundary_at(a: float, b: float, s: float, times: Floats, grids: Grids, near: Floats, far: Floats) -> None:
    """Boundaries of the put of strike 1 and expiry 1 at shares of the time: exercised from `far` up to `near`.

    NaN where it is not exercised at any price. O(n (n + times)).
    """
    w, lower, coarse = np.empty(SCRATCH), np.empty(SCRATCH), np.empty(SCRATCH)
    pair = grids.extreme
    load_grid(pair.fine, w)
    load_grid(pair.fine, lower)
    load_grid(pair.coarse, coarse)
    near[:] = math.nan
    far[:] = math.nan
    if a <= 0.0 and b >= a:
        return
    if a < 0.0:
        share, cross = meeting(a, b, s, pair, False, w, lower, coarse)
        if share > 0.0:
            a1, b1, s1 = a * share, b * share, s * math.sqrt(share)
            for i in range(times.size):
                xi = math.sqrt(times[i] / share)
                if xi <= cross:
                    near[i] = math.exp(log_at(xi, s1, 1.0, frame(a1, b1, s1, 1.0), pair.fine, w))
                    far[i] = math.exp(log_at(xi, s1, -1.0, frame(a1, b1, s1, -1.0), pair.fine, lower))
        return
    known = frame(a, b, s, 1.0)
    if solve_boundary(a, b, s, 1.0, known, pair, False, w, coarse):
        for i in range(times.size):
            near[i] = math.exp(log_at(math.sqrt(times[i]), s, 1.0, known, pair.fine, w))
            far[i] = 0.0
