"""A grid of returns by vol shifts that some of an underlying's options are read off, with a bound of the error."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qflib.hedging.revaluation import VOL_FLOOR, Moves, Valued
from qflib.kernels.grid_error import book_errors, cheapest_grid
from qflib.kernels.scenario_grid import grid_pnl
from qflib.records.schema import frozen

F8 = NDArray[np.float64]

#: Nodes to choose from, those beyond the scenarios read counted.
_NX = frozen(np.array([13.0, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385]))
_NV = frozen(np.array([7.0, 9, 13, 17, 25, 33, 49, 65]))
#: The share of the scenarios that a grid leaves out, the farthest: they are revalued in full.
_BEYOND = frozen(np.array([0.0, 0.002, 0.008, 0.032]))
#: Options times scenarios from which choosing a grid is worth its time, a millisecond.
_MANY = 100_000
#: Scenarios looked at to place the grid; it is no narrower than this.
_LOOKED_AT, _NARROWEST = 2_048, 2e-4


@dataclass(frozen=True, slots=True)
class BoundedGrid:
    """P&L of some options at the nodes, at today's rates of exchange, and what is not read off them.

    `far` are the scenarios beyond the nodes, `exact` their P&L; `rest` the positions without those options, None where
    nothing of them counts; `error` bounds the error of any scenario, in reporting currency.
    """

    table: F8
    place: tuple[float, float, float, float]
    far: NDArray[np.int64]
    exact: F8
    rest: Valued | None
    error: float

    def add_pnl(self, m: Moves, at: slice, out: F8) -> None:
        """Add the P&L of all positions in some scenarios."""
        part, made = m.take(at), np.zeros(len(out))
        grid_pnl(self.table, *self.place, part.log_growth, part.vol_shift, made)
        a, b = np.searchsorted(self.far, (at.start, at.stop))
        made[self.far[a:b] - at.start] = self.exact[a:b]
        out += made if part.weight is None else part.weight * made
        if self.rest is not None:
            self.rest.add_pnl(part, out)


def bounded_grid(v: Valued, m: Moves, allowed: float) -> BoundedGrid | None:
    """The cheapest grid for a book whose error is allowed; None where revaluing in full costs less."""
    able = np.flatnonzero(v.option & ~v.american & (v.cash_qty != 0.0))
    if len(able) * len(m.log_growth) < _MANY:
        return None
    weight = 1.0 if m.weight is None else float(np.abs(m.weight).max())
    after = np.maximum(v.years[able] - m.years, 0.0)
    unit = np.abs(v.cash_qty[able]) * np.exp(-v.rate * after) * v.forward * weight
    terms = frozen(v.strike[able] / v.forward), frozen(after), frozen(v.vol[able]), frozen(unit)
    boxes, choice = _boxes(m), np.zeros(4, np.int64)
    cheapest_grid(*terms, boxes, _BEYOND, _NX, _NV, VOL_FLOOR, len(m.log_growth), allowed, choice)
    if choice[3] == 0:
        return None
    box, nodes = boxes[choice[0]], (int(_NX[choice[1]]), int(_NV[choice[2]]))
    errors = np.empty(len(able))
    steps = book_errors(*terms, box, *nodes, VOL_FLOOR, errors)
    least = np.argsort(errors, kind="stable")[: choice[3]]
    held = np.zeros(len(v.option), bool)
    held[able[least]] = True
    return _filled(v, m, held, box, nodes, steps, float(np.sum(errors[least])))


def _boxes(m: Moves) -> F8:
    """Least and greatest return and shift: of all scenarios, and of all but the farthest."""
    stride = max(1, len(m.log_growth) // _LOOKED_AT)
    made = np.empty((len(_BEYOND), 4))
    for first, x in ((0, m.log_growth), (2, m.vol_shift)):
        made[0, first : first + 2] = x.min(), x.max()
        some = np.sort(x[::stride])
        for k in range(1, len(_BEYOND)):
            left = min(int(_BEYOND[k] / 4 * len(some)) + 1, (len(some) - 1) // 2)
            made[k, first : first + 2] = some[left], some[-1 - left]
    for low in (0, 2):
        short = np.maximum(_NARROWEST - (made[:, low + 1] - made[:, low]), 0.0)
        made[:, low] -= short / 2
        made[:, low + 1] += short / 2
    return frozen(made)


def _filled(
    v: Valued,
    m: Moves,
    held: NDArray[np.bool_],
    box: F8,
    nodes: tuple[int, int],
    steps: tuple[float, float],
    error: float,
) -> BoundedGrid:
    """P&L at the nodes, one of them beyond the box on each side, and of the scenarios outside it."""
    x, shift = (box[2 * k] + steps[k] * np.arange(-1, nodes[k] - 1) for k in (0, 1))
    # what is linear is exact without a grid
    on = replace(v.only(held), linear=np.zeros(int(held.sum())))
    at_nodes = Moves.of(np.repeat(np.expm1(x), len(shift)), np.tile(shift, len(x)), m.years)
    table = np.zeros(len(x) * len(shift))
    on.add_pnl(at_nodes, table)
    beyond = (m.log_growth < box[0]) | (m.log_growth > box[1]) | (m.vol_shift < box[2]) | (m.vol_shift > box[3])
    far = np.flatnonzero(beyond)
    exact = np.zeros(len(far))
    # the exercises are of American positions, which are in the rest: their places are not those of `on`
    on.add_pnl(replace(m.take(far), weight=None, carried=None, exercises=()), exact)
    place = float(x[0]), steps[0], float(shift[0]), steps[1]
    rest: Valued | None = replace(v, cash_qty=np.where(held, 0.0, v.cash_qty))
    if m.carried is None and not v.linear.any() and not v.cash_qty[~held].any():
        rest = None
    return BoundedGrid(frozen(table.reshape(nodes)), place, far, exact, rest, error)
