"""Orders sent by the API while a desk runs, and how long each takes to be seen in the risk, by Kafka's own clock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any, NamedTuple
from uuid import uuid4

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

import qflib as qf
from qflib.broker.clients import Connection, consumer_config
from qflib.broker.reading import ends
from qflib.broker.seen import Seen
from qflib.cli.deploying import PORTFOLIO
from qflib.errors import QflibError
from qflib.records import Book, ExecType
from qflib.records.codec import decode
from qflib.records.topics import ORDERS_EXECUTED, ORDERS_INCOMING, RISK_METRICS

_READ = (ORDERS_INCOMING, ORDERS_EXECUTED, RISK_METRICS)
_log = structlog.get_logger(__name__)


class Way(NamedTuple):
    """An order of one lot: seconds of the wall at which Kafka had it, its fill, and a report that holds it."""

    sent: float
    filled: float
    reported: float


class OrdersSent:
    """A lot of a future is bought again and again, at the market; the client's position tells which fills are in it.

    `again` has what was said of orders that had to be sent once more, `fault` why nothing is read any more.

    Parameters
    ----------
    live
        The desk's API.
    c
        The cluster.
    partitions
        Of every topic.
    instruments
        Symbols in the order of the desk's table.
    symbol
        What is bought.
    every_s
        Seconds between two orders.
    """

    def __init__(
        self,
        live: qf.Live,
        c: Connection,
        partitions: int,
        instruments: Sequence[str],
        symbol: str,
        every_s: float = 0.5,
    ) -> None:
        self.again: list[str] = []
        self.fault: str | None = None
        self._live, self._symbol, self._every_s = live, symbol, every_s
        self._row = instruments.index(symbol)
        self._places = [(t, p) for t in _READ for p in range(partitions)]
        self._c, self._done, self._ceased, self._reads = c, Event(), Event(), Event()
        self._at: dict[str, dict[bytes, float]] = {ORDERS_INCOMING: {}, ORDERS_EXECUTED: {}}
        self._held: list[tuple[float, int]] = []
        self._sent = 0
        self._threads = [Thread(target=t, daemon=True) for t in (self._read, self._send)]

    def start(self) -> None:
        """Send, and read what comes of it."""
        for t in self._threads:
            t.start()

    def cease(self) -> None:
        """Send no more."""
        self._ceased.set()

    def stop(self) -> None:
        """Send no more, read no more."""
        self._ceased.set()
        self._done.set()
        for t in self._threads:
            t.join(30)

    @property
    def sent(self) -> int:
        """Orders that were taken."""
        return self._sent

    def ways(self) -> list[Way]:
        """Of the orders that were filled and reported, in the order of their fills."""
        came, filled = self._at[ORDERS_INCOMING], self._at[ORDERS_EXECUTED]
        began, made = min(came.values(), default=0.0), list[Way]()
        before = [qty for at, qty in self._held if at < began]
        reports = iter(self._held)
        at, qty = 0.0, None
        for n, (of, fill) in enumerate(
            sorted(filled.items(), key=lambda x: x[1]), start=before[-1] + 1 if before else 1
        ):
            while at < fill or qty is None or qty < n:
                step = next(reports, None)
                if step is None:
                    return made
                at, qty = step
            made.append(Way(came[of], fill, at))
        return made

    def _send(self) -> None:
        """As a client has to: what was not taken, or of which that is not known, is sent again under the same id."""
        self._reads.wait()  # also where it cannot: nothing is sent then
        due, name = time.monotonic(), ""
        while not self._ceased.wait(max(0.0, due - time.monotonic())):
            due += self._every_s
            name = name or f"load-{uuid4().hex}"
            try:
                self._live.buy(self._symbol, 1, portfolio=PORTFOLIO, account=PORTFOLIO, client_order_id=name)
            except QflibError as e:
                self.again.append(str(e))
            else:
                self._sent, name = self._sent + 1, ""

    def _read(self) -> None:
        consumer = Consumer(consumer_config(self._c, group=f"load-{uuid4().hex}"))
        try:
            now = ends(self._c, self._places)
            consumer.assign([TopicPartition(t, p, now[t, p]) for t, p in self._places])
            self._reads.set()
            while not self._done.is_set():
                for m in consumer.consume(200, 0.2):
                    if m.error() is None:
                        self._take(Seen.of(m))
        except (QflibError, KafkaException) as e:
            self.fault = str(e)
            self._ceased.set()
        finally:
            self._reads.set()
            consumer.close()

    def _take(self, seen: Seen) -> None:
        try:
            batch = decode(seen.value or b"")
        except QflibError:
            return
        tables: dict[str, Any] = batch.tables
        at = seen.append_ms / 1e3
        if seen.topic == ORDERS_INCOMING and "orders" in tables:
            self._first(seen.topic, tables["orders"].client_order_id, at)
        elif seen.topic == ORDERS_EXECUTED and "executions" in tables:
            t = tables["executions"]
            self._first(seen.topic, t.client_order_id[t.exec_type == ExecType.FILL], at)
        elif seen.topic == RISK_METRICS and "positions" in tables:
            t = tables["positions"]
            own = (t.instrument == self._row) & (t.book == Book.CLIENT)
            if own.any():
                self._held.append((at, int(t.qty[own].sum())))

    def _first(self, topic: str, ids: Any, at: float) -> None:
        """Of an order that was sent again, Kafka has had the first copy since then."""
        for i in ids:
            if i.startswith(b"load-"):
                self._at[topic].setdefault(i, at)
