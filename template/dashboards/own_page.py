"""A page of one's own: the dashboard takes every `Page` that a file of this folder defines.

`self.views` is the desk as the dashboard reads it: `figures` of promoted steps, `risk`, `books`, `orders`, `health`.
Names of pages and tiles must be others than those of the dashboard's own.
"""

from __future__ import annotations

from typing import Any

from dashboards.components.figures import Figures
from dashboards.pages.page import Page
from dashboards.tile import Age, Tile


class SpreadPage(Page):
    """The spread now, of each instrument that `quoted_spread` tells."""

    name, title = "own_spread", "Spread"

    def __init__(self, desk: Any, login: Any) -> None:
        super().__init__(desk, login)
        self.shown = Figures(ready=self.slow)
        self.tiles = [Tile("own_spreads", "Quoted spread, basis points", self.shown, self._age)]

    def slow(self) -> None:
        """Twice a second."""
        latest = self.views.figures.latest("quoted_spread")
        narrow = sorted(latest.items(), key=lambda told: told[1]["spread"])[:12]
        rows = [[s, f"{f['spread']:.2f}", "", f"{f['against_usual']:.2f} of what is usual"] for s, f in narrow]
        self.shown.send({"figures": rows or [["nothing yet", "–", "", "promote notebooks/promotion/first_step.ipynb"]]})

    def _age(self) -> Age:
        stamp = self.views.figures.stamp("quoted_spread")
        return Age(-1, 0, self.heard_ns()) if stamp is None else Age(stamp.seq, stamp.append_ns, self.heard_ns())
