"""The hedge that is worth its cost: least expected shortfall after trades and the cost of walking the live books."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.lot_search import Lots, descend
from qflib.hedging.plan import HedgePlan
from qflib.hedging.portfolio import Portfolio
from qflib.kernels.expected_shortfall import es_var
from qflib.records.schema import frozen
from qflib.shortfall.inputs import levels_of

if TYPE_CHECKING:
    from qflib.pricing import Market
    from qflib.shortfall.scenarios import ScenarioSet

F8 = NDArray[np.float64]

CURVE_POINTS = 41


class TradeCost(Protocol):
    """What walking a book costs."""

    @property
    def cost(self) -> float:
        """Against the mid, in quote currency, multiplier in."""

    @property
    def avg_price(self) -> float:
        """Paid on average."""

    @property
    def filled(self) -> float:
        """What the book holds of the quantity asked for."""


class HedgeBook(Protocol):
    """A live book of one instrument."""

    @property
    def symbol(self) -> str:
        """Of the instrument."""

    def cost_to_trade(self, side: Literal["buy", "sell"], qty: float) -> TradeCost:
        """Of a market order."""


@dataclass(slots=True)
class _Leg:
    """One hedge instrument: its book, the scenario P&L of a lot, and the costs asked for so far."""

    symbol: str
    book: HedgeBook
    lot: float
    pnl: F8
    asked: dict[int, tuple[float, float]] = field(default_factory=dict)

    def trade(self, lots: int) -> tuple[float, float]:
        """Cost in reporting currency and average price; infinite where the book has not so much."""
        if lots not in self.asked:
            self.asked[lots] = self._ask(lots)
        return self.asked[lots]

    def _ask(self, lots: int) -> tuple[float, float]:
        if lots == 0:
            return 0.0, math.nan
        qty = abs(lots) * self.lot
        told = self.book.cost_to_trade("buy" if lots > 0 else "sell", qty)
        if told.filled < qty * (1 - 1e-12) or not math.isfinite(told.cost):
            return math.inf, math.nan
        return float(told.cost), float(told.avg_price)


def hedge(
    pf: Portfolio,
    market: Market,
    scen: ScenarioSet,
    *,
    instruments: Sequence[str],
    books: Sequence[HedgeBook],
    objective: Literal["es"] = "es",
    level: float = 0.975,
) -> HedgePlan:
    """Whole lots of linear instruments that minimise ES after the trades plus the cost of making them now.

    Both are convex: ES in the quantities (Rockafellar and Uryasev 2000), the
    cost since a book's levels get worse. ES is exact on the scenario vectors, never approximated by Greeks.

    Parameters
    ----------
    pf, market, scen
        What is hedged, at which market, against which joint scenarios (with decay).
    instruments
        Futures, perpetuals or spot to hedge with.
    books
        The live book of each, with `symbol` and `cost_to_trade`; no more is traded than a book holds.
    objective
        "es".
    level
        Confidence.

    Returns
    -------
    HedgePlan
        For one instrument the exact optimum over lots; for several that of a descent (`qflib.hedging.lot_search`).

    Raises
    ------
    InputError
        If there is no instrument, one is an option or has no book, one stands twice, or objective or level is unknown.
    UnknownInstrumentError, DataError
        As `Portfolio.scenario_pnl`.

    Notes
    -----
    One revaluation, then O(n) an evaluation and some 2 log2(lots) evaluations a line search.
    Source: Rockafellar and Uryasev 2000, "Optimization of conditional value-at-risk", Journal of Risk 2(3).

    Examples
    --------
    >>> import pandas as pd, qflib as qf
    >>> feed = qf.datasets.load("sim", seed=7, duration="2s")
    >>> book = qf.OrderBook("ACME.F")
    >>> _ = book.replay(feed, sample="1s")
    >>> held = pd.DataFrame({"instrument": ["ACME.F"], "qty": [-20.0], "avg_price": [100.0]})
    >>> scen = qf.scenarios.historical(feed.history, n=500)
    >>> plan = qf.hedge(qf.Portfolio.from_frame(held), feed.market(), scen, instruments=["ACME.F"], books=[book])
    >>> plan.trades["qty"].tolist(), plan.es_target < 0.01 * plan.es_current
    ([20.0], True)
    """
    if objective != "es":
        raise InputError(f"objective is {objective!r}; expected 'es'")
    confidence = frozen(levels_of(level)[:1])
    legs = _legs(pf, market, scen, instruments, books)
    base: F8 = np.asarray(pf.scenario_pnl(market, scen), np.float64)
    work, out = np.empty(scen.n), np.empty((1, 2))

    def target(lots: Lots) -> float:
        cost = 0.0
        pnl = base.copy()
        for leg, n in zip(legs, lots, strict=True):
            cost += leg.trade(n)[0]
            if n:
                pnl += n * leg.pnl
        if not math.isfinite(cost):
            return math.inf
        es_var(frozen(pnl), confidence, out, work)
        return float(out[0, 0]) + cost

    best = descend(target, len(legs))
    trades = pd.DataFrame(
        {
            "instrument": [leg.symbol for leg in legs],
            "qty": [n * leg.lot for leg, n in zip(legs, best, strict=True)],
            "avg_price": [leg.trade(n)[1] for leg, n in zip(legs, best, strict=True)],
            "cost": [leg.trade(n)[0] for leg, n in zip(legs, best, strict=True)],
        }
    )
    trades = trades[trades["qty"] != 0].reset_index(drop=True)
    after = pf.traded(trades)
    return HedgePlan(
        trades=trades,
        es_current=target((0,) * len(legs)),
        es_target=target(best),
        delta_before=pf.greeks(market)["delta"],
        delta_after=after.greeks(market)["delta"],
        level=float(confidence[0]),
        currency=pf.currency,
        curve=pd.concat([_curve(leg, i, best, target) for i, leg in enumerate(legs)], ignore_index=True),
    )


def _legs(
    pf: Portfolio, market: Market, scen: ScenarioSet, instruments: Sequence[str], books: Sequence[HedgeBook]
) -> list[_Leg]:
    if isinstance(instruments, str) or not instruments or len(set(instruments)) != len(instruments):
        raise InputError(f"instruments is {instruments!r}; give a list of distinct symbols, one at least")
    of = {str(b.symbol): b for b in books}
    legs = []
    for symbol in instruments:
        row = market.instruments[symbol]
        if row.kind == "option":
            raise InputError(f"hedge instrument {symbol!r} is an option; give a future, perpetual or spot")
        if symbol not in of:
            raise InputError(f"hedge instrument {symbol!r} has no book; books hold {', '.join(of) or 'none'}")
        lot = float(market.instruments.to_qty(market.instruments.id(symbol), 1))
        one = Portfolio(pf.name, pf.currency, (symbol,), np.array([lot]), np.zeros(1))
        pnl: F8 = np.asarray(one.scenario_pnl(market, scen), np.float64)
        legs.append(_Leg(symbol, of[symbol], lot, pnl))
    return legs


def _curve(leg: _Leg, i: int, best: Lots, target: Callable[[Lots], float]) -> pd.DataFrame:
    span = max(2 * abs(best[i]), (CURVE_POINTS - 1) // 2)
    lots = np.unique(np.rint(np.linspace(-span, span, CURVE_POINTS)).astype(np.int64))
    es = np.array([target((*best[:i], int(n), *best[i + 1 :])) for n in lots])
    shown = np.isfinite(es)
    return pd.DataFrame({"instrument": leg.symbol, "qty": lots[shown] * leg.lot, "es": es[shown]})
