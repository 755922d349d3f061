"""Hedge: each hedge in its band, what re-hedging costs now, ES against cost, P&L by its causes, effectiveness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dashboards.components.figures import Figures
from dashboards.components.frontier import Frontier
from dashboards.components.table import Table
from dashboards.components.tabs import Tabs
from dashboards.components.waterfall import Waterfall
from dashboards.components.wire import Message
from dashboards.pages.hedge_pictures import Bands
from dashboards.pages.hedge_tables import REHEDGE, effect_figures, explain_note, explain_rows, rehedge_rows, tab_rows
from dashboards.pages.page import Page
from dashboards.recomputed import Made
from dashboards.tile import Age, Tile

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk
    from dashboards.shared_hedges import Hedges
    from qflib.views.report import Report

_FIRST = ("future", "perpetual")


class HedgePage(Page):
    """The hedges of the desk's portfolio, one underlying at a time."""

    name, title = "hedge", "Hedge"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        table = self.views.instruments
        self.underlying = next((r.underlying for r in table if r.kind in _FIRST), table.underlyings[0])
        self.tabs = Tabs(ready=self._restart, heard=self._heard)
        self.rehedge = Table(REHEDGE, ready=self._restart, empty="No report yet.")
        self.bands = Bands(self.views.hedging, desk.portfolio, self.underlying)
        self.frontier, self.explain = Frontier(ready=self._restart), Waterfall(ready=self._restart)
        self.effect = Figures(ready=self._restart)
        self._told: dict[str, Any] = {}
        self._hedges: Hedges | None = None  # what is shown
        self._made = self._drawn = Made()  # of the hedges, of the frontier
        self.tiles = [
            Tile("underlyings", "", self.tabs, self._drawn_age),
            Tile("rehedge", "Re-hedging now", self.rehedge, self._rehedge_age),
            Tile("effect", "Effectiveness so far", self.effect, self._drawn_age),
            Tile("band", "Net delta in its band", self.bands.net, self._chosen_age),
            Tile("frontier", "ES against cost", self.frontier, self._frontier_age),
            Tile("explain", "P&L explained", self.explain, self._explain_age),
            Tile("held", "Hedge held", self.bands.held, self._chosen_age),
        ]

    def slow(self) -> None:
        """All of it is read rather than watched."""
        self.bands.extend()
        self._made = self.desk.hedges.now()
        self._hedges = hedges = self._made.value
        if hedges is None:
            return
        if self.underlying not in hedges.states and hedges.states:
            self._choose(next(iter(hedges.states)))
        report = hedges.report
        self._tell(self.tabs, {"rows": tab_rows(hedges), "now": self.underlying})
        self.rehedge.show(rehedge_rows(hedges, self.views.instruments, self.underlying))
        figures = effect_figures(hedges, self.underlying, self.desk.hedges.period_ns, self.desk.currency)
        self._tell(self.effect, {"figures": figures})
        rows = explain_rows(report, self.underlying)
        self._tell(self.explain, {"rows": rows, "text": "" if rows else "The reports explain no P&L yet."})
        self._tell_frontier()

    def _tell_frontier(self) -> None:
        self._drawn = self.desk.hedges.frontier(self.underlying)
        if self._drawn.value is None:
            if self._drawn.error:
                self._tell(self.frontier, {"text": self._drawn.error})
        else:
            f = self._drawn.value.frontier
            points = [[v if math.isfinite(v) else None for v in row] for row in f.points.to_numpy().tolist()]
            told = {"held": f.held, "neutral": f.neutral, "best": f.best, "currency": f.currency}
            self._tell(self.frontier, told | {"points": points})

    def _tell(self, wire: Any, message: Message) -> None:
        """Where it differs from what was told before."""
        if wire.is_ready and self._told.get(wire.name) != message:
            self._told[wire.name] = message
            wire.send(message)

    def _heard(self, message: Message) -> None:
        if message.get("op") == "choose" and message.get("name") in self.views.instruments.underlyings:
            self._choose(str(message["name"]))
            self.slow()

    def _choose(self, underlying: str) -> None:
        self.underlying = underlying
        self._drawn = Made()
        self.bands.choose(underlying)

    def _restart(self) -> None:
        self._told.clear()
        self.rehedge.again()
        self.slow()

    def _drawn_age(self) -> Age:
        """Of the report that is shown, up to a second behind the newest; alive while reports come and are computed."""
        return self._aged(self._made, None if self._hedges is None else self._hedges.report)

    def _aged(self, made: Made, report: Report | None) -> Age:
        alive_ns, note = self.report_age().alive_ns, made.error or None
        return Age(-1, 0, alive_ns, note) if report is None else self.aged(report, min(alive_ns, made.at_ns), note)

    def _noted(self, note: str) -> Age:
        """With a note, where there is no error to tell."""
        age = self._drawn_age()
        return age if age.note else age._replace(note=note)

    def _rehedge_age(self) -> Age:
        """As old as the report; what is walked is the book of now."""
        s = None if self._hedges is None else self._hedges.states.get(self.underlying)
        band = self.views.deployment.hedger
        rule = "nothing is hedged" if band is None else f"risk aversion {band.risk_aversion:g}"
        told = "" if s is None or not s.working else f"; {s.working:+g} {s.instrument} on their way"
        return self._noted(f"contracts off the live book, cost against the mid; {rule}{told}")

    def _chosen_age(self) -> Age:
        return self._noted(self.underlying)

    def _frontier_age(self) -> Age:
        """Of the report whose positions and scenarios it is of."""
        drawn = self._drawn.value
        age = self._aged(self._drawn, None if drawn is None else drawn.report)
        if drawn is None or age.note:
            return age if age.note else age._replace(note=self.underlying)
        return age._replace(note=f"{drawn.frontier.instrument}, ES {100 * drawn.frontier.level:g} %")

    def _explain_age(self) -> Age:
        """Of the report that explains."""
        return self._noted("" if self._hedges is None else explain_note(self._hedges.report, self.underlying))
