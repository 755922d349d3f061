"""The instrument tables beside the rows: one file a cluster, numbered in the order of their first time."""

from __future__ import annotations

from pathlib import Path

from qflib.errors import DataError, InputError
from qflib.history.store import NothingStoredError
from qflib.records import Instruments

_FOLDER = "instruments"


def clusters(root: Path) -> tuple[str, ...]:
    """Clusters that were archived, the oldest first."""
    return tuple(_files(root))


def register(root: Path, cluster: str, instruments: Instruments) -> None:
    """Keep a cluster's table; one that goes on from the table kept takes its place.

    Raises
    ------
    DataError
        If the numbers of the table kept mean something else, or the file cannot be written.
    """
    files = _files(root)
    kept = files.get(cluster)
    if kept is not None and not goes_on(Instruments.from_toml(kept), instruments, str(root)):
        return
    path = kept or root / _FOLDER / f"{len(files):04d}.{cluster}.toml"
    half = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(instruments.to_toml(), encoding="utf-8")
        half.replace(path)
    except OSError as e:
        raise DataError(f"history {root} cannot be written ({e.strerror}); make the folder writable") from None


def goes_on(kept: Instruments, now: Instruments, history: str) -> bool:
    """Whether a table has more rows than the one kept, or says more of them.

    Parameters
    ----------
    kept, now
        The cluster's table in the history, and that of this start.
    history
        Its name.

    Raises
    ------
    DataError
        If the numbers of the table kept mean something else.
    """
    before = kept.rows
    if before[: len(now)] == now.rows[: len(before)] and len(before) >= len(now):
        return False
    if _numbers(kept) != _numbers(now)[: len(before)]:
        raise DataError(
            f"history {history} was written with another instrument table; give another folder, or start with "
            "`qflib up --fresh`"
        )
    return True


def instruments(root: Path, cluster: str | None) -> Instruments:
    """The table of a cluster; of the last one where none is named.

    Raises
    ------
    NothingStoredError
        If nothing was archived in the folder.
    InputError
        If the cluster was not.
    """
    files = _files(root)
    if not files:
        raise NothingStoredError(
            f"{root} is no history: it has no instrument table; give the folder that the archive writes"
        )
    if cluster is not None and cluster not in files:
        raise InputError(f"cluster {cluster!r} is not in the history; it has {', '.join(files)}")
    return Instruments.from_toml(files[cluster or list(files)[-1]])


def _files(root: Path) -> dict[str, Path]:
    return {f.name.split(".")[1]: f for f in sorted((root / _FOLDER).glob("*.toml"))}


def _numbers(table: Instruments) -> list[tuple[str, str, tuple[tuple[str, str], ...], str]]:
    """What a row's number, ticks and lots mean."""
    return [(r.symbol, r.underlying, r.tick_schedule, r.lot) for r in table]
