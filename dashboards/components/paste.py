"""A field for trades as text."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Paste(Wire):
    """Tells `compute` with the text; told an `example`, or an `error`, or how long it `took`."""

    _esm: ClassVar[str | Path] = HERE / "paste.js"
    _stylesheets: ClassVar[list[str]] = style("paste")
