"""A risk report: VaR and ES of the sums, before hedging, now, and after the orders proposed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.expected_shortfall import es_var
from qflib.records import EXPLAIN, GREEKS, HEDGES, LIMITS, MIN_VARIANCE, POSITIONS, RISK
from qflib.records.schema import frozen
from qflib.steps.portfolio.hedger import Hedge
from qflib.steps.portfolio.sums import Sums

F8 = NDArray[np.float64]


class Measure:
    """VaR and ES at fixed levels, with its scratch memory made once."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        self.levels = frozen(np.array(levels))
        self._out = np.empty((len(levels), 2))
        self._work = np.empty(0)
        self.n_tail = 0

    def __call__(self, pnl: F8) -> F8:
        """Rows (ES, VaR), a level each; positive is a loss."""
        if len(self._work) < len(pnl):
            self._work = np.empty(len(pnl))
        self.n_tail = es_var(frozen(pnl), self.levels, self._out, self._work)
        return self._out.copy()


def target_pnl(current: F8, hedges: list[Hedge], shocks: dict[int, F8]) -> tuple[F8, float]:
    """Scenario P&L after the orders proposed that take (a future's is linear in the shock), and their cost.

    Whether one that rests is filled nobody knows: what it would earn is no gain yet.
    """
    taking = [h for h in hedges if not h.rests]
    if not taking:
        return current, 0.0
    pnl = current.copy()
    for h in taking:
        pnl += h.cash_delta * shocks[h.instrument]
    return pnl, float(sum(h.cost for h in taking))


def tables(
    portfolio: str,
    sums: Sums,
    measure: Measure,
    hedges: list[Hedge],
    shocks: dict[int, F8],
    facts: dict[str, Any],
    limits: dict[str, float],
) -> dict[str, Any]:
    """The tables of a RiskReport."""
    client, hedge = sums.vectors()
    unhedged = measure(client)
    current = measure(client + hedge)
    pnl, cost = target_pnl(client + hedge, hedges, shocks)
    # a cost is certain: it moves every outcome alike, and so ES and VaR by itself
    target = measure(pnl) + cost
    parts = sums.parts()
    as_of = [int(b.exposure.as_of_ns[0]) for b in parts]
    values = {
        "max_es": float(current[0, 0]),
        # deltas of two underlyings don't cancel: their absolute values add up
        "max_abs_delta": sum(abs(float(b.greeks.cash_delta.sum())) for b in parts),
    }
    known = {n: bound for n, bound in limits.items() if n in values}  # the others are the exchange's or a strategy's
    return {
        "risk": RISK.make(
            portfolio=portfolio,
            level=measure.levels,
            n_scenarios=len(client),
            n_tail=measure.n_tail,
            es_unhedged=unhedged[:, 0],
            var_unhedged=unhedged[:, 1],
            es_current=current[:, 0],
            var_current=current[:, 1],
            es_target=target[:, 0],
            var_target=target[:, 1],
            target_cost=cost,
            unpriced=sums.unpriced(),
            vector_error=sums.vector_error(),
            as_of_ns=min(as_of),
            newest_ns=max(as_of),
            **facts,
        ),
        "positions": POSITIONS.concat([b.positions for b in parts]),
        "greeks": GREEKS.concat([b.greeks for b in parts]),
        "limits": LIMITS.empty
        if not known
        else LIMITS.make(
            portfolio=[portfolio] * len(known),
            name=list(known),
            value=np.array([values[n] for n in known], np.float64),
            bound=np.array(list(known.values()), np.float64),
            breached=np.array([values[n] > bound for n, bound in known.items()], np.uint32),
        ),
        "hedges": _hedge_rows(portfolio, hedges),
        "explain": EXPLAIN.concat([b.explain for b in parts]),
        "min_variance": MIN_VARIANCE.concat([b.min_variance for b in parts]),
    }


def _hedge_rows(portfolio: str, hedges: list[Hedge]) -> Any:
    if not hedges:
        return HEDGES.empty
    return HEDGES.make(
        portfolio=[portfolio] * len(hedges),
        instrument=np.array([h.instrument for h in hedges], np.uint32),
        qty=np.array([h.qty for h in hedges], np.int64),
        price=np.array([h.price for h in hedges], np.float64),
        cost=np.array([h.cost for h in hedges], np.float64),
        hedge_no=np.array([h.hedge_no for h in hedges], np.uint64),
        net_delta=np.array([h.net_delta for h in hedges], np.float64),
        band=np.array([h.band for h in hedges], np.float64),
    )
