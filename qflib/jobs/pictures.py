"""Pictures of a report: drawn by Bokeh's own script, which lies in the notebook, so that its page needs no network."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4


class _Html:
    """HTML that shows itself."""

    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return "<pictures' script>"


def start() -> Any:
    """Put Bokeh's script into the notebook, and show every HoloViews or hvPlot picture by it.

    A report's first cell ends with this. Without it a page has tables and words alone: HoloViews shows its pictures by
    scripts and styles that are fetched from elsewhere.

    Examples
    --------
    >>> from qflib.jobs import pictures
    >>> "Bokeh" in pictures.start()._repr_html_()
    True
    """
    from bokeh.resources import Resources
    from IPython.core.getipython import get_ipython
    from IPython.utils.capture import capture_output

    with capture_output():  # hvPlot shows scripts that load others from elsewhere,
        import hvplot.pandas
    hvplot._module_extensions.clear()  # and forgets before every cell that it has
    shell = get_ipython()
    if shell is not None and shell.display_formatter is not None:
        _show_by(shell.display_formatter.mimebundle_formatter)
    return _Html("".join(f"<script>{script}</script>" for script in Resources("inline", components=["bokeh"]).js_raw))


def markup(plot: Any) -> str:
    """A HoloViews picture as HTML, drawn where the page has Bokeh's script.

    Examples
    --------
    >>> import pandas as pd, hvplot.pandas
    >>> from qflib.jobs import pictures
    >>> "embed_item" in pictures.markup(pd.DataFrame({"a": [1, 2]}).hvplot.line())
    True
    """
    import holoviews as hv
    from bokeh.embed import json_item

    place = f"picture-{uuid4().hex[:12]}"
    item = json.dumps(json_item(hv.render(plot, backend="bokeh"))).replace("</", "<\\/")
    missing = "This picture is drawn by Bokeh: run the notebook, or open its page."
    return (
        f'<div id="{place}"></div>\n<script>\n'
        f'if (window.Bokeh) Bokeh.embed.embed_item({item}, "{place}");\n'
        f'else document.getElementById("{place}").textContent = "{missing}";\n</script>'
    )


def _show_by(formatter: Any) -> None:
    """In the place of HoloViews' own, which are told for each kind of picture."""
    from holoviews.core import Dimensioned

    def bundle(plot: Any, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"text/html": markup(plot), "text/plain": repr(plot)}, {}

    for kind in [Dimensioned, *formatter.type_printers]:
        if isinstance(kind, type) and issubclass(kind, Dimensioned):
            formatter.for_type(kind, bundle)
