"""A broker that has stood still tells for a moment that nobody leads its partitions: clients go on all the same."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from qflib.broker import topics
from qflib.broker.clients import consumer_config, producer
from qflib.broker.local import LocalBroker
from qflib.records.topics import MARKET_RAW, TOPICS

CLIENTS = 24  # of producers one in thirty would not send again, of consumers one in two hundred not read
STILL_S = (2.5, 5.0, 3.0, 5.0)  # longer than the broker's session
_PATIENCE_S = 15.0


class Sender:
    """A producer whose records are on their way at all times."""

    def __init__(self, broker: LocalBroker, n: int) -> None:
        self._producer = producer(broker.connection, client_id=f"sender{n}")
        self.sent = self.delivered = 0

    def work(self) -> None:
        if self.sent - self.delivered < 256:
            self._producer.produce(MARKET_RAW, b"v" * 1_000, partition=self.sent % 3, on_delivery=self._on_delivery)
            self.sent += 1
        self._producer.poll(0)

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        assert error is None, error
        self.delivered += 1


class Reader:
    """A consumer of what the sender sends, among the other topics."""

    def __init__(self, broker: LocalBroker, n: int) -> None:
        self._consumer = Consumer(consumer_config(broker.connection, group=f"reader{n}", committed=n % 2 == 0))
        self._consumer.assign([TopicPartition(topic, p, 0) for topic in TOPICS for p in range(3)])
        self.read = 0

    def work(self) -> None:
        self.read += sum(m.error() is None for m in self._consumer.consume(500, 0))

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def stopped(broker: LocalBroker) -> Iterator[None]:
    """The broker stands still."""
    pid = broker.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def working(clients: Sequence[Sender | Reader], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in clients:
            one.work()
        time.sleep(0.01)


def test_every_producer_goes_on_after_a_broker_that_stood_still(own_broker: LocalBroker) -> None:
    topics.create(own_broker.connection, 3)
    senders = [Sender(own_broker, n) for n in range(CLIENTS)]
    working(senders, 1.0)
    for still in STILL_S:
        with stopped(own_broker):
            working(senders, still)
        on_their_way, end = [s.sent for s in senders], time.monotonic() + _PATIENCE_S
        while late := [n for n, s in enumerate(senders) if s.delivered < on_their_way[n]]:
            assert time.monotonic() < end, late
            working(senders, 0.2)
        working(senders, 0.5)


def test_every_consumer_goes_on_after_a_broker_that_stood_still(own_broker: LocalBroker) -> None:
    topics.create(own_broker.connection, 3)
    sender, readers = Sender(own_broker, 0), [Reader(own_broker, n) for n in range(CLIENTS)]
    try:
        working([sender, *readers], 1.0)
        for still in STILL_S:
            with stopped(own_broker):
                working([sender, *readers], still)
            on_their_way, end = sender.sent, time.monotonic() + _PATIENCE_S
            while late := [n for n, r in enumerate(readers) if r.read < on_their_way]:
                assert time.monotonic() < end, late
                working([sender, *readers], 0.2)
            working([sender, *readers], 0.5)
    finally:
        for r in readers:
            r.close()
