"""Samples of a figure over a run of any length: all at first, then every second, every fourth."""

from __future__ import annotations

import numpy as np

_MOST = 1 << 16


class Thinned:
    """Rows as they come, evenly thinned once they are too many; the median of what is kept.

    Examples
    --------
    >>> t = Thinned(1)
    >>> for x in range(9):
    ...     t.add((x,))
    >>> t.median()
    [4.0]
    """

    def __init__(self, width: int, most: int = _MOST) -> None:
        self._rows = np.empty((most, width))
        self._n, self._every, self._seen = 0, 1, 0

    def add(self, row: tuple[float, ...]) -> None:
        """Note a row. O(1), O(rows kept) when they are thinned."""
        if self._seen % self._every == 0:
            if self._n == len(self._rows):
                self._n = (self._n + 1) // 2
                self._rows[: self._n] = self._rows[::2].copy()
                self._every *= 2
            self._rows[self._n] = row
            self._n += 1
        self._seen += 1

    def median(self) -> list[float] | None:
        """Column by column; None of no rows."""
        if not self._n:
            return None
        made: list[float] = np.median(self._rows[: self._n], axis=0).tolist()
        return made
