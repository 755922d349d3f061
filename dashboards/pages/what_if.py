"""What-if: trades pasted, the portfolio before and after, and what each position adds to the shortfall."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn

from dashboards.components.paste import Paste
from dashboards.components.table import Table
from dashboards.components.wire import Message
from dashboards.newest import Newest
from dashboards.pages.page import Page
from dashboards.pages.pasted import parsed
from dashboards.tile import Age, Tile
from qflib.errors import DataError, QflibError
from qflib.views.stamp import Stamp
from qflib.views.valuation import closing_of

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk

_LEVEL = 0.975
_LONGEST = 100_000  # characters
_COLUMNS = [
    {"k": "name", "label": "figure"},
    {"k": "before", "label": "before", "f": "num"},
    {"k": "after", "label": "after", "f": "num", "cls": "strong"},
    {"k": "change", "label": "change", "f": "num", "tone": "tone"},
]
_PARTS = [
    {"k": "name", "label": "instrument"},
    {"k": "qty", "label": "qty after", "f": "num"},
    {"k": "part", "label": "ES from it", "f": "num"},
    {"k": "share", "label": "share", "f": "percent"},
    {"k": "bar", "label": "less · more risk", "f": "bar", "align": "center"},
    {"k": "alone", "label": "ES alone", "f": "num", "cls": "mid"},
]
_FIGURES = (("es", "ES 97.5 %"), ("var", "VaR 97.5 %"), ("cost", "cost of the trades"))


class WhatIfPage(Page):
    """Trades that are not made yet."""

    name, title = "what_if", "What-if"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        self.paste = Paste(ready=self._about, heard=self._heard)
        self.figures = Table(
            _COLUMNS,
            ready=self._restart,
            sizing_mode="stretch_height",
            width=330,
            empty="Paste trades and compute: Greeks and shortfall before and after stand here.",
        )
        self.parts = Table(
            _PARTS, ready=self._restart, sortable=True, empty="What each position adds to the shortfall stands here."
        )
        self._rows: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        self._stamp = Stamp()
        self._newest = Newest(desk.compute)
        result = pn.Row(self.figures, self.parts, sizing_mode="stretch_both", styles={"gap": "8px"})
        self.tiles = [
            Tile("trades", "Trades", self.paste, self._held_age),
            Tile("result", "Before and after", result, self._age),
        ]

    def end(self) -> None:
        """Nobody waits for a result any more."""
        self._newest.drop()

    def _about(self) -> None:
        table = self.views.instruments
        future = next((r.symbol for r in table if r.kind == "future"), table[0].symbol)
        options = [r.symbol for r in table if r.kind == "option"]
        lines = [f"{future}, 25", *(f"{s}, {q}" for s, q in zip(options[6:8], (10, -10), strict=False))]
        self.paste.send({"example": "\n".join(lines)})

    def _restart(self) -> None:
        for table, rows in zip((self.figures, self.parts), self._rows, strict=True):
            table.again()
            table.show(rows)

    def _heard(self, message: Message) -> None:
        if message.get("op") != "compute":
            return
        text, doc = str(message.get("text", ""))[:_LONGEST], pn.state.curdoc

        def computed() -> None:
            begun = time.perf_counter()
            told: Message = {}
            try:
                made = self._compute(text)
                told = {"took": f"{1e3 * (time.perf_counter() - begun):,.0f} ms"}
            except QflibError as e:
                made, told = None, {"error": str(e)}
            except Exception as e:  # the page stays
                made, told = (
                    None,
                    {"error": f"this could not be computed ({type(e).__name__}); see the dashboard's log"},
                )

            def show() -> None:
                if made is not None:
                    self._rows, self._stamp = made
                    self._restart()
                self.paste.send(told)

            if doc is not None and doc.session_context is not None:
                doc.add_next_tick_callback(show)

        self._newest.ask(computed)

    def _compute(self, text: str) -> tuple[tuple[list[dict[str, Any]], list[dict[str, Any]]], Stamp]:
        report, shortfall = self.views.risk.latest(self.desk.portfolio), self.views.shortfall
        set_id = "" if report is None else report.batch.risk.set_id[0].decode()
        scenarios = shortfall.scenario_set(set_id) or shortfall.scenarios
        if report is None or scenarios is None:
            raise DataError("the desk has reported no risk yet; wait for its first report and its scenarios")
        closing = closing_of(report, self.desk.currency, self.views.books)
        held, market = closing.portfolio, closing.market
        if held is None:
            raise DataError(f"{self.desk.portfolio} holds nothing that is revalued; there is no before")
        trades = parsed(text, self.views)
        result = held.what_if(trades, market, scenarios, _LEVEL)
        component = held.traded(trades).component_es(market, scenarios, _LEVEL)
        after = held.traded(trades).to_frame().groupby("instrument")["qty"].sum()
        return (_figure_rows(result.to_frame()), _part_rows(component.to_frame(), after)), report.stamp

    def _held_age(self) -> Age:
        """Of the report whose portfolio the trades would come to."""
        return self.report_age(f"on top of {self.desk.portfolio}")

    def _age(self) -> Age:
        """Of the report that the result was computed of: it says nothing of what came since."""
        told = self._stamp.seq >= 0
        note = "full revaluation over the desk's scenarios" if told else ""
        return Age(self._stamp.seq, self._stamp.append_ns if told else 0, self.report_age().alive_ns, note)


def _figure_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for figure, said in _FIGURES:
        r = frame.loc[("", figure)]
        tone = "" if abs(r["change"]) < 0.5 else "down" if r["change"] > 0 else "up"
        rows.append({"id": figure, "name": said, **_told(r), "tone": tone, "cls": "sum"})
    for underlying in dict.fromkeys(frame.index.get_level_values(0)):
        for figure in ("delta", "gamma", "vega", "theta"):
            if underlying:
                r = frame.loc[(underlying, figure)]
                unit = {"vega": 0.01, "theta": 1 / 365}.get(figure, 1.0)
                rows.append(
                    {"id": f"{underlying} {figure}", "name": f"{underlying} {figure}", **_told(r, unit), "tone": ""}
                )
    return rows


def _told(r: Any, unit: float = 1.0) -> dict[str, float]:
    return {k: float(r[k]) * unit for k in ("before", "after", "change")}


def _part_rows(frame: pd.DataFrame, qty: pd.Series[float]) -> list[dict[str, Any]]:
    frame = frame.sort_values("contribution", key=abs, ascending=False)
    most = float(frame["contribution"].abs().max()) or 1.0
    return [
        {
            "id": str(name),
            "name": str(name),
            "qty": float(qty.get(str(name), 0.0)),
            "part": float(r["contribution"]),
            "share": float(r["share"]),
            "bar": float(r["contribution"]) / most,
            "alone": float(r["standalone"]),
        }
        for name, r in frame.iterrows()
    ]
