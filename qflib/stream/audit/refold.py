"""One partition of a stage folded anew from the topics, in the order of its journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from qflib.records.topics import journal, snapshots
from qflib.stream import marks as mark_records
from qflib.stream import snapshots as snapshot_records
from qflib.stream.audit.records import Place, Record, Records
from qflib.stream.fold import Fold, Taken
from qflib.stream.snapshots import Snapshot
from qflib.stream.stages import STAGES, Stage

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment


@dataclass(frozen=True)
class Extent:
    """How far one partition of a stage is folded: asked before anything is read.

    Parameters
    ----------
    spans
        Beginning and end of each input, of the journal (where there is one) and of the snapshots.
    committed
        The group's next offset of each input.
    """

    stage: Stage
    partition: int
    spans: dict[str, tuple[int, int]]
    committed: dict[str, int]

    @classmethod
    def of(cls, records: Records, name: str, partition: int) -> Extent:
        """Ask."""
        stage = STAGES[name]
        inputs: list[Place] = [(t, partition) for t in stage.inputs]
        committed = {t: max(n, 0) for (t, _), n in records.committed(stage.group, inputs).items()}
        own = [(snapshots(name), partition), *([(journal(name), partition)] if stage.journalled else [])]
        found = records.spans(own)
        found |= records.spans(inputs)  # after the journal: what that names lies there
        return cls(stage, partition, {t: span for (t, _), span in found.items()}, committed)

    @property
    def whole(self) -> bool:
        """Whether the beginning of all that is needed is kept."""
        needed = (*self.stage.inputs, *([journal(self.stage.name)] if self.stage.journalled else []))
        return not any(self.spans[t][0] for t in needed)

    def stands(self, later: Extent) -> bool:
        """Whether the stage has taken nothing in between this and a later look."""
        own = journal(self.stage.name)
        return self.committed == later.committed and self.spans.get(own) == later.spans.get(own)

    def reaches(self, s: Snapshot) -> bool:
        """Whether what follows a snapshot is kept."""
        if self.stage.journalled and s.journal_offset < self.spans[journal(self.stage.name)][0] > 0:
            return False
        return all(s.next[t] >= self.spans[t][0] for t in self.stage.inputs)


class Input(NamedTuple):
    """A record to take in, and what the journal says of it: nothing where the order of offsets is the journal."""

    topic: str
    record: Record | None  # None: it is not there
    offset: int
    crc: int | None
    dead: bool
    version: str = ""


def states(records: Records, extent: Extent) -> Iterator[Snapshot]:
    """The complete snapshots that are kept, oldest first; a broken one, which `check_topics` tells, is passed over."""
    topic, p = snapshots(extent.stage.name), extent.partition
    found = ((r.offset, r.value or b"") for r in records.read(topic, p, *extent.spans[topic]))
    yield from snapshot_records.read(f"{topic}[{p}]", found, lambda offset, why: None)


def inputs(records: Records, extent: Extent, after: dict[str, int]) -> Iterator[Input]:
    """What the stage took in, in its order, from the offsets `after` on."""
    p = extent.partition
    if not extent.stage.journalled:
        (topic,) = extent.stage.inputs
        start = max(after[topic], extent.spans[topic][0])
        for r in records.read(topic, p, start, extent.committed[topic]):
            yield Input(topic, r, r.offset, None, dead=False)
        return
    topic = journal(extent.stage.name)
    found = ((r.offset, r.value or b"") for r in records.read(topic, p, *extent.spans[topic]))
    readers: dict[str, Iterator[Record]] = {}
    waiting: dict[str, Record | None] = {}
    for m in mark_records.read(f"{topic}[{p}]", found):
        if m.offset < after[m.input]:
            continue
        if m.input not in readers:
            readers[m.input] = records.read(m.input, p, m.offset, extent.spans[m.input][1])
            waiting[m.input] = next(readers[m.input], None)
        ahead = waiting[m.input]
        while ahead is not None and ahead.offset < m.offset:  # without a mark: `check_topics` says so
            ahead = next(readers[m.input], None)
        here = ahead is not None and ahead.offset == m.offset
        waiting[m.input] = next(readers[m.input], None) if here else ahead
        yield Input(m.input, ahead if here else None, m.offset, m.crc, m.dead, m.version)


class Refold:
    """The stage's fold anew: where its journal tells another version, with the promoted steps of that one."""

    def __init__(self, deployment: Deployment, extent: Extent) -> None:
        name, p = extent.stage.name, extent.partition
        self._deployment, self._version = deployment, ""
        self.fold = Fold(extent.stage, deployment.step(name, p), p, deployment.table)

    def begin(self, s: Snapshot) -> None:
        """Go on from a snapshot."""
        self._turn(s.version)
        self.fold.load(s.state)

    def take(self, given: Input) -> tuple[Taken | None, str]:
        """Fold an input; what is wrong about it, else nothing."""
        where = f"offset {given.offset} of {given.topic}"
        if given.record is None:
            return None, f"{where} is marked and not there"
        if given.offset < self.fold.next[given.topic]:
            return None, f"{where} is marked out of order"
        self._turn(given.version)
        taken = self.fold.take(given.topic, *given.record)
        if given.crc is not None and (taken.crc, taken.dead is not None) != (given.crc, given.dead):
            return taken, f"{where} is not what its mark says: checksum {given.crc:08x}, dead {given.dead}"
        return taken, ""

    def _turn(self, version: str) -> None:
        """Take the step of this version, with the state of the one before."""
        desk = None if version in ("", self._version) else self._deployment.of_version(version)
        if desk is None:  # of other code, which is to give the same bytes
            return
        step = desk.step(self.fold.stage.name, self.fold.partition)
        if self.fold.batches:
            step.load(self.fold.step.state())
        self._version, self.fold.step = version, step
