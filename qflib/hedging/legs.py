"""The instruments a hedge trades: each with its book, the scenario P&L of a lot, and what lots cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.decaying_impact import DecayingImpact
from qflib.hedging.portfolio import Portfolio
from qflib.hedging.quoted_book import HedgeBook

if TYPE_CHECKING:
    from qflib.pricing import Market
    from qflib.shortfall.scenarios import ScenarioSet

F8 = NDArray[np.float64]

#: Lots: more than any book holds.
NO_END = 1e12


@dataclass(slots=True)
class Leg:
    """One hedge instrument, quoted in a currency worth `fx`.

    `drift` is what its price is about to lose as the impact of recent trades decays, a contract.
    """

    symbol: str
    book: HedgeBook
    lot: float
    pnl: F8
    drift: float = 0.0
    fx: float = 1.0
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
        return (float(told.cost) + lots * self.lot * self.drift) * self.fx, float(told.avg_price)

    def most(self, side: int) -> int:
        """Whole lots that the book holds to buy (side 1) or to sell (-1)."""
        told = self.book.cost_to_trade("buy" if side > 0 else "sell", NO_END * self.lot)
        held = math.floor(float(told.filled) / self.lot * (1 + 1e-12))
        return held if math.isfinite(told.cost) else 0

    def pieces(self, side: int) -> list[tuple[int, float]]:
        """The cost of 1, 2, ... lots as (lots, cost a lot), the first first: exact for a convex cost.

        A convex cost that touches a chord inside it is linear along it, so halving finds every kink: O(levels log lots)
        questions to the book.
        """
        most = self.most(side)
        ends: list[tuple[int, float]] = []

        def split(a: int, b: int) -> None:
            at_a, at_b = self.trade(side * a)[0], self.trade(side * b)[0]
            middle = (a + b) // 2
            if a < middle:
                chord = at_a + (at_b - at_a) * ((middle - a) / (b - a))
                if abs(self.trade(side * middle)[0] - chord) > 1e-9 * abs(at_b - at_a):
                    split(a, middle)
                    split(middle, b)
                    return
            ends.append((b - a, (at_b - at_a) / (b - a)))

        if most:
            split(0, most)
        return ends


def legs_of(
    pf: Portfolio,
    market: Market,
    scen: ScenarioSet,
    instruments: Sequence[str],
    books: Sequence[HedgeBook],
    impact: Mapping[str, DecayingImpact] | None = None,
    recent: pd.DataFrame | None = None,
) -> list[Leg]:
    """The legs of a hedge.

    Parameters
    ----------
    pf, market, scen, instruments, books, impact, recent
        As `qflib.hedging.hedge`.

    Raises
    ------
    InputError
        If there is no instrument, one has no book or stands twice, or recent trades lack a column or are not past.
    """
    if isinstance(instruments, str) or not instruments or len(set(instruments)) != len(instruments):
        raise InputError(f"instruments is {instruments!r}; give a list of distinct symbols, one at least")
    of = {str(b.symbol): b for b in books}
    drifts = _drifts(impact or {}, recent, scen.horizon_ns / 1e9)
    legs = []
    for symbol in instruments:
        if symbol not in of:
            _ = market.instruments[symbol]  # an unknown one is told as such
            raise InputError(f"hedge instrument {symbol!r} has no book; books hold {', '.join(of) or 'none'}")
        lot = float(market.instruments.to_qty(market.instruments.id(symbol), 1))
        one = Portfolio(pf.name, pf.currency, (symbol,), np.array([lot]), np.zeros(1))
        pnl: F8 = np.asarray(one.scenario_pnl(market, scen), np.float64)
        fx = market.fx_rate(market.instruments[symbol].quote_currency, pf.currency)
        legs.append(Leg(symbol, of[symbol], lot, pnl, drifts.get(symbol, 0.0), fx))
    return legs


def _drifts(impact: Mapping[str, DecayingImpact], recent: pd.DataFrame | None, horizon: float) -> dict[str, float]:
    """What the price of each instrument loses over the horizon as the impact of recent trades decays."""
    if recent is None or not len(recent):
        return {}
    if missing := [c for c in ("instrument", "seconds_ago", "qty") if c not in recent]:
        raise InputError(f"recent trades have no column {missing[0]!r}; expected instrument, seconds_ago, qty")
    if not (recent["seconds_ago"] >= 0).all():
        raise InputError(f"seconds_ago holds {recent['seconds_ago'].min()}; recent trades are past: numbers from 0")
    found: dict[str, float] = {}
    for symbol, rows in recent.sort_values("seconds_ago", ascending=False, kind="stable").groupby("instrument"):
        own = impact.get(str(symbol))
        if own is not None:
            times, qty = -rows["seconds_ago"].to_numpy(np.float64), rows["qty"].to_numpy(np.float64)
            found[str(symbol)] = own.displaced(times, qty, 0.0) - own.displaced(times, qty, horizon)
    return found
