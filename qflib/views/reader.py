"""The one reader of a process: a consumer of committed records in a thread."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol

import structlog

from qflib.broker.clients import CLIENTS, Connection, consumer_config
from qflib.broker.seen import Seen
from qflib.errors import QflibError
from qflib.views.health import HealthView
from qflib.views.places import Place, Topics

if TYPE_CHECKING:
    from confluent_kafka import Consumer

_POLL_S = 0.2
_AT_ONCE = 500
_AGAIN_S = 1.0
_log = structlog.get_logger(__name__)


class Follows(Protocol):
    """Who gets what a `Reader` reads."""

    def take(self, seen: Seen) -> None:
        """One record; records of a partition come in order, one may come twice."""

    def anew(self, reason: str) -> int:
        """All that was told is of topics that are no more; the partitions of those that are."""

    def begin(self, cluster: str, starts: Mapping[Place, int]) -> None:
        """Of these offsets on records come; what lies before them does not."""


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
    follower
        Gets every record, one after the other, and is told where they begin.
    health
        Is told whether the broker answers.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: int,
        back: Mapping[str, int | None],
        follower: Follows,
        health: HealthView,
    ) -> None:
        self._connection, self._back, self._follower, self._health = connection, back, follower, health
        self._places = [(t, p) for t in back for p in range(partitions)]
        self._open: set[Place] = set(self._places)  # not read to their end yet
        self._next: dict[Place, int] = {}  # where to go on
        self._topics: Topics | None = None  # whose offsets those are
        self._lost = False  # whether the consumer is to be left: its broker went, or its topics are others
        self._ending = Event()
        self._thread = Thread(target=self._run, name="views", daemon=True)

    @property
    def caught_up(self) -> bool:
        """Whether every partition has been read to its end since the broker was found, or found again."""
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
                self._lost = True
                _log.info("views wait for the broker", reason=str(e))
            except Exception:  # a thread that ended would leave the views as they are, and nobody would know
                self._lost = True
                _log.exception("views begin again where they were")
            if self._lost:
                self._health.connected = False
                _close(consumer)
                consumer = None
                self._ending.wait(_AGAIN_S)
        _close(consumer)

    def _opened(self) -> Consumer:
        """A consumer, once every partition has a leader.

        librdkafka reads past its memory where a broker that starts answers a fetch with no leader (its issue 5280), or
        never fetches a partition again (5430): who only asks for the ends is told without it.
        """
        from confluent_kafka import Consumer, TopicPartition

        config = consumer_config(self._connection, group=f"qflib.views.{uuid.uuid4().hex[:8]}")
        own = {"client.id": "qflib.views", "enable.partition.eof": True, "auto.offset.reset": "error"}
        self._start()
        self._open = set(self._places)
        consumer = Consumer(config | own | {"error_cb": self._on_error}, logger=CLIENTS)
        consumer.assign([TopicPartition(t, p, at) for (t, p), at in self._next.items()])
        self._health.connected, self._lost = True, False
        return consumer

    def _start(self) -> None:
        """Where to go on, or to begin: on topics that are others, or have lost what was next, all anew."""
        topics = Topics.of(self._connection, self._places)
        reason = "" if self._topics is None else topics.other_than(self._topics, self._next, self._whole)
        if reason:
            _log.warning("views begin anew", reason=reason)
            partitions = self._follower.anew(reason)
            self._next, self._topics = {}, None
            self._places = [(t, p) for t in self._back for p in range(partitions)]
            topics = Topics.of(self._connection, self._places)
        if self._topics is None:
            begin = {at: topics.back(at, self._back[at[0]]) for at in self._places}
            self._follower.begin(topics.cluster, begin)
            self._next = begin
        else:
            self._next = {at: max(n, topics.low[at]) for at, n in self._next.items()}
        self._topics = topics

    def _whole(self, at: Place) -> bool:
        """Whether none of a partition's records may be left out."""
        return self._back[at[0]] is None

    def _read(self, consumer: Consumer) -> None:
        from confluent_kafka import KafkaError

        first = consumer.poll(_POLL_S)
        if first is None:
            return
        for message in (first, *consumer.consume(_AT_ONCE, 0)):
            if (error := message.error()) is None:
                seen = Seen.of(message)
                at = seen.topic, seen.partition
                if seen.offset < self._next[at]:  # a topic made anew under the same name
                    self._lost = True
                    return
                self._health.heard_ns = time.time_ns()
                try:
                    self._follower.take(seen)
                except Exception:  # those behind it are not to be lost with it
                    _log.exception("record passed over", topic=seen.topic, partition=seen.partition, offset=seen.offset)
                self._next[at] = seen.offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._open.discard((str(message.topic()), message.partition() or 0))
            elif error.code() in _gone():
                self._lost = True
                return

    def _on_error(self, error: object) -> None:
        """Leave a broker that has gone: who stays meets it half started."""
        from confluent_kafka import KafkaError

        if isinstance(error, KafkaError) and error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._health.connected, self._lost = False, True


def _close(consumer: Consumer | None) -> None:
    if consumer is not None:
        consumer.close()


def _gone() -> tuple[int, ...]:
    """What is said of a partition that is no more, or another."""
    from confluent_kafka import KafkaError

    return (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._AUTO_OFFSET_RESET,
    )
