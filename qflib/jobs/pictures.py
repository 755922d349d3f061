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
        return ""


def start() -> Any:
    """What the pictures of a notebook need, once, in its first cell that shows something.

    Examples
    --------
    >>> from qflib.jobs import pictures
    >>> "Bokeh" in pictures.start()._repr_html_()
    True
    """
    from bokeh.resources import Resources
    from IPython.utils.capture import capture_output

    with capture_output():  # hvPlot shows scripts that load others from elsewhere,
        import hvplot.pandas
    hvplot._module_extensions.clear()  # and forgets before every cell that it has

    return _Html("".join(f"<script>{script}</script>" for script in Resources("inline", components=["bokeh"]).js_raw))


def picture(plot: Any) -> Any:
    """A HoloViews or hvPlot picture that shows itself where `start` was shown; what is no picture is given back.

    Examples
    --------
    >>> import pandas as pd, hvplot.pandas
    >>> from qflib.jobs import pictures
    >>> "embed_item" in pictures.picture(pd.DataFrame({"a": [1, 2]}).hvplot.line())._repr_html_()
    True
    """
    import holoviews as hv
    from bokeh.embed import json_item

    if not isinstance(plot, hv.core.Dimensioned | hv.Layout):
        return plot
    place = f"picture-{uuid4().hex[:12]}"
    item = json.dumps(json_item(hv.render(plot, backend="bokeh"))).replace("</", "<\\/")
    missing = "This picture is drawn by Bokeh: run the notebook, or open its page."
    return _Html(
        f'<div id="{place}"></div>\n<script>\n'
        f'if (window.Bokeh) Bokeh.embed.embed_item({item}, "{place}");\n'
        f'else document.getElementById("{place}").textContent = "{missing}";\n</script>'
    )
