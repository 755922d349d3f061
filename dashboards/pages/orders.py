"""Orders: the ticket, the blotter, the fills."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import panel as pn
import structlog

from dashboards.components.filters import Filters
from dashboards.components.heatmap import digits
from dashboards.components.table import Table
from dashboards.components.ticket import Ticket
from dashboards.components.wire import Message
from dashboards.pages.order_tables import BLOTTER, FILLS, blotter_rows, fill_rows, version, wanted
from dashboards.pages.page import Page
from dashboards.tile import Age, Tile
from dashboards.trading import NewOrder, UnknownOutcomeError
from qflib.errors import QflibError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboards.access import Login
    from dashboards.desk import SharedDesk

_LONGEST = 64  # characters of a field
_log = structlog.get_logger(__name__)


class OrdersPage(Page):
    """Orders of people, strategies and the hedger."""

    name, title = "orders", "Orders"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        table = self.views.instruments
        self.at = next((i for i, r in enumerate(table) if r.kind in ("future", "spot")), 0)
        self.ticket = Ticket(ready=self._about, heard=self._heard)
        self.filters = Filters(heard=self._filtered)
        self.blotter = Table(
            BLOTTER,
            ready=self._restart,
            heard=self._act,
            sortable=True,
            empty="No such order.",
            stylesheets=["table { min-width: 760px; }"],
        )
        self.fills = Table(FILLS, ready=self._restart, sortable=True, empty="Nothing has been filled yet.")
        self._show, self._text = "all", ""
        self._notes, self._awaited = ["", ""], False
        self._quoted: Message = {}
        # the order that has no definite answer, and its id: sent again it must be the same one
        self._open: tuple[dict[str, str], str] = {}, ""
        listed = pn.Column(self.filters, self.blotter, sizing_mode="stretch_both")
        self.tiles = [
            Tile("ticket", "New order", self.ticket, self._quote_age),
            Tile("blotter", "Orders", listed, self._blotter_age),
            Tile("fills", "Executions", self.fills, self._fills_age),
        ]

    def fast(self) -> None:
        """The quote beside the ticket."""
        table, book = self.views.instruments, self.views.books.latest(self.at)
        r = table[self.at]
        tick, lot = table.to_price(self.at, 1), table.to_qty(self.at, 1)
        best = {"bid": None, "ask": None}
        if book is not None:
            for side, levels in (("bid", book.bids), ("ask", book.asks)):
                best[side] = float(table.to_price(self.at, int(levels[0, 0]))) if len(levels) else None
        quote = {
            "op": "quote",
            "symbol": r.symbol,
            "tick": tick,
            "digits": digits(tick),
            "lot": lot,
            "lots": digits(lot),
            "multiplier": float(r.multiplier),
            "currency": r.quote_currency,
            **best,
        }
        if self._awaited:
            self.slow()
        if quote != self._quoted and self.ticket.is_ready:
            self._quoted = quote
            self.ticket.send(quote)

    def slow(self) -> None:
        """The tables."""
        may, now = self.login.principal.may_trade, version(self.views)
        passes = wanted(self.views.instruments, self._show, self._text)
        tables = (
            (self.blotter, (self._show, self._text, may), lambda: blotter_rows(self.views, passes, may_cancel=may)),
            (self.fills, "fills", lambda: fill_rows(self.views)),
        )
        self._awaited = False
        for n, (table, key, make) in enumerate(tables):
            made = self.desk.rows.get((id(self), n), key, now, make)
            self._awaited |= made is None or made.version != now  # others are being made
            if made is not None:
                table.show(made.rows)
                self._notes[n] = made.note

    def end(self) -> None:
        """Its rows are nobody's any more."""
        for n in range(2):
            self.desk.rows.forget((id(self), n))

    def _about(self) -> None:
        self._quoted = {}
        self.ticket.send(
            {
                "op": "about",
                "may": self.login.principal.may_trade,
                "symbols": [r.symbol for r in self.views.instruments],
                "instrument": self.views.instruments[self.at].symbol,
                "account": "DASHBOARD",
                "portfolio": self.desk.portfolio,
            }
        )
        self.fast()

    def _restart(self) -> None:
        self.blotter.again()
        self.fills.again()
        self.slow()

    def _filtered(self, message: Message) -> None:
        if message.get("op") == "filter":
            self._show, self._text = str(message.get("show")), str(message.get("text"))[:_LONGEST].strip().lower()
            self.slow()

    def _heard(self, message: Message) -> None:
        if message.get("op") == "instrument":
            symbol = str(message.get("symbol"))
            if symbol in self.views.instruments:
                self.at = self.views.instruments.id(symbol)
                self.fast()
        elif message.get("op") == "place":
            self._place(message)

    def _place(self, message: Message) -> None:
        fields = ("account", "portfolio", "instrument", "side", "ord_type", "time_in_force", "qty", "price")
        told = {k: str(message.get(k, ""))[:_LONGEST] for k in (*fields, "post_only")}
        if told != self._open[0]:
            self._open = told, f"dash-{uuid.uuid4().hex[:20]}"
        terms = {k: told[k] for k in fields}
        order = NewOrder(client_order_id=self._open[1], **terms, post_only=told["post_only"] == "1")

        def place() -> str:
            text = self.desk.trading.place(self.login.key, order)
            self._settled(order.client_order_id)
            return text

        self._trade(place, order.client_order_id)

    def _settled(self, client_order_id: str) -> None:
        """There is a definite answer: what is sent next is another order."""
        if self._open[1] == client_order_id:
            self._open = {}, ""

    def _act(self, message: Message) -> None:
        account, _, client_order_id = str(message.get("id", "")).partition("|")
        if message.get("op") == "act" and self.views.orders.order(account, client_order_id) is not None:
            self._trade(lambda: self.desk.trading.cancel(self.login.key, account, client_order_id))

    def _trade(self, ask: Callable[[], str], placed: str = "") -> None:
        """Ask the API from a thread; the page goes on meanwhile, and is told what it said.

        Parameters
        ----------
        ask
            Sends the order or the cancel.
        placed
            The id of an order.
        """
        if not self.login.in_force or not self.login.principal.may_trade:
            self._said("this key has no trade scope; log in with one that has", bad=True)
            return
        doc = pn.state.curdoc

        def asked() -> None:
            bad, again = True, False
            try:
                text, bad = ask(), False
            except UnknownOutcomeError as e:
                text, again = str(e), bool(placed)
            except QflibError as e:
                text = str(e)
                self._settled(placed)
            except Exception as e:  # a fault of ours: the page stays, the log has it
                _log.exception("trading failed", id=placed)
                text, again = f"a fault of the dashboard ({type(e).__name__}); see its log", bool(placed)
            if again:
                text = f"It is not known whether it was sent; Send again repeats the same order. {text}"
            if doc is not None and doc.session_context is not None:
                doc.add_next_tick_callback(lambda: self._said(text, bad=bad, again=again))

        self.desk.trade(asked)

    def _said(self, text: str, *, bad: bool, again: bool = False) -> None:
        self.ticket.send({"op": "said", "text": text, "bad": bad, "again": again})
        self.slow()

    def _quote_age(self) -> Age:
        book, may = self.views.books.latest(self.at), self.login.principal.may_trade
        note = None if may else "this key reads only"
        if book is None:
            return Age(-1, 0, 0, note)
        return Age(book.stamp.seq, book.stamp.append_ns, book.stamp.append_ns, note)

    def _blotter_age(self) -> Age:
        return self._age(self._notes[0])

    def _fills_age(self) -> Age:
        return self._age(self._notes[1])

    def _age(self, note: str) -> Age:
        newest = self.views.orders.executions(limit=1)
        if not newest:
            return Age(-1, 0, self.heard_ns(), note)
        return Age(newest[0].cursor[2], newest[0].cursor[0] * 1_000_000, self.heard_ns(), note)
