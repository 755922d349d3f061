"""Lines through time: Bokeh on canvas, in colours that read on light and dark alike."""

from __future__ import annotations

from typing import Any

from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    DatetimeTickFormatter,
    HoverTool,
    NumeralTickFormatter,
    Span,
)
from bokeh.plotting import figure

FAINT = "#8590a3"
GRID = "#8590a3"
ACCENT, BID, ASK, BAD = "#7a70e8", "#2f8fe8", "#e07f1f", "#e0524a"


def made_figure(name: str, *, form: str = "0,0", time_axis: bool = True, **more: Any) -> Any:
    """A bare figure: the value axis right, faint grid, nothing drawn that is not data."""
    f = figure(
        name=name,
        x_axis_type="datetime",
        y_axis_location="right",
        output_backend="canvas",
        tools="",
        toolbar_location=None,
        sizing_mode="stretch_both",
        min_border_left=0,
        min_border_right=64,
        min_border_top=4,
        min_border_bottom=18,
        **more,
    )
    f.background_fill_alpha = f.border_fill_alpha = 0
    f.outline_line_color = None
    f.xgrid.visible = False
    if "x_range" not in more:
        f.x_range.range_padding = 0.01
    f.ygrid.grid_line_color, f.ygrid.grid_line_alpha = GRID, 0.16
    for axis in (*f.xaxis, *f.yaxis):
        axis.axis_line_color = axis.minor_tick_line_color = axis.major_tick_line_color = None
        axis.major_label_text_color, axis.major_label_text_font_size = FAINT, "11px"
        axis.major_label_text_font = "monospace"
    f.yaxis.formatter = NumeralTickFormatter(format=form)
    f.yaxis.ticker.desired_num_ticks = 4
    f.xaxis.formatter = DatetimeTickFormatter(
        milliseconds="%H:%M:%S",
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b",
    )
    f.xaxis.ticker.desired_num_ticks = 4
    f.xaxis.visible = time_axis
    if not time_axis:
        f.min_border_bottom = 4
    return f


def hover(f: Any, columns: list[tuple[str, str]], renderers: list[Any]) -> None:
    """What the nearest moment says."""
    f.add_tools(
        HoverTool(
            renderers=renderers,
            mode="vline",
            tooltips=[("", "@time{%H:%M:%S}"), *columns],
            formatters={"@time": "datetime"},
            point_policy="snap_to_data",
        )
    )


def linked_cross(name: str, *figures: Any) -> None:
    """One cross-hair in all these pictures, wherever the mouse is; others follow and lead it by the bus.

    Parameters
    ----------
    name
        Of its line in the first picture, and with a number in the others; listeners tell by it whose moment it is.
    *figures
        Pictures of the same time.
    """
    spans = []
    for n, f in enumerate(figures):
        line = Span(name=f"{name}-{n}" if n else name, location=0, dimension="height", visible=False)
        line.line_color, line.line_dash = FAINT, "dashed"
        f.add_layout(line)
        spans.append(line)
    told = {"spans": spans, "name": name}
    draw = "for (const s of spans) s.setv(%s, {sync: false}); window.qf.emit('cross', {t: %s, from: name})"
    for f in figures:
        f.js_on_event("mousemove", CustomJS(args=told, code=draw % ("{location: cb_obj.x, visible: true}", "cb_obj.x")))
        f.js_on_event("mouseleave", CustomJS(args=told, code=draw % ("{visible: false}", "null")))


def legend(f: Any) -> None:
    """The legend in a line of its own above, without a box."""
    f.legend.orientation, f.legend.location = "horizontal", "top_left"
    f.legend.background_fill_alpha, f.legend.border_line_alpha = 0, 0
    f.legend.label_text_color, f.legend.label_text_font_size = FAINT, "11px"
    f.legend.padding, f.legend.margin, f.legend.spacing, f.legend.glyph_height = 0, 0, 14, 12
    f.legend.location = (10, 0)
    f.add_layout(f.legend[0], "above")


def source(*columns: str) -> Any:
    """An empty source with `time` and these columns."""
    return ColumnDataSource({c: [] for c in ("time", *columns)})
