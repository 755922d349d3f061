"""Vol: an underlying's smile with bid, ask and fit, its term structure, arbitrage flags, and how old the fit is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dashboards.components.choice import Choice
from dashboards.components.curves import Curves
from dashboards.components.table import Table
from dashboards.components.wire import Message
from dashboards.pages.page import Page
from dashboards.pages.vol_pictures import (
    FLAGS,
    QUOTES,
    expiries_of,
    flag_rows,
    flags_note,
    quote_rows,
    quotes_note,
    smile_message,
    term_message,
)
from dashboards.tile import Age, Tile

if TYPE_CHECKING:
    import pandas as pd

    from dashboards.access import Login
    from dashboards.desk import SharedDesk
    from qflib.views.vols import VolState


class VolPage(Page):
    """The smiles of one underlying."""

    name, title = "vol", "Vol"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        self.underlying = next(iter(self.views.vols.underlyings), "")
        self.expiry: pd.Timestamp | None = None
        self.choice = Choice(ready=self._restart, heard=self._chosen)
        self.smile, self.term = Curves(ready=self._restart), Curves(ready=self._restart)
        self.flags = Table(FLAGS, ready=self._restart, empty="No fit yet.")
        self.quotes = Table(QUOTES, ready=self._restart, empty="No quotes yet.")
        self._state: VolState | None = None
        self._error = ""
        self._told: object = None
        self._alive_ns = 0
        self.tiles = [
            Tile("vol_choice", "", self.choice, self._age),
            Tile("smile", "Smile", self.smile, lambda: self._age(self._smile_note())),
            Tile("term", "Term structure", self.term, lambda: self._age("at the money, the expiry shown marked")),
            Tile("vol_quotes", "Quotes", self.quotes, lambda: self._age(self._quotes_note())),
            Tile("vol_flags", "Arbitrage", self.flags, lambda: self._age(self._flags_note())),
        ]

    def slow(self) -> None:
        """All of it: there are new smiles once a second at most."""
        if not self.underlying:
            self._tell_text("No instrument of this desk is an option.")
            return
        self._state, self._error = self.desk.vols.get(self.underlying)
        state = self._state
        quoted_ns = self.views.vols.quoted(self.underlying).append_ns
        # quotes that stand still, and a fit that does, are old alike
        self._alive_ns = 0 if state is None else min(quoted_ns, state.fitted_ns)
        if state is None:
            self._tell_text(self._error or "Being fitted…")
            return
        self._keep_expiry(state)
        told = (self.underlying, self.expiry, state.fitted_ns)
        if told != self._told:
            self._told = told
            self._tell(state)

    def _tell(self, state: VolState) -> None:
        assert self.expiry is not None
        self._tell_choice(state)
        self.smile.send(smile_message(state, self.expiry))
        self.term.send(term_message(state, self.expiry))
        self.flags.show(flag_rows(state, self.expiry))
        self.quotes.show(quote_rows(state, self.expiry))

    def _tell_choice(self, state: VolState | None) -> None:
        groups: list[Message] = [
            {
                "name": "underlying", "label": "Underlying", "now": self.underlying,
                "rows": [[u, u, ""] for u in self.views.vols.underlyings],
            }
        ]  # fmt: skip
        if state is not None:
            atm = state.smiles.expiries["atm_vol"]
            rows = [[k, k, _percent(float(v))] for (k, _), v in zip(expiries_of(state), atm, strict=True)]
            now = next(k for k, t in expiries_of(state) if t == self.expiry)
            groups.append({"name": "expiry", "label": "Expiry", "now": now, "rows": rows})
        self.choice.send({"groups": groups})

    def _tell_text(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._tell_choice(None)
            for picture in (self.smile, self.term):
                picture.send({"text": text})
            for table in (self.flags, self.quotes):
                table.show([], empty=text)

    def _keep_expiry(self, state: VolState) -> None:
        """That which was chosen, else the first with a slice, else the first with a fit, else the first."""
        e = state.smiles.expiries
        if self.expiry not in e.index:
            found = (e.index[np.isfinite(e[c].to_numpy(np.float64))] for c in ("svi_rmse", "ssvi_rmse"))
            self.expiry = next((times[0] for times in found if len(times)), e.index[0])

    def _chosen(self, message: Message) -> None:
        if message.get("op") != "choose":
            return
        group, key = str(message.get("group")), str(message.get("key"))
        if group == "underlying" and key in self.views.vols.underlyings and key != self.underlying:
            self.underlying, self._told = key, None
        elif group == "expiry" and self._state is not None:
            self.expiry = dict(expiries_of(self._state)).get(key, self.expiry)
        self.slow()

    def _restart(self) -> None:
        self._told = None
        for table in (self.flags, self.quotes):
            table.again()
        self.slow()

    def _age(self, note: str | None = None) -> Age:
        """Of the fit; alive while options are quoted and fitted."""
        state = self._state
        if state is None:
            return Age(-1, 0, self.heard_ns(), note)
        return Age(state.stamp.seq, state.fitted_ns, self._alive_ns, note)

    def _quotes_note(self) -> str:
        return "" if self._state is None or self.expiry is None else quotes_note(self._state, self.expiry)

    def _smile_note(self) -> str:
        state = self._state
        if state is None:
            return self.underlying
        rmse = float(state.smiles.expiries["svi_rmse"].to_dict().get(self.expiry, np.nan))
        fit = f"SVI, rmse {100 * rmse:.3f} vol points"
        if not np.isfinite(rmse):
            fit = f"no fit: {state.smiles.reason or 'a slice takes five quotes out of the money'}"
        return f"{self.underlying} · {self._error or fit} · computed in {state.took_ms:,.0f} ms"

    def _flags_note(self) -> str:
        return "" if self._state is None else flags_note(self._state)


def _percent(vol: float) -> str:
    return f"{100 * vol:.2f} %" if np.isfinite(vol) else "no fit"
