"""American options in scenarios: tables of the early-exercise premium, refined until they are near enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.american_scenarios import PremiumTable, american_pnl
from qflib.kernels.american_values import boundary_at
from qflib.pricing.american_options import the_grids, values
from qflib.pricing.inputs import Arguments
from qflib.records.schema import frozen

if TYPE_CHECKING:
    from qflib.hedging.revaluation import Moves, Valued

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

#: A table's greatest error where it is tried, as a share of a put's strike or a call's spot.
NEAR_ENOUGH = 5e-7
_TRIED = 192
#: Nodes of (z, ln s), one grid after the other.
_SIZES = ((33, 9), (33, 17), (65, 17), (65, 33), (129, 33), (129, 65), (257, 65), (385, 97))
#: Total vols from the boundary's start at which there is no premium left.
_FAR = 8.0
#: Options of one expiry: years that differ by less are the same instant, a microsecond.
_SAME_YEARS = 3e-14


@dataclass(frozen=True, slots=True)
class Exercise:
    """American options of one right and expiry, and their table; None: each is priced in each scenario."""

    at: I8
    years: float
    table: PremiumTable | None


def exercises(v: Valued, moves: Moves, floor: float) -> tuple[Exercise, ...]:
    """The American options that may be exercised after the horizon, by right and expiry; O(nodes) prices a table."""
    after = v.years - moves.years
    able = np.flatnonzero(v.american & (after > 0.0) & (v.cash_qty != 0.0))
    made = []
    keys = [(v.right[i], round(after[i] / _SAME_YEARS)) for i in able.tolist()]
    for key in dict.fromkeys(keys):
        at = able[[k == key for k in keys]]
        years = float(after[at[0]])
        a, b = _rates(v, key[0], years)
        if a <= 0.0 and b >= a:
            continue  # never exercised: European
        made.append(Exercise(at, years, None if a < 0.0 else _table(v, moves, at, years, (a, b), floor)))
    return tuple(made)


def add_american_pnl(v: Valued, moves: Moves, e: Exercise, which: NDArray[np.bool_], out: F8, floor: float) -> None:
    """Add the scenario P&L of (some of) its options to `out`.

    Parameters
    ----------
    v, moves
        Positions and scenarios, or a cut of those the table was made for.
    e
        Options and their table.
    which
        (positions,) those to count.
    out
        (n,): added to.
    floor
        Of vols after the shift.

    Notes
    -----
    O(options * scenarios), some 60 ns each by the table, some 12 us without one.
    """
    at = e.at[which[e.at]]
    if not len(at):
        return
    if e.table is None:
        for i in at.tolist():
            spot, vol = _shocked(v, moves, i, e.years, floor)
            out += v.cash_qty[i] * (_prices(v, i, e.years, spot, vol) - v.price[i])
        return
    american_pnl(
        float(v.own_forward[at[0]]), moves.spot_return, moves.vol_shift, e.years, v.rate, v.rate - v.dividend_yield,
        float(v.right[at[0]]), frozen(v.strike[at]), frozen(v.vol[at]), frozen(v.cash_qty[at]), frozen(v.price[at]),
        floor, e.table, out,
    )  # fmt: skip


def _rates(v: Valued, right: float, years: float) -> tuple[float, float]:
    """Of the unit put: a call is a put with rate and yield exchanged."""
    pair = (v.rate * years, v.dividend_yield * years)
    return pair if right < 0.0 else (pair[1], pair[0])


def _table(
    v: Valued, moves: Moves, at: I8, years: float, rates: tuple[float, float], floor: float
) -> PremiumTable | None:
    """Refined until prices tried are near enough, or as many prices as without one would be asked for."""
    root, n = math.sqrt(years), len(moves.spot_return)
    if _SIZES[0][0] * _SIZES[0][1] >= len(at) * n:
        return None
    least = max(float(v.vol[at].min() + moves.vol_shift.min()), floor) * root
    most = max(float(v.vol[at].max() + moves.vol_shift.max()), floor) * root
    low, high = math.log(least) - 1e-6, math.log(most) + 1e-6
    # what is tried: options in turn, scenarios evenly, the farthest ones
    j = np.linspace(0, n - 1, min(_TRIED, n)).astype(np.int64)
    ends = (np.argmin(moves.spot_return), np.argmax(moves.spot_return), np.argmin(moves.vol_shift))
    j = np.concatenate([j, np.array([*ends, np.argmax(moves.vol_shift)])])
    i = at[np.arange(len(j)) % len(at)]
    call = v.right[at[0]] > 0.0
    forward = float(v.own_forward[at[0]])  # theirs: options of one expiry
    spot = forward * (1.0 + moves.spot_return[j]) * math.exp((v.dividend_yield - v.rate) * years)
    vol = np.maximum(v.vol[i] + moves.vol_shift[j], floor)
    exact = _prices(v, i, years, spot, vol)
    unit = spot if call else v.strike[i]
    for nz, ns in _SIZES:
        if nz * ns >= len(at) * n:
            return None
        made = _nodes(*rates, low, high, nz, ns)
        if made is None:
            return None
        got = np.zeros(len(j))
        for m in range(len(j)):
            one = got[m : m + 1]
            american_pnl(
                forward, frozen(moves.spot_return[j[m : m + 1]]), frozen(moves.vol_shift[j[m : m + 1]]), years,
                v.rate, v.rate - v.dividend_yield, float(v.right[i[m]]), frozen(v.strike[i[m : m + 1]]),
                frozen(v.vol[i[m : m + 1]]), frozen(np.ones(1)), frozen(np.zeros(1)), floor,
                made, one,
            )  # fmt: skip
        if (np.abs(got - exact) <= NEAR_ENOUGH * unit).all():
            return made
    return None


def _nodes(a: float, b: float, low: float, high: float, nz: int, ns: int) -> PremiumTable | None:
    """The boundary and premiums at the nodes; None where the boundary does not come."""
    log_s = np.linspace(low, high, ns)
    boundary, near, far = np.empty(ns), np.empty(1), np.empty(1)
    for k in range(ns):
        boundary_at(a, b, math.exp(log_s[k]), np.ones(1), the_grids(), near, far)
        boundary[k] = math.log(near[0]) if near[0] > 0.0 else math.nan
    if not np.isfinite(boundary).all():
        return None
    start = math.log(min(1.0, a / b)) if b > 0.0 else 0.0
    step = (float(np.max((start - boundary) / np.exp(log_s))) + _FAR) / (nz - 1)
    s = np.repeat(np.exp(log_s), nz)
    x = np.exp(np.repeat(boundary, nz) + np.tile(step * np.arange(nz), ns) * s)
    one = np.ones(len(x))
    terms = (-one, x, one, one, a * one, b * one, s)
    premium = values(Arguments(tuple(map(frozen, terms)), (len(x),), None), slopes=False)[0] - _european(x, a, b, s)
    return PremiumTable(frozen(boundary), frozen(premium.reshape(ns, nz)), low, (high - low) / (ns - 1), step)


def _european(x: F8, a: float, b: float, s: F8) -> F8:
    from qflib.pricing import black_scholes

    return np.asarray(black_scholes("put", x, 1.0, 1.0, a, b, s))


def _shocked(v: Valued, moves: Moves, i: int, years: float, floor: float) -> tuple[F8, F8]:
    spot = v.own_forward[i] * (1.0 + moves.spot_return) * math.exp((v.dividend_yield - v.rate) * years)
    return spot, np.maximum(v.vol[i] + moves.vol_shift, floor)


def _prices(v: Valued, i: int | I8, years: float, spot: F8, vol: F8) -> F8:
    one = np.ones(len(spot))
    terms = (v.right[i] * one, spot, v.strike[i] * one, years * one, v.rate * one, v.dividend_yield * one, vol)
    made: F8 = values(Arguments(tuple(map(frozen, terms)), spot.shape, None), slopes=False)[0]
    return made
