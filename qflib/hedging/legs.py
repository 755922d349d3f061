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
from qflib.pricing.fx import settlement_of

if TYPE_CHECKING:
    from qflib.pricing import Market
    from qflib.records import Instrument
    from qflib.shortfall.scenarios import ScenarioSet

F8 = NDArray[np.float64]

#: Lots: more than any book holds.
NO_END = 1e12


@dataclass(slots=True)
class Leg:
    """One hedge instrument, whose book tells costs in a currency worth `fx`.

    Trading n lots costs what walking the book costs, and `impact` n^2 for the trade's own impact.
    """

    symbol: str
    book: HedgeBook
    lot: float
    pnl: F8
    impact: float = 0.0
    fx: float = 1.0
    asked: dict[int, tuple[float, float]] = field(default_factory=dict)

    def trade(self, lots: int) -> tuple[float, float]:
        """Cost of the walk in reporting currency, and average price; infinite where the book has not so much."""
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
        return float(told.cost) * self.fx, float(told.avg_price)

    def cost(self, lots: int) -> float:
        """Of the walk and of the trade's own impact."""
        return self.trade(lots)[0] + self.impact * float(lots) ** 2

    def most(self, side: int) -> int:
        """Whole lots that the book holds to buy (side 1) or to sell (-1)."""
        told = self.book.cost_to_trade("buy" if side > 0 else "sell", NO_END * self.lot)
        held = math.floor(float(told.filled) / self.lot * (1 + 1e-12))
        return held if math.isfinite(told.cost) else 0

    def pieces(self, side: int) -> list[tuple[float, float]]:
        """The cost of 1, 2, ... lots as (lots, cost a lot), the first first.

        Exact for a convex walk; with impact no whole lots cost less, and up to 40 none cost more.
        """
        walked = self._walked(side)
        if not (walked and self.impact > 0.0):
            return walked
        lots, slopes = np.array(walked).T
        ends, (kinks, rises) = np.cumsum(lots), _chords(float(lots.sum()))
        cuts = np.union1d(ends, kinks)
        middle = 0.5 * (cuts + np.r_[0.0, cuts[:-1]])
        slope = slopes[np.searchsorted(ends, middle)] + self.impact * rises[np.searchsorted(kinks, middle)]
        return list(zip(np.diff(cuts, prepend=0.0).tolist(), slope.tolist(), strict=True))

    def _walked(self, side: int) -> list[tuple[float, float]]:
        """The pieces of the walk alone.

        A convex cost that touches a chord inside it is linear along it, so halving finds every kink: O(levels log lots)
        questions to the book.
        """
        most = self.most(side)
        ends: list[tuple[float, float]] = []

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


def _chords(most: float) -> tuple[F8, F8]:
    """n^2 from below, up to `most`: where pieces end, and their slopes.

    A chord of n^2 over one lot, from h - 1/2 to h + 1/2, has slope 2 h and is above n^2 at no whole n. Chords are a
    lot apart up to 40, then 5 %, 200 in all: where two meet they are below n^2 by 6e-4 of it at most, up to some 6e4.
    """
    at = [0.5]
    while at[-1] < most and len(at) < 200:
        at.append(at[-1] + max(1.0, math.floor(0.05 * at[-1])))
    h = np.array(at)
    ends = np.r_[0.5 * (h[1:] + h[:-1]), math.inf]
    kept = int(np.searchsorted(ends, most)) + 1
    ends = ends[:kept]
    ends[-1] = most
    return ends, 2.0 * h[:kept]


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
    horizon = scen.horizon_ns / 1e9
    legs = []
    for symbol in instruments:
        row = market.instruments[symbol]
        if symbol not in of:
            raise InputError(f"hedge instrument {symbol!r} has no book; books hold {', '.join(of) or 'none'}")
        lot = float(market.instruments.to_qty(market.instruments.id(symbol), 1))
        one = Portfolio(pf.name, pf.currency, (symbol,), np.array([lot]), np.zeros(1))
        pnl: F8 = np.asarray(one.scenario_pnl(market, scen), np.float64) - decay_of(one, market, scen, impact, recent)
        own = (impact or {}).get(symbol)
        lost = 0.0 if own is None else 0.5 * float(own.left(0.0) - own.left(horizon)) * lot**2
        quoted = market.fx_rate(row.quote_currency, pf.currency)
        fx = market.fx_rate(_told_in(of[symbol], row), pf.currency)
        legs.append(Leg(symbol, of[symbol], lot, pnl, lost * quoted, fx))
    return legs


def _told_in(book: HedgeBook, row: Instrument) -> str:
    """The currency a book tells its costs in: of an option quoted in coin, an order book's walk is in coin."""
    from qflib.orderbook import OrderBook

    in_coin = row.inverse and not row.contract_value and isinstance(book, OrderBook)
    return settlement_of(row) if in_coin else row.quote_currency


def decay_of(
    pf: Portfolio,
    market: Market,
    scen: ScenarioSet,
    impact: Mapping[str, DecayingImpact] | None,
    recent: pd.DataFrame | None,
) -> float:
    """What positions lose over the horizon as the impact of recent trades decays, at today's rates of exchange.

    Parameters
    ----------
    pf, market, scen, impact, recent
        As `qflib.hedging.hedge`.

    Raises
    ------
    InputError, UnknownInstrumentError
        If recent trades lack a column or are not past; if impact is of an unknown instrument.
    """
    fx = {s: market.fx_rate(market.instruments[s].quote_currency, pf.currency) for s in impact or {}}
    falls = _falls(impact or {}, recent, scen.horizon_ns / 1e9)
    held = zip(pf.instruments, pf.qty.tolist(), strict=True)
    return math.fsum(q * falls[s] * fx[s] for s, q in held if s in falls)


def _falls(impact: Mapping[str, DecayingImpact], recent: pd.DataFrame | None, horizon: float) -> dict[str, float]:
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
