"""Lines through time on a canvas of our own, told in binary: Bokeh takes 10 to 20 ms to paint one anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import param
from numpy.typing import NDArray

from dashboards.components.wire import HERE, Message, Wire, style


class Chart(Wire):
    """Draws the rows that it is told.

    Attributes
    ----------
    columns
        What a row has: `time` in milliseconds first.
    series
        What is drawn: column `k`, `form` (line, step, area or stem), `color` (a custom property), `width`, `dash`,
        `label` in the legend, `told` beside the cross-hair, and of a stem the column that has it marked, `mark`.
    picture
        `clock`: pictures of the same one share their cross-hair; `follows`: what time is seen is told by that clock;
        `digits` of the scale (default: as its steps need), `base`, a value that it reaches, `room` above and below,
        `kept` rows, `legend`.
    seq
        Of the last row that was told; whoever tells keeps it, and -1 is none.
    """

    columns = param.List(default=[])
    series = param.List(default=[])
    picture = param.Dict(default={})
    _esm: ClassVar[str | Path] = HERE / "chart.js"
    _stylesheets: ClassVar[list[str]] = style("chart")

    def __init__(self, columns: tuple[str, ...], series: list[Message], **params: Any) -> None:
        super().__init__(columns=list(columns), series=series, **params)
        self.seq = -1

    def tell(
        self,
        rows: Mapping[str, NDArray[Any]] | None = None,
        *,
        full: bool = False,
        seen: tuple[float, float] | None = None,
    ) -> None:
        """Add rows, or show these alone.

        Parameters
        ----------
        rows
            Columns, oldest first.
        full
            Whether all that was told before is to be forgotten.
        seen
            Start and end of what is shown, in milliseconds; None: as before, or as the clock says.
        """
        told = np.zeros((len(self.columns), 0)) if rows is None else np.array([rows[c] for c in self.columns], float)
        message = {"full": full, "n": told.shape[1], "blob": told.tobytes()}
        self.send(message if seen is None else message | {"start": seen[0], "end": seen[1]})
