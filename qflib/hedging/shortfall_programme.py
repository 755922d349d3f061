"""Least expected shortfall plus cost, or least cost at a bound on both, over fractions of lots: a linear programme.

Expected shortfall of scenarios is the greatest of finitely many linear functions of the quantities, one a set of tail
scenarios. Rockafellar and Uryasev's programme has a variable and a row a scenario; here rows come in as they bind: a
master programme of a few columns (the pieces of the books' cost) bounds the optimum from below, the shortfall where it
ends bounds it from above and gives the next row, until the two meet. A bound on the shortfall is the same rows without
the shortfall as a column. (Portfolios of many assets and few scenarios have `qflib.shortfall.optimal`'s dual instead:
tens of columns would need hundreds of rows.)

Rockafellar and Uryasev 2000, "Optimization of conditional value-at-risk", Journal of Risk 2(3); Künzi-Bay and Mayer
2006, "Computational aspects of minimizing conditional value-at-risk", Computational Management Science 3(1), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.hedging.legs import NO_END, Leg
from qflib.kernels.expected_shortfall import tail_weights

F8 = NDArray[np.float64]

_CUTS = 400


@dataclass(frozen=True)
class Continuous:
    """The optimum over fractions of lots.

    Attributes
    ----------
    lots
        (legs,) signed.
    value, bound
        What is minimised there, and what no quantities are below; they agree to `tolerance` of the ES unhedged.
    cuts
        Rows that the master programme came to.
    """

    lots: F8
    value: float
    bound: float
    cuts: int


def least_shortfall(
    base: F8, legs: Sequence[Leg], level: float, cost_weight: float = 1.0, tolerance: float = 1e-7
) -> Continuous:
    """Minimise ES(base + sum of lots * leg.pnl) + cost_weight * cost over real numbers of lots that the books hold.

    Parameters
    ----------
    base
        (n,) scenario P&L of what is hedged.
    legs
        What is traded; its book's cost is taken as piecewise linear between whole lots.
    level
        Confidence.
    cost_weight
        lambda.
    tolerance
        Where the bounds meet, as a share of the ES without a hedge.

    Raises
    ------
    DataError
        If the books hold so much, and scenarios tell so good a leg, that no least value exists or is found.

    Notes
    -----
    A cut is O(n + tail log tail) and a master programme of some ten columns by HiGHS, about 3 ms; one or two legs take
    10 to 30 cuts.
    """
    p = _Programme(base, legs, level)
    lots, best, bound = np.zeros(len(legs)), np.inf, -np.inf
    at, cost = lots, 0.0
    for _ in range(_CUTS):
        es = p.cut(at, with_shortfall=True)
        value = es + cost_weight * cost
        if value < best:
            lots, best = at, value
        if best - bound <= tolerance * p.scale:
            break
        found = p.solve(np.r_[1.0, cost_weight * p.slope])
        if found.status != 0:
            raise DataError(f"the hedge has no least expected shortfall ({found.message}); give books with sizes")
        bound = max(bound, float(cast(float, found.fun)) * p.scale)
        at, cost = p.lots(cast(F8, found.x)[1:])
    else:
        raise DataError(f"the hedge's bounds {bound} and {best} did not meet in {_CUTS} cuts; give smaller books")
    _check_ends(lots)
    return Continuous(lots, best, min(bound, best), len(p.rows) - 1)


def least_cost(base: F8, legs: Sequence[Leg], level: float, most: float, tolerance: float = 1e-7) -> Continuous:
    """Minimise cost where ES(base + sum of lots * leg.pnl) + cost is `most` at most, over real numbers of lots.

    Parameters
    ----------
    base, legs, level
        As of `least_shortfall`.
    most
        Bound of ES and cost, in the P&L's currency.
    tolerance
        By which the bound may be exceeded, as a share of the ES without a hedge.

    Returns
    -------
    Continuous
        `value` is the cost, `bound` what no quantities cost less than.

    Raises
    ------
    InputError
        If no quantities that the books hold come to `most`.
    DataError
        As `least_shortfall`.
    """
    p = _Programme(base, legs, level)
    at, cost, bound = np.zeros(len(legs)), 0.0, -np.inf
    for k in range(_CUTS):
        es = p.cut(at, with_shortfall=False, most=most)
        if k and es + cost <= most + tolerance * p.scale:
            _check_ends(at)
            return Continuous(at, cost, min(bound, cost), len(p.rows) - 1)
        found = p.solve(p.slope)
        if found.status == 2:
            raise InputError(f"no trade that the books allow brings ES and cost to {most:,.6g}; give a higher max_es")
        if found.status != 0:
            raise DataError(f"the hedge has no least cost ({found.message}); give books with sizes")
        at, cost = p.lots(cast(F8, found.x))
        bound = max(bound, float(cast(float, found.fun)) * p.scale)
    raise DataError(f"no trade within {most} was found in {_CUTS} cuts; give smaller books")


class _Programme:
    """The pieces of the books' cost as columns, in multiples of what moves the shortfall by its own size, and cuts."""

    def __init__(self, base: F8, legs: Sequence[Leg], level: float) -> None:
        self._base, self._legs, self._level = base, legs, level
        self._weight, self._work = np.empty(len(base)), np.empty(len(base))
        self._owner, self._sign, slope, size = _columns(legs)
        scale = _shortfall(base, level, self._weight, self._work)[0]
        self.scale = abs(scale) or float(np.abs(base).mean()) or 1.0
        unit = np.array([self.scale / (float(np.abs(leg.pnl).mean()) or self.scale) for leg in legs])
        self._per = unit[self._owner]
        self._cost = slope
        self.slope: F8 = slope * self._per / self.scale
        self._sizes: list[tuple[float | None, float | None]] = [(0.0, s) for s in (size / self._per).tolist()]
        self.rows: list[F8] = []
        self._right: list[float] = []

    def cut(self, at: F8, *, with_shortfall: bool, most: float = 0.0) -> float:
        """The ES at quantities, and its row: ES no greater than the column before, or with cost than `most`."""
        pnl = self._base.copy()
        for leg, y in zip(self._legs, at.tolist(), strict=True):
            pnl += y * leg.pnl
        es, rise = _shortfall(pnl, self._level, self._weight, self._work, self._legs)
        row = self._sign * rise[self._owner] * self._per / self.scale
        self.rows.append(np.r_[-1.0, row] if with_shortfall else row + self.slope)
        self._right.append((most + float(rise @ at) - es) / self.scale)
        return es

    def solve(self, objective: F8) -> Any:
        """The programme of the cuts so far."""
        from scipy.optimize import linprog

        bounds = [*([(None, None)] * (len(objective) - len(self._sizes))), *self._sizes]
        return linprog(objective, np.array(self.rows), np.array(self._right), bounds=bounds, method="highs")

    def lots(self, pieces: F8) -> tuple[F8, float]:
        """Signed lots of each leg, and their cost."""
        taken = pieces * self._per
        signed = np.bincount(self._owner, self._sign * taken, len(self._legs)).astype(np.float64)
        return signed, float(self._cost @ taken)


def _check_ends(lots: F8) -> None:
    if (np.abs(lots) > 0.5 * NO_END).any():
        raise DataError(f"the scenarios call for {lots.tolist()} lots, as many as can be had; give books with sizes")


def _columns(legs: Sequence[Leg]) -> tuple[NDArray[np.int64], F8, F8, F8]:
    """Leg, sign, cost a lot and lots of every piece of every book."""
    found = [
        (k, float(side), slope, float(lots))
        for k, leg in enumerate(legs)
        for side in (1, -1)
        for lots, slope in leg.pieces(side)
    ]
    table = np.array(found, np.float64).reshape(-1, 4)
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3]


def _shortfall(pnl: F8, level: float, weight: F8, work: F8, legs: Sequence[Leg] = ()) -> tuple[float, F8]:
    """ES, and its slope in each leg's lots."""
    tail_weights(pnl, level, weight, work)
    tail = np.flatnonzero(weight)
    w = weight[tail]
    return -float(w @ pnl[tail]), np.array([-float(w @ leg.pnl[tail]) for leg in legs])
