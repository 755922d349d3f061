"""What a venue sends, frame by frame, and its book beside it, kept as text: recorded frames, or synthetic ones.

A script knows the state that a venue has while its frames go out, so that it can tell a whole book at any moment, as
the venue does to whoever subscribes again. It reads frames in its own way, not by the decoders.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, urlsplit

_CRYPTO = "crypto"


def _reference(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


slow_levels, live_venues = _reference("slow_levels"), _reference("live_venues")


class Change(NamedTuple):
    """What a frame does to one book: (side, price, quantity) texts; `whole`: to an empty one."""

    symbol: str
    levels: list[tuple[str, str, str]]
    whole: bool = False


class Side(dict[Decimal, tuple[str, str]]):
    """One side's (price, quantity) texts by price."""

    def put(self, price: str, qty: str) -> None:
        key = Decimal(price)
        if Decimal(qty):
            self[key] = (price, qty)
        else:
            self.pop(key, None)

    def texts(self) -> list[list[str]]:
        return [list(level) for level in self.values()]


class Script:
    """Frames in order, and the books after those played.

    Attributes
    ----------
    recorded
        Whether the venue itself wrote the frames; else they were made by its documentation.
    begins
        Whether the frames begin with what the first subscription was answered.
    frames
        Everything that is played.
    books
        Sides by symbol.
    true
        Every state that a book has had, by symbol, as a hash that does not depend on order.
    beat
        What the venue says where nothing happens.
    """

    venue = ""
    recorded = True
    begins = True
    beat = b""

    def __init__(self, frames: list[bytes]) -> None:
        self.frames, self.at = frames, 0
        self.books: dict[str, dict[str, Side]] = {}
        self.true: dict[str, set[int]] = {}
        self._hash: dict[str, int] = {}

    @property
    def symbols(self) -> list[str]:
        return sorted({c.symbol for f in self.frames if (c := self.change(f)) is not None})

    def change(self, frame: bytes) -> Change | None:
        """What a frame does to a book."""
        raise NotImplementedError

    def opening(self) -> list[bytes]:
        """What a subscription is answered, where the frames do not begin with it: the books as they stand."""
        raise NotImplementedError

    def answer(self, path: str) -> bytes:
        """What REST is answered."""
        raise NotImplementedError(path)

    def sent(self, frame: bytes) -> bytes:
        """A frame as this connection has it: where the venue numbers frames by connection, with its number."""
        return frame

    def shows(self, skipped: Change, then: Change) -> bool:
        """Whether the second change without the first can be seen to be wrong."""
        return True

    def play(self) -> bytes:
        """The next frame; the books follow it."""
        frame = self.frames[self.at]
        self.at += 1
        change = self.change(frame)
        if change is not None:
            self.take(change)
        return frame

    def take(self, change: Change) -> None:
        s = change.symbol
        book = self.books.setdefault(s, {"bid": Side(), "ask": Side()})
        before = self._hash.get(s, 0)
        if change.whole:
            before = 0
            for side in book.values():
                side.clear()
        self._hash[s] = before ^ self._put(book, change)
        self.true.setdefault(s, {0}).add(self._hash[s])

    def _put(self, book: dict[str, Side], change: Change) -> int:
        """Levels into a book; what of its hash changes."""
        made = 0
        for name, price, qty in change.levels:
            made ^= _level_hash(name, book[name].get(Decimal(price)))
            book[name].put(price, qty)
            made ^= _level_hash(name, book[name].get(Decimal(price)))
        return made

    def copy(self, symbol: str) -> dict[str, Side]:
        return {name: Side(side) for name, side in self.books[symbol].items()}


def _level_hash(side: str, level: tuple[str, str] | None) -> int:
    return 0 if level is None else hash((side, Decimal(level[0]), Decimal(level[1])))


def recorded_frames(path: Path) -> list[bytes]:
    """The frames of a capture `time: json` or `time json`, without what we sent."""
    with gzip.open(path) as f:
        told = (line.rstrip().partition(b" ")[2] for line in f)
        return [frame for frame in told if frame.startswith((b"{", b"["))]


class Kraken(Script):
    """The recording of ten pairs, 1,000 levels; a change is seen to be wrong by the checksum of ten levels a side."""

    venue = "kraken"
    beat = b'{"event":"heartbeat"}'
    depth = 1000

    def __init__(self, data: Path) -> None:
        super().__init__(recorded_frames(data / _CRYPTO / "cryptofeed_KRAKEN.ws.50.0.gz"))
        self._told = {json.loads(f)[-1]: f for f in self.frames if b'"as"' in f}
        self._acks = [f for f in self.frames if b'"subscriptionStatus"' in f]

    @property
    def symbols(self) -> list[str]:
        return sorted(self._told)

    def change(self, frame: bytes) -> Change | None:
        if not frame.startswith(b"["):
            return None
        message = json.loads(frame)
        parts = {k: v for part in message[1:-2] for k, v in part.items()}
        levels = [
            (side, row[0], row[1])
            for key, side in (("as", "ask"), ("a", "ask"), ("bs", "bid"), ("b", "bid"))
            for row in parts.get(key, ())
        ]
        return Change(message[-1], levels, "as" in parts)

    def opening(self) -> list[bytes]:
        made = [*self._acks]
        for pair, told in self._told.items():
            number, _, name, _ = json.loads(told)
            sides = {
                f"{name[0]}s": [[p, q, "1618678200.000000"] for p, q in self._best(self.books[pair], name)]
                for name in ("ask", "bid")
            }
            made.append(json.dumps([number, sides, name, pair]).encode())
        return made

    def shows(self, skipped: Change, then: Change) -> bool:
        right, wrong = self.copy(skipped.symbol), self.copy(skipped.symbol)
        self._put(right, skipped)
        self._put(right, then)
        self._put(wrong, then)
        return any(self._best(right, n)[:10] != self._best(wrong, n)[:10] for n in right)

    def _put(self, book: dict[str, Side], change: Change) -> int:
        made = super()._put(book, change)
        for name, side in book.items():
            if len(side) > self.depth:
                for key in sorted(side, reverse=name == "bid")[self.depth :]:
                    made ^= _level_hash(name, side.pop(key))
        return made

    def _best(self, book: dict[str, Side], name: str) -> list[tuple[str, str]]:
        return [book[name][k] for k in sorted(book[name], reverse=name == "bid")]


class Binance(Script):
    """The recording of a spot pair: numbered changes of depth, trades, tickers; the snapshot is REST's."""

    venue, begins = "binance", False
    contract: ClassVar[dict[str, str]] = {}

    def __init__(self, data: Path, rows: int = 8000) -> None:
        told = recorded_frames(data / _CRYPTO / "binance_spot_ethusdt_20240808.gz")[:rows]
        self._first = next(json.loads(f) for f in told if b'"lastUpdateId"' in f)
        after = self._first["lastUpdateId"]
        super().__init__([f for f in told if b'"lastUpdateId"' not in f and _newest(f) > after])
        self._ask, self.number = _levels(self._first), after
        self.take(Change("ETHUSDT", self._ask, whole=True))

    def change(self, frame: bytes) -> Change | None:
        data = json.loads(frame).get("data", {})
        return Change(data["s"], _levels(data)) if data.get("e") == "depthUpdate" else None

    def play(self) -> bytes:
        frame = super().play()
        if b"depthUpdate" in frame:
            self.number = _newest(frame)
        return frame

    def opening(self) -> list[bytes]:
        return [b'{"result":null,"id":1}']

    def answer(self, path: str) -> bytes:
        if "exchangeInfo" in path:
            rules = live_venues.rules(self.symbols[0])
            rules["symbols"][0] |= self.contract
            return json.dumps(rules).encode()
        [symbol] = parse_qs(urlsplit(path).query)["symbol"]
        sides = {f"{name}s": side.texts() for name, side in self.books[symbol].items()}
        return json.dumps({"lastUpdateId": self.number, **sides}).encode()


def _levels(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Binance's lists of levels as texts with their side."""
    return [
        (side, p, q) for side, names in (("bid", ("b", "bids")), ("ask", ("a", "asks")))
        for name in names if isinstance(data.get(name), list) for p, q in data[name]
    ]  # fmt: skip


def _newest(frame: bytes) -> int:
    return int(json.loads(frame)["data"].get("u", 1 << 62))


class BinanceFutures(Binance):
    """Synthetic frames of a future, by the documentation: numbers leave some out, `pu` names the one before."""

    venue, recorded = "binance_futures", False
    contract: ClassVar[dict[str, str]] = {"contractType": "PERPETUAL"}

    def __init__(self, data: Path) -> None:
        twin = slow_levels.BinanceFutures(3)
        self.number = twin.number
        whole = json.loads(twin.snapshot())["body"]
        Script.__init__(self, [twin.update() for _ in range(400)])
        self.take(Change(twin.symbol, _levels(whole), whole=True))


class CoinbaseExchange(Script):
    """The recording of the Exchange feed, ten products: trades are numbered, levels are not."""

    venue = "coinbase"

    def __init__(self, data: Path) -> None:
        super().__init__(recorded_frames(data / _CRYPTO / "cryptofeed_COINBASE.ws.28.0.gz"))
        self._acks = [f for f in self.frames if b'"subscriptions"' in f]

    def change(self, frame: bytes) -> Change | None:
        m = json.loads(frame)
        if m["type"] == "snapshot":
            levels = [(side, p, q) for side in ("bid", "ask") for p, q in m[f"{side}s"]]
            return Change(m["product_id"], levels, whole=True)
        if m["type"] == "l2update":
            return Change(m["product_id"], [("bid" if s == "buy" else "ask", p, q) for s, p, q in m["changes"]])
        return None

    def opening(self) -> list[bytes]:
        books = [
            {"type": "snapshot", "product_id": symbol, **{f"{name}s": side.texts() for name, side in book.items()}}
            for symbol, book in self.books.items()
        ]
        return [*self._acks, *(json.dumps(b).encode() for b in books)]


class CoinbaseAdvanced(CoinbaseExchange):
    """The same recorded levels and trades, in the frames of Advanced Trade, which are made by its documentation."""

    recorded = begins = False

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.frames = [f for f in self.frames if json.loads(f)["type"] in ("snapshot", "l2update", "match")]
        self.number = -1
        self.beats = 0

    @property
    def beat(self) -> bytes:  # type: ignore[override]
        self.beats += 1
        return self._framed("heartbeats", [{"current_time": _TIME, "heartbeat_counter": self.beats}])

    def opening(self) -> list[bytes]:
        self.number = -1
        ack = self._framed("subscriptions", [{"subscriptions": {"level2": self.symbols}}])
        return [ack, *(self.sent(f) for f in super().opening()[len(self._acks) :])]

    def sent(self, frame: bytes) -> bytes:
        change = self.change(frame)
        if change is None:
            m = json.loads(frame)
            trade = {
                "trade_id": str(m["trade_id"]), "product_id": m["product_id"], "price": m["price"], "size": m["size"],
                "side": m["side"].upper(), "time": m["time"],
            }  # fmt: skip
            return self._framed("market_trades", [{"type": "update", "trades": [trade]}])
        updates = [
            {"side": "offer" if side == "ask" else side, "event_time": _TIME, "price_level": p, "new_quantity": q}
            for side, p, q in change.levels
        ]
        kind = "snapshot" if change.whole else "update"
        return self._framed("l2_data", [{"type": kind, "product_id": change.symbol, "updates": updates}])

    def _framed(self, channel: str, events: list[Any]) -> bytes:
        self.number += 1
        told = {"channel": channel, "client_id": "", "timestamp": _TIME, "sequence_num": self.number, "events": events}
        return json.dumps(told).encode()


_TIME = "2021-04-17T16:43:37.093357Z"


class Deribit(Script):
    """Synthetic frames, by the documentation: changes name the one before; the venue asks whether we are there."""

    venue, recorded, begins = "deribit", False, False
    beat = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'

    def __init__(self, data: Path) -> None:
        twin = slow_levels.Deribit(3)
        self._twin = slow_levels.Deribit(3)
        super().__init__([twin.snapshot(), *(twin.update() for _ in range(400))])
        self.number = 0

    def change(self, frame: bytes) -> Change | None:
        data = json.loads(frame)["params"]["data"]
        levels = [
            (side, str(p), "0" if action == "delete" else str(q))
            for side in ("bid", "ask")
            for action, p, q in data[f"{side}s"]
        ]
        return Change(data["instrument_name"], levels, data["type"] == "snapshot")

    def play(self) -> bytes:
        frame = super().play()
        self.number = json.loads(frame)["params"]["data"]["change_id"]
        return frame

    def opening(self) -> list[bytes]:
        definition = {
            "kind": "future", "instrument_name": self._twin.symbol, "instrument_type": "linear", "contract_size": 1.0,
            "min_trade_amount": 0.0001, "tick_size": 0.01, "settlement_period": "perpetual", "base_currency": "SOL",
            "settlement_currency": "USDC", "counter_currency": "USDC", "expiration_timestamp": 32503708800000,
        }  # fmt: skip
        answers = ["ok", definition]
        made = [json.dumps({"jsonrpc": "2.0", "id": n + 1, "result": r}).encode() for n, r in enumerate(answers)]
        for book in self.books.values():
            self._twin.number = self.number
            self._twin.sides = {name: dict(side.values()) for name, side in book.items()}
            made.append(self._twin.snapshot())
        return made


SCRIPTS = (Kraken, Binance, BinanceFutures, CoinbaseExchange, CoinbaseAdvanced, Deribit)
