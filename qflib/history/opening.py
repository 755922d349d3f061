"""Which store keeps the history of a desk: files in its folder, or PostgreSQL, as a file of the folder tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from qflib.errors import DataError, InputError
from qflib.history.store import History

if TYPE_CHECKING:
    from qflib.history.postgres.connections import Database

Kind = Literal["delta", "postgres"]
_FILE = "store.json"
_SERVER = "postgres"


class Kept(NamedTuple):
    """Where a history is: `dsn` without its password, None for a server of the desk's own; `url`: not in the folder."""

    kind: Kind
    dsn: str | None = None
    namespace: str = "qflib"
    url: str | None = None


def opened(place: str | Path | History, dsn: str | None = None) -> History:
    """The history of a desk's folder.

    Parameters
    ----------
    place
        The folder, as ``runs/up/history``; a history is given back.
    dsn
        Of PostgreSQL, where one with a password is needed; default: as the folder tells, and libpq's own ways to a
        password (PGPASSWORD, ~/.pgpass).

    Returns
    -------
    DeltaHistory or PostgresHistory
        Nothing is asked of it yet; a private server is started at the first question.

    Raises
    ------
    DataError
        If the folder's file is not readable.
    MissingPartError
        If it is in PostgreSQL, and what that needs is not installed.

    Examples
    --------
    >>> from qflib.history.opening import opened
    >>> opened("runs/none")
    DeltaHistory('runs/none')
    """
    if isinstance(place, History):
        return place
    folder = Path(place)
    kept = kept_in(folder)
    if kept.kind == "delta":
        from qflib.history.delta import DeltaHistory

        return DeltaHistory(kept.url or folder)
    from qflib.history.postgres.history import PostgresHistory

    return PostgresHistory(database_of(folder, dsn))


def database_of(folder: Path, dsn: str | None = None) -> Database:
    """The database of a folder whose history is in PostgreSQL; arguments and errors as `opened`."""
    from qflib.history.postgres.connections import database

    kept = kept_in(folder)
    if kept.dsn is None:
        return database(None, kept.namespace, str((folder / _SERVER).absolute()))
    return database(dsn or kept.dsn, kept.namespace)


def kept_in(folder: Path) -> Kept:
    """What a folder tells; one that tells nothing keeps its history in files.

    Raises
    ------
    DataError
        If what it tells is not readable.
    """
    try:
        told = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return Kept(told["kind"], told["dsn"], told["namespace"], told["url"])
    except (FileNotFoundError, NotADirectoryError):
        return Kept("delta")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(f"{folder / _FILE} is not readable ({e!r}); start with `qflib up --fresh`") from None


def establish(
    folder: Path, kind: Kind | None, dsn: str | None = None, namespace: str = "qflib", url: str | None = None
) -> None:
    """Decide where the history of a desk is, and have it ready: a private server is made and its schema brought up.

    Parameters
    ----------
    folder
        Of the history.
    kind
        None: as it is kept; a new one in files, or where `dsn` says.
    dsn, namespace
        An existing PostgreSQL, and the schema in it.
    url
        Of an object store for the files, as ``s3://bucket/desk``.

    Raises
    ------
    InputError
        If the folder's history is kept elsewhere, or a DSN and a URL are given.
    DataError
        If the schema of an existing PostgreSQL is not of this version.
    """
    if url is not None and (kind == "postgres" or (kind is None and dsn is not None)):
        raise InputError(f"a history in PostgreSQL has no files to keep at {url}; unset QFLIB_STORE__URL, or the DSN")
    before, there = kept_in(folder), folder.is_dir() and any(folder.iterdir())
    if there and kind is None and dsn is None and url is None:
        now = before
    else:
        now = _wanted(kind or ("delta" if dsn is None else "postgres"), dsn, namespace, url)
    if there and now != before:
        raise InputError(
            f"the history in {folder} is kept {_told(before)}, not {_told(now)}; leave --store out and the settings "
            "store as they were, or start with --fresh"
        )
    if now.dsn is not None:
        _check(now, dsn)
    if now != Kept("delta"):
        folder.mkdir(parents=True, exist_ok=True)
        half = folder / f"{_FILE}.part"
        half.write_text(json.dumps(now._asdict()), encoding="utf-8")
        half.replace(folder / _FILE)
    if now.kind == "postgres" and now.dsn is None:
        from qflib.history.postgres.schema import migrate

        migrate(database_of(folder))


def _wanted(kind: Kind, dsn: str | None, namespace: str, url: str | None) -> Kept:
    if kind == "delta":
        return Kept("delta", url=url)
    if dsn is None:
        return Kept("postgres", None, namespace)
    from qflib.history.postgres.connections import shown

    return Kept("postgres", shown(dsn), namespace)


def _told(kept: Kept) -> str:
    if kept.kind == "delta":
        return f"by delta at {kept.url}" if kept.url else "by delta in the folder"
    return f"by postgres, {kept.dsn or 'a server of its own'}, schema {kept.namespace}"


def _check(kept: Kept, dsn: str | None) -> None:
    from qflib.history.postgres.connections import database
    from qflib.history.postgres.schema import pending

    if new := pending(database(dsn or kept.dsn, kept.namespace)):
        raise DataError(f"history {kept.dsn} has not seen migration {new[0]}; run `qflib store migrate` as its owner")


def remove(folder: Path) -> None:
    """Throw a private server's data away, before its folder goes; what lies elsewhere stays there."""
    kept = kept_in(folder)
    if kept.kind == "postgres" and kept.dsn is None and (folder / _SERVER).is_dir():
        database = database_of(folder)
        database.close()
        assert database.server is not None
        database.server.remove()
