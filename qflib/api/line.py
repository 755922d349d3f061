"""A numbered line of records to Kafka: one idempotent producer, and what of it is not confirmed yet.

Numbers rise by 1 from 0 under a source of its own. A record that is given up would leave a hole, so the whole line is
given up with it: Kafka then has the first so many of the line, and the next line is another source.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from qflib.broker.clients import Connection, producer
from qflib.broker.reading import ends
from qflib.errors import QflibError
from qflib.records import Batch, Header, Partitions
from qflib.records.codec import encode
from qflib.records.topics import MARKET_RAW, ORDERS_INCOMING

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

Confirmed = Callable[["tuple[int, int, int] | None"], None]  # append time in ms, partition, offset; None: it failed
_POLL_S = 0.1
_log = structlog.get_logger("qflib.api")


class Line:
    """One producer with its numbering.

    Parameters
    ----------
    c
        The cluster.
    table
        Where names lie.
    lost
        Called from another thread when the broker has gone: the line is of no use any more.
    """

    def __init__(self, c: Connection, table: Partitions, lost: Callable[[Line], None] = lambda _: None) -> None:
        name = secrets.token_hex(6)
        self.orders, self.signals = f"api.{name}", f"signals:api-{name}"
        self.epoch = time.time_ns() // 1_000_000
        self.away = False  # as far as the producer knows
        self._lost = lost
        self._table, self._seq = table, dict[tuple[str, int], int]()
        self._closing = threading.Event()
        overrides = {
            "error_cb": self._trouble,
            "queue.buffering.max.messages": 100_000,
            # Of a producer that it does not know yet a broker takes any number first: with a second request under way,
            # a first one that failed for want of a leader was refused as a duplicate of it, and lost.
            "max.in.flight.requests.per.connection": 1,
        }
        self._producer = producer(c, client_id="qflib.api", overrides=overrides)
        self._thread = threading.Thread(target=self._poll, name="api-line", daemon=True)
        self._thread.start()

    def send(self, batch: Batch, source: str, key: str, done: Confirmed) -> None:
        """Number a batch and queue it; `done` is called from another thread.

        Raises
        ------
        BufferError
            If the queue is full; the batch has no number then.
        """
        at = source, self._table.place(key)
        seq = self._seq.get(at, 0)
        from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

        value = encode(Batch(batch.kind, batch.tables, Header(source, self.epoch, seq)))

        def delivered(error: KafkaError | None, m: Message) -> None:
            kind, at = m.timestamp()
            offset = -1 if m.offset() is None else int(m.offset() or 0)
            if error is None:
                self.away = False
            # a record that the broker had already may come without its place: its sender asks the views, by its id
            placed = error is None and offset >= 0 and kind == TIMESTAMP_LOG_APPEND_TIME
            done((at, m.partition() or 0, offset) if placed else None)

        self._producer.produce(batch.topic, value, self._table.key(key), on_delivery=delivered)
        self._seq[at] = seq + 1

    def close(self, wait_s: float = 0.0) -> None:
        """Wait so long for confirmations, then give the rest up."""
        if wait_s:
            self._producer.flush(wait_s)
        self._producer.purge()
        self._producer.flush(0.5)
        self._closing.set()

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_S)

    def _trouble(self, error: Any) -> None:
        from confluent_kafka import KafkaError as Codes

        broken = error.fatal() or error.code() == Codes._FATAL  # it sends nothing any more
        if (broken or error.code() == Codes._ALL_BROKERS_DOWN) and not self.away:
            self.away = True
            _log.warning("the line to Kafka is lost; orders are refused", error=error.str())
            self._lost(self)


def answers(c: Connection, table: Partitions) -> bool:
    """Whether every partition that is sent to has a leader: a producer that meets a broker half started is lost.

    librdkafka reads past its memory where a produced record is answered with no leader (its issue 5280), or never
    sends to the partition again (5430); who asks for ends is told without it.
    """
    try:
        ends(c, [(t, p) for t in (ORDERS_INCOMING, MARKET_RAW) for p in range(table.n)], committed=False, timeout_s=1.0)
    except QflibError:
        return False
    return True


@contextlib.contextmanager
def quiet() -> Any:
    """A loop that has ended takes no more calls: who waited is gone."""
    with contextlib.suppress(RuntimeError):
        yield
