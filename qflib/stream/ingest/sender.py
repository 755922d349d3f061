"""The producer: every record is sent once, in order; none is dropped, but for a stop while the broker is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from qflib.broker.clients import Connection, producer
from qflib.errors import BrokerError
from qflib.records import Partitions
from qflib.records.topics import MARKET_RAW
from qflib.stream.traces import Traces

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

#: Records in the producer's queue at most; its bytes are bounded beside (`producer_config`).
QUEUE = 10_000
#: How long a stop waits for what is queued: the supervisor kills a process after 3 s.
FLUSH_S = 1.5
#: A client that delivers nothing for so long has lost its broker for good: the process is started again, and goes on.
_STUCK_S = 120.0
_TURN_S = 0.1  # between two looks whether a stop was asked for
_STRETCH_S = 30.0  # a queue that was full so recently is full still: who is let in one by one fills it again

_log = structlog.get_logger("qflib.ingest")


class LeftOff(Exception):
    """A stop was asked for while the queue was full: the record was not sent, nor will any be."""


class Sender:
    """An idempotent producer of `market.data.raw`.

    Parameters
    ----------
    c
        The cluster.
    table
        Where names lie: the key decides the partition.
    leaving
        Whether not to wait for the broker any longer.
    traces
        Chooses records to be traced; None: none are.
    waited
        Called with seconds as they are waited for room in the queue.
    """

    def __init__(
        self,
        c: Connection,
        table: Partitions,
        leaving: Callable[[], bool] = lambda: False,
        traces: Traces | None = None,
        waited: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._table, self._leaving, self._traces = table, leaving, traces
        self._waited, self._full_at = waited, float("-inf")
        self._left_off = False
        self._failure: KafkaError | None = None
        self._away = False
        #: Whether the desk is still opening on what is sent: the records say so in a header.
        self.opening = False
        overrides = {"queue.buffering.max.messages": QUEUE, "error_cb": self._trouble}
        self._producer = producer(c, client_id="qflib.ingest", overrides=overrides)

    def send(self, source: str, value: bytes) -> None:
        """Queue a record; while the queue is full, wait for deliveries.

        Raises
        ------
        BrokerError
            If an earlier record could not be delivered.
        LeftOff
            If the queue is full and a stop is asked for; from then on always, so that no number is passed over.
        """
        now_ns = time.time_ns()
        headers: Any = [("ingest_ns", b"%d" % now_ns)]
        if self._traces is not None and (traced := self._traces.begin(now_ns)) is not None:
            headers.append(traced)
        if self.opening:
            headers.append(("opening", b"1"))
        while not self._left_off:
            try:
                self._producer.produce(
                    MARKET_RAW, value, self._table.key(source), headers=headers, on_delivery=self._delivered
                )
            except BufferError:
                self._left_off = self._leaving()
                self._await_room()
            else:
                self.poll()
                return
        raise LeftOff

    def opened(self) -> None:
        """What is sent from now on is not for opening."""
        self.opening = False

    def poll(self) -> None:
        """Take note of deliveries.

        Raises
        ------
        BrokerError
            If a record could not be delivered.
        """
        self._producer.poll(0)
        self._check()

    def pending(self) -> int:
        """Records that the broker has not confirmed."""
        self._producer.poll(0)  # a confirmation counts once it has been heard: who waits at the gate does not listen
        return len(self._producer)

    def flush(self, seconds: float = FLUSH_S) -> None:
        """Wait until all is delivered; once a stop is asked for, so many seconds at most.

        Raises
        ------
        BrokerError
            If it was not by then, or nothing for two minutes.
        """
        end, before, moved = float("inf"), 0, time.monotonic()
        while left := self._producer.flush(_TURN_S):
            self._check()
            now = time.monotonic()
            if left != before:
                before, moved = left, now
            if self._leaving():
                end = min(end, now + seconds)
            if now >= end:
                raise BrokerError(f"{left} records were not delivered in {seconds:g} s; see whether the broker runs")
            if now - moved >= _STUCK_S:
                raise BrokerError(f"{left} records were not delivered in {_STUCK_S:g} s; a new start sends them")
        self._check()

    def _await_room(self) -> None:
        """A turn's wait for a delivery."""
        began = time.monotonic()
        if began - self._full_at > _STRETCH_S:
            mend = "the broker takes records too slowly or not at all; `qflib broker status` says whether it runs"
            _log.warning("the producer's queue is full", records=len(self._producer), mend=mend)
        self._producer.poll(_TURN_S)  # returns at the first delivery
        self._full_at = time.monotonic()
        self._waited(self._full_at - began)
        self._check()

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failure = self._failure or error
        elif self._away:
            self._away = False
            _log.info("broker is back")

    def _trouble(self, error: KafkaError) -> None:
        from confluent_kafka import KafkaError as Codes

        if error.fatal():
            self._failure = self._failure or error
        elif error.code() == Codes._ALL_BROKERS_DOWN and not self._away:
            self._away = True
            _log.warning("broker is gone; records wait in the queue", error=error.str())

    def _check(self) -> None:
        if self._failure is not None:
            raise BrokerError(
                f"a record of {MARKET_RAW} was not delivered ({self._failure.str()}); see the broker's log, then start "
                "again: ingest goes on after its last record"
            )
