"""Risk as risk.metrics tells it: the last report a portfolio, what came before, and the hedges with their cost."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.desk.standing import HedgeFill
from qflib.records import Batch, Instruments
from qflib.views.hedges import HedgeLedger
from qflib.views.report import Report
from qflib.views.ring import Ring
from qflib.views.stamp import Stamp

_FIGURES = ("es_unhedged", "es_current", "es_target", "var_unhedged", "var_current", "var_target", "target_cost")
#: A report at one level; `pnl` is realised and unrealised of the whole portfolio.
SERIES_ROW = np.dtype(
    [("seq", "i8"), ("time_ns", "i8"), ("append_ns", "i8"), ("level", "f8"), ("pnl", "f8"), ("cash_delta", "f8")]
    + [(n, "f8") for n in _FIGURES]
)
_REPORTS = 20_000  # a portfolio and level


class RiskView:
    """What every portfolio stands at.

    Parameters
    ----------
    instruments
        The instrument table.
    portfolio
        The desk's own: hedges that are asked for without a name are its.

    Examples
    --------
    >>> from qflib.records import Instruments
    >>> view = RiskView(Instruments(), "DESK1")
    >>> view.portfolios(), view.latest("DESK1") is None
    ([], True)
    """

    def __init__(self, instruments: Instruments, portfolio: str) -> None:
        self.instruments, self.portfolio = instruments, portfolio
        self._latest: dict[str, Report] = {}
        self._series: dict[tuple[str, float], Ring] = {}
        self._hedging = {portfolio: HedgeLedger(instruments, portfolio)}
        self._lock = Lock()  # over the hedging

    def portfolios(self) -> list[str]:
        """Those that were reported on, in the order of their first report."""
        return list(self._latest)

    def latest(self, portfolio: str) -> Report | None:
        """The last report; None where there was none."""
        return self._latest.get(portfolio)

    def series(self, portfolio: str, level: float | None = None, n: int | None = None) -> NDArray[Any]:
        """The newest reports (`SERIES_ROW`) at one level (default: the report's first), oldest first."""
        ring = self._ring(portfolio, level)
        return np.zeros(0, SERIES_ROW) if ring is None else ring.last(n)

    def series_frame(self, portfolio: str, level: float | None = None, n: int | None = None) -> pd.DataFrame:
        """As `series`, index `time` (UTC market time)."""
        rows = self.series(portfolio, level, n)
        index = pd.DatetimeIndex(rows["time_ns"].astype("M8[ns]"), tz="UTC", name="time")
        return pd.DataFrame({n: rows[n] for n in ("level", "pnl", "cash_delta", *_FIGURES)}, index=index)

    def hedge_fills(self, n: int = 100, portfolio: str | None = None) -> list[HedgeFill]:
        """The hedger's last fills, newest first, with what each cost against the mid; NaN: not known."""
        with self._lock:
            return list(self._ledger(portfolio).trades)[: -n - 1 : -1]

    def hedge_counts(self, portfolio: str | None = None) -> dict[str, float]:
        """Orders, fills, rejects, realised cost and fees, of a portfolio's hedge orders decided on since `since_ns`.

        Cost is against the mid, fees come on top, both in reporting currency; `since_ns` is market time, 0: none was
        decided on.
        """
        with self._lock:
            h = self._ledger(portfolio)
            return {"orders": h.orders, "fills": h.fills, "rejects": h.rejects, "cost": h.cost, "fees": h.fees,
                    "since_ns": h.since_ns}  # fmt: skip

    @property
    def hedges_since_ns(self) -> int:
        """Market time of the first hedge order of the desk's own portfolio that is counted; 0: there is none."""
        return self._ledger(None).since_ns

    def take(self, batch: Batch, portfolio: str, offset: int, append_ms: int) -> Report | None:
        """Fold a RiskReport in; the report, if it measures risk. The reader alone calls it."""
        with self._lock:
            for ledger in self._ledgers(batch.hedges, portfolio):
                ledger.take_hedges(batch.hedges, batch.positions)
        r = batch.risk
        if not len(r.level):
            return None
        before = self._latest.get(portfolio)
        prev = -1 if before is None else before.stamp.seq
        if prev >= offset:
            return None
        stamp = Stamp(offset, prev, int(r.time_ns[0]), append_ms * 1_000_000)
        report = Report(portfolio, stamp, batch, self.instruments)
        row = np.zeros(1, SERIES_ROW)
        row["seq"], row["time_ns"], row["append_ns"] = offset, stamp.time_ns, stamp.append_ns
        row["pnl"], row["cash_delta"] = report.pnl, float(batch.greeks.cash_delta.sum())
        for k, level in enumerate(r.level.tolist()):
            row["level"] = level
            for name in _FIGURES:
                row[name] = getattr(r, name)[k]
            self._series.setdefault((portfolio, level), Ring(SERIES_ROW, _REPORTS)).extend(row)
        self._latest[portfolio] = report
        return report

    def take_executions(self, executions: Any) -> None:
        """Note the hedger's fills and rejects. The reader alone calls it."""
        with self._lock:
            for ledger in self._ledgers(executions):
                ledger.take_executions(executions)

    def take_orders(self, orders: Any) -> None:
        """Count the hedger's orders. The reader alone calls it."""
        with self._lock:
            for ledger in self._ledgers(orders):
                ledger.take_orders(orders)

    def take_older(self, hedges: Any, orders: Any, executions: Any) -> None:
        """Note decisions, orders and executions of hedges of before the beginning. The reader alone calls it."""
        with self._lock:
            for ledger in self._ledgers(hedges):
                ledger.take_hedges(hedges)
        self.take_orders(orders)
        self.take_executions(executions)

    def _ledger(self, portfolio: str | None) -> HedgeLedger:
        """A portfolio's; an empty one where it never hedged."""
        name = self.portfolio if portfolio is None else portfolio
        return self._hedging.get(name) or HedgeLedger(self.instruments, name)

    def _ledgers(self, rows: Any, *named: str) -> list[HedgeLedger]:
        """Of the portfolios that rows are of, and of those named where they have one."""
        mine = rows.hedge_no > 0
        names = {p.decode() for p in np.unique(rows.portfolio[mine]).tolist()} if mine.any() else set()
        for name in names - self._hedging.keys():
            self._hedging[name] = HedgeLedger(self.instruments, name)
        return [self._hedging[n] for n in sorted(names | (set(named) & self._hedging.keys()))]

    def _ring(self, portfolio: str, level: float | None) -> Ring | None:
        report = self._latest.get(portfolio)
        if report is None:
            return None
        levels = report.batch.risk.level
        k = 0 if level is None else int(np.abs(levels - level).argmin())
        return self._series.get((portfolio, float(levels[k])))
