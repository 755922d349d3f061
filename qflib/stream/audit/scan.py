"""One partition of every topic, read once: counts, numbers, parts, marks, snapshots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from qflib.errors import QflibError
from qflib.records import DeadReason
from qflib.records.checking import check
from qflib.records.codec import decode, decode_checked
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, TOPICS, dead_letters, journal, snapshots
from qflib.stream import snapshots as snapshot_records
from qflib.stream.audit.fanout import Fanouts
from qflib.stream.audit.journals import Marked, Offsets, taken_in
from qflib.stream.audit.numbering import Numbering
from qflib.stream.audit.records import Place, Records
from qflib.stream.audit.tally import Fault, Tally
from qflib.stream.snapshots import Snapshot
from qflib.stream.stages import STAGES, Stage


@dataclass(frozen=True)
class Plan:
    """What is asked of the topics: taken before anything is read, so that a running desk can be audited.

    Parameters
    ----------
    committed
        Next offset of each (stage, input, partition), asked first.
    demanded
        End of each partition then: what lies below must be answered for.
    spans
        Beginning and end of each partition, asked last: so far it is read.
    """

    stages: tuple[str, ...]
    partitions: int
    committed: Mapping[tuple[str, str, int], int]
    demanded: Mapping[Place, int]
    spans: Mapping[Place, tuple[int, int]]

    @classmethod
    def of(cls, records: Records, stages: tuple[str, ...], partitions: int) -> Plan:
        """Ask."""
        committed = next_offsets(records, stages, partitions)
        places = [(t, p) for t in all_topics(stages) for p in range(partitions)]
        demanded = {place: span[1] for place, span in records.spans(places).items()}
        return cls(stages, partitions, committed, demanded, records.spans(places))

    @property
    def cut(self) -> set[str]:
        """Topics whose beginning is gone."""
        return {topic for (topic, _), (low, _) in self.spans.items() if low > 0}


def next_offsets(records: Records, stages: tuple[str, ...], partitions: int) -> dict[tuple[str, str, int], int]:
    """What each stage's group has committed, by stage, input and partition."""
    found: dict[tuple[str, str, int], int] = {}
    for name in stages:
        places = [(t, p) for t in STAGES[name].inputs for p in range(partitions)]
        found |= {(name, *at): max(n, 0) for at, n in records.committed(STAGES[name].group, places).items()}
    return found


def all_topics(stages: tuple[str, ...]) -> tuple[str, ...]:
    """Journals and dead letters first: what is said of the other topics is known before these are read."""
    journals = [journal(s) for s in stages if STAGES[s].journalled]
    return (*journals, *map(dead_letters, TOPICS), *TOPICS, *map(snapshots, stages))


@dataclass
class Scan:
    """What one partition gave; what lies in several partitions is settled when all are read.

    Parameters
    ----------
    torn
        (topic, offset, what) of records that cannot be read.
    letters
        (topic, stage and partition, offset) of inputs that a stage has sent to the dead letters.
    unsent
        By topic, (source, epoch, seq) of outputs that were too long to be sent.
    ahead
        (stage, input, offset) of marks that lay beyond what the stage's group had committed before.
    """

    partition: int
    tally: Tally = field(default_factory=Tally)
    fanouts: Fanouts = field(default_factory=Fanouts)
    torn: list[tuple[str, int, str]] = field(default_factory=list)
    letters: set[tuple[str, str, int]] = field(default_factory=set)
    unsent: dict[str, set[tuple[str, int, int]]] = field(default_factory=lambda: defaultdict(set))
    dead_marks: set[tuple[str, str, int]] = field(default_factory=set)
    ahead: set[tuple[str, str, int]] = field(default_factory=set)


def scan(records: Records, plan: Plan, partition: int) -> Scan:
    """Read one partition of every topic. O(bytes); memory is 12 bytes a record of an input, and of a mark."""
    made = Scan(partition)
    marked: dict[str, Marked] = {}
    offsets: dict[str, Offsets] = {}
    kept: dict[str, list[Snapshot]] = {}
    stages = [STAGES[s] for s in plan.stages]
    inputs = {t for s in stages for t in s.inputs}
    of_journal = {journal(s.name): s for s in stages if s.journalled}
    of_snapshots = {snapshots(s.name): s for s in stages}
    for topic in all_topics(plan.stages):
        low, high = plan.spans[topic, partition]
        if topic in of_snapshots:
            kept[of_snapshots[topic].name] = _snapshots(records, made, topic, low, high)
            continue
        if topic in of_journal:
            stage = of_journal[topic]
            marked[stage.name] = Marked(stage, partition, whole=low == 0)
        seen = offsets[topic] = Offsets()
        _topic(
            records,
            plan,
            made,
            topic,
            seen if topic in inputs else None,
            marked[of_journal[topic].name] if topic in of_journal else None,
        )
    lows = {t: plan.spans[t, partition][0] for t in inputs}
    for m in marked.values():
        stops = {t: plan.committed[m.stage.name, t, partition] for t in m.stage.inputs}
        m.compare(offsets, lows, stops, made.tally)
        made.ahead |= {(m.stage.name, t, o) for t, o in m.ahead}
        made.dead_marks |= {(t, f"{m.stage.name}/{partition}", o) for t, o in m.dead}
    for stage in stages:
        if not any(lows[t] for t in stage.inputs):
            _count(made, stage, kept[stage.name], offsets)
    return made


def _topic(records: Records, plan: Plan, made: Scan, topic: str, seen: Offsets | None, marked: Marked | None) -> None:
    p = made.partition
    low, high = plan.spans[topic, p]
    demanded = plan.demanded[topic, p]
    clocks_below = plan.committed.get(("normalize", topic, p), 0)
    numbering = Numbering(topic, p, low == 0, made.tally, made.unsent[topic])
    counts, letters_of = made.tally.of(topic), topic.removesuffix(".dead")
    for at, _, value in records.read(topic, p, low, high):
        counts.batches += 1
        crc = 0
        try:
            if marked is not None:
                mark, crc = decode_checked(value or b"")
                counts.events += mark.count
                if numbering.take(at, mark.kind, mark.header, value or b""):  # else it is counted by its number
                    marked.take(at, mark, made.tally)
                continue
            kind, header, crc, count = check(value or b"")
            counts.events += count
            fresh = numbering.take(at, kind, header, value or b"")
            if kind == "dead" and letters_of != topic:
                _letter(made, letters_of, header.source, value or b"")
            elif header.parts > 1 or (kind == "clock" and topic == MARKET_NORMALIZED):  # fanned out, be it to one
                made.fanouts.take(topic, decode(value or b""), at < demanded)
            elif kind == "clock" and topic == MARKET_RAW and fresh and at < clocks_below:
                made.fanouts.clock(decode(value or b""))
        except QflibError as e:
            made.torn.append((topic, at, str(e)))
        if seen is not None:
            seen.add(at, crc)
    numbering.finish()


def _letter(made: Scan, topic: str, source: str, value: bytes) -> None:
    """A stage's own dead letter names its input by offset, or the output it could not send by its number.

    Those of normalize's connections name frames.
    """
    if source.rsplit("/", 1)[0] not in STAGES:
        return
    d = decode(value).dead
    for i in range(len(d.reason)):
        if d.reason[i] == DeadReason.UNSENT:
            made.unsent[d.topic[i].decode()].add((d.source[i].decode(), int(d.epoch[i]), int(d.seq[i])))
        else:
            made.letters.add((topic, source, int(d.position[i])))


def _snapshots(records: Records, made: Scan, topic: str, low: int, high: int) -> list[Snapshot]:
    counts, out = made.tally.of(topic), list[Snapshot]()
    values: list[tuple[int, bytes]] = []
    for at, _, value in records.read(topic, made.partition, low, high):
        counts.batches += 1
        try:
            kind, header, _, count = check(value or b"")
            counts.events += count
            if header.part == 0:
                values = []
            if kind == "snapshot":
                values.append((at, value or b""))
            if header.part == header.parts - 1:
                complete = list(snapshot_records.read(f"{topic}[{made.partition}]", values))
                if not complete:
                    made.tally.found(topic, made.partition, at, "torn", "a snapshot without all its chunks")
                # the newest alone is kept whole: of the others how far they go
                out = [*out[-1:], *complete]
        except QflibError as e:
            made.tally.found(topic, made.partition, at, "torn", str(e))
    return out


def _count(made: Scan, stage: Stage, kept: list[Snapshot], offsets: Mapping[str, Offsets]) -> None:
    """A state has taken in each record below its next offsets once."""
    for s in kept:
        n = taken_in((offsets[t], s.next[t]) for t in stage.inputs)
        if n != s.batches:
            what = f"{stage.name} has taken in {s.batches} records where {n} lie below its next offsets"
            fault: Fault = "lost" if s.batches < n else "duplicated"
            made.tally.found(snapshots(stage.name), made.partition, s.first_offset, fault, what, abs(n - s.batches))
