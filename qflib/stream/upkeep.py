"""Compaction and vacuum of the history, now and then, in a process of low priority."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

import structlog

_log = structlog.get_logger("qflib.archive")

#: Between two rounds: some 200 files a table and day to be made one.
EVERY_S = 300.0
_STOP_S = 2.0


class Upkeep:
    """While it is entered, a round every so often; one under way at the end is broken off, which harms nothing.

    Parameters
    ----------
    root
        The history's folder.
    every_s
        Seconds between two rounds.
    """

    def __init__(self, root: Path, every_s: float = EVERY_S) -> None:
        self._root, self._every_s = root, every_s
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
        while not self._ended.wait(self._every_s):
            with self._lock:
                if self._ended.is_set():
                    return
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "qflib.history.upkeep", str(self._root)],
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
