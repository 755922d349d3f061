"""The one reader of a process: a consumer of committed records in a thread."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

from qflib.broker.clients import CLIENTS, Connection, consumer_config
from qflib.broker.reading import ends, starts
from qflib.broker.seen import Seen
from qflib.errors import QflibError
from qflib.views.health import HealthView

if TYPE_CHECKING:
    from confluent_kafka import Consumer

_POLL_S = 0.2
_AT_ONCE = 500
_AGAIN_S = 1.0
_ANSWER_S = 0.5
_log = structlog.get_logger(__name__)

Place = tuple[str, int]


class Reader:
    """Reads from so far back, follows, and goes on after the broker was away.

    Parameters
    ----------
    connection
        The cluster.
    partitions
        Of every topic.
    back
        How many records back to begin, a topic; None: at the beginning.
    take
        Gets every record, one after the other.
    health
        Is told whether the broker answers.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: int,
        back: Mapping[str, int | None],
        take: Callable[[Seen], None],
        health: HealthView,
    ) -> None:
        self._connection, self._back, self._take, self._health = connection, back, take, health
        self._places = [(t, p) for t in back for p in range(partitions)]
        self._open: set[Place] = set(self._places)  # not read to their end yet
        self._asked_at = 0.0
        self._ending = Event()
        self._thread = Thread(target=self._run, name="views", daemon=True)

    @property
    def caught_up(self) -> bool:
        """Whether every partition has been read to its end once."""
        return not self._open

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        consumer: Consumer | None = None
        while not self._ending.is_set():
            try:
                consumer = consumer or self._opened()
                self._read(consumer)
            except QflibError as e:  # no broker yet, or none any more
                self._health.connected = False
                _log.info("views wait for the broker", reason=str(e))
                self._ending.wait(_AGAIN_S)
        if consumer is not None:
            consumer.close()

    def _opened(self) -> Consumer:
        from confluent_kafka import Consumer, TopicPartition

        config = consumer_config(self._connection, group=f"qflib.views.{uuid.uuid4().hex[:8]}")
        own = {"client.id": "qflib.views", "enable.partition.eof": True, "auto.offset.reset": "earliest"}
        low, high = starts(self._connection, self._places), ends(self._connection, self._places)
        begin = {at: low[at] if (n := self._back[at[0]]) is None else max(low[at], high[at] - n) for at in self._places}
        consumer = Consumer(config | own | {"error_cb": self._on_error}, logger=CLIENTS)
        consumer.assign([TopicPartition(t, p, at) for (t, p), at in begin.items()])
        self._health.connected = True
        return consumer

    def _read(self, consumer: Consumer) -> None:
        from confluent_kafka import KafkaError

        first = consumer.poll(_POLL_S)
        if first is None:
            self._ask()
            return
        for message in (first, *consumer.consume(_AT_ONCE, 0)):
            if (error := message.error()) is None:
                self._health.connected, self._health.heard_ns = True, time.time_ns()
                self._take(Seen.of(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                self._health.connected = True
                self._open.discard((str(message.topic()), message.partition() or 0))

    def _ask(self) -> None:
        """Find out whether a broker that was away is back: where nothing is written, nothing would be read of it."""
        now = time.monotonic()
        if self._health.connected or now < self._asked_at + _AGAIN_S:
            return
        self._asked_at = now
        with contextlib.suppress(QflibError):
            ends(self._connection, self._places[:1], timeout_s=_ANSWER_S)
            self._health.connected = True

    def _on_error(self, error: object) -> None:
        from confluent_kafka import KafkaError

        if isinstance(error, KafkaError) and error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
            self._health.connected = False
