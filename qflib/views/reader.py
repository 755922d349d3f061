"""The one reader of a process: a consumer of committed records in a thread."""

from __future__ import annotations

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
_ANSWER_S = 5.0
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
        self._next: dict[Place, int] = {}  # where to go on
        self._lost = False  # whether the broker went while it was read from
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
            if self._lost and consumer is not None:
                consumer.close()
                consumer = None
        if consumer is not None:
            consumer.close()

    def _opened(self) -> Consumer:
        """A consumer, once every partition has a leader.

        librdkafka reads past its memory where a broker that starts answers a fetch with no leader (its issue 5280), or
        never fetches a partition again (5430): who only asks for the ends is told without it.
        """
        from confluent_kafka import Consumer, TopicPartition

        config = consumer_config(self._connection, group=f"qflib.views.{uuid.uuid4().hex[:8]}")
        own = {"client.id": "qflib.views", "enable.partition.eof": True, "auto.offset.reset": "earliest"}
        low = starts(self._connection, self._places, timeout_s=_ANSWER_S)
        high = ends(self._connection, self._places, timeout_s=_ANSWER_S)
        for at in self._places:
            n = self._back[at[0]]
            begin = low[at] if n is None else max(low[at], high[at] - n)
            self._next[at] = max(low[at], min(self._next.get(at, begin), high[at]))
        consumer = Consumer(config | own | {"error_cb": self._on_error}, logger=CLIENTS)
        consumer.assign([TopicPartition(t, p, at) for (t, p), at in self._next.items()])
        self._health.connected, self._lost = True, False
        return consumer

    def _read(self, consumer: Consumer) -> None:
        from confluent_kafka import KafkaError

        first = consumer.poll(_POLL_S)
        if first is None:
            return
        for message in (first, *consumer.consume(_AT_ONCE, 0)):
            if (error := message.error()) is None:
                self._health.heard_ns = time.time_ns()
                seen = Seen.of(message)
                self._take(seen)
                self._next[seen.topic, seen.partition] = seen.offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._open.discard((str(message.topic()), message.partition() or 0))

    def _on_error(self, error: object) -> None:
        """Leave a broker that has gone: who stays meets it half started."""
        from confluent_kafka import KafkaError

        if isinstance(error, KafkaError) and error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._health.connected, self._lost = False, True
