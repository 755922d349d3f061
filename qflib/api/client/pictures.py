"""Pictures of the running desk, by hvPlot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.api.client.results import LiveBook
    from qflib.api.client.what_if import LiveWhatIf

_ES = {"es_target": "#8cb369", "es_unhedged": "#b0413e", "es_current": "#1d3557"}  # as `Run.plot` colours them
_WIDTH = 800


def risk_picture(reports: pd.DataFrame) -> Any:
    """ES over time: unhedged, current and target, at the reports' first level; the newest as dots.

    Raises
    ------
    InputError
        If there are no reports.
    """
    import holoviews as hv
    import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

    if not len(reports):
        raise InputError("there is no report in that while; ask for a longer one, as last='1h'")
    level = reports["level"].iloc[0]
    rows = _naive(reports[reports["level"] == level][list(_ES)])
    drawn = [
        hv.Curve((rows.index, rows[name]), "UTC", "loss", label=name.removeprefix("es_")).opts(
            color=color, line_width=2, framewise=True
        )
        for name, color in _ES.items()
    ]
    ends = [
        hv.Scatter((rows.index[-1:], rows[name].iloc[-1:]), "UTC", "loss").opts(color=color, size=6, framewise=True)
        for name, color in _ES.items()
    ]
    title = f"Expected shortfall of {reports['portfolio'].iloc[0]}, {level:.1%}"
    return hv.Overlay([*drawn, *ends]).opts(**_frame(title, "loss", yformatter="%.0f", legend_position="top_left"))


def outcomes_picture(outcomes: pd.DataFrame, portfolio: str) -> Any:
    """P&L of each period, and the VaR that was forecast of it, as a loss; those beyond it are red."""
    import holoviews as hv
    import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

    rows = outcomes.iloc[:0]
    if len(outcomes):
        own = outcomes[(outcomes["portfolio"] == portfolio) & (outcomes["outcome"] == "actual")]
        rows = _naive(own[own["level"] == own["level"].min()])
    beyond: Any = (rows["pnl"] < -rows["forecast_var"]).to_numpy() if len(rows) else []
    told = []
    for kept, color, label in ((beyond == False, "#1d3557", "P&L"), (beyond == True, "#b0413e", "beyond")):  # noqa: E712
        of = rows[kept] if len(rows) else rows
        values = of["pnl"] if len(of) else []
        told.append(
            hv.Spikes((of.index, values), "UTC", "P&L", label=label).opts(color=color, line_width=2, framewise=True)
        )
    forecast = hv.Curve((rows.index, -rows["forecast_var"] if len(rows) else []), "UTC", "P&L", label="-VaR")
    told.append(forecast.opts(interpolation="steps-pre", color="#8cb369", line_width=1.5, framewise=True))
    return hv.Overlay(told).opts(**_frame(f"P&L of {portfolio} beside its VaR", "P&L", yformatter="%.0f"))


def trades_picture(trades: pd.DataFrame, instrument: str) -> Any:
    """Price of each trade over time, by who began it, as large as its quantity."""
    import holoviews as hv
    import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

    rows = _naive(trades)
    told = []
    for side, color in (("buy", "#1d3557"), ("sell", "#b0413e")):
        of = rows[rows["side"] == side]
        sizes: Any = (
            4 + 8 * np.sqrt(of["qty"].to_numpy(float) / max(float(rows["qty"].max()), 1e-300)) if len(of) else []
        )
        dots = hv.Scatter((of.index, of["price"], sizes), "UTC", ["price", "size"], label=side)
        told.append(dots.opts(color=color, size="size", alpha=0.7, framewise=True))
    return hv.Overlay(told).opts(**_frame(f"Trades in {instrument}", "price"))


def book_picture(book: LiveBook, n: int = 10) -> Any:
    """Quantity by price, the best `n` levels a side."""
    import holoviews as hv
    import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

    depth = book.depth(n)
    sides = []
    for side, color in (("bid", "#1d3557"), ("ask", "#b0413e")):
        rows = depth[depth["side"] == side].sort_values("price")
        line = hv.Curve((rows["price"], rows["cumulative"]), "price", "quantity", label=side)
        sides.append(line.opts(interpolation="steps-mid", color=color, line_width=2, framewise=True))
    title = f"{book.instrument}, {book.time:%H:%M:%S} UTC: {book.bid:g} / {book.ask:g}"
    return hv.Overlay(sides).opts(title=title, width=_WIDTH, height=300, ylabel="cumulative quantity")


def what_if_picture(told: LiveWhatIf) -> Any:
    """Bars of ES and VaR before and after."""
    import hvplot.pandas  # noqa: F401  (gives DataFrames their hvplot)

    frame: Any = told.to_frame().loc[""].loc[["es", "var"], ["before", "after"]].rename({"es": "ES", "var": "VaR"})
    title = f"ES and VaR of {told.portfolio} at {told.level:.1%}; the trades cost {told.cost:,.6g}"
    return frame.hvplot.bar(title=title, ylabel="loss", xlabel="", width=_WIDTH, height=330, rot=0, yformatter="%.0f")


def _naive(frame: pd.DataFrame) -> pd.DataFrame:
    """UTC without a zone: Bokeh shows naive times as they are."""
    return frame.set_axis(pd.DatetimeIndex(frame.index).tz_convert("UTC").tz_localize(None))


def _frame(title: str, ylabel: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "ylabel": ylabel, "xlabel": "UTC", "width": _WIDTH, "height": 330, "show_grid": True,
            "framewise": True, **more}  # fmt: skip
