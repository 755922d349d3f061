"""Rows that many sessions show: made in a thread, once for all who want the same, and again where the views changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, NamedTuple

Row = dict[str, Any]
_LEAST_S = 0.4  # between two makings of the same rows


class Made(NamedTuple):
    """Rows, a word on what they are of, and the version of the views that they show."""

    rows: list[Row]
    note: str
    version: object
    at: float


class SharedRows:
    """A memory of rows; as many as there are sessions, whatever they ask for.

    Parameters
    ----------
    submit
        Has a job done in a thread.

    Examples
    --------
    >>> jobs = []
    >>> rows = SharedRows(jobs.append)
    >>> for who in ("ann", "bob"):
    ...     print(rows.get(who, "all", 1, lambda: ([{"id": 1}], "one")))
    None
    None
    >>> for job in jobs:
    ...     job()
    >>> len(jobs), rows.get("bob", "all", 1, lambda: ([], "")).note
    (1, 'one')
    """

    def __init__(self, submit: Callable[[Callable[[], None]], Any]) -> None:
        self._submit = submit
        self._wanted: dict[Hashable, Hashable] = {}
        self._made: dict[Hashable, Made] = {}
        self._making: set[Hashable] = set()
        self._lock = Lock()

    def get(
        self, who: Hashable, key: Hashable, version: object, make: Callable[[], tuple[list[Row], str]]
    ) -> Made | None:
        """The newest rows there are, at once; has newer ones made where they are old.

        Parameters
        ----------
        who
            Who shows them; what it wanted before is forgotten, unless others want it.
        key
            What rows.
        version
            Of what they are made of.
        make
            Makes them, in a thread.
        """
        with self._lock:
            if self._wanted.get(who) != key:
                self._wanted[who] = key
                self._prune()
            there = self._made.get(key)
            old = there is None or (there.version != version and time.monotonic() - there.at > _LEAST_S)
            begin = old and key not in self._making
            if begin:
                self._making.add(key)
        if begin:
            self._submit(lambda: self._make(key, version, make))
        return there

    def forget(self, who: Hashable) -> None:
        """Someone shows nothing any more."""
        with self._lock:
            self._wanted.pop(who, None)
            self._prune()

    def _make(self, key: Hashable, version: object, make: Callable[[], tuple[list[Row], str]]) -> None:
        try:
            with self._lock:
                wanted = key in self._wanted.values()
            if wanted:  # whoever types a filter wants its last letter
                rows, note = make()
                with self._lock:
                    self._made[key] = Made(rows, note, version, time.monotonic())
                    self._prune()
        finally:
            with self._lock:
                self._making.discard(key)

    def _prune(self) -> None:
        wanted = set(self._wanted.values())
        self._made = {k: m for k, m in self._made.items() if k in wanted}
