"""Lines of the Risk page: shortfall, outcomes and P&L through time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards.components.chart import Chart

if TYPE_CHECKING:
    from qflib.views import RiskView, ShortfallView

_KEPT = 4_000  # reports in a picture: a quarter of an hour at four a second
_OUTCOMES = 500
_IN_SIGHT = 4.0  # times the unhedged shortfall
_LEAST_MS = 1_000.0  # of a picture with one report
_CLOCK: dict[str, Any] = {"clock": "risk", "kept": _KEPT}


def _drawn(k: str, form: str, color: str, **more: Any) -> dict[str, Any]:
    return {"k": k, "form": form, "color": color, **more}


_ES = [
    _drawn("es_unhedged", "line", "faint", label="unhedged", told="unhedged"),
    _drawn("es_target", "line", "ask", width=2.4, dash=[5, 4], label="target", told="target"),
    _drawn("es_current", "line", "accent", width=2, label="current", told="current"),
    _drawn("limit", "line", "bad", width=1.5, label="limit"),
]
_PNL = [_drawn("pnl", "area", "accent"), _drawn("pnl", "line", "accent", told="P&L")]
_OUTCOME = [
    _drawn("pnl", "stem", "bid", width=2, mark="beyond", told="P&L"),
    _drawn("var", "step", "ask", width=1.6, dash=[4, 3], label="−VaR forecast", told="−VaR"),
]


class Pictures:
    """Three pictures of the same time, which is that of the reports, and what feeds them.

    Parameters
    ----------
    risk, shortfall
        The views.
    portfolio
        Whose.

    Attributes
    ----------
    counted
        Outcomes that are known, and how many of them were beyond their VaR.
    seen
        Start and end of the time that is shown, in milliseconds; None before a report.
    outcome
        Sequence and append time of the report that ended the last outcome's period.
    """

    def __init__(self, risk: RiskView, shortfall: ShortfallView, portfolio: str) -> None:
        self._risk, self._shortfall, self._portfolio = risk, shortfall, portfolio
        self._last = 0
        self.seen: tuple[float, float] | None = None
        self.counted, self.outcome = (0, 0), (-1, 0)
        self.es = Chart(
            ("time", "es_unhedged", "es_current", "es_target", "limit"),
            _ES, picture=_CLOCK | {"base": 0, "legend": True}, ready=partial(self._anew, "es"),
        )  # fmt: skip
        self.pnl = Chart(("time", "pnl"), _PNL, picture=_CLOCK | {"base": 0}, ready=partial(self._anew, "pnl"))
        self.outcomes = Chart(
            ("time", "pnl", "var", "beyond"),
            _OUTCOME, picture=_CLOCK | {"base": 0, "legend": True}, ready=partial(self._anew, "outcomes"),
        )  # fmt: skip

    def extend(self) -> None:
        """Add what came since."""
        rows = self._risk.series(self._portfolio, n=_KEPT)
        if not len(rows):
            return
        start = float(rows["time_ns"][0]) / 1e6
        seen = self.seen = start, max(float(rows["time_ns"][-1]) / 1e6, start + _LEAST_MS)
        for chart in (self.es, self.pnl):
            new = rows[rows["seq"] > chart.seq]
            if chart.is_ready and len(new):
                full, chart.seq = chart.seq < 0, int(new["seq"][-1])
                told = {n: new[n] for n in ("es_unhedged", "es_current", "es_target", "pnl")}
                told["limit"] = np.full(len(new), self._bound(float(new["es_unhedged"].max())))
                chart.tell(told | {"time": new["time_ns"] / 1e6}, full=full, seen=seen)
        self._show_outcomes(rows, seen)

    def report_at(self, time_ns: int) -> tuple[int, int]:
        """Sequence and append time of the report of a market time; -1 and 0 where there are no reports."""
        return _at(self._risk.series(self._portfolio, n=_KEPT), time_ns)

    def _anew(self, name: str) -> None:
        getattr(self, name).seq = -1
        self.extend()

    def _bound(self, most: float) -> float:
        """The limit, as a line that the scale makes room for; NaN where there is none, or it is out of all sight."""
        report = self._risk.latest(self._portfolio)
        if report is None or "max_es" not in report.limits.index:
            return np.nan
        bound = float(report.limits.loc["max_es", "bound"])
        return bound if bound <= _IN_SIGHT * most else np.nan

    def _show_outcomes(self, reports: Any, seen: tuple[float, float]) -> None:
        frame = self._shortfall.outcomes(self._portfolio).iloc[-_OUTCOMES:]
        if not len(frame):
            self.outcomes.tell(seen=seen)
            return
        beyond, ended = frame["exceeded"].to_numpy(), frame.index[-1].value
        if ended != self._last:
            self._last = ended
            self.counted = len(frame), int(beyond.sum())
            self.outcome = _at(reports, ended)
        if ended == self.outcomes.seq:
            self.outcomes.tell(seen=seen)  # time goes on
        elif self.outcomes.is_ready:
            self.outcomes.seq = ended
            told = {"pnl": frame["pnl"].to_numpy(), "var": -frame["forecast_var"].to_numpy(), "beyond": beyond}
            self.outcomes.tell(told | {"time": frame.index.as_unit("ns").asi8 / 1e6}, full=True, seen=seen)


def _at(reports: Any, time_ns: int) -> tuple[int, int]:
    if not len(reports):
        return -1, 0
    at = min(int(np.searchsorted(reports["time_ns"], time_ns)), len(reports) - 1)
    return int(reports["seq"][at]), int(reports["append_ns"][at])
