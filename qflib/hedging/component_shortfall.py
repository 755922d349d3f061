"""Who causes a portfolio's expected shortfall: groups of positions, or their Greeks, every scenario fully revalued."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.hedging.greek_contributions import GREEKS, greek_parts
from qflib.hedging.portfolio_greeks import greeks_of_positions
from qflib.hedging.revaluation import Moves, Valued
from qflib.kernels.expected_shortfall import es_var, tail_weights
from qflib.records.schema import frozen

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

#: What the moves of rates of exchange add, and what revaluation adds to the Greeks' terms.
EXCHANGE, REST = "exchange", "higher order"


@dataclass(frozen=True, slots=True)
class Tail:
    """The scenarios that make a total's ES, with their weights in it."""

    total: F8
    level: F8
    es: float
    var: float
    held: I8
    weight: F8

    @classmethod
    def of(cls, total: F8, level: float) -> Tail:
        """From the scenario P&L of the whole, (n,)."""
        pnl, levels = frozen(total), frozen(np.array([level]))
        weight, work, out = np.empty(len(pnl)), np.empty(len(pnl)), np.empty((1, 2))
        es_var(pnl, levels, out, work)
        tail_weights(pnl, level, weight, work)
        held = np.flatnonzero(weight)
        return cls(pnl, levels, float(out[0, 0]), float(out[0, 1]), held, weight[held])

    def split(self, pnl: F8) -> tuple[float, float, float]:
        """Contribution of a part (n,), its ES alone, and the ES of the whole less that of all but the part."""
        contribution = 0.0 - float(np.sum(self.weight * pnl[self.held]))
        return contribution, self._es(pnl), self.es - self._es(self.total - pnl)

    def _es(self, pnl: F8) -> float:
        out = np.empty((1, 2))
        es_var(frozen(pnl), self.level, out, np.empty(len(pnl)))
        return float(out[0, 0])


def group_pnl(parts: Sequence[tuple[Valued, Moves]], of: I8, groups: int, n: int) -> Iterator[F8]:
    """Scenario P&L (n,) of one group of positions after the other; `of` is each position's group."""
    for j in range(groups):
        pnl = np.zeros(n)
        for v, moves in parts:
            mine = of[v.position] == j
            if mine.any():
                v.add_pnl(moves, pnl, mine)
        yield pnl


def by_greek(
    tail: Tail,
    parts: Sequence[tuple[Valued, Moves]],
    of: I8,
    groups: Sequence[tuple[Any, ...]],
    place: int,
    in_coin: Callable[[Valued], bool],
) -> tuple[list[tuple[Any, ...]], list[tuple[float, float, float]]]:
    """Names, the Greek's at `place` among its group's, and what `Tail.split` says of each group's terms.

    Exchange is left out where no rate of exchange moves P&L.
    """
    moved = any(m.weight is not None or m.carried is not None for v, m in parts if not in_coin(v))
    columns = [(k, name) for k, name in enumerate((*GREEKS, EXCHANGE, REST)) if moved or name != EXCHANGE]
    names: list[tuple[Any, ...]] = []
    figures: list[tuple[float, float, float]] = []
    for group, pnl in zip(groups, group_pnl_by_greek(parts, of, len(groups), len(tail.total), in_coin), strict=True):
        for k, name in columns:
            names.append((*group[:place], name, *group[place:]))
            figures.append(tail.split(np.ascontiguousarray(pnl[:, k])))
    return names, figures


def group_pnl_by_greek(
    parts: Sequence[tuple[Valued, Moves]],
    of: I8,
    groups: int,
    n: int,
    in_coin: Callable[[Valued], bool],
) -> Iterator[F8]:
    """The same by Greek: (n, 8) of `GREEKS`, exchange and higher order, which sum to the group's P&L.

    Parameters
    ----------
    parts, of, groups, n
        As of `group_pnl`.
    in_coin
        Whether what is reported is the coin whose price the underlying is: Greeks are then those of the coin value,
        and no rate of exchange moves beside.
    """
    made = [(v, moves, greeks_of_positions(v, "natural", in_coin(v))) for v, moves in parts]
    for j in range(groups):
        out = np.zeros((n, len(GREEKS) + 2))
        for v, moves, greeks in made:
            mine = of[v.position] == j
            if mine.any():
                pnl = np.zeros(n)
                v.add_pnl(moves, pnl, mine)
                _add_by_greek(v, moves, mine, pnl, np.array([np.sum(greeks[g][mine]) for g in GREEKS]), in_coin(v), out)
        yield out


def _add_by_greek(
    v: Valued, moves: Moves, mine: NDArray[np.bool_], pnl: F8, greeks: F8, in_coin: bool, out: F8
) -> None:
    todays = pnl
    if not in_coin:
        if moves.carried is not None:
            todays = todays - float(np.sum(v.held[mine])) * moves.carried
        if moves.weight is not None:
            todays = todays / moves.weight
    terms = greek_parts(v.forward, greeks, moves.spot_return, moves.vol_shift, moves.years)
    out[:, : len(GREEKS)] += terms
    out[:, -2] += pnl - todays
    for k in range(len(GREEKS)):
        todays = todays - terms[:, k]
    out[:, -1] += todays
