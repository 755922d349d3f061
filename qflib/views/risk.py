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
        The desk's own, whose hedges are followed.

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
        self._hedging = HedgeLedger(instruments)
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

    def hedge_fills(self, n: int = 100) -> list[HedgeFill]:
        """The hedger's last fills, newest first, with what each cost against the mid; NaN: not known."""
        with self._lock:
            return list(self._hedging.trades)[: -n - 1 : -1]

    def hedge_counts(self) -> dict[str, float]:
        """Orders, fills, rejects and realised cost, all of the hedge orders decided on since `hedges_since_ns`."""
        with self._lock:
            h = self._hedging
            return {"orders": h.orders, "fills": h.fills, "rejects": h.rejects, "cost": h.cost}

    @property
    def hedges_since_ns(self) -> int:
        """Market time of the first hedge order that `hedge_counts` counts; 0: there is none."""
        return self._hedging.since_ns

    def take(self, batch: Batch, portfolio: str, offset: int, append_ms: int) -> Report | None:
        """Fold a RiskReport in; the report, if it measures risk. The reader alone calls it."""
        with self._lock:
            self._hedging.take_hedges(batch.hedges, batch.positions)
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
            self._hedging.take_executions(executions)

    def take_orders(self, orders: Any) -> None:
        """Count the hedger's orders. The reader alone calls it."""
        with self._lock:
            self._hedging.take_orders(orders)

    def take_older(self, hedges: Any, orders: Any, executions: Any) -> None:
        """Note decisions, orders and executions of hedges of before the beginning. The reader alone calls it."""
        with self._lock:
            self._hedging.take_hedges(hedges)
            self._hedging.take_orders(orders)
            self._hedging.take_executions(executions)

    def _ring(self, portfolio: str, level: float | None) -> Ring | None:
        report = self._latest.get(portfolio)
        if report is None:
            return None
        levels = report.batch.risk.level
        k = 0 if level is None else int(np.abs(levels - level).argmin())
        return self._series.get((portfolio, float(levels[k])))
