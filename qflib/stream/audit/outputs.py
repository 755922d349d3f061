"""A stage's recomputed outputs against what stands on the topics."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qflib.records.checking import peek
from qflib.stream.audit.index import Index, fingerprint, same
from qflib.stream.fold import Output


class Difference(NamedTuple):
    """Where a recomputed output and the topic part: -1 as offset or byte where there is none."""

    stage: str
    partition: int  # of the stage
    topic: str
    topic_partition: int
    offset: int
    byte: int
    what: str


class Outputs:
    """Compares the outputs of one partition of a stage, each numbered stream in its order.

    Parameters
    ----------
    stage, partition
        Whose they are.
    folder
        Where the indexes of the topics lie.
    place
        The partition of a key.
    value_at
        Reads a record's value to say at which byte it differs; None where it is not kept.
    begun
        The fold begins at the beginning; else outputs before its first are not asked for.
    """

    def __init__(
        self,
        stage: str,
        partition: int,
        folder: Path,
        place: Callable[[bytes], int],
        value_at: Callable[[str, int, int], bytes | None],
        begun: bool = True,
    ) -> None:
        self._stage, self._partition, self._folder, self._begun = stage, partition, folder, begun
        self._place, self._value_at = place, value_at
        self._rows: dict[tuple[str, int, str], Any] = {}
        self._at: dict[tuple[str, int, str], int] = {}
        self._indexes: dict[tuple[str, int], Index] = {}
        self._hashed: dict[tuple[str, int], Any] = {}
        self.matched: dict[tuple[str, int], array[int]] = {}
        self.records = 0
        self.unequal = 0
        self.first: Difference | None = None

    def take(self, out: Output) -> tuple[int, int]:
        """Compare the next output; its partition and the offset at which it stands, -1 where it does not."""
        h, place = peek(out.value), self._place(out.key)
        stream = out.topic, place, h.source
        index = self._index(out.topic, place)
        if index.hashed:
            self.records += 1
            return place, self._by_hash(out, place, f"seq {h.seq} of {h.source!r}")
        rows = self._rows.get(stream)
        if rows is None:
            rows = self._rows[stream] = index.of(h.source)
            self._at[stream] = 0 if self._begun else int(np.searchsorted(rows["seq"], h.seq))
        self.records += 1
        at = self._at[stream]
        while at < len(rows) and rows["seq"][at] < h.seq:
            self.differs(out.topic, place, int(rows["offset"][at]), -1, f"seq {rows['seq'][at]} once more")
            at += 1
        self._at[stream] = at
        if at == len(rows) or rows["seq"][at] != h.seq:
            self.differs(out.topic, place, -1, -1, f"seq {h.seq} of {h.source!r} is not there")
            return place, -1
        self._at[stream] = at + 1
        offset = int(rows["offset"][at])
        if not same(rows[at], out.key, out.value):
            self._compare(out, place, offset)
        return place, offset

    def finish(self, sources: set[str], ended: bool) -> None:
        """What the topics hold beyond what was recomputed.

        Parameters
        ----------
        sources
            Whose streams are this stage partition's; others are found by the stage's name.
        ended
            The stage has written nothing since.
        """
        if not ended:
            return
        for path in sorted(self._folder.glob("*.index")):
            topic, place = path.stem.rsplit(".", 1)
            index = Index(path)
            for source in sources & set(index.sources):
                stream = topic, int(place), source
                if stream not in self._rows and not self._begun:
                    continue
                rows = index.of(source) if stream not in self._rows else self._rows[stream]
                for row in rows[self._at.get(stream, 0) :]:
                    self.differs(
                        topic, int(place), int(row["offset"]), -1, f"seq {row['seq']} of {source!r} has no cause"
                    )

    def _index(self, topic: str, place: int) -> Index:
        if (topic, place) not in self._indexes:
            self._indexes[topic, place] = Index.at(self._folder, topic, place)
        return self._indexes[topic, place]

    def _by_hash(self, out: Output, place: int, which: str) -> int:
        """Where a record stood of which only the fingerprint is kept: headers differ, so no two are alike."""
        where = out.topic, place
        if where not in self._hashed:
            self._hashed[where] = self._index(*where).fingerprints()
            self.matched[where] = array("q")
        rows, wanted = self._hashed[where], fingerprint(out.value)
        at = int(np.searchsorted(rows["sha"][:, 0], np.uint64(wanted)))
        while at < len(rows) and int(rows["sha"][at, 0]) == wanted:
            if same(rows[at], out.key, out.value):
                self.matched[where].append(int(rows["offset"][at]))
                return int(rows["offset"][at])
            at += 1
        self.differs(out.topic, place, -1, -1, f"{which} is not there")
        return -1

    def differs(self, topic: str, place: int, offset: int, byte: int, what: str) -> None:
        """Count a difference, and keep the first."""
        self.unequal += 1
        if self.first is None:
            self.first = Difference(self._stage, self._partition, topic, place, offset, byte, what)

    def _compare(self, out: Output, place: int, offset: int) -> None:
        stands = self._value_at(out.topic, place, offset) if self.first is None else None
        byte = -1
        if stands is not None:
            shorter = min(len(stands), len(out.value))
            a, b = np.frombuffer(stands[:shorter], np.uint8), np.frombuffer(out.value[:shorter], np.uint8)
            unequal = np.flatnonzero(a != b)
            byte = int(unequal[0]) if len(unequal) else shorter if len(stands) != len(out.value) else -1
        self.differs(out.topic, place, offset, byte, "another value" if byte >= 0 or stands is None else "another key")
