"""The switch between instruments, and how much time is seen."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Strip(Wire):
    """Told `rows` (symbol, mid, decimals, change in per cent) and `now`, the symbol that is shown."""

    _esm: ClassVar[str | Path] = HERE / "strip.js"
    _stylesheets: ClassVar[list[str]] = style("strip")
