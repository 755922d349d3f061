"""What an audit has counted, a topic, and the first faults by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

Fault = Literal["lost", "duplicated", "reordered", "torn"]
#: As many faults are named; the others are counted.
NAMED = 20


@dataclass(slots=True)
class Counts:
    """Of one topic."""

    batches: int = 0
    events: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    torn: int = 0

    @property
    def faults(self) -> int:
        """Of any kind."""
        return self.lost + self.duplicated + self.reordered + self.torn


class Finding(NamedTuple):
    """A fault: where it is, and what."""

    topic: str
    partition: int
    offset: int
    fault: Fault
    what: str


@dataclass(slots=True)
class Tally:
    """Counts by topic, and the first findings.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.found("orders.incoming", 0, 7, "lost", "seq 3 of 'api'")
    >>> tally.ok, tally.counts["orders.incoming"].lost
    (False, 1)
    """

    counts: dict[str, Counts] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def of(self, topic: str) -> Counts:
        """The counts of a topic."""
        return self.counts.setdefault(topic, Counts())

    def found(self, topic: str, partition: int, offset: int, fault: Fault, what: str, n: int = 1) -> None:
        """Count a fault `n` times, and name it while there is room."""
        counts = self.of(topic)
        setattr(counts, fault, getattr(counts, fault) + n)
        if len(self.findings) < NAMED:
            self.findings.append(Finding(topic, partition, offset, fault, what))

    def add(self, others: Iterable[Tally]) -> None:
        """Take in what others have counted."""
        for other in others:
            for topic, more in other.counts.items():
                counts = self.of(topic)
                for name, n in asdict(more).items():
                    setattr(counts, name, getattr(counts, name) + n)
            self.findings += other.findings[: NAMED - len(self.findings)]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not any(c.faults for c in self.counts.values())


class Stretch:
    """One fault over neighbouring records, told as one finding: a lost tail leaves room for others.

    Parameters
    ----------
    tally
        Takes what is found.
    topic, partition, fault, what
        As `Tally.found`.

    Examples
    --------
    >>> tally = Tally()
    >>> stretch = Stretch(tally, "risk.metrics", 0, "lost", "not stored in the archive")
    >>> for offset in (7, 8, 10):
    ...     stretch.add(offset)
    >>> stretch.end()
    >>> tally.findings[0].offset, tally.findings[0].what
    (7, 'not stored in the archive: 3 up to offset 10')
    """

    def __init__(self, tally: Tally, topic: str, partition: int, fault: Fault, what: str) -> None:
        self._tally, self._topic, self._partition, self._fault, self._what = tally, topic, partition, fault, what
        self._first, self._last, self._n = -1, -1, 0

    def add(self, offset: int, n: int = 1) -> None:
        """The fault at a record, `n` times."""
        self._first, self._last, self._n = self._first if self._n else offset, offset, self._n + n

    def end(self) -> None:
        """A record without the fault, or no more records."""
        if self._n:
            what = self._what if self._n == 1 else f"{self._what}: {self._n:,} up to offset {self._last:,}"
            self._tally.found(self._topic, self._partition, self._first, self._fault, what, self._n)
            self._n = 0
