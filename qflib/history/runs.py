"""The instrument tables beside the rows: one file a cluster, numbered in the order of their first time."""

from __future__ import annotations

from typing import NamedTuple

from pyarrow import fs

from qflib.errors import DataError, InputError
from qflib.history.store import NothingStoredError
from qflib.records import Instruments

_FOLDER = "instruments"


def clusters(root: str) -> tuple[str, ...]:
    """Clusters that were archived, the oldest first."""
    return tuple(_files(root))


def register(root: str, cluster: str, instruments: Instruments) -> None:
    """Keep a cluster's table; one that goes on from the table kept takes its place.

    Raises
    ------
    DataError
        If the numbers of the table kept mean something else, or the file cannot be written.
    """
    files = _files(root)
    kept = files.get(cluster)
    if kept is not None and not goes_on(_read(kept), instruments, root):
        return
    place = _folder(root)
    path = kept.path if kept else f"{place.path}/{len(files):04d}.{cluster}.toml"
    half = f"{path}.part"
    try:
        if place.files.type_name == "local":  # a reader sees the old one or the new one
            place.files.create_dir(place.path)
            _write(_File(place.files, half), instruments)
            place.files.move(half, path)
        else:  # an object is there once it is whole
            _write(_File(place.files, path), instruments)
    except OSError as e:
        raise DataError(f"history {root} cannot be written ({e.strerror or e}); make the folder writable") from None


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


def instruments(root: str, cluster: str | None) -> Instruments:
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
    return _read(files[cluster or list(files)[-1]])


class _File(NamedTuple):
    """A file or a folder, here or in an object store."""

    files: fs.FileSystem
    path: str


def _folder(root: str) -> _File:
    if "://" in root:
        return _File(*fs.FileSystem.from_uri(f"{root}/{_FOLDER}"))
    return _File(fs.LocalFileSystem(), f"{root}/{_FOLDER}")


def _files(root: str) -> dict[str, _File]:
    place = _folder(root)
    try:
        found = place.files.get_file_info(fs.FileSelector(place.path, allow_not_found=True))
    except OSError as e:
        raise DataError(f"history {root} cannot be read ({' '.join(str(e).split())[:200]})") from None
    names = sorted(f.base_name for f in found if f.base_name.endswith(".toml"))
    return {name.split(".")[1]: _File(place.files, f"{place.path}/{name}") for name in names}


def _read(file: _File) -> Instruments:
    with file.files.open_input_stream(file.path) as f:
        return Instruments.parse(f.read().decode(), file.path)


def _write(file: _File, instruments: Instruments) -> None:
    with file.files.open_output_stream(file.path) as f:
        f.write(instruments.to_toml().encode())


def _numbers(table: Instruments) -> list[tuple[str, str, tuple[tuple[str, str], ...], str]]:
    """What a row's number, ticks and lots mean."""
    return [(r.symbol, r.underlying, r.tick_schedule, r.lot) for r in table]
