"""A ladder of spot and vol moves as a coloured grid."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Moves(Wire):
    """Told `spot`, `vol` and `pnl` (a list a spot move), or a `text` where there is none."""

    _esm: ClassVar[str | Path] = HERE / "moves.js"
    _stylesheets: ClassVar[list[str]] = style("moves")
