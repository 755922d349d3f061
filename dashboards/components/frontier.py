"""Expected shortfall against the cost of the hedge, a point a size."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Frontier(Wire):
    """Told `points` (qty, ratio, es, cost, cost_now), `held`, `neutral`, `best`, or a `text` where there are none."""

    _esm: ClassVar[str | Path] = HERE / "frontier.js"
    _stylesheets: ClassVar[list[str]] = style("frontier")
