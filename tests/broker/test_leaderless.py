"""A broker that has stood still tells for a moment that nobody leads its partitions: clients go on all the same."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import MutableSequence
from multiprocessing import get_context

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from qflib.broker import topics
from qflib.broker.clients import Connection, consumer_config, producer
from qflib.broker.local import LocalBroker
from qflib.records.topics import MARKET_RAW, TOPICS
from tests.processes import stopped

CLIENTS = 24  # of producers one in thirty would not send again, of consumers one in two hundred not read
EACH = 6  # consumers in a process
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


def reading(c: Connection, first: int, read: MutableSequence[int]) -> None:
    """Tell of some consumers, of all topics, how many records of the sender each has read; without end."""
    consumers = [Consumer(consumer_config(c, group=f"reader{first + n}", committed=n % 2 == 0)) for n in range(EACH)]
    after: list[dict[int, int]] = [{} for _ in consumers]
    for consumer in consumers:
        consumer.assign([TopicPartition(topic, p, 0) for topic in TOPICS for p in range(3)])
    while True:
        for n, consumer in enumerate(consumers):
            for m in consumer.consume(500, 0):
                if m.error() is None and m.topic() == MARKET_RAW:
                    after[n][m.partition()] = m.offset() + 1
            read[first + n] = sum(after[n].values())
        time.sleep(0.01)


def working(senders: list[Sender], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in senders:
            one.work()
        time.sleep(0.01)


def test_every_producer_goes_on_after_a_broker_that_stood_still(own_broker: LocalBroker) -> None:
    topics.create(own_broker.connection, 3)
    senders = [Sender(own_broker, n) for n in range(CLIENTS)]
    working(senders, 1.0)
    for still in STILL_S:
        with stopped(own_broker.pid):
            working(senders, still)
        on_their_way, end = [s.sent for s in senders], time.monotonic() + _PATIENCE_S
        while late := [n for n, s in enumerate(senders) if s.delivered < on_their_way[n]]:
            assert time.monotonic() < end, late
            working(senders, 0.2)
        working(senders, 0.5)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there is no wheel of a librdkafka that does")
def test_every_consumer_goes_on_after_a_broker_that_stood_still(own_broker: LocalBroker) -> None:
    """One whose process librdkafka takes down on such an answer (its issue 5280) does when that is started again."""
    topics.create(own_broker.connection, 3)
    context = get_context("spawn")
    read, sender = context.Array("q", CLIENTS, lock=False), Sender(own_broker, 0)
    run = {n: context.Process(target=reading, args=(own_broker.connection, n, read)) for n in range(0, CLIENTS, EACH)}
    for process in run.values():
        process.start()

    def late(records: int) -> list[int]:
        for n, process in run.items():
            if process.exitcode == -signal.SIGSEGV:
                run[n] = context.Process(target=reading, args=(own_broker.connection, n, read))
                run[n].start()
            else:
                assert process.exitcode is None
        return [n for n in range(CLIENTS) if read[n] < records]

    try:
        for still in (0.0, *STILL_S):
            with stopped(own_broker.pid):
                working([sender], still)
            on_its_way, end = sender.sent, time.monotonic() + _PATIENCE_S
            while there := late(on_its_way):
                assert time.monotonic() < end, there
                working([sender], 0.2)
            working([sender], 0.5)
    finally:
        for process in run.values():
            process.kill()
            process.join()
