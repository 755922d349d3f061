"""Ports for the processes' metrics: a block for each desk on this machine, the same at its every start if it can be."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from qflib.broker.data_folder import is_free
from qflib.errors import InputError

_BLOCK = 50  # more than a desk has processes
_BLOCKS = 20


class Ports:
    """Free ports from `first` on; a lock keeps two desks that start at once from choosing the same.

    Parameters
    ----------
    first
        The first port of the first block; 0: no ports.

    Examples
    --------
    >>> Ports(0).take(("exchange", 0))
    0
    """

    def __init__(self, first: int) -> None:
        self.taken: dict[tuple[str, int], int] = {}
        self._first = first
        self._held: IO[bytes] | None = None
        self._next = 0

    def take(self, place: tuple[str, int]) -> int:
        """The port of a worker: a free one at first, then the same.

        Raises
        ------
        InputError
            If none is free.
        """
        if not self._first:
            return 0
        if self._held is None:
            self._hold()
        while place not in self.taken:
            if is_free(self._next):
                self.taken[place] = self._next
            self._next += 1
        return self.taken[place]

    def release(self) -> None:
        """Leave the block to others."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def _hold(self) -> None:
        for block in range(_BLOCKS):
            first = self._first + block * _BLOCK
            place = Path(tempfile.gettempdir()) / f"qflib-metrics-{os.getuid()}-{first}.lock"
            try:  # a name that can be foretold: nobody's link is followed
                held = os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600), "wb")
            except OSError:
                continue
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                held.close()
                continue
            self._held, self._next = held, first
            return
        raise InputError(
            f"all ports from {self._first} on are other desks'; set QFLIB_STREAM__METRICS_PORT to others, or 0 for none"
        )
