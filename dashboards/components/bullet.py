"""Risk figures against their limit at one glance."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Bullet(Wire):
    """Told `rows` (name, current, unhedged, target, limit, breached) and `big` figures (label, text, tone, note)."""

    _esm: ClassVar[str | Path] = HERE / "bullet.js"
    _stylesheets: ClassVar[list[str]] = style("bullet")
