"""The order ticket."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Ticket(Wire):
    """Told `about` (who may do what), `quote`s and what was `said` to an order; tells `place` and `instrument`."""

    _esm: ClassVar[str | Path] = HERE / "ticket.js"
    _stylesheets: ClassVar[list[str]] = style("ticket")
