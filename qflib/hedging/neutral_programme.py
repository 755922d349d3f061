"""Hedges that make Greeks nearly vanish, as much as it is worth: bounds, whole lots and costs."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import DataError, InputError
from qflib.kernels.neutral_programme import least

F8 = NDArray[np.float64]

_STEPS = 10_000
_CORNERS = 8  # instruments up to which every corner of whole lots around the optimum is tried


@dataclass(frozen=True, eq=False)
class NeutralHedge:
    """What to trade, and the Greeks that stay.

    Attributes
    ----------
    quantities, ideal
        By instrument: contracts in whole lots, and in fractions.
    before, residual
        By Greek: without the hedge, and with it.
    cost
        Of the trades.
    value, bound
        1/2 sum of weight * residual^2 + cost; and what no whole lots are below.
    """

    quantities: pd.Series[float]
    ideal: pd.Series[float]
    before: pd.Series[float]
    residual: pd.Series[float]
    cost: float
    value: float
    bound: float
    table: pd.DataFrame = field(repr=False)

    @property
    def gap(self) -> float:
        """The whole lots are this far from the best ones at most; 0: they are the best."""
        return max(self.value - self.bound, 0.0)

    def to_frame(self) -> pd.DataFrame:
        """A row an instrument: qty, ideal, cost."""
        cost = self.table["cost"].to_numpy(np.float64) * np.abs(self.quantities.to_numpy(np.float64))
        return pd.DataFrame({"qty": self.quantities, "ideal": self.ideal, "cost": cost})

    def plot(self) -> Any:
        """Each Greek before and after, as a share of what it was."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        scale = self.before.abs().where(self.before != 0.0, 1.0)
        shares = pd.DataFrame({"before": self.before / scale, "after": self.residual / scale})
        return shares.hvplot.bar(
            width=560, height=320, grid=True, ylabel="share of the Greek", rot=0,
            title=f"cost {self.cost:,.6g}; whole lots within {self.gap:,.3g} of the best",
        )  # fmt: skip

    def __repr__(self) -> str:
        held = ", ".join(f"{q:+g} {i}" for i, q in self.quantities.items() if q) or "no trade"
        return f"NeutralHedge({held}; cost {self.cost:.6g}, gap {self.gap:.3g})"

    def _repr_html_(self) -> str:
        left = pd.DataFrame({"before": self.before, "after": self.residual})
        return str(self.to_frame().to_html()) + str(left.to_html())


def neutral_hedge(
    portfolio: Mapping[str, float],
    instruments: pd.DataFrame,
    greeks: Sequence[str] = ("delta", "gamma", "vega"),
    *,
    weights: Mapping[str, float] | None = None,
    start: ArrayLike | None = None,
    nodes: int = 500,
) -> NeutralHedge:
    """Least 1/2 sum of weight * (residual Greek)^2 + costs, within bounds, in whole lots.

    Parameters
    ----------
    portfolio
        Its Greeks.
    instruments
        A row an instrument (the underlying too): the Greeks of a contract, and where wanted `cost` (of a contract
        traded, as the half-spread times its multiplier), `lower` and `upper` (contracts, 0 between them or not), `lot`.
    greeks
        Those to bring near zero.
    weights
        By Greek: what a squared unit costs, as risk aversion times the variance of what it multiplies. Needed where
        there are costs; without, each Greek counts as a share of its size.
    start
        Contracts to start from, such as the last hedge's `ideal`: the answer is the same, sooner.
    nodes
        Of branch and bound at most, some 100 us each; the `gap` tells what a limit left open.

    Returns
    -------
    NeutralHedge

    Raises
    ------
    InputError
        If a column or weight is missing, a figure is not finite, or a bound or lot is out of range.
    DataError
        If the programme does not end.

    Notes
    -----
    The programme over fractions is a convex quadratic one (`qflib.kernels.neutral_programme`); its optimum is where
    slopes say so (the conditions of Karush, Kuhn and Tucker). Without bounds and costs it is `neutral_quantities`, but
    that instruments nearly alike are not traded against one another in quantities without end: a ridge of 1e-11 of the
    diagonal holds them. Whole lots: all corners around the optimum, then best-first branch and bound. Source: Land and
    Doig 1960, "An automatic method of solving discrete programming problems", Econometrica 28.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.hedging import neutral_hedge
    >>> table = pd.DataFrame({"delta": [0.6, 0.5, 1.0], "gamma": [0.5, 0.8, 0.0], "vega": [2.0, 1.2, 0.0]},
    ...                      index=["first", "second", "underlying"])
    >>> book = {"delta": 0.0, "gamma": -5000.0, "vega": -8000.0}
    >>> neutral_hedge(book, table).quantities.to_dict()
    {'first': 400.0, 'second': 6000.0, 'underlying': -3240.0}
    >>> prices = {"delta": 1e-3, "gamma": 1e-2, "vega": 1e-3}
    >>> dear = neutral_hedge(book, table.assign(cost=[2.0, 2.0, 0.01], upper=5000.0), weights=prices)
    >>> dear.quantities.to_dict(), dear.gap
    ({'first': 1076.0, 'second': 5000.0, 'underlying': -3136.0}, 0.0)
    """
    moves, before = _greeks(portfolio, instruments, greeks)
    cost, lower, upper, lot = _terms(instruments)
    weight = _weights(weights, greeks, moves, before, cost)
    root = np.sqrt(weight)
    programme = _Programme(moves.T * lot * root[:, None], before * root, cost * lot)
    low, high = np.ceil(lower / lot - 1e-9), np.floor(upper / lot + 1e-9)
    if (low > high).any():
        bad = int(np.flatnonzero(low > high)[0])
        raise InputError(f"no whole lot of {instruments.index[bad]!r} lies in [{lower[bad]}, {upper[bad]}]; widen them")
    first = np.zeros(len(lot)) if start is None else np.asarray(start, np.float64) / lot
    if first.shape != lot.shape or not np.isfinite(first).all():
        raise InputError(f"start has shape {first.shape}; give a finite quantity an instrument, {len(lot)}")
    free = programme.solve(lower / lot, upper / lot, first)
    lots, bound = _whole(programme, low, high, free, nodes)
    qty = lots * lot
    index = instruments.index
    return NeutralHedge(
        quantities=pd.Series(qty, index, name="qty"),
        ideal=pd.Series(free * lot, index, name="qty"),
        before=pd.Series(before, list(greeks)),
        residual=pd.Series(before + qty @ moves, list(greeks)),
        cost=float(cost @ np.abs(qty)),
        value=programme.value(lots),
        bound=bound,
        table=instruments.assign(cost=cost),
    )


class _Programme:
    """1/2 |Ax + b|^2 + cost'|x|, solved in coordinates in which H has ones on its diagonal."""

    def __init__(self, a: F8, b: F8, cost: F8) -> None:
        self.a, self.b, self.cost = a, b, cost
        norm = np.sqrt((a * a).sum(0))
        self.unit = np.where(norm > 0.0, norm, 1.0)
        scaled = a / self.unit
        self.h, self.g, self.c = scaled.T @ scaled, scaled.T @ b, cost / self.unit

    def value(self, x: F8) -> float:
        left = self.a @ x + self.b
        return 0.5 * float(left @ left) + float(self.cost @ np.abs(x))

    def solve(self, lower: F8, upper: F8, start: F8) -> F8:
        x = start * self.unit
        if least(self.h, self.g, self.c, lower * self.unit, upper * self.unit, x, _STEPS) < 0:
            raise DataError("the programme did not end; give instruments whose Greeks are not all but alike")
        return np.clip(x / self.unit, lower, upper)


def _whole(programme: _Programme, low: F8, high: F8, free: F8, nodes: int) -> tuple[F8, float]:
    """Whole lots, and what none are below."""
    best = _corner(programme, low, high, free)
    value = programme.value(best)
    slack = 1e-12 * (value + 0.5 * float(programme.b @ programme.b))
    number = itertools.count()  # ties leave the heap in the order they came
    root = programme.solve(low, high, free)
    heap = [(programme.value(root), next(number), low, high, root)]
    for _ in range(nodes):
        if not heap or heap[0][0] >= value - slack:
            return best, value
        _, _, lo, hi, x = heapq.heappop(heap)
        apart = np.abs(x - np.rint(x))
        j = int(np.argmax(apart))
        if apart[j] < 1e-9:  # as good as whole
            tried = np.rint(x)
            if programme.value(tried) < value:
                best, value = tried, programme.value(tried)
            continue
        for up in (False, True):
            a, b = lo.copy(), hi.copy()
            if up:
                a[j] = math.ceil(x[j])
            else:
                b[j] = math.floor(x[j])
            child = programme.solve(a, b, x)
            told = programme.value(child)
            near = np.clip(np.rint(child), a, b)
            if programme.value(near) < value:
                best, value = near, programme.value(near)
            if told < value - slack:
                heapq.heappush(heap, (told, next(number), a, b, child))
    return best, min(value, heap[0][0]) if heap else value


def _corner(programme: _Programme, low: F8, high: F8, free: F8) -> F8:
    if len(free) > _CORNERS:
        return np.clip(np.rint(free), low, high)
    ends = [sorted({float(np.clip(f(y), a, b)) for f in (math.floor, math.ceil)}) for y, a, b in zip(
        free.tolist(), low.tolist(), high.tolist(), strict=True)]  # fmt: skip
    return min((np.array(c) for c in itertools.product(*ends)), key=programme.value)


def _greeks(portfolio: Mapping[str, float], table: pd.DataFrame, greeks: Sequence[str]) -> tuple[F8, F8]:
    for name in greeks:
        if name not in table or name not in portfolio:
            raise InputError(f"Greek {name!r} is missing; portfolio and instruments need {', '.join(greeks)}")
    moves, before = table[list(greeks)].to_numpy(np.float64), np.array([portfolio[g] for g in greeks], np.float64)
    if not (len(greeks) and len(table) and np.isfinite(moves).all() and np.isfinite(before).all()):
        raise InputError("a Greek is not finite, or there is no Greek or instrument; give finite numbers")
    return moves, before


def _terms(table: pd.DataFrame) -> tuple[F8, F8, F8, F8]:
    n = len(table)

    def column(name: str, missing: float) -> F8:
        return table[name].to_numpy(np.float64) if name in table else np.full(n, missing)

    cost, lot = column("cost", 0.0), column("lot", 1.0)
    lower, upper = column("lower", -np.inf), column("upper", np.inf)
    bad = ~(np.isfinite(cost) & (cost >= 0) & np.isfinite(lot) & (lot > 0) & (lower <= upper))
    if bad.any():
        j = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{table.index[j]!r} has cost {cost[j]}, lot {lot[j]}, bounds [{lower[j]}, {upper[j]}]; expected a cost "
            "from 0, a positive lot, and lower <= upper"
        )
    return cost, lower, upper, lot


def _weights(weights: Mapping[str, float] | None, greeks: Sequence[str], moves: F8, before: F8, cost: F8) -> F8:
    if weights is None:
        if cost.any():
            raise InputError("costs need weights: what a squared unit of each Greek costs, in their currency")
        size = np.maximum(np.abs(before), np.abs(moves).max(0))
        return np.asarray(1.0 / np.where(size > 0.0, size, 1.0) ** 2)
    if missing := [g for g in greeks if g not in weights]:
        raise InputError(f"weights have no {missing[0]!r}; give one for each of {', '.join(greeks)}")
    made = np.array([weights[g] for g in greeks], np.float64)
    if not (np.isfinite(made).all() and (made > 0).all()):
        raise InputError(f"weights are {made.tolist()}; expected positive numbers")
    return made
