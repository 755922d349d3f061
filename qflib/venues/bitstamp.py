"""Bitstamp, websocket v2: changes of books by time, whole books, trades; snapshots from REST.

Source of the messages: bitstamp.net/websocket/v2 and bitstamp.net/api ("order_book"). Nothing is numbered: a missing
frame cannot be seen, an older one after a newer one can.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from qflib.errors import InputError
from qflib.records import DeadReason, Instrument, Instruments, Side
from qflib.venues.captures import Told, read_capture
from qflib.venues.decimal_text import decimals, exact
from qflib.venues.inferred import infer
from qflib.venues.level_decoder import Followed, Frame, LevelDecoder
from qflib.venues.rows import Refused, send
from qflib.venues.venue import Recording

SOURCE = "bitstamp:0"
_LAST_MICROS = 9_000_000_000_000_000
_DIFF, _BOOK, _TRADES = "diff_order_book_", "order_book_", "live_trades_"


class _Message(Struct):
    event: str = ""
    channel: str = ""
    data: Raw = Raw()
    url: str = ""
    body: Raw = Raw()


class _Book(Struct):
    microtimestamp: str
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]

    @property
    def micros(self) -> int:
        return _micros(self.microtimestamp)


class _Trade(Struct):
    amount_str: str
    price_str: str
    type: int
    microtimestamp: str


_message, _book, _trade = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_Book), msgspec.json.Decoder(_Trade)


class Decoder(LevelDecoder):
    """Bitstamp's diff_order_book to LEVEL rows after a snapshot, order_book to snapshots, live_trades to trades.

    Notes
    -----
    Changes before the snapshot are kept for it; those that are not newer than it are passed over. A change older than
    the one before it is a gap; so may a frame be that cannot be read: the books wait for snapshots.
    """

    venue = "bitstamp"

    @property
    def numbered(self) -> bool:
        """It is not."""
        return False

    def _frame(self, payload: bytes, f: Frame) -> None:
        m = _message.decode(payload)
        if m.url:
            self._whole(f, _asked(m.url), _book.decode(m.body))
        elif m.event == "data" and m.channel.startswith(_DIFF):
            self._changed(f, m.channel[len(_DIFF) :], bytes(m.data))
        elif m.event == "data" and m.channel.startswith(_BOOK):
            self._whole(f, m.channel[len(_BOOK) :], _book.decode(m.data))
        elif m.event == "trade" and m.channel.startswith(_TRADES):
            self._traded(f, m.channel[len(_TRADES) :], _trade.decode(m.data))
        elif m.event not in ("bts:subscription_succeeded", "bts:unsubscription_succeeded", "bts:heartbeat"):
            raise Refused(DeadReason.UNKNOWN_KIND, f"event {m.event} of channel {m.channel}")

    def _changed(self, f: Frame, symbol: str, body: bytes) -> None:
        at = self._at(symbol)
        s = self._of(symbol)
        f.symbols.append(symbol)
        d = _book.decode(body)
        if not s.live:
            self._keep(symbol, body)
        elif d.micros < s.last and not s.fresh:
            self._kept[symbol] = []
            raise self._gap(f"{symbol} change of {s.last} is followed by one of {d.micros}")
        elif d.micros > s.last:
            self._levels_of(f, at, d)
            s.last, s.fresh = d.micros, 0

    def _whole(self, f: Frame, symbol: str, told: _Book) -> None:
        """A snapshot, and the changes kept that are newer."""
        at = self._at(symbol)
        s = self._of(symbol)
        if s.live and told.micros <= s.last:
            return
        f.symbols.append(symbol)
        self._snapshot(f, at, {Side.ASK: told.asks, Side.BID: told.bids}, told.micros * 1000)
        now = Followed(1, told.micros, 1)
        waiting = sorted((_book.decode(p) for p in self._kept.get(symbol, ())), key=lambda d: d.micros)
        for d in waiting:
            if d.micros > now.last:
                self._levels_of(f, at, d)
                now.last, now.fresh = d.micros, 0
        self._kept.pop(symbol, None)
        s.live, s.last, s.fresh = 1, now.last, now.fresh

    def _levels_of(self, f: Frame, at: int, d: _Book) -> None:
        ns = d.micros * 1000
        send(f.made, self._levels(f, at, Side.BID, d.bids, ns) + self._levels(f, at, Side.ASK, d.asks, ns))

    def _traded(self, f: Frame, symbol: str, t: _Trade) -> None:
        if t.type not in (0, 1):
            raise Refused(DeadReason.BAD_VALUE, f"a trade of type {t.type}")
        aggressor = Side.ASK if t.type else Side.BID
        self._trade(f, self._at(symbol), aggressor, t.price_str, t.amount_str, _micros(t.microtimestamp) * 1000)


def discover(payload: bytes, found: dict[str, Instrument]) -> None:
    """Add what a frame tells: the decimals of a book's levels and of trades."""
    try:
        m = _message.decode(payload)
        levels: list[tuple[str, str]] = []
        if m.url or m.event == "data":
            symbol = _asked(m.url) or m.channel.rpartition("_")[2]
            told = _book.decode(m.body if m.url else m.data)
            levels = told.bids + told.asks
        elif m.event == "trade":
            symbol, t = m.channel.rpartition("_")[2], _trade.decode(m.data)
            levels = [(t.price_str, t.amount_str)]
        if levels:
            infer(found, symbol, levels, decimals, _instrument)
    except (msgspec.MsgspecError, InputError, ValueError, RecursionError):
        return  # the decoder refuses the frame and says why


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A capture, as `read_capture` reads it.

    Where the file is named ``….ws.N.M.gz`` and captures ``….http.*`` lie beside it, these hold the REST snapshots and
    are read with it.
    """
    stem, ws, _ = path.name.partition(".ws.")
    beside = sorted(path.parent.glob(f"{stem}.http.*")) if ws else []
    told = Told("bitstamp", SOURCE, discover, "Bitstamp book", answers=True)
    return read_capture(path, told, instruments, *beside)


def _instrument(symbol: str) -> Instrument:
    quote = next((q for q in ("usdt", "usdc", "pax") if symbol.endswith(q)), symbol[-3:]).upper()
    return Instrument(
        symbol, underlying=symbol, quote_currency=quote, settlement_currency=quote,
        venue="bitstamp", venue_symbol=symbol, source=SOURCE, levels=True,
    )  # fmt: skip


def _asked(address: str) -> str:
    """The symbol whose book a REST address asks for; empty: none."""
    return address.partition("?")[0].rstrip("/").rpartition("/order_book/")[2] if "/order_book/" in address else ""


def _micros(text: str) -> int:
    made = exact(text, 0)
    if made > _LAST_MICROS:
        raise ValueError(f"{text!r:.24} is no time that can be")
    return made
