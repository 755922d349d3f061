"""Pictures of the running desk, by hvPlot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.api.client.results import LiveBook
    from qflib.api.client.what_if import LiveWhatIf

_ES = {"es_target": "#8cb369", "es_unhedged": "#b0413e", "es_current": "#1d3557"}  # as `Run.plot` colours them
_WIDTH = 800


def risk_picture(reports: pd.DataFrame) -> Any:
    """ES over time: unhedged, current and target, at the reports' first level.

    Raises
    ------
    InputError
        If there are no reports.
    """
    import hvplot.pandas  # noqa: F401  (gives DataFrames their hvplot)

    if not len(reports):
        raise InputError("there is no report in that while; ask for a longer one, as last='1h'")
    level = reports["level"].iloc[0]
    rows = reports[reports["level"] == level][list(_ES)]
    rows.index = pd.DatetimeIndex(rows.index).tz_convert("UTC").tz_localize(None)  # Bokeh shows naive times as they are
    title = f"Expected shortfall of {reports['portfolio'].iloc[0]}, {level:.1%}"
    drawn: Any = rows.rename(columns=lambda c: c.removeprefix("es_"))
    picture = drawn.hvplot.scatter if len(rows) == 1 else drawn.hvplot.line
    return picture(title=title, ylabel="loss", xlabel="UTC", color=list(_ES.values()), width=_WIDTH, height=330,
                   grid=True, yformatter="%.0f", legend="top")  # fmt: skip


def book_picture(book: LiveBook, n: int = 10) -> Any:
    """Quantity by price, the best `n` levels a side."""
    import holoviews as hv
    import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

    depth = book.depth(n)
    sides = []
    for side, color in (("bid", "#1d3557"), ("ask", "#b0413e")):
        rows = depth[depth["side"] == side].sort_values("price")
        line = hv.Curve((rows["price"], rows["cumulative"]), "price", "quantity", label=side)
        sides.append(line.opts(interpolation="steps-mid", color=color, line_width=2))
    title = f"{book.instrument}, {book.time:%H:%M:%S} UTC: {book.bid:g} / {book.ask:g}"
    return hv.Overlay(sides).opts(title=title, width=_WIDTH, height=300, ylabel="cumulative quantity")


def what_if_picture(told: LiveWhatIf) -> Any:
    """Bars of ES and VaR before and after."""
    import hvplot.pandas  # noqa: F401  (gives DataFrames their hvplot)

    frame: Any = told.to_frame().loc[""].loc[["es", "var"], ["before", "after"]].rename({"es": "ES", "var": "VaR"})
    title = f"ES and VaR of {told.portfolio} at {told.level:.1%}; the trades cost {told.cost:,.6g}"
    return frame.hvplot.bar(title=title, ylabel="loss", xlabel="", width=_WIDTH, height=330, rot=0, yformatter="%.0f")
