"""The reader on a real broker: what was there first, what comes then, and a broker that dies between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from qflib.broker import topics
from qflib.broker.clients import producer
from qflib.broker.local import LocalBroker
from qflib.broker.seen import Seen
from qflib.records.topics import PUBLIC_TOPICS
from qflib.views import Views
from qflib.views.changed import Changed
from tests.views.recorded import recorded


def _wait(until: Callable[[], bool], timeout_s: float = 40.0) -> None:
    end = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.02)


def _send(broker: LocalBroker, records: Iterable[Seen]) -> None:
    client = producer(broker.connection, client_id="test")
    for seen in records:
        client.produce(seen.topic, seen.value, seen.key, partition=0)
    assert client.flush(30) == 0


def test_it_follows_over_the_brokers_death(own_broker: LocalBroker) -> None:
    told = recorded()
    public = [s for s in told.seen if s.topic in PUBLIC_TOPICS[2:]]
    cut, end = len(public) // 2, len(public) - 200
    topics.create(own_broker.connection, 1)
    _send(own_broker, public[:cut])
    views = Views(told.deployment, own_broker.connection)
    heard: list[Changed] = []
    views.listen(heard.append)
    views.start()
    try:
        assert views.wait_ready()
        there = told.views()  # of the whole run
        half = Views(told.deployment)
        for seen in public[:cut]:
            half.take(seen)
        assert [b.stamp.seq for b in views.books.every()] == [b.stamp.seq for b in half.books.every()]
        _send(own_broker, public[cut:end])
        own_broker.crash()
        _wait(lambda: not views.connected)
        report = views.risk.latest("DESK1")
        assert report is not None, "what was known is known still"
        own_broker.start()
        _send(own_broker, public[end:])
        last = there.risk.latest("DESK1")
        assert last is not None
        _wait(lambda: views.risk.latest("DESK1").stamp.seq == last.stamp.seq)  # type: ignore[union-attr]
        _wait(lambda: len(views.orders.executions(limit=10_000)) == len(there.orders.executions(limit=10_000)))
        _wait(lambda: views.books.every()[0].stamp.seq == there.books.every()[0].stamp.seq)
        assert views.connected
        assert [o.key for o in views.orders.orders(limit=10_000)] == [o.key for o in there.orders.orders(limit=10_000)]
        assert views.unreadable == 0
    finally:
        views.stop()
    seqs = [b.stamp.seq for c in heard for b in c.books if b.instrument == 0]
    assert seqs == sorted(set(seqs)), "every change once, in order"


def test_it_waits_for_a_broker(own_broker: LocalBroker) -> None:
    topics.create(own_broker.connection, 1)
    own_broker.stop()
    told = recorded()
    views = Views(told.deployment, own_broker.connection)
    views.start()
    try:
        assert not views.connected
        own_broker.start()
        assert views.wait_ready(40)
        assert views.connected
    finally:
        views.stop()
