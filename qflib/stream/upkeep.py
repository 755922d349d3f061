"""Upkeep of the history, now and then: of files in a process of low priority, of PostgreSQL by its own server."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from types import TracebackType

import structlog

from qflib.errors import DataError, StoreUnavailableError
from qflib.history import History
from qflib.history.delta import DeltaHistory

_log = structlog.get_logger("qflib.archive")

#: Between two rounds: some 200 files a table and day to be made one.
EVERY_S = 300.0
#: Of a round over files: one in a store that does not answer any more has no end.
LIMIT_S = 3_600.0
_STOP_S = 2.0
#: How a round ends that was told to, as with the whole group of processes.
_TOLD_TO = (-signal.SIGTERM, -signal.SIGINT)


class Upkeep:
    """While it is entered, a round every so often; one under way at the end is broken off, which harms nothing.

    Parameters
    ----------
    history
        What is tended.
    retention_days
        Days before the last one that PostgreSQL keeps of a table; None: all.
    every_s
        Seconds between two rounds; PostgreSQL has one at once, for it makes the next days' partitions.
    limit_s
        Seconds that a round over files may take; then it is broken off.

    Notes
    -----
    A round that fails, for whatever reason, is logged and the next one comes: nobody else makes partitions, drops days
    or joins files.
    """

    def __init__(
        self,
        history: History,
        retention_days: int | None = None,
        every_s: float = EVERY_S,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._history, self._retention_days, self._every_s = history, retention_days, every_s
        self._limit_s = limit_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self.rounds = 0

    def __enter__(self) -> Upkeep:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._ended.set()
            if self._child is not None:
                self._child.terminate()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        files = isinstance(self._history, DeltaHistory)
        while not self._ended.wait(self._every_s if files or self.rounds else 0.0):
            try:
                self._round()
            except StoreUnavailableError as e:  # a server that is away is back by the next round
                if not self._ended.is_set():
                    _log.warning("upkeep failed", why=str(e))
            except Exception as e:  # a thread that ended would tend nothing any more, and nobody would know
                self._failed(str(e) if isinstance(e, DataError) else repr(e))
            self.rounds += 1

    def _round(self) -> None:
        if isinstance(self._history, DeltaHistory):
            self._files(self._history)
        else:
            self._database()

    def _failed(self, why: str) -> None:
        if not self._ended.is_set():
            _log.error("upkeep failed", why=why)

    def _files(self, history: DeltaHistory) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            self._child = subprocess.Popen(
                [sys.executable, "-m", "qflib.history.upkeep", history.name],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        try:
            told, faults = self._child.communicate(timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
            self._failed(f"a round took more than {self._limit_s:g} s and was broken off")
            return
        for line in told.splitlines():
            _log.info("upkeep", done=line)
        code = self._child.returncode
        if code and code not in _TOLD_TO:
            ended = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            self._failed(": ".join([ended, *faults.strip().splitlines()[-1:]]))

    def _database(self) -> None:
        from qflib.history.postgres.history import PostgresHistory
        from qflib.history.postgres.tending import tend

        assert isinstance(self._history, PostgresHistory)
        done = tend(self._history.database, self._retention_days)
        if any(done):
            _log.info("upkeep", **done._asdict())
