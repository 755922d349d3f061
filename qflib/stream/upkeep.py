"""Upkeep of the history, now and then: of files in a process of low priority, of PostgreSQL by its own server."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import TracebackType

import structlog

from qflib.errors import DataError
from qflib.history import History
from qflib.history.delta import DeltaHistory

_log = structlog.get_logger("qflib.archive")

#: Between two rounds: some 200 files a table and day to be made one.
EVERY_S = 300.0
_STOP_S = 2.0


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
    """

    def __init__(self, history: History, retention_days: int | None = None, every_s: float = EVERY_S) -> None:
        self._history, self._retention_days, self._every_s = history, retention_days, every_s
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
        if isinstance(self._history, DeltaHistory):
            while not self._ended.wait(self._every_s):
                self._files(self._history)
        else:
            self._database()
            while not self._ended.wait(self._every_s):
                self._database()

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
        told, faults = self._child.communicate()
        self.rounds += 1
        if self._child.returncode > 0:
            _log.warning("upkeep failed", why=faults.strip().splitlines()[-1:])
        for line in told.splitlines():
            _log.info("upkeep", done=line)

    def _database(self) -> None:
        from qflib.history.postgres.history import PostgresHistory
        from qflib.history.postgres.tending import tend

        assert isinstance(self._history, PostgresHistory)
        try:
            done = tend(self._history.database, self._retention_days)
        except DataError as e:
            if not self._ended.is_set():
                _log.warning("upkeep failed", why=[str(e)])
        else:
            if any(done):
                _log.info("upkeep", **done._asdict())
        self.rounds += 1
