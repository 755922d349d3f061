"""Least expected shortfall plus cost over fractions of lots: a linear programme, solved by cuts.

Expected shortfall of scenarios is the greatest of finitely many linear functions of the quantities, one a set of tail
scenarios. Rockafellar and Uryasev's programme has a variable and a row a scenario; here rows come in as they bind: a
master programme of a few columns (the pieces of the books' cost) bounds the optimum from below, the shortfall where it
ends bounds it from above and gives the next row, until the two meet.

Rockafellar and Uryasev 2000, "Optimization of conditional value-at-risk", Journal of Risk 2(3); Künzi-Bay and Mayer
2006, "Computational aspects of minimizing conditional value-at-risk", Computational Management Science 3(1), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from qflib.errors import DataError
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
        ES + cost_weight * cost there, and what no quantities are below; they agree to `tolerance` of the ES unhedged.
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
    from scipy.optimize import linprog

    weight, work = np.empty(len(base)), np.empty(len(base))
    owner, sign, slope, size = _columns(legs)
    scale = _shortfall(base, level, weight, work)[0]
    scale = abs(scale) or float(np.abs(base).mean()) or 1.0
    # columns in multiples of what moves the shortfall by its own size
    unit = np.array([scale / (float(np.abs(leg.pnl).mean()) or scale) for leg in legs])
    per = unit[owner]
    objective = np.r_[1.0, cost_weight * slope * per / scale]
    bounds = [(None, None), *((0.0, s) for s in (size / per).tolist())]
    rows: list[F8] = []
    right: list[float] = []
    lots, best, bound = np.zeros(len(legs)), np.inf, -np.inf
    at, cost = lots, 0.0
    for _ in range(_CUTS):
        pnl = base.copy()
        for leg, y in zip(legs, at.tolist(), strict=True):
            pnl += y * leg.pnl
        es, rise = _shortfall(pnl, level, weight, work, legs)
        value = es + cost_weight * cost
        if value < best:
            lots, best = at, value
        if best - bound <= tolerance * scale:
            break
        rows.append(np.r_[-1.0, sign * rise[owner] * per / scale])
        right.append((float(rise @ at) - es) / scale)
        found = linprog(objective, np.array(rows), np.array(right), bounds=bounds, method="highs")
        if found.status != 0:
            raise DataError(f"the hedge has no least expected shortfall ({found.message}); give books with sizes")
        bound = max(bound, float(cast(float, found.fun)) * scale)
        taken = cast(F8, found.x)[1:] * per
        at = np.bincount(owner, sign * taken, len(legs)).astype(np.float64)
        cost = float(slope @ taken)
    else:
        raise DataError(f"the hedge's bounds {bound} and {best} did not meet in {_CUTS} cuts; give smaller books")
    if (np.abs(lots) > 0.5 * NO_END).any():
        raise DataError(f"the scenarios call for {lots.tolist()} lots, as many as can be had; give books with sizes")
    return Continuous(lots, best, min(bound, best), len(rows))


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
