"""Pictures of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qflib.desk.hedge_fills import hedge_fills
from qflib.orderbook.plot import LEGEND_ABOVE

if TYPE_CHECKING:
    from qflib.desk.run import Run

_GREEKS = {
    "delta": "#4e79a7",
    "gamma": "#f28e2b",
    "vega": "#59a14f",
    "theta": "#b07aa1",
    "rho": "#86bcb6",
    "vanna": "#edc948",
    "volga": "#8cd17d",
    "charm": "#d4a6c8",
    "veta": "#d7b5a6",
    "carry": "#9c755f",
    "fees": "#e15759",
    "slippage": "#ff9d9a",
    "unexplained": "#bab0ac",
}
_ES = {  # the target is drawn first and wide: where it is the current one both are seen
    "es_target": ("target", {"color": "#8cb369", "line_width": 6, "line_dash": "dashed"}),
    "es_unhedged": ("unhedged", {"color": "#b0413e", "line_width": 2}),
    "es_current": ("current", {"color": "#1d3557", "line_width": 2}),
}


def plot_run(run: Run) -> Any:
    """Expected shortfall, cost of hedging so far, and P&L by Greek with its total, stacked on one time axis."""
    import holoviews as hv
    import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

    risk = run.risk[run.risk["portfolio"] == run.recorder.portfolio]
    if not len(risk):
        return hv.Text(0.5, 0.5, "this run reported no risk: it had no positions")
    unit = currency(run)
    parts = [_shortfall(risk[risk["level"] == risk["level"].iloc[0]], unit), _cost(run, unit)]
    if len(run.explain):
        parts.append(explained(run.explain, unit, run.start))
    span = (_naive(run.start), _naive(run.end))
    return hv.Layout([part.opts(xlim=span) for part in parts]).cols(1).opts(shared_axes=False)


def hedge_cost(run: Run) -> pd.Series[float]:
    """Cost of the desk's own hedge fills against the mid they were decided at, summed so far; index time (UTC).

    What each costs is told by `qflib.desk.hedge_fills`. O(fills).
    """
    cost = hedge_fills(run)["cost"]
    total: pd.Series[float] = cost.groupby(level="time").sum().cumsum()
    return total


def currency(run: Run) -> str:
    """The reporting currency: that in which positions settle whose rate of exchange is 1."""
    table, p = run.recorder.instruments, run.recorder.latest["risk"].positions
    held = {table.rows[i].settlement_currency for i, f in zip(p.instrument.tolist(), p.fx, strict=True) if f == 1.0}
    return held.pop() if len(held) == 1 else "reporting currency"


def _shortfall(rows: pd.DataFrame, unit: str) -> Any:
    import holoviews as hv

    at = _naive(rows.index)
    lines = [
        hv.Curve((at, rows[column].to_numpy()), "UTC", "ES", label=label).opts(**style)
        for column, (label, style) in _ES.items()
    ]
    span = pd.Timedelta(int(rows["horizon_ns"].iloc[0]), unit="ns")
    title = f"Expected shortfall, {rows['level'].iloc[0]:.1%} over {_spoken(span)}"
    top = max(float(rows[list(_ES)].max().max()), 0.0)
    low = min(float(rows[list(_ES)].min().min()), 0.0)
    return hv.Overlay(lines).opts(**_frame(title, f"loss, {unit}", 330), ylim=(1.05 * low, 1.05 * top or 1.0))


def _cost(run: Run, unit: str) -> Any:
    import holoviews as hv

    cost = hedge_cost(run)
    at = [_naive(run.start), *_naive(pd.DatetimeIndex(cost.index)), _naive(run.end)]
    total = np.concatenate([[0.0], cost.to_numpy(), cost.to_numpy()[-1:] if len(cost) else [0.0]])
    line = hv.Curve((at, total), "UTC", "cost").opts(interpolation="steps-post", color="#555555", line_width=2)
    title = "Cost of hedge fills against the mid, so far"
    low, top = min(float(total.min()), 0.0), max(float(total.max()), 0.0)
    return hv.Overlay([line]).opts(
        **_frame(title, f"cost, {unit}", 210), ylim=(1.1 * low, 1.1 * top or 1.0), show_legend=False
    )


def explained(explain: pd.DataFrame, unit: str, start: pd.Timestamp) -> Any:
    """P&L by Greek: bars from zero up and down, a period each, under the markers of their total.

    Parameters
    ----------
    explain
        As `Run.explain`; one row at least.
    unit
        Of the P&L, for the label.
    start
        Of the first period, where there is one only.
    """
    import holoviews as hv

    ends = _naive(pd.DatetimeIndex(explain.index))
    width = pd.Timedelta(np.diff(ends).min()) if len(ends) > 1 else ends[0] - _naive(start)
    up, down, parts = np.zeros(len(ends)), np.zeros(len(ends)), []
    for name, color in _GREEKS.items():
        value = explain[name].to_numpy(np.float64)
        if not value.any():
            continue
        base = np.where(value >= 0, up, down)
        up, down = up + np.maximum(value, 0.0), down + np.minimum(value, 0.0)
        boxes = (ends - 0.9 * width, base, ends - 0.1 * width, base + value)
        parts.append(hv.Rectangles(boxes, ["UTC", "P&L", "UTC_1", "P&L_1"], label=name).opts(color=color, line_alpha=0))
    total = (ends - 0.5 * width, explain["total"].to_numpy())
    parts.append(hv.Curve(total, "UTC", "P&L", label="total").opts(color="black", line_width=1))
    parts.append(hv.Scatter(total, "UTC", "P&L", label="total").opts(color="black", size=7, marker="diamond"))
    title = f"P&L by Greek, each {_spoken(width)}"
    return hv.Overlay([hv.HLine(0).opts(color="grey", line_width=1), *parts]).opts(**_frame(title, f"P&L, {unit}", 330))


def _frame(title: str, ylabel: str, height: int) -> dict[str, Any]:
    from bokeh.models import NumeralTickFormatter

    return {
        "title": title,
        "ylabel": ylabel,
        "xlabel": "UTC",
        "height": height,
        "responsive": True,
        "yformatter": NumeralTickFormatter(format="0,0.[00]"),
        **LEGEND_ABOVE,
        "legend_cols": 8,
        "show_grid": True,
        "hooks": [_aligned],
    }


def _aligned(plot: Any, _: Any) -> None:
    """Room for the widest ticks beside every panel, so that the same time stands at the same place."""
    plot.state.min_border_left = 100
    plot.state.min_border_right = 20


def _spoken(span: pd.Timedelta) -> str:
    for ns, name in ((86_400 * 10**9, "day"), (3_600 * 10**9, "hour"), (60 * 10**9, "minute")):
        if span.value >= ns:
            n = span.value / ns
            return f"{n:g} {name}{'' if n == 1 else 's'}"
    return f"{span.total_seconds():g} s"


def _naive(at: Any) -> Any:
    """Bokeh shows naive times as they are."""
    return at.tz_convert("UTC").tz_localize(None)
