"""Market: depth through time, the ladder, the price below on the same clock, the option chain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from dashboards.components.chart import Chart
from dashboards.components.heatmap import Heatmap, depth_message, digits
from dashboards.components.ladder import Ladder, ladder_message
from dashboards.components.strip import Strip
from dashboards.components.table import Table
from dashboards.components.wire import Message
from dashboards.pages.chain import COLUMNS, chain_rows
from dashboards.pages.page import Page
from dashboards.tile import Age, Tile
from qflib.views.stamp import Stamp

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk

_MOMENTS = 4_000  # told at once when an instrument is chosen: 16 minutes at 4 a second
_LINE_NS = 200_000_000  # between two updates of the price line
_KEPT = 6_000  # points of the price line
_LINES: list[Message] = [
    {"k": "last", "form": "step", "color": "faint", "width": 1.2, "told": "last"},
    {"k": "mid", "form": "line", "color": "accent", "told": "mid"},
]
_FIRST = {"future": 0, "spot": 0}
Own = list[tuple[int, int, float]]


class MarketPage(Page):
    """The market of one instrument."""

    name, title = "market", "Market"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        table = self.views.instruments
        self.symbols = [r.symbol for r in table if r.kind in _FIRST] or [r.symbol for r in table][:8]
        self.at = table.id(self.symbols[0])
        self.strip = Strip(ready=self._strip, heard=self._chosen)
        self.heatmap = Heatmap(ready=self._restart)
        self.ladder = Ladder(ready=self._restart)
        self.chain = Table(COLUMNS, ready=self._again, empty="This underlying has no options.")
        picture = {"clock": "market", "follows": True, "digits": 2, "room": 0.2, "kept": _KEPT}
        self.price = Chart(("time", "mid", "last"), _LINES, picture=picture, ready=self._line_anew)
        self._seq = self._traded = -1
        self._base = 0
        self._ladder_seq, self._own, self._drawn_ns = -1, [(-1, 0, 0.0)], 0
        self._opened: dict[int, float] = {}
        self.tiles = [
            Tile("strip", "", self.strip, self._strip_age),
            Tile("heat", "Depth", self.heatmap, self._book_age, self.symbols[0]),
            Tile("ladder", "Ladder", self.ladder, self._book_age),
            Tile("price", "Price", self.price, self._book_age, "mid and last"),
            Tile("chain", "Chain", self.chain, self._chain_age),
        ]

    def fast(self) -> None:
        """Heat map, ladder, line."""
        own = self._resting()
        self._tell_heatmap(own)
        book = self.views.books.latest(self.at)
        if book is not None and (book.stamp.seq != self._ladder_seq or own != self._own):
            self._ladder_seq = book.stamp.seq
            self.ladder.send(ladder_message(self.views.instruments, book, own))
        self._own = own
        if (now := time.time_ns()) - self._drawn_ns > _LINE_NS:
            self._drawn_ns = now
            self._extend_line()

    def slow(self) -> None:
        """Tabs and chain."""
        self._strip()
        underlying = self.views.instruments[self.at].underlying
        self.chain.show(chain_rows(self.views.books, underlying))

    def choose(self, symbol: str) -> None:
        """Show another instrument."""
        table = self.views.instruments
        if symbol in table and (at := table.id(symbol)) != self.at:
            self.at = at
            self._restart()
            self.slow()

    def _chosen(self, message: Message) -> None:
        if message.get("op") == "instrument":
            self.choose(str(message.get("symbol")))

    def _restart(self) -> None:
        """Tell everything anew: another instrument, or a browser that has just drawn."""
        self._seq = self._traded = self._ladder_seq = -1
        self._line_anew()
        self.fast()

    def _line_anew(self) -> None:
        self.price.seq = -1
        self.price.tell(full=True)
        self._extend_line()

    def _again(self) -> None:
        self.chain.again()
        self.slow()

    def _tell_heatmap(self, own: Own) -> None:
        books, full = self.views.books, self._seq < 0
        if not self.heatmap.is_ready:
            return
        depth = books.depth(self.at, _MOMENTS) if full else books.depth_since(self.at, self._seq)
        since_ns = int(depth["time_ns"][0]) if full and len(depth) else 0
        trades = books.trade_marks(self.at, self._traded)
        trades = trades[trades["receipt_ns"] >= since_ns]
        if not (full or len(depth) or len(trades) or own != self._own):
            return
        if full:
            book = books.latest(self.at)
            best = [] if book is None else [int(s[0, 0]) for s in (book.bids, book.asks) if len(s)]
            self._base = best[0] if best else 0
        message = depth_message(self.views.instruments, self.at, depth, trades, own, self._base, full=full)
        if len(depth):
            self._seq = int(depth["seq"][-1])
        message["seq"] = self._seq
        self._traded = int(trades["seq"][-1]) if len(trades) else self._traded
        self.heatmap.send(message)

    def _extend_line(self) -> None:
        books, table = self.views.books, self.views.instruments
        rows = books.tops(self.at, _KEPT)
        rows = rows[rows["seq"] > self.price.seq]
        rows = rows[(rows["bid_qty"] > 0) & (rows["ask_qty"] > 0)]
        if not (len(rows) and self.price.is_ready):
            return
        self.price.seq = int(rows["seq"][-1])
        last = table.to_price(self.at, rows["last_ticks"])
        self.price.tell(
            {
                "time": rows["time_ns"] / 1e6,
                "mid": table.to_price(self.at, rows["bid_ticks"] + rows["ask_ticks"]) / 2,
                "last": np.where(rows["last_ticks"] > 0, last, np.nan),
            }
        )

    def _strip(self) -> None:
        rows = []
        for symbol in self.symbols:
            i = self.views.instruments.id(symbol)
            book, mid, change = self.views.books.latest(i), None, None
            if book is not None and len(book.bids) and len(book.asks):
                mid = float(self.views.instruments.to_price(i, int(book.bids[0, 0]) + int(book.asks[0, 0]))) / 2
                change = 100 * (mid / self._opened.setdefault(i, self._first_mid(i, mid)) - 1)
            rows.append([symbol, mid, digits(self.views.instruments.to_price(i, 1)) + 1, change])
        self.strip.send({"rows": rows, "now": self.views.instruments[self.at].symbol})

    def _first_mid(self, i: int, mid: float) -> float:
        tops = self.views.books.tops(i)
        tops = tops[(tops["bid_qty"] > 0) & (tops["ask_qty"] > 0)]
        if not len(tops):
            return mid
        return float(self.views.instruments.to_price(i, int(tops["bid_ticks"][0] + tops["ask_ticks"][0]))) / 2

    def _resting(self) -> Own:
        return sorted((o.price_ticks, o.side, float(o.leaves_qty)) for o in self.views.orders.resting(self.at))

    def _book_age(self) -> Age:
        book = self.views.books.latest(self.at)
        symbol = self.views.instruments[self.at].symbol
        if book is None:
            return Age(-1, 0, 0, symbol)
        return Age(book.stamp.seq, book.stamp.append_ns, book.stamp.append_ns, symbol)

    def _strip_age(self) -> Age:
        """Of the newest book among the tabs."""
        books = [b.stamp for s in self.symbols if (b := self.views.books.latest(s)) is not None]
        newest = max(books, key=lambda s: s.append_ns, default=Stamp())
        return Age(newest.seq, newest.append_ns, newest.append_ns)

    def _chain_age(self) -> Age:
        underlying = self.views.instruments[self.at].underlying
        stamps = [
            b.stamp
            for b in self.views.books.every()
            if (r := self.views.instruments[b.instrument]).kind == "option" and r.underlying == underlying
        ]
        newest = max(stamps, key=lambda s: s.append_ns, default=None)
        if newest is None:
            return Age(-1, 0, self.heard_ns(), underlying)
        return Age(newest.seq, newest.append_ns, newest.append_ns, underlying)
