"""The pictures of the daily risk report, by hvPlot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.desk.plots import currency, explained
from qflib.jobs.daily_risk import DailyRisk, Unavailable
from qflib.orderbook.plot import LEGEND_ABOVE

_WIDTH = 900
_LINES = {  # the target first and wide: where it is the current one both are seen
    "ES target": ("#8cb369", 6, "dashed"),
    "ES unhedged": ("#b0413e", 2, "solid"),
    "ES current": ("#1d3557", 2, "solid"),
    "VaR current": ("#8a8f98", 2, "solid"),
}


def shortfall(report: DailyRisk) -> Any:
    """ES unhedged, current and target, and VaR, through the day against the limit."""
    import holoviews as hv
    import hvplot.pandas  # noqa: F401

    rows = _plain(report.through_the_day())
    top = float(np.nanmax([rows.to_numpy().max(), report.limit if np.isfinite(report.limit) else np.nan]))
    lines = [
        rows.hvplot.line(y=name, color=color, label=name, line_width=width, line_dash=dash)
        for name, (color, width, dash) in _LINES.items()
    ]
    if np.isfinite(report.limit):
        limit = hv.HLine(report.limit).opts(color="#c1272d", line_dash="dashed", line_width=2)
        label = hv.Text(rows.index[0], report.limit, " limit", halign="left", valign="bottom")
        lines += [limit, label.opts(color="#c1272d", text_font_size="9pt")]
    return hv.Overlay(lines).opts(
        width=_WIDTH, height=360, show_grid=True, xlabel="UTC", ylabel=f"loss, {currency(report.run)}",
        title=f"VaR and expected shortfall, {report.level:.1%}", ylim=(0.0, 1.08 * top or 1.0),
        yformatter=_money(), legend_cols=4, **LEGEND_ABOVE,
    )  # fmt: skip


def greeks(report: DailyRisk) -> Any:
    """Cash delta, vega and theta by underlying, an expiry a colour."""
    import hvplot.pandas  # noqa: F401

    made = report.greeks()
    if isinstance(made, Unavailable):
        return made
    rows = made.reset_index()
    rows["expiry"] = pd.to_datetime(rows["expiry"]).dt.strftime("%Y-%m-%d").fillna("none")
    panels = [
        rows.hvplot.bar(
            x="underlying", y=name, by="expiry", stacked=True, title=title, ylabel=currency(report.run), width=420,
            height=300, yformatter=_money(), legend="bottom", xlabel="",
        )
        for name, title in (("delta", "Cash delta"), ("vega", "Vega, a point of volatility"),
                            ("gamma", "Cash gamma, a move of 1 %"), ("theta", "Theta, a calendar day"))
    ]  # fmt: skip
    return sum(panels[1:], panels[0]).cols(2).opts(shared_axes=False)


def cost(report: DailyRisk) -> Any:
    """What hedging has cost against the mid, so far."""
    import hvplot.pandas  # noqa: F401

    fills = report.hedges().dropna(subset="cost")
    if fills.empty:
        return Unavailable("there was no hedge fill of which a decision is known")
    total = _plain(fills.groupby(level="time")["cost"].sum().cumsum().to_frame("cost"))
    total.loc[report.run.end.tz_convert("UTC").tz_localize(None)] = total["cost"].iloc[-1]
    return total.hvplot.step(
        where="post", width=_WIDTH, height=240, color="#555555", line_width=2, grid=True, xlabel="UTC",
        ylabel=f"cost, {currency(report.run)}", title="Cost of hedge fills against the mid, so far",
        yformatter=_money(), ylim=(min(0.0, 1.1 * float(total["cost"].min())), 1.1 * float(total["cost"].max()) or 1.0),
    )  # fmt: skip


def explain(report: DailyRisk) -> Any:
    """P&L of each outcome period by Greek."""
    rows = report.explain()
    if rows.empty:
        return Unavailable("no outcome period has ended")
    return explained(rows, currency(report.run), report.run.start).opts(responsive=False, width=_WIDTH)


def figures(table: Any, decimals: int = 0) -> Any:
    """A table with its figures rounded, for the eye; what is no table is given back."""
    if not isinstance(table, pd.DataFrame):
        return table
    whole, real = (table.select_dtypes(kind).columns for kind in ("integer", "float"))
    made = table.style.format("{:,}", subset=whole).format(f"{{:,.{decimals}f}}", subset=real, na_rep="–")
    for level in range(table.index.nlevels):
        if isinstance(table.index.get_level_values(level).dtype, pd.DatetimeTZDtype):
            made = made.format_index(_instant, level=level)
    return made


def _instant(at: Any) -> str:
    return "–" if at is pd.NaT else f"{at:%Y-%m-%d %H:%M:%S}"


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Bokeh shows naive times as they are."""
    index = pd.DatetimeIndex(rows.index)
    return rows.set_axis(index.tz_convert("UTC").tz_localize(None), axis=0)


def _money() -> Any:
    from bokeh.models import NumeralTickFormatter

    return NumeralTickFormatter(format="0,0.[00]")
