"""A line to Kafka that breaks: everybody is answered, and what comes later goes another line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from qflib.api import sender as sender_module
from qflib.api.line import Line
from qflib.api.problems import ProblemError
from qflib.api.sender import Sender
from qflib.broker.clients import Connection
from qflib.records import Batch, Partitions
from tests.api.test_sender import row

TABLE = Partitions.spread(4, ("ACME", "BETA", "GAMA"))


class Broken:
    """A line that confirms nothing; `fails` tells what a record's key raises."""

    orders, signals = "api.t", "signals:api-t"

    def __init__(self, fails: dict[str, Exception]) -> None:
        self.fails, self.sent, self.closed = fails, list[str](), threading.Event()

    def send(self, batch: Batch, source: str, key: str, done: Callable[..., None]) -> None:
        if key in self.fails:
            raise self.fails[key]
        self.sent.append(key)

    def close(self, wait_s: float = 0.0) -> None:
        self.closed.set()


def _codes(answers: list[Any]) -> list[str]:
    return [a.code for a in answers if isinstance(a, ProblemError)]


def _with(
    line: Broken, monkeypatch: pytest.MonkeyPatch, act: Callable[[Sender], list[asyncio.Future[Any]]]
) -> list[str]:
    monkeypatch.setattr(sender_module, "answers", lambda *_: False)

    async def run() -> list[str]:
        sender = Sender(Connection("127.0.0.1:9"), TABLE, acknowledge_s=0.2)
        sender.start()
        made: Any = line
        sender._line = made
        told = await asyncio.wait_for(asyncio.gather(*act(sender), return_exceptions=True), 20)
        assert sender._rows == 0
        assert sender._sent == {}
        await sender.stop()
        assert await asyncio.to_thread(line.closed.wait, 10)
        return _codes(told)

    return asyncio.run(run())


def test_a_fatal_producer_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Broken({"BETA": KafkaException(KafkaError(KafkaError._FATAL))})

    def act(sender: Sender) -> list[asyncio.Future[Any]]:
        return [sender.order(name, row(k)) for k, name in enumerate(("ACME", "BETA", "GAMA"))] + [sender.signal(b"", 0)]

    # what the line had is not known; what came after it was not sent
    assert _with(line, monkeypatch, act) == ["unknown_outcome"] * 2 + ["broker_unavailable"] * 2
    assert line.sent == ["ACME"]


def test_a_full_queue_does_not_stop_the_others_nor_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Broken({"ACME": BufferError("full")})

    def act(sender: Sender) -> list[asyncio.Future[Any]]:
        return [sender.order(name, row(k)) for k, name in enumerate(("ACME", "BETA"))]

    assert _with(line, monkeypatch, act) == ["overloaded", "unknown_outcome"]  # the second is overdue
    assert line.sent == ["BETA"]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (KafkaError(KafkaError._FATAL), True),
        (KafkaError(KafkaError.INVALID_PRODUCER_EPOCH, "fenced", fatal=True), True),
        (KafkaError(KafkaError._ALL_BROKERS_DOWN), True),
        (KafkaError(KafkaError._TRANSPORT), False),
    ],
)
def test_a_fatal_error_is_a_lost_line(error: KafkaError, lost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Line, "_poll", lambda _: None)  # nobody is there: that would be told too
    told: list[Line] = []
    line = Line(Connection("127.0.0.1:9"), TABLE, told.append)
    try:
        line._trouble(error)
        assert bool(told) == lost
    finally:
        line.close()
