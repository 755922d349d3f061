"""Days that a history in files need no longer keep: taken out of the tables, and their files off the disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from qflib.errors import DataError
from qflib.history.kept import BATCHES, KEPT
from qflib.history.upkeep import RETENTION_HOURS

_DAY_NS = 86_400 * 10**9


def retire(root: str | Path, retention_days: int, *, at_once: bool = False) -> int:
    """Take out the days that every table need no longer keep; how many days of tables they were.

    Parameters
    ----------
    root
        The history's folder, or its URL.
    retention_days
        Days before the last one that a table has, which it keeps; days in the future are kept, and today is the last
        then. A day of the market of which something was stored within as many days (one at least) before the last store
        is kept too: the market's time may be another than the wall's, as a recording's is.
    at_once
        Whether files that nobody refers to go now: where nobody writes or reads. Else when they are an hour old, by a
        later round of the upkeep.

    Raises
    ------
    DataError
        If a table cannot be read or written; what was taken out of others is out.

    Notes
    -----
    A day is a partition: of what is taken out the offsets alone are read. What is written meanwhile does not contradict
    it.
    """
    days = 0
    name = BATCHES
    try:
        lately = _stored_lately(DeltaTable(f"{root}/{BATCHES}"), retention_days)
        for name, topic in [*((k.name, k.topic) for k in KEPT.values()), (BATCHES, None)]:
            try:
                table = DeltaTable(f"{root}/{name}")
            except TableNotFoundError:
                continue
            old = _old_days(table, retention_days)
            if topic is not None:
                old = [day for day in old if not _reaches(table, day, lately.get(topic, {}))]
            if old:
                table.delete("date IN ({})".format(", ".join(f"'{day}'" for day in old)))
                days += len(old)
            hours = 0 if at_once else RETENTION_HOURS
            table.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False, full=True)
    except TableNotFoundError:  # nothing was stored
        return 0
    except (CommitFailedError, DeltaError, OSError) as e:
        raise DataError(f"table {name} of history {root} could not be retired ({e}); try again") from None
    return days


def _first_kept(table: DeltaTable, retention_days: int) -> str:
    """The first day that is not older than the last one by more than so many; empty where there is none.

    One row dated in the future would make all others old.
    """
    last = min(max((p["date"] for p in table.partitions()), default=""), str(datetime.now(UTC).date()))
    return str(date.fromisoformat(last) - timedelta(days=retention_days)) if last else ""


def _old_days(table: DeltaTable, retention_days: int) -> list[str]:
    first = _first_kept(table, retention_days)
    return sorted({p["date"] for p in table.partitions() if p["date"] < first})


def _stored_lately(batches: DeltaTable, retention_days: int) -> dict[str, dict[tuple[str, int], int]]:
    """By topic, cluster and partition: the first offset of those that came within so many days before the last one.

    To the nanosecond, as a day and not its date: at midnight what came a moment ago has not grown old.
    """
    days = max(retention_days, 1)
    rows = batches.to_pyarrow_dataset().to_table(
        columns=["topic", "cluster", "partition", "offset", "append_ns"],
        filter=ds.field("date") >= _first_kept(batches, days),
    )
    last = min(pc.max(rows["append_ns"]).as_py() or 0, time.time_ns())
    rows = rows.filter(pc.field("append_ns") > last - days * _DAY_NS)
    made: dict[str, dict[tuple[str, int], int]] = {}
    for r in rows.group_by(["topic", "cluster", "partition"]).aggregate([("offset", "min")]).to_pylist():
        made.setdefault(r["topic"], {})[r["cluster"], r["partition"]] = r["offset_min"]
    return made


def _reaches(table: DeltaTable, day: str, lately: Mapping[tuple[str, int], int]) -> bool:
    """Whether a day has rows of a record that was stored lately."""
    rows = table.to_pyarrow_dataset().to_table(
        columns=["cluster", "partition", "offset"], filter=ds.field("date") == day
    )
    last = rows.group_by(["cluster", "partition"]).aggregate([("offset", "max")]).to_pylist()
    return any(r["offset_max"] >= lately.get((r["cluster"], r["partition"]), r["offset_max"] + 1) for r in last)
