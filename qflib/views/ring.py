"""The newest rows of a kind, in memory that is bounded."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Ring:
    """Rows of one dtype, the newest `capacity` of them; one thread adds, any reads.

    Parameters
    ----------
    dtype
        Of a row.
    capacity
        Rows kept; memory grows with the rows up to it.

    Examples
    --------
    >>> ring = Ring(np.dtype("i8"), 3)
    >>> ring.extend(np.arange(5))
    >>> ring.last().tolist(), ring.total, ring.last(2).tolist()
    ([2, 3, 4], 5, [3, 4])
    """

    def __init__(self, dtype: np.dtype[Any], capacity: int) -> None:
        self.capacity, self.total = capacity, 0
        self._rows = np.zeros(min(capacity, 64), dtype)
        self._lock = Lock()

    def extend(self, rows: NDArray[Any]) -> None:
        """Add rows; amortised O(rows)."""
        passed = max(0, len(rows) - self.capacity)  # pushed out by those that come with them
        rows = rows[passed:]
        with self._lock:
            n = self._grow(len(rows))
            self.total += passed
            at = self.total % n
            first = min(len(rows), n - at)
            self._rows[at : at + first] = rows[:first]
            self._rows[: len(rows) - first] = rows[first:]
            self.total += len(rows)

    def last(self, n: int | None = None) -> NDArray[Any]:
        """The newest rows, oldest first, copied; None: all that are kept."""
        with self._lock:
            held = min(self.total, len(self._rows))
            n = held if n is None else min(max(n, 0), held)
            at = (self.total - n) % len(self._rows)
            head = self._rows[at : at + n]
            return np.concatenate([head, self._rows[: n - len(head)]]) if len(head) < n else head.copy()

    def since(self, total: int) -> NDArray[Any]:
        """The rows added after there were `total` of them, as far as they are kept."""
        return self.last(max(0, self.total - total))

    def _grow(self, more: int) -> int:
        """Room for what comes, while that is within the capacity: rows then still lie in order from 0."""
        n = len(self._rows)
        if n < self.capacity and self.total + more > n:
            wanted = n
            while wanted < min(self.capacity, self.total + more):
                wanted = min(self.capacity, 2 * wanted)
            grown = np.zeros(wanted, self._rows.dtype)
            grown[: self.total] = self._rows[: self.total]
            self._rows = grown
        return len(self._rows)
