"""A few large figures."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Figures(Wire):
    """Told `figures`: label, text, tone, note."""

    _esm: ClassVar[str | Path] = HERE / "figures.js"
    _stylesheets: ClassVar[list[str]] = style("figures")
