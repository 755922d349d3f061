"""Orders of ours in recorded queues: their place by an account kept apart from the exchange's, and when they fill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qflib.desk import Desk, DeskConfig
from qflib.desk.latency import OrderLatency
from qflib.desk.read import read
from qflib.errors import DataError, InputError
from qflib.orderbook.books import Books
from qflib.records import MARKET_EVENTS, ORDERS, Batch, EventKind, ExecType, Header
from qflib.steps.exchange import Exchange, ExchangeConfig

ES = "databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
OPEN_NS = 1_703_545_200_000_000_000  # 25 December 2023, 23:00 UTC


class Queue:
    """Who stands before an order that joined a price: ids and lots, by the rows themselves."""

    def __init__(self, books: Books, side: int, price: int) -> None:
        told = books.orders_of(0)
        mine = (told["side"] == side) & (told["price_ticks"] == price)
        self.lots = dict(zip(told["order_id"][mine].tolist(), told["qty"][mine].tolist(), strict=True))
        self.side, self.price = side, price

    def row(self, kind: int, order_id: int, side: int, price: int, qty: int) -> None:
        had = self.lots.get(order_id)
        if had is None:
            return
        if kind in (EventKind.CANCEL, EventKind.EXECUTE):
            had -= qty
        elif kind == EventKind.MODIFY:
            had = qty if (side, price) == (self.side, self.price) and qty <= had else 0
        self.lots[order_id] = had
        if had <= 0:
            del self.lots[order_id]


def order(price: int, side: int, qty: int = 1) -> Batch:
    row: dict[str, Any] = {"action": 1, "instrument": 0, "side": side, "ord_type": 2, "time_in_force": 1}
    row |= {"price_ticks": price, "qty": qty, "account": "A", "portfolio": "P", "book": 1, "client_order_id": "1"}
    return Batch.of("order", orders=ORDERS.make(**{n: [v] for n, v in row.items()}))


def better(a: int, b: int, side: int) -> bool:
    return a < b if side == 1 else a > b


@pytest.mark.data
@pytest.mark.parametrize(("side", "away", "fills"), [(1, 0, True), (1, 4, False), (2, 0, True), (2, 60, False)])
def test_a_place_in_the_queue_of_es(test_data: Path, side: int, away: int, fills: bool) -> None:
    feed = read(test_data / ES, "databento")
    events = MARKET_EVENTS.concat(list(feed.events()))
    first = int(np.searchsorted(events.receipt_ns, OPEN_NS + 60_000_000_000))
    source = feed.instruments[0].source
    exchange, books = Exchange(feed.instruments, ExchangeConfig(taker_fee=0.5, maker_fee=0.25)), Books(1)
    before = MARKET_EVENTS.slice(events, 0, first)
    exchange.feed(Batch.of("market", Header(source), events=before))
    books.apply(before)
    top = books.tops()
    price = int(top.bid_ticks[0]) - away if side == 1 else int(top.ask_ticks[0]) + away
    made = exchange.feed(order(price, side))
    assert made[0].executions.exec_type.tolist() == [ExecType.NEW]
    queue, engine = Queue(books, side, price), exchange._core.engine
    assert engine.o.own[0]["ahead"] == sum(queue.lots.values()) > 0
    filled = None
    for i in range(first, len(events.kind)):
        one = MARKET_EVENTS.slice(events, i, i + 1)
        out = exchange.feed(Batch.of("market", Header(source), events=one))
        told = [b.executions for b in out if b.kind == "execution"]
        queue.row(*(int(getattr(one, n)[0]) for n in ("kind", "order_id", "side", "price_ticks", "qty")))
        if told:
            filled = told[0]
            break
        assert engine.o.own[0]["ahead"] == sum(queue.lots.values())
    assert (filled is not None) == fills
    if filled is not None:
        assert not queue.lots or better(int(one.price_ticks[0]), price, side)
        assert filled.exec_type.tolist() == [ExecType.FILL]
        assert (filled.price_ticks[0], filled.liquidity[0], filled.fee[0]) == (price, 1, 0.25)


@pytest.mark.data
def test_latencies_of_a_recording_are_drawn(test_data: Path) -> None:
    told = read(test_data / ES, "databento").latencies(20_000)
    assert len(told) == 20_000
    assert told.min() >= 0
    late = OrderLatency(told)
    again = OrderLatency(told)
    dues = [late.due(1_000 * n) for n in range(500)]
    assert dues == sorted(dues)
    assert dues == [again.due(1_000 * n) for n in range(500)]
    assert OrderLatency(told).due(0) in told


def test_latencies_that_cannot_be_are_refused() -> None:
    for wrong in (-1, [], [5, -1], 0.5, "1ms"):
        with pytest.raises(InputError, match="order_latency_ns"):
            OrderLatency(wrong)  # type: ignore[arg-type]


def test_a_feed_without_venue_times_has_no_latencies() -> None:
    from qflib.desk.datasets import load

    feed = load("sim", seed=5, duration="1s", rate=4_000)
    events = [e._replace(venue_ns=np.zeros_like(e.venue_ns)) for e in feed.events()]
    feed.events = lambda: iter(events)  # type: ignore[method-assign]
    with pytest.raises(DataError, match="no event of the feed tells"):
        feed.latencies()
    ahead = [e._replace(venue_ns=e.receipt_ns + 5) for e in events]
    feed.events = lambda: iter(ahead)  # type: ignore[method-assign]
    with pytest.raises(DataError, match="received 5 ns before"):
        feed.latencies()


def test_a_desk_pays_its_fees_and_draws_its_latencies() -> None:
    from qflib.desk.datasets import load
    from qflib.hedging.hedgers import Band

    config = DeskConfig(order_latency_ns=(1_000_000, 400_000_000), taker_fee=0.75)
    runs = [Desk(load("sim", seed=5, duration="4s", rate=4_000), hedger=Band(), config=config).run() for _ in range(2)]
    assert runs[0].digest == runs[1].digest
    x = runs[0].executions
    fills = x[(x["exec_type"] == "fill") & (x["liquidity"] == "taker")]
    assert len(fills)
    assert (fills["fee"] > 0).all()
