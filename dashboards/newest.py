"""Of many asks the newest: one runs, one waits at most, so nobody can fill a pool that others share."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

Job = Callable[[], None]


class Newest:
    """One session's place in a pool.

    Parameters
    ----------
    submit
        Puts a job at the end of the pool's queue.

    Examples
    --------
    >>> queue, done = [], []
    >>> newest = Newest(queue.append)
    >>> for n in range(4):
    ...     newest.ask(lambda n=n: done.append(n))
    >>> while queue:
    ...     queue.pop(0)()
    >>> done
    [0, 3]
    """

    def __init__(self, submit: Callable[[Job], Any]) -> None:
        self._submit = submit
        self._running = False
        self._waiting: Job | None = None
        self._lock = Lock()

    def ask(self, job: Job) -> None:
        """Have it done; it takes the place of the one that waits."""
        with self._lock:
            if self._running:
                self._waiting = job
                return
            self._running = True
        self._submit(lambda: self._run(job))

    def drop(self) -> None:
        """What waits is wanted no more."""
        with self._lock:
            self._waiting = None

    def _run(self, job: Job) -> None:
        try:
            job()
        finally:
            with self._lock:
                after, self._waiting = self._waiting, None
                self._running = after is not None
            if after is not None:
                self._submit(lambda: self._run(after))  # behind what others asked for meanwhile
