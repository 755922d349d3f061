"""From a book event to a hedge order inside the stage: 1,000 options of one underlying, 10,000 and 1,000 scenarios.

Each event is a marks batch in which the future's book moves, in a new period: exposures revalues every position, with
full Greeks, explain and scenario P&L vectors; portfolio measures VaR and ES three times, reports, and sizes the hedge.
Every tenth event also quotes options anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from qflib.cli.bench import Row
from qflib.hedging.hedgers import Band
from qflib.pricing import black76
from qflib.records import (
    DEPTH,
    EXECUTIONS,
    SCENARIO_SETS,
    SHOCKS,
    TICK,
    TOPS,
    Batch,
    Book,
    ExecType,
    Instrument,
    Instruments,
    OrderStatus,
)
from qflib.steps.exposures import Exposures
from qflib.steps.portfolio import Portfolio, PortfolioConfig

_EVENTS, _WARM, _QUOTED = 5_000, 300, 10
_SETS = ((10_000, ""), (1_000, "_1k"))  # scenarios: a desk's default, and its historical ones alone
_S = 10**9
_START = pd.Timestamp("2026-01-05T14:30Z").value
_DAYS = (11, 18, 25, 39, 53, 74, 102, 165, 256, 347)
_DAY_NS, _YEAR_NS, _PERIOD_NS = 86_400 * _S, 365 * 86_400 * _S, 100_000_000


def rows(peers: bool) -> Iterator[Row]:
    """Milliseconds from the event taken in to the hedge order out, both steps and each; and the vectors' error."""
    for scenarios, suffix in _SETS:
        yield from _timed(scenarios, suffix)


def _timed(scenarios: int, suffix: str) -> Iterator[Row]:
    desk = _Desk(scenarios)
    all_of_them = [desk.event(k) for k in range(_WARM + _EVENTS)]
    took = np.array([t for t in all_of_them[_WARM:] if t.orders])
    for name, figures in (("", took[:, :2].sum(axis=1)), ("exposures_", took[:, 0]), ("portfolio_", took[:, 1])):
        for q in (50, 99):
            value = float(np.percentile(figures, q)) * 1e3
            yield Row(f"{name}p{q}{suffix}", value, float(figures.min()) * 1e3, "ms")
    yield Row(f"hedge_orders{suffix}", float(len(took)), float(len(took)), "orders timed")
    error = desk.error()
    yield Row(f"vector_error{suffix}", error, error, "of the greatest P&L")
    worst = desk.crushed()
    yield Row(f"vector_error_crush{suffix}", worst, worst, "as volatility halves, greatest")


class _Taken(NamedTuple):
    exposures: float
    portfolio: float
    orders: int


class _Desk:
    """Both steps, a market that moves, and fills of what they send."""

    def __init__(self, scenarios: int) -> None:
        self.table = _table()
        self.rng = np.random.default_rng(1)
        self.exposures = Exposures(self.table)
        # a band so narrow that nearly every move is hedged
        self.portfolio = Portfolio(self.table, PortfolioConfig(band=Band(risk_aversion=1e9, max_order=1_000)))
        self.forward, self.now, self.level = 100.0, _START, 0.25
        spot = np.expm1(0.012 * self.rng.standard_t(4, scenarios))
        head = SCENARIO_SETS.make(
            set_id=["bench"], n_scenarios=[scenarios], horizon_ns=[_DAY_NS], underlying=["U"], chunks=[1]
        )
        shocks = SHOCKS.make(spot_return=spot, vol_shift=self.rng.normal(0, 0.02, scenarios))
        everything = np.arange(len(self.table))
        n = len(everything) - 1
        qty = -self.rng.integers(1, 21, n)  # short gamma: each move asks for a hedge
        booked = EXECUTIONS.make(
            exec_type=np.full(n, int(ExecType.BOOKING), np.uint32), instrument=everything[1:], qty=qty,
            price=self._mids(everything[1:]), portfolio=["P"] * n, book=[int(Book.CLIENT)] * n,
        )  # fmt: skip
        self.exposures.feed(Batch.of("execution", key="U", executions=booked))  # sends nothing before a market
        self._sent(self.exposures.feed(self._marks(everything, scenario_set=head, shocks=shocks)))

    def event(self, k: int) -> _Taken:
        """One event; seconds in each step, and how many orders came of it."""
        self.now += _PERIOD_NS
        self.forward *= float(np.exp(self.rng.normal(0.0, 4e-4)))
        quoted = self.rng.integers(1, len(self.table), _QUOTED) if k % 10 == 0 else np.zeros(0, np.int64)
        marks = self._marks(np.unique(np.append(quoted, 0)))
        start = time.perf_counter()
        made = self.exposures.feed(marks)
        between = time.perf_counter()
        sent = [out for b in made for out in self.portfolio.feed(b)]
        end = time.perf_counter()
        orders = [b for b in sent if b.kind == "order"]
        for order in orders:
            self._sent(self.exposures.feed(_filled(order)))
        return _Taken(between - start, end - between, len(orders))

    def error(self) -> float:
        """Greatest difference of the client's vector to a revaluation of each option, over its greatest P&L."""
        step = self.exposures
        entries, shocks = step._ledger.of(0, 0), step._sets.of(0)
        v = step._revaluation.value(entries, 0, self.now)
        assert v is not None
        assert shocks is not None
        told = step._grids.vector(0, 0, int(Book.CLIENT), v, shocks)
        whole = step._revaluation.vector(v, int(Book.CLIENT), shocks)
        return float(np.abs(told - whole).max() / np.abs(whole).max())

    def crushed(self) -> float:
        """Greatest `error` while options are quoted at half the volatility, a twentieth of them at a time."""
        self.level *= 0.5
        worst = 0.0
        for some in np.array_split(self.rng.permutation(np.arange(1, len(self.table))), 20):
            self.now += _PERIOD_NS
            self._sent(self.exposures.feed(self._marks(np.append(0, np.sort(some)))))
            worst = max(worst, self.error())
        return worst

    def _sent(self, batches: list[Batch]) -> None:
        for b in batches:
            self.portfolio.feed(b)

    def _mids(self, at: Any) -> Any:
        rows = [self.table.rows[i] for i in at.tolist()]
        mids = np.full(len(rows), self.forward)
        options = np.array([r.kind == "option" for r in rows])
        if options.any():
            held = [r for r in rows if r.kind == "option"]
            strike = np.array([r.strike for r in held])
            years = np.array([(r.expiry.value - self.now) / _YEAR_NS for r in held if r.expiry is not None])
            vol = self.level + 0.1 * np.abs(np.log(strike / self.forward))
            mids[options] = black76([str(r.right) for r in held], self.forward, strike, years, vol)
        return np.maximum(mids, 0.02)

    def _marks(self, at: Any, **tables: Any) -> Batch:
        ticks = np.round(self._mids(at) * 100).astype(np.int64)
        lots = [5_000] * len(at)
        tops = TOPS.make(
            instrument=at, bid_ticks=ticks - 1, bid_qty=lots, ask_ticks=ticks + 1, ask_qty=lots,
            time_ns=[self.now] * len(at),
        )  # fmt: skip
        f = int(ticks[0])
        depth = DEPTH.make(
            instrument=[0] * 4, side=[1, 1, 2, 2], level=[1, 2, 1, 2], price_ticks=[f - 1, f - 2, f + 1, f + 2],
            qty=[5_000] * 4,
        )  # fmt: skip
        return Batch.of("marks", key="U", tick=TICK.make(time_ns=[self.now]), tops=tops, depth=depth, **tables)


def _table() -> Instruments:
    expiries = [pd.Timestamp("2026-01-05T21:00Z") + pd.Timedelta(days=d) for d in _DAYS]
    made = [Instrument("U.F", kind="future", underlying="U", expiry=expiries[-1], multiplier=100)]
    for expiry in expiries:
        for strike in np.linspace(75.0, 125.0, 50).round(2).tolist():
            made += [
                Instrument(
                    f"U-{expiry:%y%m%d}-{strike:g}-{right[0].upper()}", kind="option", right=right, style="european",
                    strike=strike, underlying="U", expiry=expiry, multiplier=100,
                )
                for right in ("call", "put")
            ]  # fmt: skip
    return Instruments(tuple(made))


def _filled(order: Batch) -> Batch:
    """The order's fill, whole, at its limit."""
    o = order.orders
    rows = EXECUTIONS.make(
        exec_type=[int(ExecType.FILL)], ord_status=[int(OrderStatus.FILLED)], instrument=o.instrument, side=o.side,
        qty=o.qty, price_ticks=o.price_ticks, portfolio=o.portfolio, book=o.book, hedge_no=o.hedge_no,
    )  # fmt: skip
    return Batch.of("execution", key="U", executions=rows)
