"""Deribit, websocket v2 (JSON-RPC): numbered changes of books, trades, and tickers of options as quotes.

Source of the messages: docs.deribit.com, "book.(instrument_name).(interval)", "trades", "ticker", "quote" and
"public/set_heartbeat". Prices and amounts are JSON numbers, read as the decimals they are written as. No recording of
these messages was at hand: tests hold frames made by this documentation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pandas as pd
from msgspec import Meta, Raw, Struct

from qflib.errors import InputError
from qflib.records import DeadReason, Instrument, Instruments, Side
from qflib.venues.captures import Told, read_capture
from qflib.venues.decimal_text import Units, plain, significant
from qflib.venues.deribit_definitions import SOURCE, instrument_of, instruments
from qflib.venues.inferred import infer
from qflib.venues.level_decoder import Frame, LevelDecoder
from qflib.venues.rows import Refused, send
from qflib.venues.venue import LiveVenue, Recording

__all__ = ["LIVE", "Decoder", "instruments", "read"]

_Number = Annotated[int, Meta(ge=0, lt=1 << 62)]
_Millis = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
_Changes = list[tuple[Literal["new", "change", "delete"], Decimal, Decimal]]
_HEARTBEAT_S = 10


class _Params(Struct):
    channel: str = ""
    data: Raw = Raw()
    type: str = ""


class _Message(Struct):
    method: str = ""
    params: _Params = msgspec.field(default_factory=_Params)
    id: Any = None
    result: Raw = Raw()
    error: Any = None


class _Book(Struct):
    type: Literal["snapshot", "change"]
    timestamp: _Millis
    instrument_name: str
    change_id: _Number
    bids: _Changes
    asks: _Changes
    prev_change_id: _Number | None = None


class _Trade(Struct):
    trade_seq: _Number
    timestamp: _Millis
    instrument_name: str
    direction: Literal["buy", "sell"]
    price: Decimal
    amount: Decimal


class _Quote(Struct):
    timestamp: _Millis
    instrument_name: str
    best_bid_price: Decimal | None
    best_bid_amount: Decimal | None
    best_ask_price: Decimal | None
    best_ask_amount: Decimal | None


_message, _book = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_Book)
_trades, _quote = msgspec.json.Decoder(list[_Trade]), msgspec.json.Decoder(_Quote)


class Decoder(LevelDecoder):
    """Deribit's book channel to LEVEL rows that follow one another without a gap; trades; tickers to quotes.

    Notes
    -----
    A change follows where `prev_change_id` is the last `change_id`; else it is a gap: the book is cleared and waits for
    a snapshot. Trades are followed by `trade_seq`. Tickers and quotes count as long as no book of the instrument was
    heard. Quantities are contracts: amounts over the contract's size.
    """

    venue = "deribit"

    def _made_units(self, instruments: Instruments) -> Units:
        return Units(instruments, [Fraction(str(r.contract_value or r.multiplier)) for r in instruments])

    def _frame(self, payload: bytes, f: Frame) -> None:
        m = _message.decode(payload)
        kind = m.params.channel.partition(".")[0]
        if m.method != "subscription":
            if m.method != "heartbeat" and (m.id is None or m.error is not None):
                raise Refused(DeadReason.UNKNOWN_KIND, f"method {m.method} {m.error or ''}")
        elif kind == "book" and m.params.channel.count(".") == 2:
            self._changed(_book.decode(m.params.data), f)
        elif kind == "trades":
            for t in _trades.decode(m.params.data):
                self._traded(t, f)
        elif kind in ("ticker", "incremental_ticker", "quote"):
            self._quoted(_quote.decode(m.params.data), f)
        else:
            raise Refused(DeadReason.UNKNOWN_KIND, f"channel {m.params.channel}")

    def _changed(self, b: _Book, f: Frame) -> None:
        name = b.instrument_name
        at = self._at(name)
        s = self._of(name)
        s.told = 1
        f.symbols.append(name)
        sides = {Side.ASK: _texts(b.asks), Side.BID: _texts(b.bids)}
        ns = b.timestamp * 1_000_000
        if b.type == "snapshot":
            self._snapshot(f, at, sides, ns)
        elif not s.live:
            raise Refused(DeadReason.BEFORE_SNAPSHOT, f"{name} waits for a snapshot")
        elif b.change_id <= s.last:
            return  # told before
        elif b.prev_change_id != s.last:
            raise self._gap(f"{name} change {s.last} is followed by {b.change_id}, which follows {b.prev_change_id}")
        else:
            send(f.made, [row for side, levels in sides.items() for row in self._levels(f, at, side, levels, ns)])
        s.live, s.last = 1, b.change_id

    def _traded(self, t: _Trade, f: Frame) -> None:
        at = self._at(t.instrument_name)
        s = self._of(t.instrument_name)
        if t.trade_seq > s.trade:
            aggressor = Side.BID if t.direction == "buy" else Side.ASK
            self._trade(f, at, aggressor, _text(t.price), _text(t.amount), t.timestamp * 1_000_000)
            self._trade_number(f, s, t.instrument_name, t.trade_seq, t.trade_seq)

    def _quoted(self, q: _Quote, f: Frame) -> None:
        at = self._at(q.instrument_name)
        if not self._of(q.instrument_name).told:
            tops = {
                Side.BID: _top(q.best_bid_price, q.best_bid_amount),
                Side.ASK: _top(q.best_ask_price, q.best_ask_amount),
            }
            self._quote(f, at, tops, q.timestamp * 1_000_000)


def define(payload: bytes, found: dict[str, Instrument]) -> None:
    """Add the instruments of an answer of public/get_instrument or get_instruments; other frames say nothing."""
    if b'"tick_size"' not in payload:
        return
    try:
        result = json.loads(payload).get("result", ())
        for row in result if isinstance(result, list) else [result]:
            made = instrument_of(row)
            if made is not None:
                found[made.symbol] = made
    except (InputError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        return  # the symbol stays unknown


def _discover(payload: bytes, found: dict[str, Instrument]) -> None:
    """Definitions where they were asked for; else the decimals of what was told, in units of the amounts."""
    define(payload, found)
    try:
        m = _message.decode(payload)
        kind = m.params.channel.partition(".")[0]
        told: list[tuple[str, Decimal | None, Decimal | None]] = []
        if kind == "book" and m.params.channel.count(".") == 2:
            b = _book.decode(m.params.data)
            told = [(b.instrument_name, p, q) for _, p, q in b.bids + b.asks]
        elif kind == "trades":
            told = [(t.instrument_name, t.price, t.amount) for t in _trades.decode(m.params.data)]
        elif kind in ("ticker", "quote"):
            q = _quote.decode(m.params.data)
            told = [
                (q.instrument_name, q.best_bid_price, q.best_bid_amount),
                (q.instrument_name, q.best_ask_price, q.best_ask_amount),
            ]
        for name, price, amount in told:
            if name not in found or found[name].settlement_type == "":  # not defined
                infer(found, name, [(plain(price or Decimal(0)), plain(amount or Decimal(0)))], significant, _inferred)
    except (msgspec.MsgspecError, InputError, ValueError, RecursionError):
        return  # the decoder refuses the frame and says why


def _inferred(name: str) -> Instrument:
    """An instrument by its name alone; a contract is one unit of the amounts."""
    parts = name.split("-")
    own: dict[str, Any] = {}
    inverse = "_" not in parts[0]
    if len(parts) > 1 and parts[1] != "PERPETUAL":
        own["expiry"] = pd.to_datetime(f"{parts[1]} 08:00", format="%d%b%y %H:%M", utc=True)
    if len(parts) == 4:
        strike = float(parts[2].replace("d", "."))
        own |= {"kind": "option", "right": {"C": "call", "P": "put"}[parts[3]], "style": "european", "strike": strike}
    else:
        own["kind"] = "future" if "expiry" in own else "perpetual"
        own["contract_value"] = 1.0 if inverse else 0.0
    coin = parts[0].partition("_")[0]
    return Instrument(
        name, underlying=parts[0], inverse=inverse, settlement_currency=coin if inverse else "USDC",
        venue="deribit", venue_symbol=name, source=SOURCE, levels=True, **own,
    )  # fmt: skip


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A capture, as `read_capture` reads it; definitions in it count, else ticks are inferred."""
    return read_capture(path, Told("deribit", SOURCE, _discover, "Deribit book or ticker"), instruments)


def _subscribe(symbols: Sequence[str]) -> list[str]:
    """Definitions, then books, or tickers of options, and trades."""
    channels = [
        f"{'ticker' if s.endswith(('-C', '-P')) else kind}.{s}.100ms" if kind == "book" else f"{kind}.{s}.100ms"
        for s in symbols
        for kind in ("book", "trades")
    ]
    asked: list[tuple[str, dict[str, Any]]] = [("set_heartbeat", {"interval": _HEARTBEAT_S})]
    asked += [("get_instrument", {"instrument_name": s}) for s in symbols]
    asked.append(("subscribe", {"channels": channels}))
    return [_request(i + 1, method, params) for i, (method, params) in enumerate(asked)]


def _request(number: int, method: str, params: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": f"public/{method}", "params": params})


def _reply(payload: bytes) -> str | None:
    """Deribit closes a connection that does not answer its test requests."""
    return _request(0, "test", {}) if b'"test_request"' in payload[:200] else None


LIVE = LiveVenue(
    "wss://www.deribit.com/ws/api/v2", _subscribe, 3.0 * _HEARTBEAT_S, SOURCE, define,
    usual=("BTC-PERPETUAL", "ETH-PERPETUAL"), reply=_reply,
)  # fmt: skip


def _texts(changes: _Changes) -> list[tuple[str, str]]:
    return [(_text(p), "0" if action == "delete" else _text(q)) for action, p, q in changes]


def _top(price: Decimal | None, amount: Decimal | None) -> tuple[str, str]:
    """A best price and its amount; an empty price where there is none."""
    return (_text(price), _text(amount)) if price and amount else ("", "")


def _text(number: Decimal) -> str:
    try:
        return plain(number)
    except ValueError as e:
        raise Refused(DeadReason.BAD_VALUE, str(e)) from None
