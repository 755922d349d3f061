"""A table that is told its rows; the look of the house, and a row that did not change costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import param

from dashboards.components.wire import HERE, Wire, style

Row = dict[str, Any]


class Table(Wire):
    """Rows by `show`; `columns` say key `k`, `label`, form `f` and decimals `d`."""

    columns = param.List(default=[])
    sortable = param.Boolean(default=False)
    empty = param.String(default="Nothing yet.")
    _esm: ClassVar[str | Path] = HERE / "table.js"
    _stylesheets: ClassVar[list[str]] = style("table")

    def __init__(self, columns: list[Row], **params: Any) -> None:
        super().__init__(columns=columns, **params)
        self._shown: list[Row] | None = None

    def show(self, rows: list[Row], *, empty: str = "") -> None:
        """Show these rows, each with an `id`; told only where they differ from those before."""
        if self.is_ready and rows != self._shown:
            self._shown = rows
            self.send({"rows": rows, "empty": empty} if empty else {"rows": rows})

    def again(self) -> None:
        """Tell the rows anew: the browser has drawn it afresh."""
        self._shown = None
