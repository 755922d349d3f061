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
    """Where a history is: `dsn` without its password, None for a server of the desk's own."""

    kind: Kind
    dsn: str | None = None
    namespace: str = "qflib"


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
    if kept_in(folder).kind == "delta":
        from qflib.history.delta import DeltaHistory

        return DeltaHistory(folder)
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
    """What a folder tells; one that tells nothing keeps its history in files."""
    try:
        told = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return Kept(told["kind"], told["dsn"], told["namespace"])
    except (FileNotFoundError, NotADirectoryError):
        return Kept("delta")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(f"{folder / _FILE} is not readable ({e!r}); start with `qflib up --fresh`") from None


def establish(folder: Path, kind: Kind | None, dsn: str | None = None, namespace: str = "qflib") -> None:
    """Decide where the history of a desk is, and have it ready: a private server is made and its schema brought up.

    Parameters
    ----------
    folder
        Of the history.
    kind
        None: as it is kept; a new one in files, or where `dsn` says.
    dsn, namespace
        An existing PostgreSQL, and the schema in it.

    Raises
    ------
    InputError
        If the folder's history is kept elsewhere.
    DataError
        If the schema of an existing PostgreSQL is not of this version.
    """
    before, there = kept_in(folder), folder.is_dir() and any(folder.iterdir())
    chosen = kind or ("postgres" if dsn is not None else before.kind)
    if there and before.kind != chosen:
        raise InputError(
            f"the history in {folder} is kept by {before.kind}, not by {chosen}; leave --store out, or start with "
            "--fresh"
        )
    if chosen == "delta":
        return
    from qflib.history.postgres.connections import database, shown
    from qflib.history.postgres.schema import migrate, pending

    now = Kept("postgres", None if dsn is None else shown(dsn), namespace)
    if there and kind is None and dsn is None:
        now = before
    if there and now != before:
        raise InputError(
            f"the history in {folder} is in {before.dsn or 'a server of its own'}, schema {before.namespace}; set "
            "QFLIB_STORE__DSN to that, or start with --fresh"
        )
    if dsn is not None and (new := pending(database(dsn, namespace))):
        raise DataError(f"history {shown(dsn)} has not seen migration {new[0]}; run `qflib store migrate` as its owner")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(json.dumps(now._asdict()), encoding="utf-8")
    if now.dsn is None:
        migrate(database_of(folder))


def remove(folder: Path) -> None:
    """Throw a private server's data away, before its folder goes; rows in an existing PostgreSQL stay there."""
    kept = kept_in(folder)
    if kept.kind == "postgres" and kept.dsn is None and (folder / _SERVER).is_dir():
        database = database_of(folder)
        database.close()
        assert database.server is not None
        database.server.remove()
