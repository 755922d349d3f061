"""Days that a history in files need no longer keep: taken out of the tables, and their files off the disk."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from qflib.errors import DataError
from qflib.history.kept import BATCHES, KEPT
from qflib.history.upkeep import RETENTION_HOURS


class Retired(NamedTuple):
    """Days of tables that were taken out, and files that were deleted."""

    days: int = 0
    files: int = 0


def retire(root: str | Path, retention_days: int, *, at_once: bool = False) -> Retired:
    """Take out the days that every table need no longer keep.

    Parameters
    ----------
    root
        The history's folder, or its URL.
    retention_days
        Days before the last one that a table has, which it keeps. A recording's days count by themselves: they are as
        old as they are, and the newest of them is today.
    at_once
        Whether files that nobody refers to go now: where nobody writes or reads. Else when they are an hour old, by a
        later round of the upkeep.

    Raises
    ------
    DataError
        If a table cannot be read or written; what was taken out of others is out.

    Notes
    -----
    A day is a partition: no row is read. What is written meanwhile does not contradict it.
    """
    days = files = 0
    for name in (BATCHES, *KEPT):
        try:
            table = DeltaTable(f"{root}/{name}")
            held = sorted({p["date"] for p in table.partitions()})
            first = str(date.fromisoformat(held[-1]) - timedelta(days=retention_days)) if held else ""
            if old := [day for day in held if day < first]:
                table.delete(f"date < '{first}'")
                days += len(old)
            hours = 0 if at_once else RETENTION_HOURS
            files += len(
                table.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False, full=True)
            )
        except TableNotFoundError:
            continue
        except (CommitFailedError, DeltaError, OSError) as e:
            raise DataError(f"table {name} of history {root} could not be retired ({e}); try again") from None
    return Retired(days, files)
