"""Where each hedge stands in its band, what re-hedging would cost now, and what other sizes would buy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qflib.errors import DataError, InputError, UnknownInstrumentError
from qflib.hedging.hedgers import LimitMarket, band_halfwidth
from qflib.records import Book
from qflib.views.hedging import correction_of
from qflib.views.report import Report
from qflib.views.shown_book import ShownBook

if TYPE_CHECKING:
    from qflib.hedging.frontier import HedgeFrontier
    from qflib.views import Views

_NAN = float("nan")
_KEPT_NS = 60_000_000_000  # after it was computed last


class Rehedge(NamedTuple):
    """A trade in the hedge instrument now: signed contracts, what the book holds of it, and its price and cost.

    `cost` is against the mid, `fees` come on top; both in reporting currency, NaN where the book holds nothing.
    """

    qty: float
    filled: float
    avg_price: float
    cost: float
    fees: float


@dataclass(frozen=True, slots=True)
class HedgeState:
    """One underlying's hedge.

    Parameters
    ----------
    underlying, instrument
        Which, and what is traded; "" where no future or perpetual is alive, or its currency has no rate of exchange:
        then figures of a trade are NaN.
    client_delta, hedge_delta, correction, gamma
        Reporting currency per 1.00 of the price: deltas of Black and Scholes, what the least-variance fit that is in
        use adds to the clients' (0: none is), and gamma of clients and hedges together.
    ratio
        Hedged share of the clients' delta: 1 is neutral. NaN where they have none.
    unit_delta
        Reporting currency per 1.00 of the price, of one contract of the hedge.
    net, position, working, neutral
        Contracts: net delta, the hedge held, sent to fill at once and not yet in it, and the hedge of neutral delta.
    halfwidth
        Of the no-trade band, contracts; NaN: nothing is hedged, or the book has one side or is crossed.
    mid, half_spread
        Of the live book; NaN likewise.
    next_below, next_above
        Prices at which the next hedge order falls, gamma and band as they are now; NaN: at none.
    to_neutral, to_edge
        Trades that would make delta neutral, and that the hedger's rule asks for: 0 contracts inside the band.
    book_seq, book_append_ns
        Of the book that was walked.
    """

    underlying: str
    instrument: str
    client_delta: float
    hedge_delta: float
    correction: float
    gamma: float
    ratio: float
    unit_delta: float
    net: float
    position: float
    working: float
    neutral: float
    halfwidth: float
    mid: float
    half_spread: float
    next_below: float
    next_above: float
    to_neutral: Rehedge
    to_edge: Rehedge
    book_seq: int
    book_append_ns: int


def hedge_states(views: Views, report: Report) -> list[HedgeState]:
    """Every underlying's hedge: deltas of the report, band and costs of the books now. O(positions + levels).

    Parameters
    ----------
    views
        The read model.
    report
        The last word on a portfolio.
    """
    names = dict.fromkeys(n.decode() for n in report.batch.greeks.underlying.tolist())
    return [_state(views, report, underlying) for underlying in names]


def _state(views: Views, report: Report, underlying: str) -> HedgeState:
    table, g, hedges = views.instruments, report.batch.greeks, report.batch.hedges
    mine = g.underlying == underlying.encode()
    of_hedge = mine & (g.book == int(Book.HEDGE))
    net, gamma, hedge = (float(x.sum()) for x in (g.delta[mine], g.gamma[mine], g.delta[of_hedge]))
    at, client = views.hedging.instrument(underlying, report.stamp.time_ns), net - hedge
    correction = correction_of(report, underlying, views.deployment.hedger)
    net += correction
    ratio = -hedge / (net - hedge) if net != hedge else _NAN
    deltas = client, hedge, correction, gamma, ratio
    forward = float(g.forward[mine][0])
    unit = _NAN if at < 0 else float(views.hedging.unit_delta(at, forward))
    if not math.isfinite(unit):
        none = Rehedge(0.0, 0.0, _NAN, _NAN, _NAN)
        return HedgeState(underlying, "", *deltas, *(_NAN,) * 10, none, none, -1, 0)
    p, lot, told = report.batch.positions, float(table.to_qty(at, 1)), views.books.latest(at)
    position = int(p.qty[(p.instrument == at) & (p.book == int(Book.HEDGE))].sum())
    # alive, or decided on in this report; one that rests, which costs nothing or less, makes way for one that takes
    takes = hedges.cost > 0 if isinstance(views.deployment.hedger, LimitMarket) else np.True_
    working = int(hedges.qty[(hedges.instrument == at) & takes].sum())
    fee = views.deployment.config.taker_fee * views.hedging.settlement_rate(at, forward)
    book, band = ShownBook(told, table, at, float(views.hedging.rates[at])), views.deployment.hedger
    halfwidth, due, below, above = _NAN, 0, _NAN, _NAN
    if band is not None and math.isfinite(book.mid) and unit > 0:
        halfwidth = band_halfwidth(gamma / unit, book.mid, book.half_spread, band.risk_aversion)
        due = band.decide(net_delta=net, gamma=gamma, mid=book.mid, half_spread=book.half_spread, unit_delta=unit,
                          position=position, working=working)  # fmt: skip
        below, above = _next_prices(net / unit + working, gamma / unit, max(halfwidth, 1.0), book.mid)

    def trade(lots: int) -> Rehedge:
        if not lots:
            return Rehedge(0.0, 0.0, _NAN, 0.0, 0.0)
        cost = book.cost_to_trade("buy" if lots > 0 else "sell", abs(lots) * lot)
        return Rehedge(lots * lot, math.copysign(cost.filled, lots), cost.avg_price, cost.cost, fee * cost.filled)

    stamp = (-1, 0) if told is None else (told.stamp.seq, told.stamp.append_ns)
    return HedgeState(
        underlying, table[at].symbol, *deltas, unit / lot, net / unit * lot, position * lot,
        working * lot, (position - net / unit) * lot, halfwidth * lot, book.mid, book.half_spread, below, above,
        trade(round(-net / unit) - working), trade(due), *stamp,
    )  # fmt: skip


def _next_prices(exposure: float, gamma: float, edge: float, mid: float) -> tuple[float, float]:
    """Prices below and above at which exposure, in lots and linear in the price, leaves ±edge; O(1)."""
    if not gamma:
        return _NAN, _NAN
    if abs(exposure) > edge:  # it falls now
        return mid, mid
    ends = sorted((mid + (side * edge - exposure) / gamma) for side in (-1.0, 1.0))
    return max(ends[0], 0.0), ends[1]


@dataclass(frozen=True)
class MadeFrontier:
    """A frontier, the report and the book that it was computed of, when, and how long that took."""

    underlying: str
    frontier: HedgeFrontier
    report: Report
    book_seq: int
    at_ns: int
    took_ms: float


@dataclass
class _Slot:
    lock: Lock = field(default_factory=Lock)
    made: MadeFrontier | Exception | None = None
    at_ns: int = 0


@dataclass
class Frontiers:
    """Frontiers on request; each is computed at most once in a while, whoever asks, and whether or not that succeeds.

    Parameters
    ----------
    views
        The read model.
    least_s
        Between two computations of the same.

    Examples
    --------
    >>> from qflib.desk.deployment import Deployment
    >>> from qflib.records import Instrument, Instruments
    >>> from qflib.views import Views
    >>> Frontiers(Views(Deployment(Instruments((Instrument("ACME.F", kind="spot"),))))).get("DESK1", "ACME")
    Traceback (most recent call last):
    qflib.errors.DataError: the desk has reported nothing on 'DESK1' yet; wait for its first report
    """

    views: Views
    least_s: float = 1.0
    now_ns: Callable[[], int] = time.time_ns
    _slots: dict[tuple[str, str], _Slot] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)  # over the slots, never while one is computed

    def get(self, portfolio: str, underlying: str) -> MadeFrontier:
        """The frontier of one underlying's hedge, at the report's first confidence.

        Raises
        ------
        UnknownInstrumentError
            If the report has no such underlying.
        DataError
            If there is no report or scenario set yet, or nothing of it can be hedged or revalued.
        """
        report = self._report(portfolio, underlying)
        with self._lock:
            now_ns = self.now_ns()
            # one that is computed, or waited for, is young or locked
            self._slots = {k: s for k, s in self._slots.items() if now_ns - s.at_ns < _KEPT_NS or s.lock.locked()}
            slot = self._slots.setdefault((portfolio, underlying), _Slot(at_ns=now_ns))
        with slot.lock:  # who asks for the same while it is computed gets the same, or the same error
            if slot.made is None or self.now_ns() - slot.at_ns >= self.least_s * 1e9:
                try:
                    slot.made = self._compute(report, underlying)
                except Exception as e:
                    slot.made = e
                slot.at_ns = self.now_ns()
            made = slot.made
        if isinstance(made, Exception):
            raise made.with_traceback(None)
        return made

    def _report(self, portfolio: str, underlying: str) -> Report:
        report = self.views.risk.latest(portfolio)
        if report is None:
            raise DataError(f"the desk has reported nothing on {portfolio!r} yet; wait for its first report")
        names = list(dict.fromkeys(n.decode() for n in report.batch.greeks.underlying.tolist()))
        if underlying not in names:
            raise UnknownInstrumentError(f"{portfolio} holds nothing on {underlying!r}; it holds {', '.join(names)}")
        return report

    def _compute(self, report: Report, underlying: str) -> MadeFrontier:
        from qflib.hedging.frontier import hedge_frontier
        from qflib.views.valuation import closing_of

        begun, views, portfolio = time.perf_counter(), self.views, report.portfolio
        at = views.hedging.instrument(underlying, report.stamp.time_ns)
        set_id, config = report.batch.risk.set_id[0].decode(), views.deployment.config
        scenarios = views.shortfall.scenario_set(set_id) or views.shortfall.scenarios
        told = views.books.latest(at) if at >= 0 else None
        if told is None or scenarios is None:
            wanted = "scenario set" if scenarios is None else "book of a future or perpetual"
            raise DataError(f"there is no {wanted} of {underlying} yet; wait for it")
        table, p = views.instruments, report.batch.positions
        held = float(table.to_qty(at, int(p.qty[(p.instrument == at) & (p.book == int(Book.HEDGE))].sum())))
        closing = closing_of(report, config.currency, views.books)
        if closing.portfolio is None:
            raise DataError(f"{portfolio} holds nothing that is revalued; there is nothing to hedge")
        if not math.isfinite(float(views.hedging.rates[at])):
            quoted = table[at].quote_currency
            raise DataError(f"{underlying} is hedged in {quoted}, of which the desk knows no rate; give it in `fx`")
        book = ShownBook(told, table, at)
        if not math.isfinite(book.mid):
            raise DataError(
                f"the book of {book.symbol} has one side or is crossed; wait until it has a bid below an ask"
            )
        g = report.batch.greeks
        forward = float(g.forward[g.underlying == underlying.encode()][0])
        try:
            frontier = hedge_frontier(
                closing.portfolio, closing.market, scenarios, instrument=table[at].symbol,
                book=book, held=held, level=float(report.batch.risk.level[0]),
                fee=config.taker_fee * views.hedging.settlement_rate(at, forward),
            )  # fmt: skip
        except InputError as e:
            raise DataError(f"the hedge of {underlying} cannot be revalued: {e}") from None
        took_ms = 1e3 * (time.perf_counter() - begun)
        return MadeFrontier(underlying, frontier, report, told.stamp.seq, self.now_ns(), took_ms)


def realised_cut(report: Report, cost: float) -> float:
    """ES that the hedges take away now, a unit of what they have cost so far; NaN where they have cost nothing.

    Parameters
    ----------
    report
        The last word on a portfolio.
    cost
        Of the hedges so far, in reporting currency, fees in it.
    """
    cut = report.figure("es_unhedged") - report.figure("es_current")
    return cut / cost if cost > 0 else _NAN
