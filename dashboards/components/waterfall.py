"""A figure as the sum of its parts: each begins where the one before ended, or at zero."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Waterfall(Wire):
    """Told `rows` (name, value, kind: part, rest or total), or a `text` where there are none.

    `zero`: bars begin at zero, and names are long. `worse`: what is positive is bad.
    """

    _esm: ClassVar[str | Path] = HERE / "waterfall.js"
    _stylesheets: ClassVar[list[str]] = style("waterfall")
