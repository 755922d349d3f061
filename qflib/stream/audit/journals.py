"""Journals against inputs: every input that a group has committed stands in one mark, with its checksum."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.records import Batch
from qflib.records.topics import journal
from qflib.stream.audit.tally import Fault, Tally
from qflib.stream.stages import Stage


@dataclass(slots=True)
class Offsets:
    """Offsets of records and the checksums in their headers (0: cannot be read), in order. 12 bytes a record."""

    offset: array[int] = field(default_factory=lambda: array("q"))
    crc: array[int] = field(default_factory=lambda: array("I"))

    def add(self, offset: int, crc: int) -> None:
        """One more."""
        self.offset.append(offset)
        self.crc.append(crc)

    def columns(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """As arrays."""
        return np.frombuffer(self.offset, np.int64), np.frombuffer(self.crc, np.uint32)


@dataclass(slots=True)
class Marked:
    """What a stage's journal of one partition says of each input."""

    stage: Stage
    partition: int
    whole: bool
    inputs: dict[str, Offsets] = field(default_factory=dict)
    dead: set[tuple[str, int]] = field(default_factory=set)  # (input, offset) of those that became dead letters
    ahead: set[tuple[str, int]] = field(default_factory=set)  # (input, offset) of those not committed when it was asked

    def take(self, at: int, batch: Batch, tally: Tally) -> None:
        """The mark at an offset of the journal."""
        m = batch.marks
        for topic, offset, crc, dead in zip(*(c.tolist() for c in (m.input, m.offset, m.crc, m.dead)), strict=True):
            name = topic.decode()
            seen = self.inputs.setdefault(name, Offsets())
            last = seen.offset[-1] if seen.offset else -1
            if offset <= last:
                # behind an offset that came late only a search can tell a second mark from a late one
                again = offset == last or offset in seen.offset
                fault: Fault = "duplicated" if again else "reordered"
                tally.found(self.topic, self.partition, at, fault, f"the mark of {name} offset {offset}")
                if again:
                    continue
            seen.add(offset, crc)
            if dead:
                self.dead.add((name, offset))

    @property
    def topic(self) -> str:
        """The journal."""
        return journal(self.stage.name)

    def compare(
        self, inputs: Mapping[str, Offsets], lows: Mapping[str, int], stops: Mapping[str, int], tally: Tally
    ) -> None:
        """Set the marks against what lies in the inputs below the group's committed offsets (`stops`)."""
        for name in self.stage.inputs:
            there, crcs = inputs[name].columns()
            marks, marked_crcs = _sorted(*self.inputs.get(name, Offsets()).columns())
            first = 0 if self.whole else int(marks[0]) if len(marks) else stops[name]
            due = there[(there >= first) & (there < stops[name])]
            for offset in np.setdiff1d(due, marks, assume_unique=True):
                tally.found(name, self.partition, int(offset), "lost", f"stands in no mark of {self.stage.name}")
            for offset in np.setdiff1d(marks[marks >= lows[name]], there, assume_unique=True):
                if offset < stops[name]:
                    tally.found(name, self.partition, int(offset), "lost", f"{self.stage.name} has a mark of it")
            self.ahead |= {(name, int(offset)) for offset in marks[marks >= stops[name]]}
            self._contents(name, there, crcs, marks, marked_crcs, tally)

    def _contents(
        self, name: str, there: NDArray[Any], crcs: NDArray[Any], marks: NDArray[Any], said: NDArray[Any], tally: Tally
    ) -> None:
        """Whether each mark has its input's checksum; where the input could not be read the mark has none."""
        if not len(there):
            return
        at = np.minimum(np.searchsorted(there, marks), len(there) - 1)
        unread = np.array([(name, o) in self.dead for o in marks.tolist()], bool) & (said == 0)
        for i in np.flatnonzero((there[at] == marks) & ~unread & (crcs[at] != said)):
            what = f"the mark of {name} offset {marks[i]} has checksum {said[i]:08x}, the record {crcs[at[i]]:08x}"
            tally.found(self.topic, self.partition, -1, "torn", what)


def taken_in(inputs: Iterable[tuple[Offsets, int]]) -> int:
    """How many records lie below the next offsets."""
    return sum(int((o.columns()[0] < stop).sum()) for o, stop in inputs)


def _sorted(offset: NDArray[Any], crc: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    order = np.argsort(offset, kind="stable")
    return offset[order], crc[order]
