"""The reader on a real broker: what was there first, what comes then, and a broker that dies between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Event

import pytest

from qflib.broker import topics
from qflib.broker.clients import admin, producer
from qflib.broker.local import LocalBroker
from qflib.broker.seen import Seen
from qflib.errors import DataError
from qflib.records import BY_KIND, Batch, Header
from qflib.records.codec import encode
from qflib.records.topics import ANALYTICS_RESULTS, PUBLIC_TOPICS
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


def test_odd_records_and_failing_takers_cost_nothing_else(own_broker: LocalBroker) -> None:
    told = recorded()
    public = [s for s in told.seen if s.topic in PUBLIC_TOPICS[2:]]
    topics.create(own_broker.connection, 1)
    views, fails = Views(told.deployment, own_broker.connection), [0]
    take, went_on = views.take, Event()

    def falls(seen: Seen) -> None:
        take(seen)
        if seen.offset % 50 == 7:
            fails[0] += 1
            raise DataError("one record's fault")
        if seen.value == b"last":
            went_on.set()

    views.take = falls  # type: ignore[method-assign]
    odd = Batch.of("analytics", Header("exchange", 0, 0), tops=BY_KIND["analytics"].by_name["tops"].make(
        instrument=[10**6]))  # fmt: skip
    record = Seen(ANALYTICS_RESULTS, 0, 0, b"ACME", encode(odd), (), 0)
    views.start()
    try:
        assert views.wait_ready()
        _send(own_broker, [*public[:200], record, *public[200:], record._replace(value=b"last")])
        assert went_on.wait(40)
        reader = views._reader
        assert reader is not None
        assert reader._thread.is_alive()
        consumer_fault = reader._read

        def falls_once(consumer: object) -> None:
            reader._read = consumer_fault  # type: ignore[method-assign]
            raise RuntimeError("the consumer's own")

        reader._read = falls_once  # type: ignore[method-assign]
        _send(own_broker, [record._replace(value=b"\xff")])
        _wait(lambda: views.unreadable == 3)
        _wait(lambda: views.ready and views.connected)
    finally:
        views.stop()
    assert fails[0] > 5
    whole = told.views()
    assert views.orders.orders(limit=10_000) != []
    assert [o.key for o in views.orders.orders(limit=10_000)] == [o.key for o in whole.orders.orders(limit=10_000)]
    assert views.risk.hedge_counts() == whole.risk.hedge_counts()


@pytest.mark.faults
def test_it_is_not_ready_until_it_has_what_came_meanwhile(own_broker: LocalBroker) -> None:
    told = recorded()
    public = [s for s in told.seen if s.topic in PUBLIC_TOPICS[2:]]
    topics.create(own_broker.connection, 1)
    _send(own_broker, public[:100])
    views, may, held = Views(told.deployment, own_broker.connection), Event(), Event()
    may.set()
    take = views.take

    def held_up(seen: Seen) -> None:
        if not may.is_set():
            held.set()
            assert may.wait(60)
        take(seen)

    views.take = held_up  # type: ignore[method-assign]
    views.start()
    try:
        assert views.wait_ready()
        own_broker.crash()
        _wait(lambda: not views.connected)
        may.clear()
        reader, sent = views._reader, Event()
        assert reader is not None
        start = reader._start

        def starts_late() -> None:
            assert sent.wait(60)
            start()

        reader._start = starts_late  # type: ignore[method-assign]
        own_broker.start()
        _send(own_broker, public[100:])
        sent.set()
        assert held.wait(60)
        assert not views.ready
        may.set()
        assert views.wait_ready(60)
        _wait(lambda: len(views.orders.orders(limit=10_000)) == len(told.views().orders.orders(limit=10_000)))
        assert views.epoch == 0
    finally:
        may.set()
        views.stop()


@pytest.mark.faults
def test_it_begins_anew_on_other_topics(own_broker: LocalBroker) -> None:
    told = recorded()
    public = [s for s in told.seen if s.topic in PUBLIC_TOPICS[2:]]
    topics.create(own_broker.connection, 1)
    _send(own_broker, public)
    views = Views(told.deployment, own_broker.connection)
    views.start()

    def follows(n: int) -> None:
        half = Views(told.deployment)
        for seen in public[:n]:
            half.take(seen)
        _wait(lambda: [b.stamp.seq for b in views.books.every()] == [b.stamp.seq for b in half.books.every()])
        _wait(lambda: len(views.orders.orders(limit=10_000)) == len(half.orders.orders(limit=10_000)))

    try:
        assert views.wait_ready()
        follows(len(public))
        own_broker.stop()
        own_broker._port = int(own_broker.connection.bootstrap.rpartition(":")[2])
        own_broker.start(fresh=True)  # another cluster at the same address
        topics.create(own_broker.connection, 1)
        _send(own_broker, public[:300])
        _wait(lambda: views.epoch == 1)
        follows(300)
        client = admin(own_broker.connection)
        for future in client.delete_topics([t.name for t in topics.topic_specs(1)], operation_timeout=30).values():
            future.result()
        _wait(lambda: not client.list_topics(timeout=10).topics.keys() & {t.name for t in topics.topic_specs(1)})
        topics.create(own_broker.connection, 1)
        _send(own_broker, public[:400])  # more than before: offsets alone do not tell
        _wait(lambda: views.epoch == 2)
        follows(400)
        assert views.wait_ready()
    finally:
        views.stop()
