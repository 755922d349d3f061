"""A desk's lists in an archive, and what can go wrong with it."""

from __future__ import annotations

import time
from pathlib import Path

from deltalake import DeltaTable, write_deltalake

from qflib.desk.deployment import Deployment
from qflib.history import Archiver, DeltaHistory, Log
from qflib.history.where import field
from qflib.stream.stages import ARCHIVE_GROUP
from tests.stream.chain import Lists

CLUSTER = "c1"


def stored(desk: Deployment, lists: Lists, folder: Path) -> tuple[DeltaHistory, str]:
    """All of the lists stored, and the day of it; the group's offsets are as they were."""
    history, now = DeltaHistory(folder), time.time_ns()
    history.register(CLUSTER, desk.instruments)
    archiver = Archiver(history)
    archiver.assign(Log(CLUSTER, topic, f"id-{topic}", p) for topic, p in lists.topics)
    for (topic, p), records in lists.topics.items():
        for r in records:
            archiver.take(topic, p, r.offset, now, r.key, r.value)
    archiver.store()
    return history, time.strftime("%Y-%m-%d", time.gmtime(now // 10**9))


def committed(lists: Lists) -> Lists:
    """A copy of which the archive's group has committed all."""
    made = lists.copy()
    for (topic, p), records in lists.topics.items():
        if records:
            made.groups[ARCHIVE_GROUP, topic, p] = records[-1].offset + 1
    return made


def without(history: DeltaHistory, table: str, where: str) -> None:
    """Rows gone from a table, by a condition in SQL."""
    assert DeltaTable(history.root / table).delete(where)["num_deleted_rows"]


def doubled(history: DeltaHistory, table: str, partition: int, offset: int) -> None:
    """A record's rows in a table once more."""
    here = (field("partition") == partition) & (field("offset") == offset)
    write_deltalake(history.root / table, history.scan(table, None, here), mode="append")
