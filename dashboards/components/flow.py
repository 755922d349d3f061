"""The way of the data as a picture that shows where it is slow."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Flow(Wire):
    """Told `stages`: name -> state (ok, slow, down, none), word, and two lines."""

    _esm: ClassVar[str | Path] = HERE / "flow.js"
    _stylesheets: ClassVar[list[str]] = style("flow")
