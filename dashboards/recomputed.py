"""What is computed in a thread for all sessions, again where it is old and somebody asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, NamedTuple

import structlog

from qflib.errors import QflibError

_KEPT_S = 60.0  # after it was asked for last
_log = structlog.get_logger(__name__)


class Made(NamedTuple):
    """The newest result, when it was made, and why there is no newer one; None, 0 and "" where there is none."""

    value: Any = None
    at_ns: int = 0
    error: str = ""


class Recomputed:
    """Results by key; of each one computation runs, and the next begins no sooner than a while after.

    Parameters
    ----------
    submit
        Has a job done in a thread.
    least_s
        Between two beginnings of the same.

    Examples
    --------
    >>> jobs = []
    >>> results = Recomputed(jobs.append, 1.0)
    >>> print(results.get("a", lambda: 1).value, results.get("a", lambda: 2).value)
    None None
    >>> jobs.pop()(), len(jobs), results.get("a", lambda: 3).value
    (None, 0, 1)
    """

    def __init__(self, submit: Callable[[Callable[[], None]], Any], least_s: float) -> None:
        self._submit, self._least_s = submit, least_s
        self._made: dict[Hashable, Made] = {}
        self._begun: dict[Hashable, float] = {}
        self._asked: dict[Hashable, float] = {}
        self._running: set[Hashable] = set()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Made:
        """The newest result, at once."""
        now = time.monotonic()
        with self._lock:
            self._asked[key] = now
            begin = key not in self._running and now - self._begun.get(key, -1e9) >= self._least_s
            if begin:
                self._running.add(key)
                self._begun[key] = now
            there = self._made.get(key, Made())
        if begin:
            self._submit(lambda: self._make(key, make))
        return there

    def _make(self, key: Hashable, make: Callable[[], Any]) -> None:
        made, error = None, ""
        try:
            made = make()
        except QflibError as e:
            error = str(e)
        except Exception as e:  # asked for again soon; what was there stays, and its age tells
            error = f"this could not be computed ({type(e).__name__}); see the dashboard's log"
            _log.exception("not computed", of=str(key))
        finally:
            now = time.monotonic()
            with self._lock:
                self._running.discard(key)
                if made is not None:
                    self._made[key] = Made(made, time.time_ns(), "")
                else:
                    self._made[key] = self._made.get(key, Made())._replace(error=error)
                for old in [k for k, at in self._asked.items() if now - at > _KEPT_S]:
                    for kept in (self._made, self._begun, self._asked):
                        kept.pop(old, None)
