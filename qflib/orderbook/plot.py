"""Pictures of a sampled book, of features, of flows by level, and of bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError

#: Colour, width and dash: what lies between the best prices is thinner than they are.
_PRICES = {
    "bid": ("#2a9d4a", 2.0, "solid"),
    "ask": ("#c1272d", 2.0, "solid"),
    "high": ("#bbbbbb", 1.0, "solid"),
    "low": ("#bbbbbb", 1.0, "dotted"),
    "close": ("#222222", 2.0, "solid"),
    "vwap": ("#b5651d", 1.0, "solid"),
    "twap": ("#7b3fa0", 1.0, "dotdash"),
    "mid": ("#888888", 1.0, "dashed"),
    "weighted_mid": ("#2a6f97", 1.0, "dotted"),
    "micro_price": ("#1f4e9c", 1.0, "solid"),
}
#: A legend between title and picture, no higher than its words: Bokeh's own covers the axis and leaves a gap.
LEGEND_ABOVE: dict[str, Any] = {
    "legend_position": "top",
    "legend_opts": {
        "padding": 0, "margin": 0, "location": (0, 0), "border_line_alpha": 0, "background_fill_alpha": 0,
    },
}  # fmt: skip
_PANELS = {
    ("ofi",): ("Order-flow imbalance", "units a sample"),
    ("imbalance",): ("Queue imbalance, -1 all ask to 1 all bid", "of quantity"),
    ("signed_volume",): ("Bought less sold", "quantity"),
    ("realised_variance", "bipower_variation"): ("Realised variance", "of log returns"),
    ("spread", "quoted", "effective", "realised", "impact"): ("Spreads", "price"),
}
_COLORS = ("#2a6f97", "#c1272d", "#2a9d4a", "#b5651d", "#7b3fa0", "#888888")


def plot_book(frame: pd.DataFrame) -> Any:
    """Prices over time; below, where there are such columns, depth as a heat map, and flows, variances, spreads.

    Parameters
    ----------
    frame
        What `OrderBook.replay`, `.qf.features`, `.qf.bars` or `multi_level_ofi` returned.

    Returns
    -------
    holoviews layout
        O(rows x columns).

    Raises
    ------
    InputError
        If the frame has one of bid and ask alone, or nothing to show.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import features, plot_book
    >>> top = pd.DataFrame({"bid": [99.0, 99.0], "ask": [101.0, 101.0], "bid_qty": [3.0, 5.0], "ask_qty": [1.0, 1.0]})
    >>> len(plot_book(features(top)))  # prices, flow, imbalance, spread
    4
    """
    import holoviews as hv
    import hvplot.pandas  # noqa: F401

    has = frame.columns
    missing = [c for c in ("bid", "ask") if c not in has]
    if len(missing) == 1 or (missing and not {"mid", "close", "ofi_0"} & set(has)):
        raise InputError(f"the frame has no column {missing[0]!r}; give what OrderBook.replay or .qf.bars returned")
    symbol = str(frame.attrs.get("symbol", ""))
    # The axis is in UTC without a zone: Bokeh shows naive times as they are.
    shown, index = frame, frame.index
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        shown = frame.set_axis(index.tz_convert("UTC").tz_localize(None))
    axis = "UTC" if isinstance(index, pd.DatetimeIndex) else "row"
    # A sample, and a bar of time, holds until the next; a bar of volume is told at its end.
    steps = "steps-pre" if frame.attrs.get("by") == "volume" else "steps-post"
    panels = []
    prices = [
        _steps(shown[c], axis, "price", steps).opts(color=color, line_width=width, line_dash=dash)
        for c, (color, width, dash) in _PRICES.items()
        if c in has
    ]
    if prices:
        title = f"{symbol}: best prices" if symbol else "Best prices" if "close" not in has else "Prices"
        named = [p.relabel(p.label.replace("_", "-")) for p in prices]
        panels.append(hv.Overlay(named).opts(**_frame(title, axis, "price", 320)))
    if "bid_qty_0" in has:
        panels.append(_heat_map(shown))
    levels = tuple(f"ofi_{m}" for m in range(sum(str(c).startswith("ofi_") for c in has)))
    for columns, (said, ylabel) in (_PANELS | {levels: ("Order-flow imbalance by level", "units a row")}).items():
        # The best prices show their spread.
        told = [c for c in columns if c in has and shown[c].notna().any() and not (c == "spread" and "bid" in has)]
        if told:
            zero = hv.HLine(0).opts(color="grey", line_width=1)
            # Panels share the axes of dimensions of one name: a spread's is not a price's.
            lines = [_steps(shown[c], axis, said, steps) for c in told]
            drawn = [p.opts(color=_COLORS[j % len(_COLORS)], line_width=1) for j, p in enumerate(lines)]
            shape = _frame(said, axis, ylabel, 190 if len(told) == 1 else 250)  # a legend takes room
            panels.append(hv.Overlay([zero, *drawn]).opts(**shape, show_legend=len(told) > 1))
    return hv.Layout(panels).cols(1)


def plot_depth(depth: pd.DataFrame, title: str) -> Any:
    """The depth of one book: a bar a level, by its price.

    Parameters
    ----------
    depth
        As `OrderBook.depth` gives it.
    title
        Above the picture.

    Returns
    -------
    holoviews element
    """
    import holoviews as hv
    import hvplot.pandas  # noqa: F401  (loads the bokeh backend)

    prices = np.unique(depth["price"].to_numpy(np.float64))
    half = 0.4 * (float(np.diff(prices).min()) if len(prices) > 1 else 1.0)
    bars = [
        hv.Rectangles(
            [(p - half, 0.0, p + half, q) for p, q in zip(part["price"], part["qty"], strict=True)], label=str(side)
        ).opts(color=_PRICES[str(side)][0], line_color=None)
        for side, part in depth.groupby("side", sort=True)
    ]
    empty = hv.Rectangles([], label="empty")
    options = {"title": title, "xlabel": "price", "ylabel": "quantity", "width": 640, "height": 320, "show_grid": True}
    return hv.Overlay(bars or [empty]).opts(hv.opts.Rectangles(**options))


def _steps(values: pd.Series[float], axis: str, name: str, steps: str) -> Any:
    import holoviews as hv

    curve = hv.Curve((values.index, values.to_numpy()), axis, name, label=str(values.name))
    return curve.opts(interpolation=steps)


def _frame(title: str, xlabel: str, ylabel: str, height: int) -> dict[str, Any]:
    return {
        "title": title,
        "ylabel": ylabel,
        "xlabel": xlabel,
        "width": 900,
        "height": height,
        **LEGEND_ABOVE,
        "legend_cols": 10,
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
        ylabel="price", xlabel="UTC", clabel=" ", hover=False, title="Depth, log(1 + quantity)",
    ).opts(hooks=[_aligned])  # fmt: skip
