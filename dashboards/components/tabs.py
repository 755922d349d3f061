"""The switch between underlyings, each with a word on it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Tabs(Wire):
    """Told `rows` (name, text, tone) and `now`, the one that is shown; tells `choose` with a name."""

    _esm: ClassVar[str | Path] = HERE / "tabs.js"
    _stylesheets: ClassVar[list[str]] = style("tabs")
