"""One process under the supervisor: started on a leash, its words in a file, its memory watched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from qflib.errors import DataError
from qflib.stream import leash
from qflib.stream.nursery import Forked, Nursery
from qflib.stream.restarts import Restarts

_KEPT_LOGS = 5  # of former starts
_LAST_WORDS = 16_384  # bytes of a log's end that are searched for them


class Child:
    """A program, started as often as need be.

    Parameters
    ----------
    name
        Stage and ordinal: "exchange-0".
    argv
        The program and its arguments.
    log
        The file that takes its stdout and stderr; that of the start before becomes NAME.1.log.
    environment
        Of the process.
    nursery
        Forks it; None: it is executed.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        nursery: Nursery | None = None,
    ) -> None:
        self.name, self.argv, self.log = name, list(argv), log
        self.restarts = Restarts()
        self.memory = self.peak_memory = 0  # bytes resident: now, and at most since the first start
        self.started_at = 0.0
        self._environment, self._nursery = dict(environment), nursery
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._watched: psutil.Process | None = None

    def start(self) -> None:
        """Start it.

        Raises
        ------
        DataError
            If its log cannot be written.
        """
        try:
            _rotate(self.log)
            with self.log.open("wb") as words:
                forked = None if self._nursery is None else self._nursery.fork(self.argv, words, self._environment)
                self._process = forked or self._execute(words)
        except OSError as e:
            raise DataError(
                f"process {self.name} cannot be started ({e.strerror}, log {self.log}); make room, or mend the folder"
            ) from None
        self.started_at = time.monotonic()
        self._watched = None

    def _execute(self, words: IO[bytes]) -> subprocess.Popen[bytes]:
        # its own process group: Ctrl-C at a terminal is the supervisor's, who then stops all in order
        return subprocess.Popen(
            [sys.executable, "-ISE", leash.__file__, str(os.getpid()), *self.argv],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=self._environment,
            process_group=0,
        )

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether it has been started and is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        """The exit code; a signal's number is negative; None while it runs."""
        return None if self._process is None else self._process.poll()

    def send(self, number: int) -> None:
        """Send a signal; a process that is gone does not mind."""
        if self._process is not None:
            self._process.send_signal(number)  # polls first: never a stranger with the same pid

    def kill(self) -> None:
        """Kill it and wait until it is gone; a stopped one too."""
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._process.wait()

    def watch(self) -> None:
        """Look at its memory."""
        pid = self.pid
        if pid is None:
            self.memory = 0
            return
        with suppress(psutil.Error):
            if self._watched is None:
                self._watched = psutil.Process(pid)
            self.memory = self._watched.memory_info().rss
            self.peak_memory = max(self.peak_memory, self.memory)

    def last_words(self) -> str:
        """The last line it wrote, as a sentence; of a JSON log line the event."""
        return last_words(self.log)


def last_words(log: Path) -> str:
    """The last line of a log that says something; of a JSON line its event."""
    try:
        with log.open("rb") as f:
            f.seek(max(0, log.stat().st_size - _LAST_WORDS))
            lines = f.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    line = next((text.strip() for text in reversed(lines) if text.strip()), "")
    if line.startswith("{"):
        with suppress(ValueError, TypeError, AttributeError):
            return str(json.loads(line).get("event", line))
    return line.removeprefix("qflib: ")


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    for k in range(_KEPT_LOGS - 1, -1, -1):
        former = log if k == 0 else log.with_suffix(f".{k}.log")
        if former.exists():
            former.replace(log.with_suffix(f".{k + 1}.log"))
