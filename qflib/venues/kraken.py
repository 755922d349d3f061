"""Kraken, websocket v1: book snapshots and updates, each update checked by its CRC-32; trades.

Source of the messages: docs.kraken.com, "Websocket v1" (channels "book" and "trade"). Captures are lines
``time: json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from qflib.records import DeadReason, EventFlag, EventKind, Header, Instruments, Side
from qflib.records.schema import TEXT_BYTES
from qflib.venues.decimal_text import decimals, exact, seconds_to_ns
from qflib.venues.kraken_book import PairBook
from qflib.venues.kraken_capture import SOURCE, discover, read
from qflib.venues.rows import Refused, Row, clear_row, columns_of, send
from qflib.venues.venue import Decoded, LiveVenue, Refusal, State, payloads_of

__all__ = ["LIVE", "Decoder", "read"]


def _subscribe(symbols: Sequence[str]) -> list[str]:
    channels: list[dict[str, object]] = [{"name": "book", "depth": 1000}, {"name": "trade"}]
    return [json.dumps({"event": "subscribe", "pair": list(symbols), "subscription": c}) for c in channels]


#: Kraken sends a heartbeat a second where nothing else comes.
LIVE = LiveVenue("wss://ws.kraken.com", _subscribe, 10.0, SOURCE, discover, usual=("XBT/USD", "ETH/USD"))

_SIDES = (("a", Side.ASK), ("b", Side.BID))
#: Digits after a point that a table's tick may need; a frame of millions of them is not worth its power of ten.
_MOST_PLACES = 40
#: Levels a side of the deepest subscription.
_DEEPEST = 1_000
#: The taker's side of a trade.
_TAKERS = {"b": Side.BID, "s": Side.ASK}


class Decoder:
    """Kraken's books of one connection to LEVEL rows, which are trusted only while the checksums hold; trades.

    Parameters
    ----------
    instruments
        The table; a pair is found by its venue symbol ("XBT/USD"). Ticks and lots may be finer than the strings.
    source
        The connection, "kraken:0".

    Notes
    -----
    A wrong checksum refuses the update (`BAD_CHECKSUM`), clears the pair's book, and refuses what follows
    (`BEFORE_SNAPSHOT`) until the pair's next snapshot. Levels beyond the subscribed depth go, as LEVEL rows of 0.
    Trades have neither number nor checksum. A subscription tells the newest ones again, marked by nothing but their
    times: a frame's trades no later than the pair's newest of the frames before are passed over.
    O(rows · log depth) a frame.
    """

    def __init__(self, instruments: Instruments, source: str) -> None:
        self.instruments, self.source = instruments, source
        self.books: dict[str, PairBook] = {}
        self.right = self.wrong = 0

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; events in frame order, and the frames refused."""
        rows: list[Row] = []
        refused: list[Refusal] = []
        for i, (payload, receipt_ns) in enumerate(zip(payloads_of(frames), frames.receipt_ns.tolist(), strict=False)):
            try:
                self._frame(payload, receipt_ns, rows)
            except Refused as e:
                refused.append(Refusal(i, e.reason, e.detail))
            except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as e:
                refused.append(Refusal(i, DeadReason.UNPARSABLE, str(e)))
        return Decoded(columns_of(rows), tuple(refused))

    def restart(self, receipt_ns: int) -> Decoded:
        """Clear every book that was alive; each waits for its snapshot."""
        rows: list[Row] = []
        for pair, book in self.books.items():
            if book.live:
                _kill(self.instruments.by_venue_symbol["kraken", pair], book, receipt_ns, rows)
        return Decoded(columns_of(rows))

    @property
    def checks(self) -> dict[str, int]:
        """Checksums right and wrong so far."""
        return {"right": self.right, "wrong": self.wrong}

    def state(self) -> State:
        """Pairs, and every level as (row of the pair, side, price, quantity)."""
        books = list(self.books.items())
        levels = [
            (i, side, ladder.sign * key, ladder.qty[key])
            for i, (_, b) in enumerate(books)
            for side, ladder in ((Side.ASK, b.asks), (Side.BID, b.bids))
            for key in ladder.keys
        ]
        return {
            "pairs": np.array([p.encode() for p, _ in books], f"S{TEXT_BYTES}"),
            "books": np.array(
                [(b.depth, b.live, b.price_decimals, b.qty_decimals, b.traded_ns) for _, b in books], np.int64
            ).reshape(-1, 5),
            "levels": np.array(levels, np.int64).reshape(-1, 4),
            "checks": np.array([self.right, self.wrong], np.int64),
        }

    def load(self, state: State) -> None:
        """Go on from a state."""
        self.right, self.wrong = state["checks"].tolist()
        self.books = {
            p.decode(): PairBook(depth, bool(live), price, qty, traded_ns)
            for p, (depth, live, price, qty, traded_ns) in zip(
                state["pairs"].tolist(), state["books"].tolist(), strict=True
            )
        }
        books = list(self.books.values())
        for i, side, price, qty in state["levels"].tolist():
            (books[i].asks if side == Side.ASK else books[i].bids).put(price, qty)

    def _frame(self, payload: bytes, receipt_ns: int, rows: list[Row]) -> None:
        message = json.loads(payload)
        if isinstance(message, dict):
            self._event(message)
            return
        if not (isinstance(message, list) and len(message) >= 4):
            raise Refused(DeadReason.UNPARSABLE, "not a Kraken channel message")
        channel, pair = str(message[-2]), str(message[-1])
        if channel != "trade" and not channel.startswith("book-"):
            raise Refused(DeadReason.UNKNOWN_KIND, f"channel {channel}")
        if not all(isinstance(m, list if channel == "trade" else dict) for m in message[1:-2]):
            raise Refused(DeadReason.UNPARSABLE, f"channel {channel} tells something else")
        at = self.instruments.by_venue_symbol.get(("kraken", pair))
        if at is None:
            raise Refused(DeadReason.UNKNOWN_INSTRUMENT, pair)
        book = self.books.setdefault(pair, PairBook())
        if channel == "trade":
            self._trades(book, at, [t for told in message[1:-2] for t in told], receipt_ns, rows)
            return
        book.depth = book.depth or _depth(int(channel[5:]))
        parts: dict[str, Any] = {}
        for part in message[1:-2]:
            parts |= part
        if "as" in parts or "bs" in parts:
            self._snapshot(book, at, parts, receipt_ns, rows)
        else:
            self._update(book, at, parts, receipt_ns, rows)

    def _event(self, message: dict[str, Any]) -> None:
        """Administrative messages; a subscription tells the depth."""
        event = message.get("event")
        if not isinstance(event, str):
            raise Refused(DeadReason.UNKNOWN_KIND, "an object without event")
        if event == "subscriptionStatus" and message.get("status") == "subscribed":
            told = message["subscription"]
            if not isinstance(told, dict):
                raise Refused(DeadReason.UNPARSABLE, "a subscription that is no object")
            pair, depth = str(message["pair"]), told.get("depth", 10)
            if told.get("name", "book") == "book" and ("kraken", pair) in self.instruments.by_venue_symbol:
                self.books.setdefault(pair, PairBook()).depth = _depth(depth)

    def _snapshot(self, book: PairBook, at: int, parts: dict[str, Any], receipt_ns: int, rows: list[Row]) -> None:
        if set(parts) - {"as", "bs", "c"}:
            raise Refused(DeadReason.UNPARSABLE, f"a snapshot with {sorted(parts)}")
        first = next((r for k in ("as", "bs") for r in parts.get(k, ())), None)
        fresh = PairBook(book.depth, True, traded_ns=book.traded_ns)
        if first is not None:
            fresh.price_decimals, fresh.qty_decimals = decimals(first[0]), decimals(first[1])
        flag = EventFlag.SNAPSHOT
        made = [clear_row(at, receipt_ns, flag)]
        row = self._rows(fresh, at, receipt_ns, flag)
        for name, side in _SIDES:
            ladder = fresh.asks if side == Side.ASK else fresh.bids
            for price, qty, venue_ns in self._levels(fresh, parts.get(f"{name}s", ())):
                ladder.put(price, qty)
                made.append(row(side, price, qty, venue_ns))
        send(rows, made)
        book.__dict__.update(fresh.__dict__)

    def _update(self, book: PairBook, at: int, parts: dict[str, Any], receipt_ns: int, rows: list[Row]) -> None:
        pair = self.instruments[at].venue_symbol or self.instruments[at].symbol
        if not book.live:
            raise Refused(DeadReason.BEFORE_SNAPSHOT, f"{pair} waits for a snapshot")
        if set(parts) - {"a", "b", "c"}:
            raise Refused(DeadReason.UNPARSABLE, f"an update with {sorted(parts)}")
        told = {side: self._levels(book, parts.get(name, ())) for name, side in _SIDES}
        made: list[Row] = []
        row = self._rows(book, at, receipt_ns, 0)
        for side, levels in told.items():
            made.extend(row(side, *level) for level in levels)
        for side, levels in told.items():
            ladder = book.asks if side == Side.ASK else book.bids
            for price, qty, _ in levels:
                ladder.put(price, qty)
            made.extend(row(side, price, 0, levels[-1][2]) for price in ladder.cut(book.depth))
        got, want = str(book.checksum()), parts.get("c", "none")
        if got != want:
            self.wrong += 1
            _kill(at, book, receipt_ns, rows)
            raise Refused(DeadReason.BAD_CHECKSUM, f"{pair} has {got}, the venue told {want!s:.20}")
        self.right += 1
        send(rows, made)

    def _trades(self, book: PairBook, at: int, told: list[Any], receipt_ns: int, rows: list[Row]) -> None:
        table, made = self.instruments, []
        price_unit = int(table.tick_num[at]), int(table.tick_den[at])
        qty_unit = int(table.lot_num[at]), int(table.lot_den[at])
        newest = book.traded_ns
        for price_text, qty_text, time_text, taker, *_ in told:
            venue_ns, side = seconds_to_ns(time_text), _TAKERS[taker]
            try:
                price, qty = (
                    _rescaled(exact(text, decimals(text)), decimals(text), unit)
                    for text, unit in ((price_text, price_unit), (qty_text, qty_unit))
                )
            except ValueError as e:
                raise Refused(DeadReason.BAD_VALUE, str(e)) from None
            if not (price and qty):
                raise Refused(DeadReason.BAD_VALUE, "a trade of nothing, or at a price of 0")
            if venue_ns > book.traded_ns:
                made.append((EventKind.TRADE, EventFlag.LAST, at, side, price, qty, venue_ns, receipt_ns))
                newest = max(newest, venue_ns)
        book.traded_ns = newest
        rows += made

    def _levels(self, book: PairBook, told: Any) -> list[tuple[int, int, int]]:
        """(price, quantity, venue time) of each row; integers of the pair's own decimals."""
        out = []
        for level in told:
            price_text, qty_text, time_text, *_ = level
            if book.price_decimals < 0:
                book.price_decimals, book.qty_decimals = decimals(price_text), decimals(qty_text)
            try:
                price, qty = exact(price_text, book.price_decimals), exact(qty_text, book.qty_decimals)
            except ValueError as e:
                raise Refused(DeadReason.BAD_VALUE, str(e)) from None
            if not price:
                raise Refused(DeadReason.BAD_VALUE, "a price of 0")
            out.append((price, qty, seconds_to_ns(time_text)))
        return out

    def _rows(self, book: PairBook, at: int, receipt_ns: int, flags: int) -> Callable[[int, int, int, int], Row]:
        """What makes this message's rows from side, price, quantity and venue time."""
        table = self.instruments
        price_unit = int(table.tick_num[at]), int(table.tick_den[at])
        qty_unit = int(table.lot_num[at]), int(table.lot_den[at])

        def row(side: int, price: int, qty: int, venue_ns: int) -> Row:
            ticks = _rescaled(price, book.price_decimals, price_unit)
            lots = _rescaled(qty, book.qty_decimals, qty_unit)
            return (EventKind.LEVEL, flags, at, side, ticks, lots, venue_ns, receipt_ns)

        return row


def _depth(told: object) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 0 < told <= _DEEPEST:
        raise Refused(DeadReason.UNPARSABLE, f"a depth of {told!r:.40}; books have 1 to {_DEEPEST} levels a side")
    return told


def _kill(at: int, book: PairBook, receipt_ns: int, rows: list[Row]) -> None:
    """The book is not to be trusted: it waits for a snapshot."""
    book.clear()
    book.live = False
    rows.append(clear_row(at, receipt_ns))


def _rescaled(value: int, places: int, unit: tuple[int, int]) -> int:
    """An integer of 10**-places as one of the unit; exact, or refused."""
    num, den = unit
    if num == 1 and den == 10**places:
        return value
    out = Fraction(value * den, num * 10 ** min(places, _MOST_PLACES + 1))
    if places > _MOST_PLACES or out.denominator != 1 or out.numerator >= 1 << 62:
        raise Refused(DeadReason.BAD_VALUE, f"{value}e-{places} is no multiple of {num}/{den}")
    return out.numerator
