"""The way to Kafka: orders and signals of one turn of the loop in one record, confirmed before they are answered."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import structlog

from qflib.api.line import Line, answers, quiet
from qflib.api.metrics import ApiMetrics
from qflib.api.problems import UNKNOWN_OUTCOME, ProblemError, away
from qflib.api.state import Ack
from qflib.broker.clients import Connection
from qflib.broker.publishing import publish
from qflib.errors import BrokerError
from qflib.records import CONNECTION, FRAMES, ORDERS, Batch, Partitions
from qflib.records.topics import MARKET_RAW, ORDERS_INCOMING

SIGNALS = "signals:api"  # the name whose partition all signals of the API lie in
_UNKNOWN = (
    "Kafka did not confirm it in time; whether it was sent is not known: send the same client_order_id again, it is "
    "taken once"
)
_AWAY = "the broker is away; nothing was sent, send it again when /readyz answers 200"
_ENDING = "this server is ending; nothing was sent"
_AGAIN_S = 0.3  # between two looks whether the broker is back
_ROWS = 1_000  # of one record
_log = structlog.get_logger("qflib.api")


class _Sent(NamedTuple):
    """A record on its way."""

    at: float
    waiting: list[asyncio.Future[Ack]]


class Sender:
    """Sends for the API.

    Parameters
    ----------
    c
        The cluster.
    table
        Where names lie.
    acknowledge_s
        How long Kafka may take to confirm.
    in_flight
        Rows on their way at most.
    metrics
        Where they are counted.

    Notes
    -----
    All of it runs in the loop but the producer's own thread, which hands confirmations over.
    """

    def __init__(
        self,
        c: Connection,
        table: Partitions,
        *,
        acknowledge_s: float = 3.0,
        in_flight: int = 10_000,
        metrics: ApiMetrics | None = None,
    ) -> None:
        self._connection, self._table = c, table
        self._patience, self._most, self.metrics = acknowledge_s, in_flight, metrics
        self._line: Line | None = None
        self._orders: dict[str, list[tuple[tuple[Any, ...], asyncio.Future[Ack]]]] = {}
        self._signals: list[tuple[bytes, int, asyncio.Future[Ack]]] = []
        self._sent: dict[int, _Sent] = {}  # by number, the oldest first
        self._numbers = itertools.count()
        self._rows = 0  # gathered and on their way
        self._due = False  # whether this turn's rows will be sent at its end
        self._clock: asyncio.TimerHandle | None = None
        self._turns = {urgent: asyncio.Lock() for urgent in (False, True)}
        self._opening: asyncio.Task[None] | None = None
        self._ended = False

    def start(self) -> None:
        """Begin, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._open()

    @property
    def is_ready(self) -> bool:
        """Whether there is a line that orders and signals can be sent by."""
        return self._line is not None

    async def ready(self) -> None:
        """Wait until there is a broker to send to."""
        if self._opening is not None:
            await asyncio.shield(self._opening)

    async def stop(self) -> None:
        """Wait for what is on its way as long as Kafka may take, then give it up."""
        self._ended = True
        if self._clock is not None:
            self._clock.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if (line := self._line) is not None:
            self._line = None
            await asyncio.to_thread(line.close, min(self._patience, 1.5))
        self._give_up()

    def order(self, underlying: str, row: tuple[Any, ...]) -> asyncio.Future[Ack]:
        """Send a row of `Orders`; the future fails with a problem where Kafka did not confirm it.

        Raises
        ------
        ProblemError
            503: the broker is known to be away, or too much is on its way.
        """
        told = self._gather()
        self._orders.setdefault(underlying, []).append((row, told))
        return told

    def signal(self, payload: bytes, receipt_ns: int) -> asyncio.Future[Ack]:
        """Send a signal as JSON; as `order`."""
        told = self._gather()
        self._signals.append((payload, receipt_ns, told))
        return told

    async def publish(self, batches: Sequence[Batch], *, urgent: bool = False) -> int:
        """Send controls or bookings in one transaction, one such at a time; and the urgent ones one at a time.

        Raises
        ------
        ProblemError
            503: the broker took none of the attempts.
        """
        if self._ended:
            raise away(_ENDING)

        def send() -> int:
            return publish(self._connection, batches, self._table, attempts=2, client_id="qflib.api", answer_s=2.0)

        async with self._turns[urgent]:
            try:
                sent = await asyncio.to_thread(send)
            except BrokerError:
                detail = "Kafka did not confirm it, and whether it was applied is not known; send the same id again"
                raise away(detail, UNKNOWN_OUTCOME) from None
        if self.metrics is not None:
            for b in batches:
                self.metrics.sent["controls" if b.kind == "control" else "bookings"] += b.count
        return sent

    def _gather(self) -> asyncio.Future[Ack]:
        if self._ended:
            raise away(_ENDING)
        if self._line is None:
            raise away(_AWAY)
        if self._rows >= self._most:
            detail = f"{self._rows} orders and signals wait for Kafka; nothing was sent, slow down"
            raise ProblemError(503, "overloaded", detail, headers={"retry-after": "1"})
        self._rows += 1
        if not self._due:
            self._due = True
            self._loop.call_soon(self._flush)
        return self._loop.create_future()

    def _flush(self) -> None:
        """Send what this turn has gathered: a record an underlying, and one of signals."""
        self._due = False
        orders, self._orders = self._orders, {}
        signals, self._signals = self._signals, []
        if (line := self._line) is None:
            for f in [f for rows in orders.values() for _, f in rows] + [f for *_, f in signals]:
                self._rows -= 1
                _tell(f, away(_ENDING if self._ended else _AWAY))
            return
        try:
            for underlying, rows in orders.items():
                for part in (rows[k : k + _ROWS] for k in range(0, len(rows), _ROWS)):
                    batch, waiting = partial(_orders, [r for r, _ in part]), [f for _, f in part]
                    self._send(line, batch, line.orders, underlying, waiting, "orders")
            for some in (signals[k : k + _ROWS] for k in range(0, len(signals), _ROWS)):
                made, waiting = partial(_signals, line.signals, [s[:2] for s in some]), [f for *_, f in some]
                self._send(line, made, line.signals, SIGNALS, waiting, "signals")
        finally:
            if self._clock is None and self._sent:
                self._clock = self._loop.call_later(self._patience, self._look)

    def _send(
        self,
        line: Line,
        batch: Callable[[], Batch],
        source: str,
        key: str,
        waiting: list[asyncio.Future[Ack]],
        kind: str,
    ) -> None:
        """Send a record. It raises nothing: the records behind it have nothing to do with its trouble."""
        number = next(self._numbers)

        def done(at: tuple[int, int, int] | None) -> None:
            with quiet():
                self._loop.call_soon_threadsafe(self._confirmed, line, number, at, kind)

        self._sent[number] = _Sent(self._loop.time(), waiting)
        if line is not self._line:  # a record before it ended the line
            self._end(number, away(_AWAY))
            return
        try:
            line.send(batch(), source, key, done)
        except BufferError:
            detail = "the queue to Kafka is full; nothing was sent, slow down"
            self._end(number, ProblemError(503, "overloaded", detail, headers={"retry-after": "1"}))
        except Exception as e:  # a producer that broke for good
            _log.error("the line to Kafka broke", reason=str(e))
            self._end(number, self._unknown(number))
            self._leave(line)

    def _confirmed(self, line: Line, number: int, at: tuple[int, int, int] | None, kind: str) -> None:
        if number not in self._sent:
            return  # given up before: it was told as unknown
        if at is None:
            self._end(number, self._unknown(number))
            self._leave(line)  # the numbers behind it would leave a hole
            return
        sent = self._sent.pop(number)
        self._rows -= len(sent.waiting)
        if self.metrics is not None:
            self.metrics.sent[kind] += len(sent.waiting)
        for k, f in enumerate(sent.waiting):
            if not f.done():
                f.set_result(Ack(*at, k))

    def _look(self) -> None:
        """See whether the oldest record is overdue."""
        self._clock = None
        if not self._sent:
            return
        waits = next(iter(self._sent.values())).at + self._patience - self._loop.time()
        if waits > 0:
            self._clock = self._loop.call_later(waits, self._look)
        elif self._line is not None:
            self._leave(self._line)

    def _lost(self, line: Line) -> None:
        with quiet():
            self._loop.call_soon_threadsafe(self._leave, line)

    def _leave(self, line: Line) -> None:
        """Give a line up, and begin another when the broker answers."""
        if line is not self._line:
            return
        self._line = None
        threading.Thread(target=line.close, name="api-line-end", daemon=True).start()
        self._give_up()
        if not self._ended:
            self._open()

    def _open(self) -> None:
        if self._opening is None or self._opening.done():
            self._opening = self._loop.create_task(self._opened(), name="api-line")

    async def _opened(self) -> None:
        while not await asyncio.to_thread(answers, self._connection, self._table):
            await asyncio.sleep(_AGAIN_S)
        self._line = Line(self._connection, self._table, self._lost)

    def _give_up(self) -> None:
        for number in list(self._sent):
            self._end(number, self._unknown(number))

    def _unknown(self, number: int) -> ProblemError:
        if self.metrics is not None:
            self.metrics.unknown += len(self._sent[number].waiting)
        return away(_UNKNOWN, UNKNOWN_OUTCOME)

    def _end(self, number: int, problem: ProblemError) -> None:
        waiting = self._sent.pop(number).waiting
        self._rows -= len(waiting)
        for f in waiting:
            _tell(f, problem)


def _tell(future: asyncio.Future[Ack], problem: ProblemError) -> None:
    if not future.done():
        future.set_exception(problem)
        future.exception()  # who waited may have gone


def _orders(rows: Sequence[tuple[Any, ...]]) -> Batch:
    columns = zip(ORDERS.columns, zip(*rows, strict=True), strict=True)
    made = ORDERS.make(**{c.name: np.array(v, ORDERS.dtype[c.name]) for c, v in columns})
    return Batch("order", {"orders": made}, topic=ORDERS_INCOMING)


def _signals(source: str, signals: Sequence[tuple[bytes, int]]) -> Batch:
    return Batch("raw", _frames(source, signals), topic=MARKET_RAW)


def _frames(source: str, signals: Sequence[tuple[bytes, int]]) -> dict[str, Any]:
    payload = b"".join(p for p, _ in signals)
    connection = CONNECTION.make(venue=["signals"], connection=[source], former_seq=[-1])
    frames = FRAMES.make(
        receipt_ns=[t for _, t in signals],
        position=np.arange(len(signals), dtype=np.uint64),
        length=[len(p) for p, _ in signals],
        payload=payload,
    )
    return {"connection": connection, "frames": frames}
