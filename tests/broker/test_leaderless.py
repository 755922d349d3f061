"""A broker that has stood still tells for a moment that nobody leads its partitions: producers go on all the same."""

from __future__ import annotations

import os
import signal
import time

from confluent_kafka import KafkaError, Message

from qflib.broker import topics
from qflib.broker.clients import producer
from qflib.broker.local import LocalBroker
from qflib.records.topics import MARKET_RAW

PRODUCERS, ROUNDS = 24, 4  # one in thirty would not send again
STILL_S = 2.5  # longer than the broker's session
_PATIENCE_S = 15.0


class Sender:
    """A producer whose records are on their way at all times."""

    def __init__(self, broker: LocalBroker, n: int) -> None:
        self._producer = producer(broker.connection, client_id=f"sender{n}")
        self.sent = self.delivered = 0

    def send(self) -> None:
        if self.sent - self.delivered < 256:
            self._producer.produce(MARKET_RAW, b"v" * 1_000, partition=self.sent % 3, on_delivery=self._on_delivery)
            self.sent += 1
        self._producer.poll(0)

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        assert error is None, error
        self.delivered += 1


def test_every_producer_goes_on_after_a_broker_that_stood_still(own_broker: LocalBroker) -> None:
    topics.create(own_broker.connection, 3)
    senders = [Sender(own_broker, n) for n in range(PRODUCERS)]
    pid = own_broker.status().pid
    assert pid is not None

    def sending(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for s in senders:
                s.send()
            time.sleep(0.01)

    sending(1.0)
    for _ in range(ROUNDS):
        os.kill(pid, signal.SIGSTOP)
        try:
            sending(STILL_S)
        finally:
            os.kill(pid, signal.SIGCONT)
        on_their_way, end = [s.sent for s in senders], time.monotonic() + _PATIENCE_S
        while late := [n for n, s in enumerate(senders) if s.delivered < on_their_way[n]]:
            assert time.monotonic() < end, late
            sending(0.2)
        sending(0.5)
