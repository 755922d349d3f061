"""Lines of the Risk page: shortfall, outcomes and P&L through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import DataRange1d, Range1d, Span
from panel.pane import Bokeh

from dashboards.components import lines

if TYPE_CHECKING:
    from qflib.views import RiskView, ShortfallView

_KEPT = 4_000  # reports in a picture: a quarter of an hour at four a second
_OUTCOMES = 500
_IN_SIGHT = 4.0  # times the unhedged shortfall
_LEAST_MS = 1_000.0  # of a picture with one report


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
    outcome
        Sequence and append time of the report that ended the last outcome's period.
    """

    def __init__(self, risk: RiskView, shortfall: ShortfallView, portfolio: str) -> None:
        self._risk, self._shortfall, self._portfolio = risk, shortfall, portfolio
        self._series = lines.source("es_unhedged", "es_current", "es_target", "pnl", "limit")
        self._strip = lines.source("pnl", "var", "colour", "size")
        self._seq = -1
        self._last: Any = None
        self.counted, self.outcome = (0, 0), (-1, 0)
        self._time = Range1d(name="risk-time")
        figures = self._es(), self._pnl(), self._outcomes()
        lines.linked_cross("risk-cross", *figures)
        self.es, self.pnl, self.outcomes = (Bokeh(f, sizing_mode="stretch_both") for f in figures)

    def extend(self) -> None:
        """Add what came since."""
        rows = self._risk.series(self._portfolio, n=_KEPT)
        rows = rows[rows["seq"] > self._seq]
        if len(rows):
            self._seq = int(rows["seq"][-1])
            names = ("es_unhedged", "es_current", "es_target", "pnl")
            told = {n: rows[n] for n in names}
            told["limit"] = np.full(len(rows), self._bound(float(rows["es_unhedged"].max())))
            self._series.stream({"time": rows["time_ns"] / 1e6, **told}, rollover=_KEPT)
            first = self._series.data["time"][0]
            self._time.update(start=float(first), end=max(float(rows["time_ns"][-1]) / 1e6, float(first) + _LEAST_MS))
        self._extend_outcomes()

    def _bound(self, most: float) -> float:
        """The limit, as a line that the scale makes room for; NaN where there is none, or it is out of all sight."""
        report = self._risk.latest(self._portfolio)
        if report is None or "max_es" not in report.limits.index:
            return np.nan
        bound = float(report.limits.loc["max_es", "bound"])
        return bound if bound <= _IN_SIGHT * most else np.nan

    def _extend_outcomes(self) -> None:
        frame = self._shortfall.outcomes(self._portfolio).iloc[-_OUTCOMES:]
        if not len(frame) or frame.index[-1] == self._last:
            return
        self._last = frame.index[-1]
        beyond = frame["exceeded"].to_numpy()
        self.counted = len(frame), int(beyond.sum())
        reports = self._risk.series(self._portfolio, n=_KEPT)
        if len(reports):
            at = min(int(np.searchsorted(reports["time_ns"], self._last.value)), len(reports) - 1)
            self.outcome = int(reports["seq"][at]), int(reports["append_ns"][at])
        self._strip.data = {
            "time": frame.index.as_unit("ns").asi8 / 1e6,
            "pnl": frame["pnl"].to_numpy(),
            "var": -frame["forecast_var"].to_numpy(),
            "colour": np.where(beyond, lines.BAD, lines.BID).tolist(),
            "size": np.where(beyond, 9.0, 5.0),
        }

    def _es(self) -> Any:
        f = lines.made_figure(
            "risk-es", x_range=self._time, y_range=DataRange1d(start=0, range_padding=0.1, only_visible=True)
        )
        drawn = [
            f.line("time", f"es_{n}", source=self._series, color=c, line_width=w, line_dash=dash, legend_label=n)
            for n, c, w, dash in (
                ("unhedged", lines.FAINT, 1.8, "solid"),
                ("target", lines.ASK, 2.4, [5, 4]),
                ("current", lines.ACCENT, 2, "solid"),
            )
        ]
        f.line("time", "limit", source=self._series, color=lines.BAD, line_width=1.5, legend_label="limit")
        lines.legend(f)
        told = [("unhedged", "@es_unhedged{0,0}"), ("current", "@es_current{0,0}"), ("target", "@es_target{0,0}")]
        lines.hover(f, told, drawn[-1:])
        return f

    def _pnl(self) -> Any:
        f = lines.made_figure("risk-pnl", x_range=self._time)
        f.varea("time", 0, "pnl", source=self._series, color=lines.ACCENT, alpha=0.14)
        line = f.line("time", "pnl", source=self._series, color=lines.ACCENT, line_width=1.8)
        f.add_layout(Span(location=0, dimension="width", line_color=lines.FAINT, line_alpha=0.6))
        lines.hover(f, [("P&L", "@pnl{0,0}")], [line])
        return f

    def _outcomes(self) -> Any:
        f = lines.made_figure("risk-outcomes", x_range=self._time)
        f.segment("time", 0, "time", "pnl", source=self._strip, color="colour", line_width=2, alpha=0.7)
        dots = f.scatter("time", "pnl", source=self._strip, color="colour", size="size", line_color=None)
        f.step(
            "time",
            "var",
            source=self._strip,
            color=lines.ASK,
            line_width=1.6,
            line_dash=[4, 3],
            mode="after",
            legend_label="−VaR forecast",
        )
        f.add_layout(Span(location=0, dimension="width", line_color=lines.FAINT, line_alpha=0.6))
        lines.legend(f)
        lines.hover(f, [("P&L", "@pnl{0,0}"), ("−VaR", "@var{0,0}")], [dots])
        return f
