"""Batches that go to every partition: whether all their parts are there."""

from __future__ import annotations

import zlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from qflib.records import Batch
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW
from qflib.stream.audit.tally import Tally


class Part(NamedTuple):
    """Part k of n of what a source sends to every partition of a topic."""

    topic: str
    source: str
    parts: int
    part: int


@dataclass(slots=True)
class Seen:
    """Checksums of the contents of one part's batches, in order; and how many of them its siblings must match."""

    contents: array[int] = field(default_factory=lambda: array("I"))
    demanded: int = 0


class Fanouts:
    """Gathers parts, and the clocks that normalize has to fan out.

    A batch's parts differ in their headers alone, so they are known by the checksum of their content. Four bytes a
    part are kept.
    """

    def __init__(self) -> None:
        self.parts: dict[Part, Seen] = {}
        self.clocks: dict[str, array[int]] = {}

    def take(self, topic: str, batch: Batch, demanded: bool) -> None:
        """A batch with parts; `demanded`: the others' must be there, for this one lay there before they were read."""
        h = batch.header
        seen = self.parts.setdefault(Part(topic, h.source, h.parts, h.part), Seen())
        seen.contents.append(_content(batch))
        seen.demanded += demanded

    def clock(self, batch: Batch) -> None:
        """A clock that normalize has taken in."""
        self.clocks.setdefault(batch.header.source, array("I")).append(_content(batch))

    def add(self, others: Iterable[Fanouts]) -> None:
        """Take in what was gathered in other partitions."""
        for other in others:
            for part, seen in other.parts.items():
                mine = self.parts.setdefault(part, Seen())
                a, b = mine.demanded, seen.demanded
                mine.contents = mine.contents[:a] + seen.contents[:b] + mine.contents[a:] + seen.contents[b:]
                mine.demanded += b
            for source, contents in other.clocks.items():
                self.clocks.setdefault(source, array("I")).extend(contents)

    def finish(self, tally: Tally, cut: Collection[str]) -> None:
        """Count parts that are missing, and clocks that did not come out, but in topics whose beginning is cut off."""
        for topic, source, n in sorted({p[:3] for p in self.parts if p.topic not in cut}):
            seen = [self.parts.get(Part(topic, source, n, k), Seen()) for k in range(n)]
            demanded: Counter[int] = Counter()
            for s in seen:
                demanded |= Counter(s.contents[: s.demanded])
            for k, s in enumerate(seen):
                if missing := (demanded - Counter(s.contents)).total():
                    tally.found(topic, k, -1, "torn", f"part {k} of {n} of {missing} batches of {source!r}", missing)
        if {MARKET_RAW, MARKET_NORMALIZED} & set(cut):
            return
        for source, contents in self.clocks.items():
            out = [s.contents for p, s in self.parts.items() if p[:2] == (MARKET_NORMALIZED, source)]
            self._conserved(tally, source, contents, out)

    def _conserved(self, tally: Tally, source: str, went_in: array[int], out: list[array[int]]) -> None:
        came: Counter[int] = Counter()
        for contents in out:
            came |= Counter(contents)
        if missing := (Counter(went_in) - came).total():
            what = f"{missing} clocks of {source!r} that lie in {MARKET_RAW}"
            tally.found(MARKET_NORMALIZED, -1, -1, "lost", what, missing)


def _content(batch: Batch) -> int:
    crc = 0
    for name in sorted(batch.tables):
        for column in batch.tables[name]:
            crc = zlib.crc32(column.tobytes(), crc)
    return crc
