"""Which orders are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from dashboards.components.wire import HERE, Wire, style


class Filters(Wire):
    """Tells `filter` with `show` and `text`."""

    _esm: ClassVar[str | Path] = HERE / "filters.js"
    _stylesheets: ClassVar[list[str]] = style("filters")

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "height": 34} | params)
