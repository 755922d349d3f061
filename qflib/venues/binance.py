"""Binance, spot and USD-M futures: snapshots and numbered depth changes, trades, best quotes.

Source of the messages and of the rules: developers.binance.com, "Web Socket Streams" and "How to manage a local order
book correctly", of spot and of futures. A change of a future tells its predecessor (`pu`); that is how they are told
apart. Frames come with or without the envelope of combined streams; a snapshot is a REST answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Raw, Struct

from qflib.records import DeadReason, Instruments, Side
from qflib.venues.binance_instruments import SOURCE, define, discover
from qflib.venues.captures import Told, read_capture
from qflib.venues.level_decoder import Followed, Frame, LevelDecoder
from qflib.venues.rows import Refused, send
from qflib.venues.venue import LiveVenue, Recording

__all__ = ["LIVE", "Decoder", "read"]

_TOLD = Told("binance", SOURCE, discover, "Binance depth", answers=True)
_Number = Annotated[int, Meta(ge=0, lt=1 << 62)]
_Millis = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
_Levels = list[tuple[str, str]]
_TAPES = {"trade": 1, "aggTrade": 2}


def _subscribe(symbols: Sequence[str]) -> list[str]:
    streams = [f"{s.lower()}@{kind}" for s in symbols for kind in ("depth@100ms", "trade", "bookTicker")]
    return [json.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1})]


def _asks(symbols: Sequence[str]) -> list[str]:
    return [f"/api/v3/{what}" for s in symbols for what in (f"exchangeInfo?symbol={s}", f"depth?symbol={s}&limit=5000")]


#: Nothing is sent where nothing happens: a minute without a frame of any symbol is silence.
LIVE = LiveVenue(
    "wss://stream.binance.com:9443/stream", _subscribe, 60.0, SOURCE, define, usual=("BTCUSDT", "ETHUSDT"),
    rest="https://api.binance.com", asks=_asks,
)  # fmt: skip


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A capture of spot or futures streams, as `read_capture` reads it; a REST snapshot is a line of its own."""
    return read_capture(path, _TOLD, instruments)


class Envelope(Struct):
    """What a frame is in: a combined stream, an answer of REST, or nothing."""

    stream: str = ""
    data: Raw = Raw()
    url: str = ""
    body: Raw = Raw()
    e: str = ""
    u: _Number = 0
    last_update: int = msgspec.field(name="lastUpdateId", default=-1)
    id: Any = None
    error: Any = None


class Depth(Struct):
    """Changes of a book, numbered U to u; `pu`: the number before them, of a future."""

    E: _Millis
    s: str
    U: _Number
    u: _Number
    b: _Levels
    a: _Levels
    pu: int = -1


class Snapshot(Struct):
    """A book as it was after change `last`."""

    last: _Number = msgspec.field(name="lastUpdateId")
    bids: _Levels
    asks: _Levels
    E: _Millis = 0


class _Trade(Struct):
    E: _Millis
    s: str
    p: str
    q: str
    T: _Millis
    m: bool
    t: _Number = 0
    a: _Number = 0


class _Ticker(Struct):
    u: _Number
    s: str
    b: str
    B: str
    a: str
    A: str
    E: _Millis = 0


_envelope, _depth = msgspec.json.Decoder(Envelope), msgspec.json.Decoder(Depth)
_snapshot, _trade, _ticker = msgspec.json.Decoder(Snapshot), msgspec.json.Decoder(_Trade), msgspec.json.Decoder(_Ticker)


class Decoder(LevelDecoder):
    """Binance's depth changes to LEVEL rows that follow one another without a gap; trades, and quotes without depth.

    Notes
    -----
    Changes before the snapshot are kept for it. Spot: the first one used has U <= lastUpdateId + 1 <= u, then U is one
    more than the last u. Futures: U <= lastUpdateId <= u, then `pu` is the last u. What the book has already is passed
    over; what leaves something out is a gap: the book is cleared and waits for a snapshot. Numbers of spot trades are
    followed too. A symbol's trades are those of the first of its streams `trade` and `aggTrade`; its book tickers are
    quotes as long as no depth was heard.
    """

    venue = "binance"

    def _frame(self, payload: bytes, f: Frame) -> None:
        e = _envelope.decode(payload)
        if e.url:
            self._answer(e, f)
            return
        symbol, _, kind = e.stream.partition("@")
        body = bytes(e.data) if e.stream else payload
        kind = kind.split("@")[0] or e.e or ("bookTicker" if e.u else "")
        if kind in ("depth", "depthUpdate"):
            self._depth(body, f)
        elif kind in _TAPES:
            self._trades(_trade.decode(body), _TAPES[kind], f)
        elif kind == "bookTicker":
            self._ticker(_ticker.decode(body), f)
        elif e.last_update >= 0:
            self._book(_snapshot.decode(payload), self._only(), f)
        elif e.id is None or e.error is not None:
            raise Refused(DeadReason.UNKNOWN_KIND, f"{symbol} {kind}" if kind else f"{payload!r:.60}")

    def _answer(self, e: Envelope, f: Frame) -> None:
        """What REST told: a snapshot of the symbol asked for; rules of trading are for the table."""
        address = urlsplit(e.url)
        symbol = "".join(parse_qs(address.query).get("symbol", ())).upper()
        if address.path.endswith("/depth"):
            f.symbols.append(symbol)
            self._book(_snapshot.decode(e.body), symbol, f)
        elif not address.path.endswith("/exchangeInfo"):
            raise Refused(DeadReason.UNKNOWN_KIND, f"an answer of {address.path}")

    def _only(self) -> str:
        """The symbol of a snapshot that names none."""
        known = list(self.followed) or [r.venue_symbol or r.symbol for r in self.instruments if r.venue == self.venue]
        if len(known) != 1:
            raise Refused(DeadReason.UNKNOWN_INSTRUMENT, f"a snapshot without a symbol, and {len(known)} are followed")
        return known[0]

    def _depth(self, body: bytes, f: Frame) -> None:
        d = _depth.decode(body)
        at = self._at(d.s)
        s = self._of(d.s)
        s.told = 1
        f.symbols.append(d.s)
        if not s.live:
            self._keep(d.s, body)
        elif not _stale(d, s):
            if not _follows(d, s):
                self._kept[d.s] = [body]
                raise self._gap(f"{d.s} change {s.last} is followed by {d.U} to {d.u}")
            self._changes(d, at, f)
            s.last, s.fresh = d.u, 0

    def _book(self, told: Snapshot, symbol: str, f: Frame) -> None:
        """A snapshot, and the changes kept that come after it."""
        at = self._at(symbol)
        s = self._of(symbol)
        if s.live and told.last <= s.last:
            return
        f.symbols.append(symbol)
        self._snapshot(f, at, {Side.ASK: told.asks, Side.BID: told.bids}, told.E * 1_000_000)
        now = Followed(1, told.last, 1)
        waiting = self._kept.get(symbol, [])
        while waiting:
            d = _depth.decode(waiting[0])
            if not _stale(d, now):
                if not _follows(d, now):
                    raise self._gap(f"{symbol} snapshot {told.last} is followed by {d.U} to {d.u}")
                self._changes(d, at, f)
                now.last, now.fresh = d.u, 0
            del waiting[0]
        s.live, s.last, s.fresh = now.live, now.last, now.fresh

    def _changes(self, d: Depth, at: int, f: Frame) -> None:
        ns = d.E * 1_000_000
        send(f.made, self._levels(f, at, Side.BID, d.b, ns) + self._levels(f, at, Side.ASK, d.a, ns))

    def _trades(self, t: _Trade, tape: int, f: Frame) -> None:
        at = self._at(t.s)
        aggressor = Side.ASK if t.m else Side.BID
        s = self._of(t.s)
        if s.tape not in (0, tape):
            return
        self._trade(f, at, aggressor, t.p, t.q, t.T * 1_000_000)
        number = t.t if tape == 1 else t.a
        s.tape = tape
        if number <= s.trade:
            f.made.clear()  # told before
        self._trade_number(f, s, t.s, number, number)

    def _ticker(self, t: _Ticker, f: Frame) -> None:
        at = self._at(t.s)
        if not self._of(t.s).told:
            tops = {Side.BID: (t.b, t.B), Side.ASK: (t.a, t.A)}
            self._quote(f, at, tops, t.E * 1_000_000)


def _stale(d: Depth, s: Followed) -> bool:
    """Whether the book has these changes already."""
    return d.u < s.last if d.pu >= 0 and s.fresh else d.u <= s.last


def _follows(d: Depth, s: Followed) -> bool:
    """Whether nothing is missing between the book and these changes."""
    if d.pu >= 0:
        return d.pu == s.last or bool(s.fresh and d.U <= s.last <= d.u)
    return d.U <= s.last + 1 <= d.u if s.fresh else s.last == d.U - 1
