"""Curves over an axis of numbers, with bars from bid to ask; a canvas."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dashboards.components.wire import HERE, Wire, style


class Curves(Wire):
    """Told all that is drawn, or a `text` where nothing is.

    `series`: each `x`, `y` and a `form`: line, dots, or bars, with `lo`, `hi` and `off`, which of them are marked;
    `color` (a custom property), `width`, `dash`, `alpha`, and a `label` at its right end or in the legend (`told`); the
    scales make no room for one that is `aside`.
    `x` and `y` of the message: the `unit` of the scale, and the `least` that y shows. `marks`: upright lines, `x` and
    `label`. `tips`: what is said where the mouse is near an x. `seq` is shown to tests.
    """

    _esm: ClassVar[str | Path] = HERE / "curves.js"
    _stylesheets: ClassVar[list[str]] = style("curves")
