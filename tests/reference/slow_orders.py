"""A Coinbase product's orders as text in a dictionary, and the messages of its full channel: the decoder's twin.

The messages are synthetic, by the venue's documentation.
"""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

from qflib.records import Instrument, Instruments


class SlowOrders:
    """Orders come, change, are matched and go at random; each act is one message or more, numbered one by one."""

    venue, symbol = "coinbase_full", "BTC-USD"

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.orders: dict[str, list[Any]] = {}  # side, price in cents, size in 1e-4
        self.number, self.trades = 50, 0
        while len(self.orders) < 20:
            self.act()

    def table(self) -> Instruments:
        return Instruments(
            (
                Instrument(
                    self.symbol, tick_schedule=(("0", "0.01"),), lot="0.0001", venue=self.venue,
                    venue_symbol=self.symbol, source=f"{self.venue}:0",
                ),
            )
        )  # fmt: skip

    def snapshot(self) -> bytes:
        body: dict[str, Any] = {"sequence": self.number, "bids": [], "asks": []}
        for oid, (side, price, size) in self.orders.items():
            body["bids" if side == "buy" else "asks"].append([_cents(price), _size(size), oid])
        return json.dumps({"url": f"https://x/products/{self.symbol}/book?level=3", "body": body}).encode()

    def act(self) -> list[bytes]:
        """What happens next, as its messages."""
        act = self.rng.choice(("rest", "rest", "rest", "cross", "change", "cancel", "unrested"))
        if act in ("rest", "unrested") or not self.orders:
            return self._rest() if act != "unrested" else self._unrested()
        oid = self.rng.choice(list(self.orders))
        side, price, size = self.orders[oid]
        told = {"side": side, "price": _cents(price), "order_id": oid}
        if act == "cancel":
            del self.orders[oid]
            return [self._message("done", **told, reason="canceled", remaining_size=_size(size))]
        if act == "change":
            if self.rng.random() < 0.5:
                less = self.rng.randint(1, size)
                self.orders[oid][2] = less
                return [self._message("change", **told, reason="STP", old_size=_size(size), new_size=_size(less))]
            other, more = price + self.rng.choice((-1, 1)), self.rng.randint(1, 10**6)
            self.orders[oid][1:] = [other, more]
            del told["price"]
            told |= {"old_price": _cents(price), "new_price": _cents(other)}
            return [self._message("change", **told, reason="modify_order", old_size=_size(size), new_size=_size(more))]
        return self._cross(oid)

    def heartbeat(self) -> bytes:
        told = {"type": "heartbeat", "sequence": self.number, "last_trade_id": self.trades, "product_id": self.symbol}
        return json.dumps(told).encode()

    def _rest(self) -> list[bytes]:
        oid, side = self._uuid(), self.rng.choice(("buy", "sell"))
        price = 10_005 + self.rng.randint(0, 40) if side == "sell" else 10_000 - self.rng.randint(0, 40)
        size = self.rng.randint(1, 10**6)
        self.orders[oid] = [side, price, size]
        told = {"side": side, "price": _cents(price), "order_id": oid}
        return [
            self._message("received", **told, size=_size(size), order_type="limit"),
            self._message("open", **told, remaining_size=_size(size)),
        ]

    def _unrested(self) -> list[bytes]:
        """A market order that finds nothing, and a stop that is set off."""
        oid = self._uuid()
        return [
            self._message(
                "activate", order_id=oid, side="buy", stop_type="entry", stop_price="80", size="2", funds="5"
            ),
            self._message("received", order_id=oid, side="buy", order_type="market", funds="5"),
            self._message("done", order_id=oid, side="buy", reason="canceled"),
        ]

    def _cross(self, oid: str) -> list[bytes]:
        side, price, size = self.orders[oid]
        taker, taken = self._uuid(), self.rng.randint(1, size)
        self.trades += 1
        told = {"side": side, "price": _cents(price)}
        out = [
            self._message("received", order_id=taker, side="sell" if side == "buy" else "buy", order_type="market",
                          size=_size(taken)),
            self._message("match", **told, size=_size(taken), maker_order_id=oid, taker_order_id=taker,
                          trade_id=self.trades),
        ]  # fmt: skip
        self.orders[oid][2] -= taken
        if taken == size:
            del self.orders[oid]
            out.append(self._message("done", **told, order_id=oid, reason="filled", remaining_size="0"))
        out.append(self._message("done", order_id=taker, side="sell", reason="filled"))
        return out

    def _message(self, kind: str, **told: Any) -> bytes:
        self.number += 1
        head = {"type": kind, "time": "2023-02-09T20:32:50.714964Z", "product_id": self.symbol, "sequence": self.number}
        return json.dumps(head | told).encode()

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))


def _cents(price: int) -> str:
    return f"{price / 100:.2f}"


def _size(size: int) -> str:
    return f"{size / 1e4:.4f}"
