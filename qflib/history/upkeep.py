"""Small files made large, and files that nobody reads any more taken away.

The archive appends a file a day and table at each of its commits. Compaction rewrites them in a transaction of its own,
which an append does not contradict; where two meet, compaction gives way and tries again next time. A short-lived
process does it (``python -m qflib.history.upkeep FOLDER``), so that its memory ends with it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from qflib.history.delta import writer_properties
from qflib.history.kept import BATCHES, KEPT

TARGET_BYTES = 64 << 20
#: A reader may hold a state this long after it was replaced.
RETENTION_HOURS = 1
#: A partition is left alone until it has so many files.
MIN_FILES = 8


class Kempt(NamedTuple):
    """Files a round made, replaced and deleted."""

    made: int = 0
    replaced: int = 0
    deleted: int = 0


def tend(root: str | Path, *, retention_hours: int = RETENTION_HOURS, min_files: int = MIN_FILES) -> dict[str, Kempt]:
    """One round over all tables; returns what was done where something was.

    Parameters
    ----------
    root
        The history's folder, or its URL.
    retention_hours
        Files replaced, or left by a writer that died, are deleted when they are so old.
    min_files
        Partitions with fewer files stay as they are.

    Notes
    -----
    A table that cannot be tended now is left for the next round.
    """
    out: dict[str, Kempt] = {}
    for name in (BATCHES, *KEPT):
        try:
            table = DeltaTable(f"{root}/{name}")
        except (TableNotFoundError, DeltaError, OSError):
            continue
        made = replaced = 0
        for partition in _crowded(table, min_files):
            try:
                done = table.optimize.compact(
                    partition_filters=[(k, "=", v) for k, v in partition],
                    target_size=TARGET_BYTES,
                    max_concurrent_tasks=1,
                    writer_properties=writer_properties(name),
                )
            except (CommitFailedError, DeltaError, OSError):
                break
            made += done["numFilesAdded"]
            replaced += done["numFilesRemoved"]
        deleted = _deleted(table, retention_hours)
        if made or replaced or deleted:
            out[name] = Kempt(made, replaced, deleted)
    return out


def _crowded(table: DeltaTable, min_files: int) -> list[tuple[tuple[str, str], ...]]:
    """Partitions with many files smaller than half the target."""
    counts: dict[tuple[tuple[str, str], ...], int] = {}
    actions = table.get_add_actions(flatten=True)
    names = [n for n in actions.schema.names if n.startswith("partition.")]
    columns = [actions.column(n).to_pylist() for n in (*names, "size_bytes")]
    for *values, size in zip(*columns, strict=True):
        if size < TARGET_BYTES // 2:
            key = tuple((n.removeprefix("partition."), str(v)) for n, v in zip(names, values, strict=True))
            counts[key] = counts.get(key, 0) + 1
    return [key for key, n in sorted(counts.items()) if n >= min_files]


def _deleted(table: DeltaTable, retention_hours: int) -> int:
    try:
        return len(
            table.vacuum(retention_hours=retention_hours, enforce_retention_duration=False, dry_run=False, full=True)
        )
    except (DeltaError, OSError):
        return 0


if __name__ == "__main__":
    os.nice(19)  # whatever else runs comes first
    for place, kempt in tend(sys.argv[1]).items():
        print(f"{place}: {kempt.replaced} files made {kempt.made}, {kempt.deleted} deleted", flush=True)
