"""Pictures of a sampled book."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError

#: Colour, width and dash: what lies between the best prices is thinner than they are.
_PRICES = {
    "bid": ("#2a9d4a", 2.0, "solid"),
    "ask": ("#c1272d", 2.0, "solid"),
    "mid": ("#888888", 1.0, "dashed"),
    "micro_price": ("#1f4e9c", 1.0, "solid"),
}
_FLOWS = {
    "ofi": ("Order-flow imbalance", "units a sample"),
    "imbalance": ("Queue imbalance, -1 all ask to 1 all bid", "of quantity"),
}


def plot_book(frame: pd.DataFrame) -> Any:
    """Prices over time; below, where there are such columns, depth as a heat map, order-flow and queue imbalance.

    Parameters
    ----------
    frame
        What `OrderBook.replay` returned.

    Returns
    -------
    holoviews layout

    Raises
    ------
    InputError
        If bid or ask are missing.
    """
    import holoviews as hv
    import hvplot.pandas  # noqa: F401

    if missing := [c for c in ("bid", "ask") if c not in frame.columns]:
        raise InputError(f"the frame has no column {missing[0]!r}; give what OrderBook.replay returned")
    symbol = str(frame.attrs.get("symbol", ""))
    # The axis is in UTC without a zone: Bokeh shows naive times as they are.
    shown, index = frame, frame.index
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        shown = frame.set_axis(index.tz_convert("UTC").tz_localize(None))
    prices = [
        _steps(shown[c], "price").opts(color=color, line_width=width, line_dash=dash)
        for c, (color, width, dash) in _PRICES.items()
        if c in shown.columns
    ]
    named = {c: "mid" if c == "mid" else c.replace("_", "-") for c in _PRICES}
    title = f"{symbol}: best prices" if symbol else "Best prices"
    panels = [hv.Overlay([p.relabel(named[p.label]) for p in prices]).opts(**_frame(title, "price", 320))]
    if "bid_qty_0" in shown.columns:
        panels.append(_heat_map(shown))
    for column, (said, ylabel) in _FLOWS.items():
        if column in shown.columns:
            zero = hv.HLine(0).opts(color="grey", line_width=1)
            line = _steps(shown[column], column).opts(color="#2a6f97", line_width=1)
            panels.append(hv.Overlay([zero, line]).opts(**_frame(said, ylabel, 190), show_legend=False))
    return hv.Layout(panels).cols(1)


def _steps(values: pd.Series[float], name: str) -> Any:
    import holoviews as hv

    curve = hv.Curve((values.index, values.to_numpy()), "UTC", name, label=str(values.name))
    return curve.opts(interpolation="steps-post")  # a sample holds until the next


def _frame(title: str, ylabel: str, height: int) -> dict[str, Any]:
    return {
        "title": title,
        "ylabel": ylabel,
        "xlabel": "UTC",
        "width": 900,
        "height": height,
        "legend_position": "top",
        "legend_cols": 4,
        "show_grid": True,
        "hooks": [_aligned],
    }


def _aligned(plot: Any, _: Any) -> None:
    """Room for the widest ticks beside every panel, so that the same time stands at the same place."""
    plot.state.min_border_left = 80


def _heat_map(frame: pd.DataFrame) -> Any:
    """Quantity by time and price, a point a level."""
    n = sum(c.startswith("bid_qty_") for c in frame.columns)
    parts = [
        pd.DataFrame({"time": frame.index, "price": frame[f"{side}_price_{j}"], "qty": frame[f"{side}_qty_{j}"]})
        for side in ("bid", "ask")
        for j in range(n)
    ]
    points = pd.concat(parts, ignore_index=True)
    points = points[points["qty"] > 0].assign(log_qty=lambda f: np.log1p(f["qty"]))
    return points.hvplot.scatter(
        x="time", y="price", c="log_qty", cmap="viridis", marker="square", size=6, width=900, height=320,
        ylabel="price", xlabel="UTC", clabel="log(1 + qty)", hover=False, title="Depth",
    ).opts(hooks=[_aligned])  # fmt: skip
