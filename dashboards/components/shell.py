"""The frame of the page: navigation, the tiles' ages, the banner."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import param

from dashboards.components.wire import HERE, Wire, style


class Shell(Wire):
    """Told `tiles` (id -> sequence, told at, alive at, note), `connected`, `pulse`; tells which `page` is seen."""

    pages = param.List(default=[])
    _esm: ClassVar[str | Path] = HERE / "shell.js"
    _stylesheets: ClassVar[list[str]] = style("shell")
