"""Ends a process that waits in a call which may never return: its supervisor starts it again, and nothing is lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

#: The exit code of a worker that hung: it is started again.
HUNG = 4

_log = structlog.get_logger(__name__)


def _end(what: str, seconds: float) -> None:
    _log.error("hangs", what=what, seconds=seconds, mend="the supervisor starts this worker again")
    os._exit(HUNG)


class Watchdog:
    """A limit on how long a piece of work may take; beyond it the process ends.

    librdkafka does not bound the wait of a commit whose answer got lost while the broker stood still: its thread goes
    on with heartbeats, and the worker would keep its partitions and do nothing, for ever.

    Parameters
    ----------
    limit_s
        Seconds that no piece of work needs.
    end
        Called with what hangs, and for how long it has; ends the process.
    """

    def __init__(self, limit_s: float, end: Callable[[str, float], object] = _end) -> None:
        self.limit_s, self._end = limit_s, end
        self._at: tuple[str, float] | None = None
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def over(self, what: str) -> Iterator[None]:
        """Watch over a block."""
        self._at = what, time.monotonic()
        try:
            yield
        finally:
            self._at = None

    def _watch(self) -> None:
        while True:
            time.sleep(self.limit_s / 10)
            at = self._at
            if at is not None and time.monotonic() - at[1] > self.limit_s:
                self._end(at[0], round(time.monotonic() - at[1], 1))
                return
