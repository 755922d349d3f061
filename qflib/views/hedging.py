"""Hedges through time: net delta and the hedge in its no-trade band, and P&L of clients and hedges apart."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qflib.records import Book, Instruments, TradingStatus
from qflib.records.lots import is_inverse_future, lot_units
from qflib.views.report import Report
from qflib.views.ring import Ring

if TYPE_CHECKING:
    from qflib.hedging import HedgeEffectiveness
    from qflib.hedging.hedgers import Band
    from qflib.views.books import BookView

F8 = NDArray[np.float64]
_REPORTS = 20_000  # an underlying's
PERIOD_NS = 10_000_000_000  # of the P&L that effectiveness compares, where outcomes have no shorter one
WHOLE = ""  # all underlyings together; of them P&L alone adds up
#: A report on one underlying: deltas (of Black and Scholes, and what the least-variance fit that is in use adds) and
#: gamma in reporting currency, position in contracts of the hedge.
HEDGE_ROW = np.dtype(
    [("seq", "i8"), ("time_ns", "i8"), ("append_ns", "i8"), ("instrument", "i8")]
    + [
        (n, "f8")
        for n in (
            "client_delta",
            "hedge_delta",
            "correction",
            "gamma",
            "forward",
            "position",
            "client_pnl",
            "hedge_pnl",
        )
    ]
)
#: The same as the hedger sees it, in contracts of the hedge instrument; NaN where its book was not known.
BAND_ROW = np.dtype(
    [("seq", "i8"), ("time_ns", "i8")] + [(n, "f8") for n in ("net", "halfwidth", "position", "neutral")]
)


class HedgingView:
    """What the reports told of hedges.

    Parameters
    ----------
    instruments
        The instrument table.
    books
        The view of the books: the band is as wide as the live half-spread makes it.
    band
        The hedger's rule; None: nothing is hedged.
    fx
        Reporting currency a unit of quote currency.

    Examples
    --------
    >>> from qflib.records import Instruments
    >>> from qflib.views.books import BookView
    >>> HedgingView(Instruments(), BookView(Instruments()), None, {"USD": 1.0}).series("DESK1", "ACME").size
    0
    """

    def __init__(self, instruments: Instruments, books: BookView, band: Band | None, fx: dict[str, float]) -> None:
        self.instruments, self.books, self.band = instruments, books, band
        lots = lot_units(instruments) if len(instruments) else np.zeros(0)
        #: reporting currency a unit of each instrument's quote currency; NaN: none is known
        self.rates = np.array([fx.get(r.quote_currency, np.nan) for r in instruments], np.float64)
        self._inverse = [is_inverse_future(r) for r in instruments]
        #: reporting currency that a 1.00 of price is worth of a lot; of an inverse one times the price
        self._unit = lots * self.rates
        self._hedges: dict[str, list[int]] = {}
        for i in sorted(range(len(instruments)), key=lambda i: instruments.expiry_ns[i] or np.iinfo(np.int64).max):
            if instruments[i].kind in ("future", "perpetual"):
                self._hedges.setdefault(instruments[i].underlying, []).append(i)
        self._rings: dict[tuple[str, str], Ring] = {}
        self._lock = Lock()

    def instrument(self, underlying: str, time_ns: int) -> int:
        """What the hedger trades: the future that expires next, or the perpetual; -1 where there is none alive."""
        for i in self._hedges.get(underlying, ()):
            expiry_ns, book = int(self.instruments.expiry_ns[i]), self.books.latest(i)
            if (not expiry_ns or expiry_ns > time_ns) and (book is None or book.status != TradingStatus.EXPIRED):
                return i
        return -1

    def unit_delta(self, instrument: int, forward: Any) -> Any:
        """Reporting-currency delta of one lot, at a forward or at many."""
        unit = self._unit[instrument]
        return unit / forward if self._inverse[instrument] else unit + 0.0 * np.asarray(forward)

    def settlement_rate(self, instrument: int, forward: float) -> float:
        """Reporting currency a unit of what a contract settles and pays fees in: of an inverse one, coin."""
        rate = float(self.rates[instrument])
        return rate * forward if self._inverse[instrument] else rate

    def series(self, portfolio: str, underlying: str = WHOLE, n: int | None = None) -> NDArray[Any]:
        """The newest reports (`HEDGE_ROW`) on one underlying's hedge, or on P&L of all, oldest first."""
        ring = self._rings.get((portfolio, underlying))
        return np.zeros(0, HEDGE_ROW) if ring is None else ring.last(n)

    def in_band(self, portfolio: str, underlying: str, n: int | None = None) -> NDArray[Any]:
        """The newest reports as `BAND_ROW`: net delta, the band's half-width, the hedge, and that of neutral delta.

        The half-width is that of the book as it was known at the report's time. O(n log tops).
        """
        rows = self.series(portfolio, underlying, n)
        rows = rows[rows["instrument"] >= 0]
        made = np.zeros(len(rows), BAND_ROW)
        made["seq"], made["time_ns"] = rows["seq"], rows["time_ns"]
        for i in np.unique(rows["instrument"]).tolist():
            mine = rows["instrument"] == i
            r = rows[mine]
            unit = self.unit_delta(i, r["forward"]) / self.instruments.to_qty(i, 1)
            made["net"][mine] = (r["client_delta"] + r["hedge_delta"] + r["correction"]) / unit
            made["position"][mine], made["neutral"][mine] = r["position"], r["position"] - made["net"][mine]
            made["halfwidth"][mine] = self._halfwidths(i, r, self.unit_delta(i, r["forward"]))
        return made

    def effectiveness(
        self, portfolio: str, underlying: str = WHOLE, period_ns: int = PERIOD_NS, cost: float = 0.0
    ) -> HedgeEffectiveness | None:
        """How much of the clients' P&L the hedges took away, over the periods that are remembered.

        Parameters
        ----------
        portfolio, underlying
            Whose; default: of all underlyings together.
        period_ns
            P&L is compared over periods of market time so long.
        cost
            Of the hedge.

        Returns
        -------
        HedgeEffectiveness or None
            None while there are too few periods in which both have moved.
        """
        from qflib.errors import DataError
        from qflib.hedging import hedge_effectiveness

        rows = self.series(portfolio, underlying)
        last = np.append(np.diff(rows["time_ns"] // period_ns) > 0, False) if len(rows) else np.zeros(0, bool)
        ends = rows[last]  # the last report of each period that is over
        if len(ends) < 4:
            return None
        try:
            return hedge_effectiveness(np.diff(ends["client_pnl"]), np.diff(ends["hedge_pnl"]), cost=max(cost, 0.0))
        except DataError:
            return None

    def take(self, report: Report) -> None:
        """Fold a report in. The reader alone calls it."""
        g, p, stamp = report.batch.greeks, report.batch.positions, report.stamp
        made: dict[str, Any] = {}
        whole = np.zeros(1, HEDGE_ROW)
        pnl = g.realised + g.unrealised
        for k, (name, book) in enumerate(zip(g.underlying.tolist(), g.book.tolist(), strict=True)):
            underlying, side = name.decode(), "hedge" if book == Book.HEDGE else "client"
            if underlying not in made:
                made[underlying] = row = np.zeros(1, HEDGE_ROW)
                row["forward"], row["instrument"] = g.forward[k], self.instrument(underlying, stamp.time_ns)
                held = (p.instrument == row["instrument"][0]) & (p.book == int(Book.HEDGE))
                if held.any():
                    i = int(row["instrument"][0])
                    row["position"] = self.instruments.to_qty(i, 1) * int(p.qty[held].sum())
            row = made[underlying]
            row[f"{side}_delta"] += g.delta[k]
            row["gamma"] += g.gamma[k]
            row[f"{side}_pnl"] += pnl[k]
            whole[f"{side}_pnl"] += pnl[k]
        for underlying, row in made.items():
            row["correction"] = correction_of(report, underlying, self.band)
        whole["instrument"] = -1
        for underlying, row in {**made, WHOLE: whole}.items():
            row["seq"], row["time_ns"], row["append_ns"] = stamp.seq, stamp.time_ns, stamp.append_ns
            self._ring(report.portfolio, underlying).extend(row)

    def _halfwidths(self, i: int, rows: NDArray[Any], unit: F8) -> F8:
        """(3/2 · half-spread · gamma² / aversion)^(1/3), as `qflib.hedging.hedgers.band_halfwidth`, of many reports."""
        tops = self.books.tops(i)
        tops = tops[(tops["bid_qty"] > 0) & (tops["ask_qty"] > 0) & (tops["bid_ticks"] < tops["ask_ticks"])]
        if self.band is None or not len(tops):
            return np.full(len(rows), np.nan)
        at = np.searchsorted(tops["time_ns"], rows["time_ns"], side="right") - 1
        half = 0.5 * (tops["ask_ticks"] - tops["bid_ticks"]) * self.instruments.to_price(i, 1)
        spread = np.where(at >= 0, half[np.maximum(at, 0)], np.nan)
        lots = np.cbrt(1.5 * spread * (rows["gamma"] / unit) ** 2 / self.band.risk_aversion)
        return np.asarray(lots * self.instruments.to_qty(i, 1), np.float64)

    def _ring(self, portfolio: str, underlying: str) -> Ring:
        with self._lock:
            return self._rings.setdefault((portfolio, underlying), Ring(HEDGE_ROW, _REPORTS))


def period_of(outcome_ns: int) -> int:
    """Nanoseconds of the periods over which a desk's effectiveness is told, by its outcomes'."""
    return min(PERIOD_NS, outcome_ns)


def correction_of(report: Report, underlying: str, band: Band | None) -> float:
    """What the least-variance fit adds to an underlying's delta where the hedger uses it; 0 where it does not."""
    if band is None or not band.min_variance:
        return 0.0
    m = report.batch.min_variance
    return float(m.correction[m.underlying == underlying.encode()].sum())
