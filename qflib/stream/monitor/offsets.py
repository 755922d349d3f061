"""How far the groups are: committed offsets and the ends of what they read, by a few requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from qflib.broker.clients import Connection
from qflib.broker.reading import committed, ends, starts
from qflib.errors import QflibError
from qflib.records.topics import MARKET_RAW
from qflib.stream.data_ends import DataEnds, Place, usual_end

_TIMEOUT_S = 2.0
_STARTS_EACH = 20  # asks
_STILL_S = 0.4  # an end that has just risen will rise again: it is not worth a look at what stands before it
_LONE_S = 5.0  # what seems to be a marker may be a record, which can wait for longer before it is looked at
_log = structlog.get_logger(__name__)


@dataclass
class Progress:
    """Committed offsets a group, and the first and last stable offset of every partition that one of them reads.

    Parameters
    ----------
    committed, ends, starts
        As the broker told them.
    reads
        Groups that should be there, and what each of them reads.
    data_ends
        Where the records before an end are known to end; else one marker is taken to stand after them.

    Examples
    --------
    >>> made = Progress({"g": {("t", 0): 7}}, {("t", 0): 9, ("t", 1): 5}, {("t", 1): 2}, {"g": [("t", 0), ("t", 1)]})
    >>> made.offsets("g"), made.lag("g")
    ({('t', 1): 2, ('t', 0): 7}, 3)
    """

    committed: dict[str, dict[Place, int]] = field(default_factory=dict)
    ends: dict[Place, int] = field(default_factory=dict)
    starts: dict[Place, int] = field(default_factory=dict)
    reads: Mapping[str, Sequence[Place]] = field(default_factory=dict)
    data_ends: dict[Place, int] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """Those that should be there, and those that have committed something."""
        return list(dict.fromkeys((*self.reads, *self.committed)))

    def offsets(self, group: str) -> dict[Place, int]:
        """Where it stands, a partition: at the first offset kept where it should be and has committed nothing."""
        first = {place: self.starts[place] for place in self.reads.get(group, ()) if place in self.starts}
        return first | self.committed.get(group, {})

    def lags(self, group: str) -> dict[Place, int]:
        """Offsets behind, a partition, as Kafka's own tools count them: with control markers, which nobody commits."""
        return {
            place: max(self.ends[place] - offset, 0)
            for place, offset in self.offsets(group).items()
            if place in self.ends
        }

    def unread(self, group: str) -> dict[Place, int]:
        """Records behind, a partition; a topic that is written in transactions ends in control markers."""
        return {
            place: max(self.data_ends.get(place, usual_end(place, self.ends[place])) - offset, 0)
            for place, offset in self.offsets(group).items()
            if place in self.ends
        }

    def headrooms(self, group: str) -> dict[Place, float]:
        """Of what a partition holds, the part before the group's offset: at 0 records are about to be lost."""
        out = {}
        for place, offset in self.offsets(group).items():
            first, end = self.starts.get(place, 0), self.ends.get(place, 0)
            out[place] = (offset - first) / (end - first) if end > first else 1.0
        return out

    def lag(self, group: str) -> int:
        """Records behind, in all partitions, and the markers between them."""
        return sum(self.unread(group).values())


class Offsets:
    """Asks the broker; while it is away, what was known last stands.

    Parameters
    ----------
    connection
        The cluster.
    reads
        Consumer groups that should be there, and what each of them reads.
    """

    def __init__(self, connection: Connection, reads: Mapping[str, Sequence[Place]]) -> None:
        self._connection = connection
        self._reads = reads
        self._places = {place for places in reads.values() for place in places}
        self.data_ends = DataEnds(connection)
        self.progress = Progress()
        self._asked = 0

    def ask(self) -> bool:
        """A request a group and one for all ends; now and then, as retention is slow, one for all beginnings.

        Returns
        -------
        bool
            Whether the broker gave an answer.
        """
        try:
            told = {g: committed(self._connection, g, of, timeout_s=_TIMEOUT_S) for g, of in self._reads.items()}
            known = {g: {place: offset for place, offset in of.items() if offset >= 0} for g, of in told.items()}
            first = self.progress.starts
            if self._asked % _STARTS_EACH == 0:
                first = starts(self._connection, list(self._places), timeout_s=_TIMEOUT_S)
            made = Progress(known, self.ends(self._places), first, self._reads)
            self.data_ends.see(made.ends)
            self._look_back(made)
            self.progress = made
            self._asked += 1
        except QflibError as e:
            _log.info("broker gives no offsets", error=str(e))
            return False
        return True

    def _look_back(self, made: Progress) -> None:
        """Where a group is behind an end, and nothing comes: whether by records, or by the markers of their writers."""
        after = dict[Place, float]()
        for group in made.groups:
            unread = made.unread(group)
            for place in (p for p, n in made.lags(group).items() if n and p[0] != MARKET_RAW):
                after[place] = min(after.get(place, _LONE_S), _STILL_S if unread[place] else _LONE_S)
        for place, seconds in after.items():
            if self.data_ends.still_s(place) >= seconds:
                told = self.data_ends.if_told(place, made.ends[place])
                if told is not None:
                    made.data_ends[place] = told

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Last stable offsets."""
        return ends(self._connection, list(places), timeout_s=_TIMEOUT_S)
