"""When a partition's snapshot is due: after so many inputs or seconds, one partition at a time, and never too often."""

from __future__ import annotations

from dataclasses import dataclass, field

#: A snapshot may cost this share of a worker's time: a great state is written less often.
_SHARE = 0.05


@dataclass
class _Last:
    batches: int
    at: float
    journal_offset: int
    written: int  # batches at the last snapshot of our own; -1: none


@dataclass
class Schedule:
    """The times of snapshots.

    Parameters
    ----------
    every_s, every_batches
        A snapshot is due after so much of either.

    Examples
    --------
    >>> s = Schedule(every_s=10.0, every_batches=100)
    >>> s.begin(0, 5, 0.0, 0)
    >>> s.due(0, 50, 1.0), s.due(0, 105, 1.0), s.due(0, 50, 11.0)
    (False, True, True)
    """

    every_s: float = 10.0
    every_batches: int = 50_000
    _of: dict[int, _Last] = field(default_factory=dict)
    _not_before: float = 0.0

    def begin(self, partition: int, batches: int, now: float, journal_offset: int) -> None:
        """A partition was assigned with so many inputs in its state."""
        self._of[partition] = _Last(batches, now, journal_offset, batches if batches else -1)

    def due(self, partition: int, batches: int, now: float) -> bool:
        """Whether to take one now; a partition's first input always, so that a version stands on record."""
        last = self._of[partition]
        if last.written < 0:
            return True
        if now < self._not_before:
            return False
        return batches - last.batches >= self.every_batches or now - last.at >= self.every_s

    def taken(self, partition: int, batches: int, now: float, cost_s: float, journal_offset: int) -> None:
        """One was taken; the next one, of whatever partition, keeps its distance."""
        self._of[partition] = _Last(batches, now, journal_offset, batches)
        spread = self.every_s / (2 * max(len(self._of), 1))
        self._not_before = now + max(cost_s / _SHARE, min(spread, 1.0))

    def journal_offset(self, partition: int) -> int:
        """Marks below it are in the state."""
        return self._of[partition].journal_offset
