"""How many events lie before an offset."""

from __future__ import annotations

from bisect import bisect_left

_MOST = 1 << 17


class Folded:
    """Rows of a partition's records, summed up by offset.

    Examples
    --------
    >>> f = Folded()
    >>> f.add(offset=3, rows=10)
    >>> f.add(offset=5, rows=20)
    >>> f.before(3), f.before(4), f.before(6), f.total
    (0, 10, 30, 30)
    """

    def __init__(self) -> None:
        self.total = 0
        self._base = 0  # rows before the first record kept
        self._offset: list[int] = []
        self._sum: list[int] = []  # rows up to and with the record

    def add(self, offset: int, rows: int) -> None:
        """A record; O(1) amortised."""
        self.total += rows
        self._offset.append(offset)
        self._sum.append(self.total)
        if len(self._offset) >= _MOST:  # a reader that far behind is known to within two records
            self._offset, self._sum = self._offset[1::2], self._sum[1::2]

    def before(self, offset: int) -> int:
        """Rows of the records below an offset. O(log records)."""
        at = bisect_left(self._offset, offset)
        return self._sum[at - 1] if at else self._base

    def forget(self, offset: int) -> None:
        """Nobody will ask for an offset below this one any more."""
        at = bisect_left(self._offset, offset)
        if at > len(self._offset) // 2 + 64:  # not at every call: a cut copies what is left
            self._base = self._sum[at - 1]
            del self._offset[:at], self._sum[:at]
