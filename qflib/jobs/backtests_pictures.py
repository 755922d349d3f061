"""The pictures of the backtest report, by hvPlot."""

from __future__ import annotations

from typing import Any

from bokeh.models import NumeralTickFormatter

from qflib.jobs.backtests import Backtests
from qflib.jobs.daily_risk import Unavailable

_COLORS = ["#b0413e", "#8cb369", "#1d3557"]


def pnl(report: Backtests) -> Any:
    """P&L of clients, hedges and both, added up over the periods.

    Examples
    --------
    >>> from qflib.jobs import backtests_pictures as draw
    >>> from qflib.jobs.backtests import backtests
    >>> draw.pnl(backtests("2024-01-03", source="sim", duration="30s")) is not None
    True
    """
    import hvplot.pandas  # noqa: F401

    rows = report.pnl()
    if rows.empty:
        return Unavailable("no period of P&L has ended")
    made = rows.groupby(level="time")[["client", "hedge"]].sum()
    made = made.assign(both=made.sum(axis=1)).cumsum()
    made.index = made.index.tz_localize(None)  # type: ignore[attr-defined]
    made.columns = ["clients", "hedges", "both"]
    return made.hvplot.line(
        color=_COLORS, width=900, height=320, grid=True, xlabel="UTC", ylabel=f"P&L, {report.currency}",
        title="P&L of clients, hedges and both, fees not in it", legend="top", group_label="of",
        yformatter=NumeralTickFormatter(format="0,0"),
    )  # fmt: skip
