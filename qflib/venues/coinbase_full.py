"""Coinbase Exchange's channel ``full``: every order of the book by its id, with a level 3 snapshot from REST.

Source of the messages and of the rules: docs.cdp.coinbase.com, "Exchange websocket channels", "Full channel", and "Get
product book" (level 3). No recording of it was at hand: tests hold frames made by this documentation.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct

from qflib.errors import InputError
from qflib.records import MARKET_EVENTS, DeadReason, EventFlag, EventKind, Instrument, Instruments, Side
from qflib.venues.captures import Told, read_capture
from qflib.venues.decimal_text import decimals, iso_to_ns
from qflib.venues.inferred import infer
from qflib.venues.level_decoder import Followed, Frame, LevelDecoder
from qflib.venues.rows import Refused, clear_row, send
from qflib.venues.venue import Recording, State

SOURCE = "coinbase_full:0"
_Number = Annotated[int, Meta(ge=0, lt=1 << 62)]
_SIDES = {"buy": Side.BID, "sell": Side.ASK}
_NUMBERED = ("received", "open", "done", "match", "change", "activate")
_PASSED = ("subscriptions", "last_match", "status", "ticker")


class _Message(Struct):
    type: str = ""
    product_id: str = ""
    sequence: int = -1
    time: str = ""
    order_id: str = ""
    maker_order_id: str = ""
    side: Literal["", "buy", "sell"] = ""
    price: str | None = None
    new_price: str | None = None
    size: str | None = None
    new_size: str | None = None
    remaining_size: str | None = None
    message: str = ""
    url: str = ""
    body: Raw = Raw()


class _Book(Struct):
    sequence: _Number
    bids: list[tuple[str, str, str]]
    asks: list[tuple[str, str, str]]


_message, _book = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_Book)


class Decoder(LevelDecoder):
    """Orders of one connection: open to ADD, match to EXECUTE of the maker's, change to MODIFY, done to CANCEL.

    Notes
    -----
    Every message of a product is numbered, one above the one before; a heartbeat tells the newest number. Messages
    before the snapshot are kept for it. Where one is missing, or tells of an order what cannot be, the book is cleared
    and waits for a snapshot. An order's id is the first 63 bits of its UUID; two live orders that share them would be
    told as what cannot be. What concerns orders that never rested (received, stops, market orders) makes no event.
    """

    venue = "coinbase_full"

    def __init__(self, instruments: Instruments, source: str) -> None:
        super().__init__(instruments, source)
        #: Lots left by order id, by product.
        self.orders: dict[str, dict[int, int]] = {}

    def state(self) -> State:
        """As every decoder of levels, and the live orders."""
        places = {s: i for i, s in enumerate(self.followed)}
        live = [(places[s], oid, left) for s, orders in self.orders.items() for oid, left in orders.items()]
        return super().state() | {"orders": np.array(live, np.int64).reshape(-1, 3)}

    def load(self, state: State) -> None:
        """Go on from a state."""
        super().load(state)
        symbols = list(self.followed)
        self.orders = {}
        for at, oid, left in state["orders"].reshape(-1, 3).tolist():
            self.orders.setdefault(symbols[at], {})[oid] = left

    def _columns(self, rows: list[Any]) -> Any:
        if not rows:
            return MARKET_EVENTS.empty
        whole = [row if len(row) == 9 else (*row, 0) for row in rows]  # a CLEAR is of no order
        kind, flags, at, side, price, qty, venue_ns, receipt_ns, order_id = np.array(whole, np.int64).T
        return MARKET_EVENTS.make(
            kind=kind, flags=flags, instrument=at, side=side, price_ticks=price, qty=qty, venue_ns=venue_ns,
            receipt_ns=receipt_ns, order_id=order_id,
        )  # fmt: skip

    def _kill(self, symbol: str, f: Frame) -> None:
        super()._kill(symbol, f)
        self.orders.pop(symbol, None)

    def _frame(self, payload: bytes, f: Frame) -> None:
        m = _message.decode(payload)
        if m.url:
            self._whole(_product(m.url), _book.decode(m.body), f)
        elif m.type in _NUMBERED:
            self._numbered(m, payload, f)
        elif m.type == "heartbeat":
            self._at(m.product_id)
            s = self._of(m.product_id)
            if s.live and m.sequence > s.last:
                f.symbols.append(m.product_id)
                raise self._gap(f"{m.product_id} messages {s.last + 1} to {m.sequence} are missing")
        elif m.type not in _PASSED:
            raise Refused(DeadReason.UNKNOWN_KIND, f"type {m.type} {m.message}")

    def _numbered(self, m: _Message, payload: bytes, f: Frame) -> None:
        at, product = self._at(m.product_id), m.product_id
        s = self._of(product)
        f.symbols.append(product)
        if not 0 <= m.sequence < 1 << 62:
            raise ValueError("a message without sequence")
        if not s.live:
            self._keep(product, payload)
        elif m.sequence > s.last:
            if m.sequence != s.last + 1:
                self._kept[product] = [payload]
                raise self._gap(f"{product} messages {s.last + 1} to {m.sequence - 1} are missing")
            self._change(m, at, self.orders.setdefault(product, {}), f)
            s.last = m.sequence

    def _whole(self, product: str, told: _Book, f: Frame) -> None:
        """A snapshot, and the messages kept that come after it."""
        at = self._at(product)
        s = self._of(product)
        if s.live and told.sequence <= s.last:
            return
        f.symbols.append(product)
        made: list[Any] = [clear_row(at, f.receipt_ns, EventFlag.SNAPSHOT)]
        orders: dict[int, int] = {}
        for side, levels in ((Side.ASK, told.asks), (Side.BID, told.bids)):
            for price, size, order_id in levels:
                row = self._order(EventKind.ADD, at, side, price, size, order_id, 0, f, EventFlag.SNAPSHOT)
                _join(orders, row)
                made.append(row)
        send(f.made, made)
        now = Followed(1, told.sequence)
        waiting = self._kept.get(product, [])
        while waiting:
            m = _message.decode(waiting[0])
            if m.sequence > now.last:
                if m.sequence != now.last + 1:
                    raise self._gap(f"{product} snapshot {now.last} is followed by {m.sequence}")
                self._change(m, at, orders, f)
                now.last = m.sequence
            del waiting[0]
        s.live, s.last = 1, now.last
        self.orders[product] = orders

    def _change(self, m: _Message, at: int, orders: dict[int, int], f: Frame) -> None:
        """What a message does to the orders, and its row; nothing where it raises."""
        ns = iso_to_ns(m.time) if m.time else 0
        side = _SIDES.get(m.side, Side.NONE)
        if m.type == "open":
            row = self._order(EventKind.ADD, at, side, m.price, m.remaining_size, m.order_id, ns, f)
            _join(orders, row)
        elif m.type == "match":
            row = self._order(EventKind.EXECUTE, at, side, m.price, m.size, m.maker_order_id, ns, f)
            left = orders.get(row[8], 0) - row[5]
            if left < 0:
                raise Refused(DeadReason.BAD_VALUE, f"order {m.maker_order_id:.40} has less than was matched")
            _leave(orders, row[8], left)
        elif m.type == "done" and (left := orders.get(_id(m.order_id), 0)):
            row = (EventKind.CANCEL, 0, at, side, 0, left, ns, f.receipt_ns, _id(m.order_id))
            _leave(orders, row[8], 0)
        elif m.type == "change" and _id(m.order_id) in orders and m.new_size is not None:
            price = m.price if m.new_price is None else m.new_price
            row = self._order(EventKind.MODIFY, at, side, price, m.new_size, m.order_id, ns, f)
            if not row[5]:
                row = (EventKind.CANCEL, *row[1:5], orders[row[8]], *row[6:])
            _leave(orders, row[8], row[5] if row[0] == EventKind.MODIFY else 0)
        else:
            return
        send(f.made, [row])  # type: ignore[list-item]

    def _order(
        self, kind: EventKind, at: int, side: Side, price: str | None, size: str | None, order_id: str, ns: int,
        f: Frame, flags: int = 0,
    ) -> tuple[int, ...]:  # fmt: skip
        if side == Side.NONE or price is None or size is None:
            raise ValueError("a message without side, price or size")
        [row] = self._levels(f, at, side, [(price, size)], ns, flags)
        return (kind, *row[1:], _id(order_id))


def _join(orders: dict[int, int], row: tuple[int, ...]) -> None:
    if row[8] in orders or not row[5]:
        raise Refused(DeadReason.BAD_VALUE, f"order {row[8]} is there, or has no size")
    orders[row[8]] = row[5]


def _leave(orders: dict[int, int], order_id: int, left: int) -> None:
    if left:
        orders[order_id] = left
    else:
        orders.pop(order_id, None)


def _id(text: str) -> int:
    """The first 63 bits of a UUID, of which at least 58 are random."""
    digits = text.replace("-", "")
    if len(digits) != 32 or not (digits.isascii() and digits.isalnum()):
        raise ValueError(f"{text!r:.40} is no UUID")
    return int(digits[:16], 16) >> 1


def _product(address: str) -> str:
    """The product whose book a REST address asks for; empty: none."""
    return address.partition("?")[0].partition("/products/")[2].partition("/book")[0]


def discover(payload: bytes, found: dict[str, Instrument]) -> None:
    """Add the product of a snapshot; orders make its tick and lot finer where they are."""
    try:
        m = _message.decode(payload)
        told: Iterable[tuple[str, str]] = ()
        product = m.product_id
        if m.url:
            product, book = _product(m.url), _book.decode(m.body)
            told = [(p, q) for p, q, _ in (*book.bids, *book.asks)]
        elif m.price is not None and (size := m.remaining_size or m.new_size or m.size) is not None:
            told = [(m.price, size)]
        if product and (m.url or product in found):
            infer(found, product, told, decimals, _instrument)
    except (msgspec.MsgspecError, InputError, ValueError, RecursionError):
        return  # the decoder refuses the frame and says why


def _instrument(product: str) -> Instrument:
    quote = product.partition("-")[2] or "USD"
    return Instrument(
        product, underlying=product, quote_currency=quote, settlement_currency=quote,
        venue="coinbase_full", venue_symbol=product, source=SOURCE,
    )  # fmt: skip


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A capture with its REST snapshots, as `read_capture` reads it: one instrument a product that has one."""
    told = Told("coinbase_full", SOURCE, discover, "Coinbase level 3 snapshot", answers=True)
    return read_capture(path, told, instruments)
