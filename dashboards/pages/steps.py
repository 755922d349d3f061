"""Steps: a tile for every promoted step, of whatever it tells."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards.components.chart import Chart
from dashboards.components.figures import Figures
from dashboards.components.table import Table
from dashboards.pages.page import Page
from dashboards.tile import Age, Tile

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk

_POINTS = 2_000
_ROWS = 40
_LEAST_MS = 1_000.0


class StepsPage(Page):
    """Figures of the desk's promoted steps: newest by instrument, and the first field through time."""

    name, title = "steps", "Steps"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        along = {p.label: (p.figures, p.orders and not p.live) for p in desk.views.deployment.promoted}
        told = {s: (desk.views.figures.fields(s), False) for s in desk.views.figures.steps}  # also what came since
        self._steps = [_Shown(self, step, *what) for step, what in (told | along).items()]
        self._beside = [_Compared(self, step) for step in told | along if "@" in step]
        self.tiles = [tile for s in (*self._steps, *self._beside) for tile in s.tiles]
        if not self.tiles:
            self.none = Figures(ready=self._none)
            self.tiles = [Tile("no_steps", "Promoted steps", self.none, self._heard)]

    def slow(self) -> None:
        """Tables and lines."""
        for shown in (*self._steps, *self._beside):
            shown.draw()

    def _heard(self) -> Age:
        return Age(0, self.heard_ns(), self.heard_ns())

    def _none(self) -> None:
        self.none.send(
            {"figures": [["none runs", "–", "", "qflib promote NOTEBOOK makes one, qflib up takes it along"]]}
        )


class _Shown:
    """A step's two tiles."""

    def __init__(self, page: StepsPage, step: str, fields: tuple[str, ...], shadow: bool) -> None:
        self._page, self._step, self._fields = page, step, fields
        told = "in shadow: its orders are not sent" if shadow else ""
        columns = [{"k": "instrument", "label": "instrument", "align": "left"}]
        columns += [{"k": f, "label": f.replace("_", " "), "f": "num", "d": 4} for f in fields]
        self.table = Table(columns, ready=self._anew, empty="Nothing told yet.")
        self.chart = Chart(
            ("time", "value"), [{"k": "value", "form": "line", "color": "accent", "told": "value"}],
            picture={"clock": f"step-{step}", "kept": _POINTS}, ready=self._anew,
        )  # fmt: skip
        self._drawn, self._instrument = -1, ""
        age = partial(self._age, told)
        self.tiles = [
            Tile(f"step_{step}", step, self.table, age, told),
            Tile(f"line_{step}", f"{step} through time", self.chart, age),
        ]

    def draw(self) -> None:
        """What came since."""
        view = self._page.views.figures
        stamp = view.stamp(self._step)
        if stamp is None or stamp.seq == self._drawn:
            return
        latest = view.latest(self._step)
        table = self._page.views.instruments
        shown = sorted(latest, key=lambda s: (table[s].kind == "option", s))[:_ROWS]
        self.table.show([{"id": s, "instrument": s} | {f: _finite(v) for f, v in latest[s].items()} for s in shown])
        if self._fields and self.chart.is_ready:
            self._line(self._fields[0], shown[0])
            self._drawn = stamp.seq

    def _line(self, field: str, instrument: str) -> None:
        times, values = self._page.views.figures.series(self._step, field, instrument)
        if not len(times):
            return
        at = times[-_POINTS:] / 1e6
        seen = float(at[0]), max(float(at[-1]), float(at[0]) + _LEAST_MS)
        self.chart.tell({"time": at, "value": np.nan_to_num(values[-_POINTS:])}, full=True, seen=seen)
        self._instrument = f"{field.replace('_', ' ')}, {instrument}"

    def _anew(self) -> None:
        self._drawn = -1
        self.table.again()
        self.draw()

    def _age(self, told: str) -> Age:
        stamp = self._page.views.figures.stamp(self._step)
        note = " · ".join(t for t in (self._instrument, told) if t)
        return (
            Age(-1, 0, self._page.heard_ns(), note)
            if stamp is None
            else Age(stamp.seq, stamp.append_ns, self._page.heard_ns(), note)
        )


class _Compared:
    """The tile of a version beside the one in force: minute by minute, the same bits or not."""

    def __init__(self, page: StepsPage, step: str) -> None:
        self._page, self._step = page, step
        columns = [
            {"k": "minute", "label": "minute (UTC)", "align": "left"},
            {"k": "rows", "label": "figures", "f": "num", "d": 0},
            {"k": "told", "label": "bits", "align": "left"},
        ]
        self.table = Table(columns, ready=self._anew, empty="Compared once a whole minute has been told by both.")
        name = step.partition("@")[0]
        self.tiles = [Tile(f"beside_{step.replace('@', '_')}", f"{step} beside {name}", self.table, self._age)]

    def draw(self) -> None:
        """Minutes compared, the newest first."""
        minutes = self._page.views.versions.minutes(self._step)[::-1]
        self.table.show([
            {
                "id": m.time_ns, "minute": datetime.fromtimestamp(m.time_ns / 1e9, UTC).strftime("%H:%M"),
                "rows": m.rows, "told": "the same" if m.same else f"differ: {m.first}",
            }
            for m in minutes
        ])  # fmt: skip

    def _anew(self) -> None:
        self.table.again()
        self.draw()

    def _age(self) -> Age:
        stamp, heard = self._page.views.figures.stamp(self._step), self._page.heard_ns()
        minutes = self._page.views.versions.minutes(self._step)
        apart = sum(not m.same for m in minutes)
        note = f"{len(minutes) - apart} of {len(minutes)} minutes the same" if minutes else ""
        return Age(-1, 0, heard, note) if stamp is None else Age(stamp.seq, stamp.append_ns, heard, note)


def _finite(v: Any) -> float | None:
    return float(v) if np.isfinite(v) else None
