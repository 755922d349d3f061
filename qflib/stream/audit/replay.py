"""The desk recomputed from its topics: every output byte and every state that is kept."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflib.records.checking import peek
from qflib.records.partitions import name_of
from qflib.records.topics import MARKET_RAW
from qflib.steps.state import digest
from qflib.stream.audit.index import Index, entries
from qflib.stream.audit.outputs import Difference, Outputs
from qflib.stream.audit.pool import run
from qflib.stream.audit.records import Place, Records
from qflib.stream.audit.refold import Extent, Refold, inputs, states
from qflib.stream.audit.spool import Spool
from qflib.stream.fold import Fold
from qflib.stream.stages import STAGES

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment


#: Of a kept state: how many inputs it has seen, where they end, and its digest.
_Due = tuple[int, dict[str, int], str]


@dataclass
class Replayed:
    """What one partition of a stage gave.

    Parameters
    ----------
    inputs, events
        Taken in: records, and rows of their main tables.
    records, unequal
        Outputs recomputed, and those that differ, are missing or have no cause.
    states, states_unequal
        Snapshots that the fold came by, and those that differ from it or that it did not meet.
    begun
        "beginning", or "snapshot" where the beginning is no longer kept; "" where no snapshot reaches what is kept.
    first
        The first difference.
    matched
        Offsets of outputs that were found by their fingerprint.
    """

    stage: str
    partition: int
    inputs: int = 0
    events: int = 0
    records: int = 0
    unequal: int = 0
    states: int = 0
    states_unequal: int = 0
    begun: str = "beginning"
    first: Difference | None = None
    matched: dict[Place, array[int]] = field(default_factory=dict)

    def differs(self, topic: str, place: int, offset: int, what: str) -> None:
        """One more record on the topics that has not its like here."""
        self.unequal += 1
        self.first = self.first or Difference(self.stage, self.partition, topic, place, offset, -1, what)


@dataclass
class Replay:
    """What all gave."""

    parts: list[Replayed] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every byte and state is equal."""
        return not self.unequal and self.state_equal

    @property
    def records(self) -> int:
        """Outputs compared."""
        return sum(p.records for p in self.parts)

    @property
    def unequal(self) -> int:
        """Outputs that differ, are missing, or have no cause."""
        return sum(p.unequal for p in self.parts)

    @property
    def state_equal(self) -> bool:
        """Whether each state that is kept equals the recomputed one, and there are some."""
        return not any(p.states_unequal for p in self.parts) and any(p.states for p in self.parts)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        first = next((p.first for p in self.parts if p.first is not None), None)
        stages: dict[str, Any] = {}
        for p in self.parts:
            row = stages.setdefault(p.stage, {"inputs": 0, "events": 0, "records": 0, "unequal": 0, "states": 0,
                                              "states_unequal": 0, "from": []})  # fmt: skip
            for name in ("inputs", "events", "records", "unequal", "states", "states_unequal"):
                row[name] += getattr(p, name)
            row["from"].append(p.begun)
        return {
            "records": self.records,
            "unequal": self.unequal,
            "state_equal": self.state_equal,
            "first_difference": None if first is None else first._asdict(),
            "stages": stages,
        }


def replay_topics(
    records: Records, deployment: Deployment, *, jobs: int = 1, told: Callable[[], None] | None = None
) -> Replay:
    """Recompute every stage and compare its outputs byte by byte (by SHA-256 and key) and its kept states.

    Parameters
    ----------
    records
        Where the topics are; picklable for more than one job.
    deployment
        The desk.
    jobs
        Processes.
    told
        Called when a part of the work is done; there are `parts_of(deployment)`.

    Notes
    -----
    Each fold begins at its beginning, or where retention has taken that, at the oldest snapshot from which on all is
    kept. O(bytes and folding).
    """
    # first how far each stage has come, then what it wrote: all outputs of what it has taken in lie there
    extents = [Extent.of(records, name, p) for name in deployment.stages for p in range(deployment.partitions)]
    with tempfile.TemporaryDirectory(prefix="qflib-audit-") as folder:
        places = [(t, p) for t in outputs_of(deployment) for p in range(deployment.partitions)]
        spans = records.spans(places)
        for _ in run(index, [(records, Path(folder), *place, *spans[place]) for place in places], jobs, told):
            pass
        ended = [e.stands(Extent.of(records, e.stage.name, e.partition)) for e in extents]
        tasks = [(records, deployment, e, Path(folder), end) for e, end in zip(extents, ended, strict=True)]
        parts = list(run(replay_part, tasks, jobs, told))
    order = list(deployment.stages)
    return Replay(sorted(parts, key=lambda p: (order.index(p.stage), p.partition)))


def parts_of(deployment: Deployment) -> int:
    """How many parts the work has."""
    return deployment.partitions * (len(outputs_of(deployment)) + len(deployment.stages))


def index(records: Records, folder: Path, topic: str, partition: int, low: int, high: int) -> None:
    """Write the index of one partition.

    Parameters
    ----------
    records
        Where the topics are.
    folder
        Where to.
    topic, partition, low, high
        Of which records: offsets from `low` to before `high`.
    """
    Index.write(folder, topic, partition, entries(records.read(topic, partition, low, high)))


def replay_part(
    records: Records, deployment: Deployment, extent: Extent, folder: Path, ended: bool, spool: Spool | None = None
) -> Replayed:
    """Fold one partition of a stage anew; what it sends goes to the spool, where there is one.

    Parameters
    ----------
    records, deployment
        Where the topics are, and the desk.
    extent
        The stage and partition, and how far it came.
    folder
        Holds the indexes of the outputs.
    ended
        Whether the stage has written nothing since: what is on the topics beyond what it gives is then a difference.
    spool
        Takes the outputs, as the next stage's inputs.
    """
    made = Replayed(extent.stage.name, extent.partition)
    table, keys = deployment.table, dict[bytes, int]()

    def place(key: bytes) -> int:
        if key not in keys:
            keys[key] = table.place(name_of(key))
        return keys[key]

    def value_at(topic: str, partition: int, offset: int) -> bytes | None:
        return next((r.value for r in records.read(topic, partition, offset, offset + 1)), None)

    refold = Refold(deployment, extent)
    fold = refold.fold
    due = list[_Due]()
    for s in states(records, extent):
        if not extent.whole and made.begun == "beginning" and extent.reaches(s):
            refold.begin(s)
            made.begun = "snapshot"
        due.append((s.batches, s.next, digest(s.state)))
    if not extent.whole and made.begun == "beginning":
        made.begun, made.states_unequal = "", 1
        return made
    outputs = Outputs(made.stage, made.partition, folder, place, value_at, made.begun == "beginning")
    due = [d for d in due if d[0] >= fold.batches]
    due = _met(made, fold, due)
    writer = None if spool is None else spool.writer(f"{made.stage}/{made.partition}")
    sources = {f"{made.stage}/{made.partition}"}
    for given in inputs(records, extent, dict(fold.next)):
        taken, wrong = refold.take(given)
        if wrong:
            outputs.differs(given.topic, made.partition, given.offset, -1, wrong)
        if taken is None:
            continue
        made.inputs += 1
        made.events += taken.events
        if taken.header is not None and extent.stage.inputs == (MARKET_RAW,):
            sources.add(taken.header.source)  # normalize numbers what it sends by connection
        for out in taken.outputs:
            at, offset = outputs.take(out)
            if writer is not None and offset >= 0:
                writer.write(out.topic, at, peek(out.value).source, offset, out.key, out.value)
        if due and fold.batches >= due[0][0]:
            due = _met(made, fold, due)
    if writer is not None:
        writer.close()
    made.states_unequal += len(due)  # never met
    made.matched = outputs.matched
    outputs.finish(sources, ended)
    made.records, made.unequal, made.first = outputs.records, outputs.unequal, outputs.first
    return made


def _met(made: Replayed, fold: Fold, due: list[_Due]) -> list[_Due]:
    """Compare the states that the fold has come to; those that are left."""
    now = ""
    while due and due[0][0] <= fold.batches:
        (batches, offsets, kept), due = due[0], due[1:]
        now = now or digest(fold.state())
        made.states += 1
        made.states_unequal += not (batches == fold.batches and offsets == fold.next and kept == now)
    return due


def outputs_of(deployment: Deployment) -> list[str]:
    """What the stages write, dead letters among it."""
    stages = [STAGES[s] for s in deployment.stages]
    return list(dict.fromkeys(t for s in stages for t in (*s.outputs, *s.letters)))
