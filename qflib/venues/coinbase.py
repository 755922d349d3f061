"""Coinbase: the Exchange feed (level2, matches) of captures, and Advanced Trade (level2, market_trades) live.

Source of the messages: docs.cdp.coinbase.com, "Exchange websocket channels" and "Advanced Trade websocket channels".
The Exchange feed numbers trades, and promises that no level2 message is missing; Advanced Trade numbers the frames of a
connection. Both tell the maker's side of a trade.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from qflib.errors import InputError
from qflib.records import DeadReason, Instrument, Instruments, Side
from qflib.venues.captures import Told, read_capture
from qflib.venues.decimal_text import decimals, iso_to_ns
from qflib.venues.inferred import infer
from qflib.venues.level_decoder import Frame, LevelDecoder
from qflib.venues.rows import Refused, send
from qflib.venues.venue import LiveVenue, Recording

SOURCE = "coinbase:0"
_Number = Annotated[int, Meta(ge=0, lt=1 << 62)]
_Levels = list[tuple[str, str]]
_SIDES = {"buy": Side.BID, "sell": Side.ASK, "bid": Side.BID, "offer": Side.ASK, "BUY": Side.BID, "SELL": Side.ASK}
#: Where the numbers of a connection's frames are kept among the symbols.
_CONNECTION = ""
#: What says nothing of books or trades.
_PASSED = ("subscriptions", "heartbeats", "ticker", "ticker_batch", "status")


class _Kind(Struct):
    type: str = ""
    channel: str = ""
    message: str = ""
    sequence_num: int = -1


class _Snapshot(Struct):
    product_id: str
    asks: _Levels
    bids: _Levels


class _Update(Struct):
    product_id: str
    changes: list[tuple[Literal["buy", "sell"], str, str]]
    time: str = ""


class _Match(Struct):
    product_id: str
    trade_id: _Number
    side: Literal["buy", "sell"]
    size: str
    price: str
    time: str


class _Heartbeat(Struct):
    product_id: str
    last_trade_id: _Number


class _Level(Struct):
    side: Literal["bid", "offer"]
    price_level: str
    new_quantity: str
    event_time: str = ""


class _Books(Struct):
    """The events of an ``l2_data`` frame."""

    class Event(Struct):
        type: Literal["snapshot", "update"]
        product_id: str
        updates: list[_Level]

    events: list[Event]


class _Trade(Struct):
    trade_id: str
    product_id: str
    price: str
    size: str
    side: Literal["BUY", "SELL"]
    time: str


class _Tapes(Struct):
    """The events of a ``market_trades`` frame."""

    class Event(Struct):
        type: Literal["snapshot", "update"]
        trades: list[_Trade]

    events: list[Event]


_kind, _heartbeat = msgspec.json.Decoder(_Kind), msgspec.json.Decoder(_Heartbeat)
_snapshot, _update, _match = (
    msgspec.json.Decoder(_Snapshot),
    msgspec.json.Decoder(_Update),
    msgspec.json.Decoder(_Match),
)
_books, _tapes = msgspec.json.Decoder(_Books), msgspec.json.Decoder(_Tapes)


class Decoder(LevelDecoder):
    """Coinbase's levels to LEVEL rows, and trades; tickers say what the book says, and are passed over.

    Notes
    -----
    Advanced Trade: a missing number clears every book of the connection; all wait for their snapshots. Exchange feed: a
    missing trade is told of, and books stay, as the venue promises their changes apart; a frame that cannot be read
    clears every book.
    """

    venue = "coinbase"

    @property
    def numbered(self) -> bool:
        """Whether the connection is one of Advanced Trade, as far as was heard."""
        return _CONNECTION in self.followed

    def _frame(self, payload: bytes, f: Frame) -> None:
        k = _kind.decode(payload)
        if k.channel:
            f.counted = self._numbered(k.sequence_num, f)
            if f.counted:
                self._advanced(k.channel, payload, f)
        elif k.type == "snapshot":
            told = _snapshot.decode(payload)
            self._whole(f, told.product_id, {Side.ASK: told.asks, Side.BID: told.bids}, 0)
        elif k.type == "l2update":
            change = _update.decode(payload)
            ns = iso_to_ns(change.time) if change.time else 0
            self._changed(f, change.product_id, [(_SIDES[side], p, q, ns) for side, p, q in change.changes])
        elif k.type in ("match", "last_match"):
            self._matched(_match.decode(payload), f, new=k.type == "match")
        elif k.type == "heartbeat":
            beat = _heartbeat.decode(payload)
            self._at(beat.product_id)
            self._trade_number(
                f, self._of(beat.product_id), beat.product_id, beat.last_trade_id + 1, beat.last_trade_id
            )
        elif k.type not in _PASSED:
            raise Refused(DeadReason.UNKNOWN_KIND, f"type {k.type} {k.message}")

    def _numbered(self, number: int, f: Frame) -> bool:
        """Follow the numbers of a connection's frames; False: a frame told before."""
        s = self._of(_CONNECTION)
        if not 0 <= number < 1 << 62:
            raise ValueError("a frame without a sequence_num that can be")
        if s.told and 0 < number <= s.last:
            return False
        if s.told and number != s.last + 1:
            if number:
                self.gaps += 1
                f.notes.append((DeadReason.GAP, f"frames {s.last + 1} to {number - 1} of the connection are missing"))
            self._kill_all(f)
        s.last, s.told = number, 1
        return True

    def _advanced(self, channel: str, payload: bytes, f: Frame) -> None:
        if channel == "l2_data":
            for event in _books.decode(payload).events:
                if event.type == "snapshot":
                    sides: dict[Side, Any] = {Side.ASK: [], Side.BID: []}
                    for u in event.updates:
                        sides[_SIDES[u.side]].append((u.price_level, u.new_quantity))
                    self._whole(f, event.product_id, sides, 0)
                else:
                    told = [
                        (_SIDES[u.side], u.price_level, u.new_quantity, iso_to_ns(u.event_time) if u.event_time else 0)
                        for u in event.updates
                    ]
                    self._changed(f, event.product_id, told)
        elif channel == "market_trades":
            new = [t for e in _tapes.decode(payload).events if e.type == "update" for t in e.trades]
            for t in sorted(new, key=lambda t: int(t.trade_id)):  # told from the newest to the oldest
                self._traded(f, t.product_id, t.side, t.price, t.size, t.time)
        elif channel not in _PASSED:
            raise Refused(DeadReason.UNKNOWN_KIND, f"channel {channel}")

    def _whole(self, f: Frame, product: str, sides: dict[Side, Any], venue_ns: int) -> None:
        at = self._at(product)
        s = self._of(product)
        f.symbols.append(product)
        self._snapshot(f, at, sides, venue_ns)
        s.live = 1

    def _changed(self, f: Frame, product: str, told: list[tuple[Side, str, str, int]]) -> None:
        at = self._at(product)
        if not self._of(product).live:
            raise Refused(DeadReason.BEFORE_SNAPSHOT, f"{product} waits for a snapshot")
        f.symbols.append(product)
        send(f.made, [row for side, p, q, ns in told for row in self._levels(f, at, side, [(p, q)], ns)])

    def _matched(self, m: _Match, f: Frame, *, new: bool) -> None:
        self._at(m.product_id)
        s = self._of(m.product_id)
        if new and m.trade_id > s.trade:
            self._traded(f, m.product_id, m.side, m.price, m.size, m.time)
            self._trade_number(f, s, m.product_id, m.trade_id, m.trade_id)
        elif not new:
            s.trade = max(s.trade, m.trade_id)

    def _traded(self, f: Frame, product: str, maker: str, price: str, size: str, time: str) -> None:
        aggressor = Side.BID if _SIDES[maker] == Side.ASK else Side.ASK
        self._trade(f, self._at(product), aggressor, price, size, iso_to_ns(time))


def discover(payload: bytes, found: dict[str, Instrument]) -> None:
    """Add the product of a book's snapshot; later messages make its tick and lot finer where they are."""
    try:
        k = _kind.decode(payload)
        told: list[tuple[str, bool, list[tuple[str, str]]]] = []
        if k.channel == "l2_data":
            for e in _books.decode(payload).events:
                levels = [(u.price_level, u.new_quantity) for u in e.updates]
                told.append((e.product_id, e.type == "snapshot", levels))
        elif k.type == "snapshot":
            whole = _snapshot.decode(payload)
            told.append((whole.product_id, True, whole.asks + whole.bids))
        elif k.type == "l2update":
            change = _update.decode(payload)
            told.append((change.product_id, False, [(p, q) for _, p, q in change.changes]))
        elif k.type == "match":
            m = _match.decode(payload)
            told.append((m.product_id, False, [(m.price, m.size)]))
        for product, adds, levels in told:
            if adds or product in found:
                infer(found, product, levels, decimals, _instrument)
    except (msgspec.MsgspecError, InputError, ValueError, RecursionError):
        return  # the decoder refuses the frame and says why


def _instrument(product: str) -> Instrument:
    quote = product.partition("-")[2] or "USD"
    return Instrument(
        product, underlying=product, quote_currency=quote, settlement_currency=quote,
        venue="coinbase", venue_symbol=product, source=SOURCE, levels=True,
    )  # fmt: skip


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A capture of either feed, as `read_capture` reads it: one instrument a product that has a snapshot."""
    return read_capture(path, Told("coinbase", SOURCE, discover, "Coinbase level2 snapshot"), instruments)


def _subscribe(symbols: Sequence[str]) -> list[str]:
    channels = ("heartbeats", "level2", "market_trades")
    return [json.dumps({"type": "subscribe", "product_ids": list(symbols), "channel": c}) for c in channels]


#: Its heartbeats come once a second.
LIVE = LiveVenue(
    "wss://advanced-trade-ws.coinbase.com", _subscribe, 10.0, SOURCE, discover, usual=("BTC-USD", "ETH-USD")
)
