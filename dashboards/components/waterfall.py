"""P&L as the sum of its parts: each begins where the one before ended."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Waterfall(Wire):
    """Told `rows` (name, value, kind: part, rest or total), or a `text` where there are none."""

    _esm: ClassVar[str | Path] = HERE / "waterfall.js"
    _stylesheets: ClassVar[list[str]] = style("waterfall")
