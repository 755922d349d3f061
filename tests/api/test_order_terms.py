"""Orders that may only rest or that end at a date: from the request through the exchange to what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qflib.api.admission import request_hash
from qflib.api.requests import NewOrder
from qflib.broker.seen import Seen
from qflib.records import MARKET_EVENTS, TICK, Batch, Header, OrderOption
from qflib.records.codec import decode, encode
from qflib.steps.exchange import Exchange
from qflib.views import Views
from tests.api.served import ORDER, SENT_MS, served
from tests.views.recorded import recorded

SECOND = 1_000_000_000
DATE = {"time_in_force": "gtd", "expire": "2099-01-01T00:00:00Z"}


class Chain:
    """An exchange whose outputs the views read, as they come from the wire."""

    def __init__(self, views: Views) -> None:
        self.views, self.exchange, self.offset = views, Exchange(views.instruments), 10_000
        self.k = views.instruments.id(ORDER["instrument"])
        self.now = views.books.market_time_ns()

    def feed(self, batch: Batch) -> None:
        for out in self.exchange.feed(decode(encode(batch))):
            self.offset += 1
            if out.topic in ("orders.executed", "analytics.results"):
                self.views.take(
                    Seen(out.topic, 0, self.offset, out.key.encode(), encode(out), (), SENT_MS + self.offset)
                )

    def venue(self, kind: int, order_id: int, price: int, qty: int, side: int = 1) -> None:
        self.now += 1
        row = {"kind": kind, "side": side, "order_id": order_id, "price_ticks": price, "qty": qty, "flags": 1}
        row |= {"instrument": self.k, "receipt_ns": self.now}
        source = self.views.instruments[self.k].source
        self.feed(Batch.of("market", Header(source), events=MARKET_EVENTS.make(**{n: [v] for n, v in row.items()})))

    def clock(self, time_ns: int) -> None:
        self.now = time_ns
        for source in self.views.instruments.sources:
            self.feed(Batch.of("clock", Header(source), tick=TICK.make(time_ns=[time_ns])))


def test_from_the_request_to_the_place_in_the_queue(tmp_path: Path) -> None:
    views = recorded().views()
    api, chain = served(tmp_path, views), Chain(views)
    ticks = views.instruments.decimals.ticks(chain.k, ORDER["price"])
    chain.venue(1, 71, ticks, 7)
    with api.client("trade") as client:
        answer = client.post("/v1/orders", json=ORDER | DATE | {"post_only": True})
        assert answer.status_code == 202
        told = answer.json()
        assert (told["post_only"], told["expire"], told["time_in_force"]) == (
            True,
            "2099-01-01T00:00:00.000000000Z",
            "gtd",
        )
        assert told["queue_ahead"] is None
        batch = api.sender.order_batch(0)
        assert batch.orders.options[0] == OrderOption.POST_ONLY | OrderOption.TELL_QUEUE

        def stands() -> dict[str, Any]:
            return client.get("/v1/orders/o-1", params={"account": ORDER["account"]}).json()

        views.take(Seen("orders.incoming", 0, 10_000, b"ACME", encode(batch), (), SENT_MS))
        chain.feed(batch)
        assert (stands()["ord_status"], stands()["queue_ahead"]) == ("new", "7")
        chain.clock(chain.now - chain.now % SECOND + SECOND)
        chain.venue(3, 71, ticks, 3)
        assert stands()["queue_ahead"] == "7"  # as last told
        chain.clock(chain.now - chain.now % SECOND + 2 * SECOND)
        assert stands()["queue_ahead"] == "4"
        chain.venue(1, 72, ticks, 9)
        chain.venue(3, 71, ticks, 4)
        chain.venue(4, 72, ticks, 1)  # one lot of ours
        assert (stands()["ord_status"], stands()["queue_ahead"]) == ("partially_filled", "0")
        chain.clock(4_070_908_800 * SECOND)
        assert (stands()["ord_status"], stands()["queue_ahead"], stands()["cum_qty"]) == ("expired", None, "1")


def test_one_that_would_take_is_refused_by_the_exchange(tmp_path: Path) -> None:
    views = recorded().views()
    api, chain = served(tmp_path, views), Chain(views)
    chain.venue(1, 71, views.instruments.decimals.ticks(chain.k, ORDER["price"]), 7, side=2)
    with api.client("trade") as client:
        client.post("/v1/orders", json=ORDER | {"post_only": True})
        batch = api.sender.order_batch(0)
        views.take(Seen("orders.incoming", 0, 10_000, b"ACME", encode(batch), (), SENT_MS))
        chain.feed(batch)
        told = client.get("/v1/orders/o-1", params={"account": ORDER["account"]}).json()
    assert (told["ord_status"], told["reason"]) == ("rejected", "would_take")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"time_in_force": "gtd"}, "bad_expiry"),
        ({"expire": DATE["expire"]}, "bad_expiry"),
        (DATE | {"expire": "2001-01-01T00:00:00Z"}, "bad_expiry"),
        ({"post_only": True, "time_in_force": "ioc"}, "unsupported_type"),
        ({"post_only": True, "ord_type": "market", "price": None, "time_in_force": "gtc"}, "unsupported_type"),
    ],
)
def test_terms_that_do_not_go_together(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    api = served(tmp_path)
    with api.client("trade") as client:
        answer = client.post("/v1/orders", json=ORDER | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not api.sender.orders


@pytest.mark.parametrize("expire", ["2001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1960-06-01T00:00:00Z"])
def test_a_date_that_is_over_is_said_to_be(tmp_path: Path, expire: str) -> None:
    api = served(tmp_path)
    with api.client("trade") as client:
        over = client.post("/v1/orders", json=ORDER | DATE | {"expire": expire}).json()
        other = client.post("/v1/orders", json=ORDER | {"expire": expire}).json()
    assert over["code"] == other["code"] == "bad_expiry"
    assert f"expire {expire} is over: market time is" in over["detail"]
    assert "no other has one" in other["detail"]
    assert not api.sender.orders


def test_an_order_without_terms_keeps_its_hash() -> None:
    """It is on record: the hash tells whether an id is used for the same request again."""
    told = NewOrder(client_order_id="1", account="A", portfolio="P", instrument="ACME", side="buy", qty="1", price="2")
    assert request_hash(told) == 0xA5FE3E5ACE9A6D9F
