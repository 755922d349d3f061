"""The archive against the topics, and a day recomputed from the archive alone."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflib.errors import DataError
from qflib.history.kept import is_exact
from qflib.history.where import field
from qflib.records.topics import snapshots
from qflib.stream.audit.columns import Columns
from qflib.stream.audit.index import Entry, Index
from qflib.stream.audit.pool import run
from qflib.stream.audit.records import Place, Record, Records
from qflib.stream.audit.refold import Extent, states
from qflib.stream.audit.replay import Replay, Replayed, index, outputs_of, replay_part
from qflib.stream.audit.scan import all_topics
from qflib.stream.audit.spool import Spool
from qflib.stream.audit.tally import Stretch, Tally
from qflib.stream.stages import ARCHIVE_GROUP, STAGES

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment
    from qflib.history.store import History, Stored


def check_history(records: Records, history: History, cluster: str, deployment: Deployment, tally: Tally) -> None:
    """Compare what the archive has stored of a cluster's topics, by offset. O(bytes).

    Parameters
    ----------
    records
        Where the topics are.
    history
        The archive.
    cluster
        Whose topics they are, as the archive names it.
    deployment
        The desk.
    tally
        Takes what is found; of column tables, rows are counted.

    Notes
    -----
    Demanded is what the topics still hold below the offsets that the archive's group has committed, whatever the
    archive itself says of its end: else one that has lost its tail, or all of a partition, would pass. What it has
    stored beyond is compared too; of an archive that has committed nothing, that alone.

    The desk may be running. The offsets are asked first, then the ends of `batches`, then the column tables: each was
    stored before the one asked before it.
    """
    for topic in all_topics(deployment.stages):
        places = [(topic, p) for p in range(deployment.partitions)]
        committed = records.committed(ARCHIVE_GROUP, places)
        ends = history.offsets(topic)
        for place in places:
            (low, high), stored = records.spans([place])[place], ends.get((cluster, place[1]), 0)
            stop = max(stored, min(committed[place], high))
            if stop > low:
                _check_partition(records, history, cluster, place, (low, min(stop, high), stop), tally)


def _check_partition(
    records: Records, history: History, cluster: str, place: Place, extent: tuple[int, int, int], tally: Tally
) -> None:
    """The records from the first to before the second offset; stored ones may stand up to the third."""
    topic, p = place
    start, end, stop = extent
    there: Iterable[Record] = records.read(topic, p, start, end)
    if topic.endswith(snapshots("")):  # a running stage deletes those before its newest, from both sights at once
        found = list(there)
        start = max(start, records.spans([place])[place][0])
        there = [r for r in found if r.offset >= start]
    stored = (
        (s.offset, s.sha256 or hashlib.sha256(s.value or b"").digest())
        for s in history.batches(topic, p, cluster=cluster, start=start, stop=stop)
    )
    columns = Columns(history, cluster, topic, p, start, stop)
    compare_stored(tally, topic, p, columns.compared(there, tally), stored)


def compare_stored(
    tally: Tally, topic: str, partition: int, there: Iterable[Record], stored: Iterable[tuple[int, bytes]]
) -> None:
    """Compare records with what is stored of them.

    Parameters
    ----------
    tally
        Takes what is found.
    topic, partition
        Whose records they are.
    there, stored
        The records, and (offset, SHA-256) of those stored; both by rising offset.
    """
    kept, lost = iter(stored), Stretch(tally, topic, partition, "lost", "not stored in the archive")
    row, last = next(kept, None), -1
    for r in there:
        while row is not None and row[0] < r.offset:
            what = "stored twice" if row[0] == last else "stored, and not on the topic"
            tally.found(topic, partition, row[0], "duplicated", what)
            row = next(kept, None)
        if row is None or row[0] != r.offset:
            lost.add(r.offset)
            continue
        lost.end()
        if row[1] != hashlib.sha256(r.value or b"").digest():
            tally.found(topic, partition, r.offset, "torn", "stored with another content")
        last, row = row[0], next(kept, None)
    lost.end()
    while row is not None:
        what = "stored twice" if row[0] == last else "stored, and not on the topic"
        tally.found(topic, partition, row[0], "duplicated", what)
        row = next(kept, None)


@dataclass(frozen=True)
class ArchivedRecords:
    """A day's records: from the archive where it keeps their bytes, else as they were recomputed.

    Parameters
    ----------
    history, date, cluster
        The archive, the day (UTC), and the cluster whose records it stored.
    found
        Beginning and end of each partition on that day.
    spool
        What was recomputed so far.
    """

    history: History
    date: str
    cluster: str
    found: dict[Place, tuple[int, int]]
    spool: Spool

    def spans(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        """As `Records.spans`, of the day."""
        return {place: self.found.get(place, (0, 0)) for place in places}

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """As `Records.read`."""
        if not is_exact(topic):
            yield from self.spool.read(topic, partition, start, stop)
            return
        for s in self._stored(topic, partition, start, stop):
            yield Record(s.offset, s.key, s.value)

    def committed(self, group: str, places: Collection[Place]) -> dict[Place, int]:
        """As `Records.committed`: the archive knows no groups, so all that it stored counts as taken in."""
        return {place: self.found.get(place, (0, 0))[1] for place in places}

    def write_index(self, folder: Path, topic: str, partition: int) -> None:
        """The index of a partition; of hashed records it is not known who wrote them."""
        if is_exact(topic):
            index(self, folder, topic, partition, *self.found.get((topic, partition), (0, 0)))
            return
        stored = self._stored(topic, partition, *self.found.get((topic, partition), (0, 0)))
        Index.write(
            folder, topic, partition, (Entry(s.offset, s.key, "", 0, 0, s.sha256 or b"") for s in stored), hashed=True
        )

    def _stored(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Stored]:
        return self.history.batches(topic, partition, cluster=self.cluster, date=self.date, start=start, stop=stop)


def replay_archive(
    history: History,
    deployment: Deployment,
    date: str,
    *,
    jobs: int = 1,
    told: Callable[[], None] | None = None,
) -> Replay:
    """Recompute a day from the archive alone, stage by stage in the order of the flow.

    Raw frames, orders, journals and snapshots are read as they were; what the stages made of them is recomputed and
    compared by SHA-256 and key with what the archive noted, which also says at which offset each record stood: the
    inputs of the next stage.

    Parameters
    ----------
    history, date
        The archive, and the day of the append (UTC), as 2026-01-05.
    deployment
        The desk.
    jobs, told
        As `replay_topics`; `told` is called a stage.

    Raises
    ------
    DataError
        If the archive has nothing of that day.
    """
    with tempfile.TemporaryDirectory(prefix="qflib-audit-") as name:
        folder = Path(name)
        records = ArchivedRecords(history, date, *_found(history, date), Spool(folder / "spool"))
        parts: list[Replayed] = []
        places = [(t, p) for t in outputs_of(deployment) for p in range(deployment.partitions)]
        for place in places:
            records.write_index(folder, *place)
        for stage in deployment.stages:
            tasks = [
                (records, deployment, _extent(records, stage, p), folder, True, records.spool)
                for p in range(deployment.partitions)
            ]
            parts += sorted(run(replay_part, tasks, jobs), key=lambda r: r.partition)
            if told is not None:
                told()
        _without_cause(folder, deployment, parts)
        return Replay(parts)


def _extent(records: ArchivedRecords, stage: str, partition: int) -> Extent:
    """How far a stage of one input came: as its last graceful snapshot says, else to the end of the day."""
    extent = Extent.of(records, stage, partition)
    last = None
    for state in states(records, extent) if not extent.stage.journalled else ():
        last = state
    return extent if last is None or not last.graceful else replace(extent, committed=dict(last.next))


def _without_cause(folder: Path, deployment: Deployment, parts: list[Replayed]) -> None:
    """Hashed records that no fold has made, and that are not from before the first snapshot."""
    if any(p.begun != "beginning" for p in parts):
        return
    made: dict[Place, set[int]] = {}
    for part in parts:
        for place, offsets in part.matched.items():
            made.setdefault(place, set()).update(offsets)
    for topic in outputs_of(deployment):
        for p in range(deployment.partitions) if not is_exact(topic) else ():
            rows = Index.at(folder, topic, p).rows["offset"].tolist()
            extra = sorted(set(rows) - made.get((topic, p), set()))
            writer = next(r for r in parts if r.partition == p and topic in STAGES[r.stage].outputs)
            for offset in extra:
                writer.differs(topic, p, offset, "has no cause")


def _found(history: History, date: str) -> tuple[str, dict[Place, tuple[int, int]]]:
    """The last cluster of the day, and beginning and end of its partitions."""
    rows = history.scan("batches", ["topic", "cluster", "partition", "offset"], field("date") == date)
    known = set(rows["cluster"].to_pylist()) if len(rows) else set()
    if not known:
        raise DataError(f"the archive has nothing of {date}; give a day (UTC) on which a desk ran, as 2026-01-05")
    cluster = next((c for c in reversed(history.clusters) if c in known), None)
    if cluster is None:
        raise DataError(f"the archive does not say whose the records of {date} are; its table of clusters is gone")
    grouped: Any = rows.filter((field("cluster") == cluster).arrow).group_by(["topic", "partition"])
    spans = grouped.aggregate([("offset", "min"), ("offset", "max")]).to_pylist()
    return cluster, {(r["topic"], r["partition"]): (r["offset_min"], r["offset_max"] + 1) for r in spans}
