"""Rows of tabs: what is chosen is told."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Choice(Wire):
    """Told `groups`: name, `label`, `rows` (key, text, a word beside it) and `now`; tells `choose`, group and key."""

    _esm: ClassVar[str | Path] = HERE / "choice.js"
    _stylesheets: ClassVar[list[str]] = style("choice")
