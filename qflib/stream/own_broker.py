"""The desk's own broker: started beside the processes, started again when it dies, stopped last."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress

import structlog

from qflib.broker import topics
from qflib.broker.clients import Connection
from qflib.broker.local import LocalBroker, Status
from qflib.errors import BrokerError, QflibError
from qflib.stream.restarts import CRASHES, WINDOW_S, Restarts

_KILLED = -9  # whatever ended a broker that had started came from outside

_log = structlog.get_logger(__name__)


class OwnBroker:
    """A broker whose starts, which take seconds, hold nothing up.

    Parameters
    ----------
    broker
        The broker; None: the cluster is another's, and it has the topics made alone.
    connection
        Where it is reached.
    partitions, replication
        Of every topic.
    """

    def __init__(self, broker: LocalBroker | None, connection: Connection, partitions: int, replication: int) -> None:
        self._broker, self._connection = broker, connection
        self._partitions, self._replication = partitions, replication
        self._starting: Future[Status | None] | None = None
        self._deaths = Restarts()
        self._short_lives = 0  # one after another
        self._due: float | None = None
        self._started_at = 0.0
        self.first: Status | None = None  # as it was once started
        self.restarts = 0
        self.peak_memory = 0

    @property
    def own(self) -> bool:
        """Whether there is one: else the cluster is another's."""
        return self._broker is not None

    @property
    def pid(self) -> int | None:
        """Of the running process; None of a cluster of others."""
        return None if self._broker is None else self._broker.pid

    def start(self, *, fresh: bool = False) -> None:
        """Begin to start it, and to make the topics; `ready` says when that is done."""
        self._started_at = time.monotonic()
        thread = ThreadPoolExecutor(1, "broker")
        self._starting = thread.submit(self._start, fresh)
        thread.shutdown(wait=False)

    @property
    def ready(self) -> bool:
        """Whether it answers, as far as is known.

        Raises
        ------
        QflibError
            If it could not be started in the first place.
        """
        if self._due is not None or self._starting is None or not self._starting.done():
            return False
        if self._failed() is not None:
            return False
        status = self._starting.result()
        self.first = self.first or status
        return True

    def tend(self) -> None:
        """Start it again where it has died, or where it could not be started again.

        Raises
        ------
        QflibError
            If it cannot be started in the first place, or dies again and again.
        """
        now = time.monotonic()
        if self._due is not None:
            if now >= self._due:
                self._due = None
                self.restarts += 1
                self.start()
        elif (failed := self._failed()) is not None:
            self._again(now, str(failed))
        elif self.ready and self._broker is not None:
            status = self._broker.status()
            self.peak_memory = max(self.peak_memory, status.memory_bytes or 0)
            if not status.running:
                self._again(now, f"it died; see its log in {status.folder}")

    def _failed(self) -> BaseException | None:
        """Why it could not be started again: a machine under load may be slow, a port be held for a moment."""
        if self.first is None or self._starting is None or not self._starting.done():
            return None
        failed = self._starting.exception()
        return failed if isinstance(failed, BrokerError) else None

    def _again(self, now: float, why: str) -> None:
        lived = now - self._started_at
        wait = self._deaths.wait(_KILLED, now=now, lived=lived)
        self._short_lives = self._short_lives + 1 if lived < WINDOW_S / CRASHES else 0
        if self._short_lives >= CRASHES:
            raise BrokerError(f"the broker dies again and again: {why}")
        self._due = now + (wait or 0.0)
        _log.warning("broker died", why=why, again_in_s=wait)

    def stop(self, timeout_s: float) -> None:
        """Stop it; what has not ended in time is killed."""
        end = time.monotonic() + timeout_s
        if self._broker is not None:
            self._broker.stop(timeout_s)
        if self._starting is not None:
            with suppress(QflibError, NotYet):  # what became of a start does not matter any more
                self._starting.result(max(0.0, end - time.monotonic()))
            if self._broker is not None:
                self._broker.stop(max(0.2, end - time.monotonic()))

    def _start(self, fresh: bool) -> Status | None:
        status = None if self._broker is None else self._broker.start(fresh=fresh)
        topics.create(self._connection, self._partitions, self._replication)
        return status
