"""Books of levels as text in dictionaries, and the frames that venues would send of them: the twins of the decoders.

The frames are synthetic, by the venues' documentation.
"""

from __future__ import annotations

import json
import random
from typing import Any

from qflib.records import Instrument, Instruments


class SlowLevels:
    """A book that changes at random; a venue's twin writes its frames."""

    venue = symbol = ""
    #: Whether a lost frame shows, and a whole snapshot can come at any time.
    numbered = True

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.sides: dict[str, dict[str, str]] = {"bid": {}, "ask": {}}
        self.number, self.time_ms = 1000, 1_700_000_000_000
        for _ in range(30):
            self.change()

    def table(self) -> Instruments:
        return Instruments(
            (
                Instrument(
                    self.symbol, tick_schedule=(("0", "0.01"),), lot="0.0001", venue=self.venue,
                    venue_symbol=self.symbol, source=f"{self.venue}:0", levels=True,
                ),
            )
        )  # fmt: skip

    def change(self) -> list[tuple[str, str, str]]:
        """Some levels become other: (side, price, quantity)."""
        self.time_ms += self.rng.randint(1, 200)
        told: dict[tuple[str, str], str] = {}
        for _ in range(self.rng.randint(1, 4)):
            side = self.rng.choice(("bid", "ask"))
            k = self.rng.randint(0, 40)
            price = f"{100.10 + k / 100 if side == 'ask' else 100.00 - k / 100:.2f}"
            gone = price in self.sides[side] and self.rng.random() < 0.4
            told[side, price] = "0.0000" if gone else f"{self.rng.randint(1, 10**6) / 1e4:.4f}"
        for (side, price), qty in told.items():
            self.sides[side].pop(price, None)
            if qty != "0.0000":
                self.sides[side][price] = qty
        return [(side, price, qty) for (side, price), qty in told.items()]

    def side(self, name: str) -> list[list[str]]:
        return [[p, q] for p, q in self.sides[name].items()]

    def snapshot(self) -> bytes:
        raise NotImplementedError

    def update(self) -> bytes:
        raise NotImplementedError

    def trade(self) -> bytes:
        raise NotImplementedError


def _of(told: list[tuple[str, str, str]], side: str) -> list[list[str]]:
    return [[p, q] for s, p, q in told if s == side]


class Binance(SlowLevels):
    """Spot: combined streams, a snapshot by REST."""

    venue, symbol = "binance", "ETHUSDT"

    def snapshot(self) -> bytes:
        body = {"lastUpdateId": self.number, "bids": self.side("bid"), "asks": self.side("ask")}
        url = f"https://x/api/v3/depth?symbol={self.symbol}&limit=5000"
        return json.dumps({"url": url, "body": body}).encode()

    def update(self) -> bytes:
        told, first = self.change(), self.number + 1
        self.number += self.rng.randint(1, 5)
        return self._depth({"U": first, "u": self.number, "b": _of(told, "bid"), "a": _of(told, "ask")})

    def trade(self) -> bytes:
        data = {
            "e": "trade", "E": self.time_ms, "s": self.symbol, "t": 7, "p": "100.05", "q": "1.5", "T": self.time_ms,
            "m": True, "M": True,
        }  # fmt: skip
        return json.dumps({"stream": f"{self.symbol.lower()}@trade", "data": data}).encode()

    def _depth(self, data: dict[str, Any]) -> bytes:
        data |= {"e": "depthUpdate", "E": self.time_ms, "s": self.symbol}
        return json.dumps({"stream": f"{self.symbol.lower()}@depth@100ms", "data": data}).encode()


class BinanceFutures(Binance):
    """Futures: numbers leave some out; each change tells the one before."""

    venue = "binance_futures"

    def update(self) -> bytes:
        told, before = self.change(), self.number
        first = before + self.rng.randint(1, 50)
        self.number = first + self.rng.randint(1, 50)
        return self._depth({"U": first, "u": self.number, "pu": before, "b": _of(told, "bid"), "a": _of(told, "ask")})


class CoinbaseAdvanced(SlowLevels):
    """Advanced Trade: the frames of a connection are numbered."""

    venue, symbol = "coinbase", "BTC-USD"

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.number = -1

    def snapshot(self) -> bytes:
        return self._books("snapshot", [(s, p, q) for s in ("bid", "ask") for p, q in self.sides[s].items()])

    def update(self) -> bytes:
        return self._books("update", self.change())

    def trade(self) -> bytes:
        trade = {
            "product_id": self.symbol, "trade_id": "9", "price": "100.05", "size": "1.5", "side": "BUY",
            "time": "2023-02-09T20:19:35.39625135Z",
        }  # fmt: skip
        return self._frame("market_trades", [{"type": "update", "trades": [trade]}])

    def _books(self, kind: str, told: list[tuple[str, str, str]]) -> bytes:
        updates = [
            {"side": "offer" if s == "ask" else s, "event_time": "2023-02-09T20:19:35.396Z", "price_level": p,
             "new_quantity": q}
            for s, p, q in told
        ]  # fmt: skip
        return self._frame("l2_data", [{"type": kind, "product_id": self.symbol, "updates": updates}])

    def _frame(self, channel: str, events: list[Any]) -> bytes:
        self.number += 1
        time = "2023-02-09T20:32:50.714964855Z"
        return json.dumps(
            {"channel": channel, "timestamp": time, "sequence_num": self.number, "events": events}
        ).encode()


class CoinbaseExchange(SlowLevels):
    """The Exchange feed: levels are not numbered."""

    venue, symbol, numbered = "coinbase", "BTC-USD", False

    def snapshot(self) -> bytes:
        told = {"type": "snapshot", "product_id": self.symbol, "bids": self.side("bid"), "asks": self.side("ask")}
        return json.dumps(told).encode()

    def update(self) -> bytes:
        changes = [["buy" if s == "bid" else "sell", p, q] for s, p, q in self.change()]
        return json.dumps(
            {"type": "l2update", "product_id": self.symbol, "changes": changes, "time": "2021-04-17T16:43:37.075687Z"}
        ).encode()

    def trade(self) -> bytes:
        return json.dumps(
            {"type": "match", "trade_id": 9, "side": "buy", "size": "1.5", "price": "100.05", "sequence": 3,
             "product_id": self.symbol, "time": "2021-04-17T16:43:37.089723Z"}
        ).encode()  # fmt: skip


class Bitstamp(SlowLevels):
    """Changes carry their time alone."""

    venue, symbol, numbered = "bitstamp", "ethusd", False

    def snapshot(self) -> bytes:
        url = f"https://www.bitstamp.net/api/v2/order_book/{self.symbol}"
        return json.dumps({"url": url, "body": self._book(self.side("bid"), self.side("ask"))}).encode()

    def update(self) -> bytes:
        told = self.change()
        data = self._book(_of(told, "bid"), _of(told, "ask"))
        return json.dumps({"data": data, "channel": f"diff_order_book_{self.symbol}", "event": "data"}).encode()

    def trade(self) -> bytes:
        data = {
            "id": 9, "timestamp": "1", "amount": 1.5, "amount_str": "1.5", "price": 100.05, "price_str": "100.05",
            "type": 1, "microtimestamp": str(self.time_ms * 1000), "buy_order_id": 1, "sell_order_id": 2,
        }  # fmt: skip
        return json.dumps({"data": data, "channel": f"live_trades_{self.symbol}", "event": "trade"}).encode()

    def _book(self, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
        return {
            "timestamp": str(self.time_ms // 1000), "microtimestamp": str(self.time_ms * 1000), "bids": bids,
            "asks": asks,
        }  # fmt: skip


class Deribit(SlowLevels):
    """Changes tell their predecessor; numbers are JSON's."""

    venue, symbol = "deribit", "SOL_USDC-PERPETUAL"

    def snapshot(self) -> bytes:
        told = [(s, p, q) for s in ("bid", "ask") for p, q in self.sides[s].items()]
        return self._book(told, {"type": "snapshot"})

    def update(self) -> bytes:
        before = self.number
        self.number += self.rng.randint(1, 9)
        return self._book(self.change(), {"type": "change", "prev_change_id": before})

    def trade(self) -> bytes:
        trade = {
            "trade_seq": 9, "trade_id": "48079269", "timestamp": self.time_ms, "tick_direction": 2, "price": 100.05,
            "instrument_name": self.symbol, "index_price": 100.0, "direction": "sell", "amount": 1.5,
        }  # fmt: skip
        return self._frame(f"trades.{self.symbol}.100ms", [trade])

    def _book(self, told: list[tuple[str, str, str]], more: dict[str, Any]) -> bytes:
        data: dict[str, Any] = {
            f"{side}s": [["delete" if float(q) == 0 else "change", float(p), float(q)] for s, p, q in told if s == side]
            for side in ("bid", "ask")
        }
        data |= {"timestamp": self.time_ms, "instrument_name": self.symbol, "change_id": self.number, **more}
        return self._frame(f"book.{self.symbol}.100ms", data)

    def _frame(self, channel: str, data: Any) -> bytes:
        params = {"channel": channel, "data": data}
        return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}).encode()


TWINS = (Binance, BinanceFutures, CoinbaseAdvanced, CoinbaseExchange, Bitstamp, Deribit)
