"""Which store keeps the history of a desk: files in its folder, or PostgreSQL, as a file of the folder tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

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


class Wished(Protocol):
    """What settings say of a store: `qflib.settings.StoreSettings`."""

    @property
    def kind(self) -> Kind | None:
        """None: as the rest tells."""

    @property
    def dsn(self) -> str | None:
        """An existing PostgreSQL."""

    @property
    def reading(self) -> str | None:
        """The same for those who only read."""

    @property
    def namespace(self) -> str:
        """The schema in it."""

    @property
    def url(self) -> str | None:
        """Of an object store."""


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
    return _reached(Path(place), kept_in(Path(place)), dsn)


def desk_history(folder: Path, store: Wished) -> History:
    """The history of a desk, for those who read it: as its folder tells, else as the settings say.

    Where each process has a folder of its own, as a pod has, only the archive's tells.

    Parameters
    ----------
    folder
        Of the history, as ``runs/up/history``; it need not exist.
    store
        The settings; a folder that holds tables, and tells nothing, is their place whatever they say.

    Raises
    ------
    InputError
        If nothing tells, and a DSN and a URL are set.
    DataError, MissingPartError
        As `opened`.

    Examples
    --------
    >>> from qflib.settings import StoreSettings
    >>> desk_history(Path("runs/none"), StoreSettings(url="s3://market/desk"))
    DeltaHistory('s3://market/desk')
    """
    kept = kept_in(folder) if _tells(folder) or _holds(folder) else _wished(store)
    return _reached(folder, kept, store.reading)


def archived_history(folder: Path, store: Wished) -> History:
    """The history of a desk, for the one who writes it: where nothing tells where it is, that is decided here.

    Parameters and errors as `desk_history`'s and `establish`'s.
    """
    told = store.kind, store.dsn, store.namespace, store.url
    if _tells(folder):
        return opened(folder, store.dsn)
    if (kept := _decided(folder, *told)) == Kept("postgres", None, store.namespace):
        establish(folder, *told)
    return _reached(folder, kept, store.dsn)


def _reached(folder: Path, kept: Kept, dsn: str | None) -> History:
    if kept.kind == "delta":
        from qflib.history.delta import DeltaHistory

        return DeltaHistory(kept.url or folder)
    from qflib.history.postgres.history import PostgresHistory

    return PostgresHistory(_database(folder, kept, dsn))


def database_of(folder: Path, dsn: str | None = None) -> Database:
    """The database of a folder whose history is in PostgreSQL; arguments and errors as `opened`."""
    return _database(folder, kept_in(folder), dsn)


def _database(folder: Path, kept: Kept, dsn: str | None) -> Database:
    from qflib.history.postgres.connections import database

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
    now = _decided(folder, kind, dsn, namespace, url)
    if not _tells(folder):
        folder.mkdir(parents=True, exist_ok=True)
        half = folder / f"{_FILE}.part"
        half.write_text(json.dumps(now._asdict()), encoding="utf-8")
        half.replace(folder / _FILE)
    if now.kind == "postgres" and now.dsn is None:
        from qflib.history.postgres.schema import migrate

        migrate(database_of(folder))


def check_reachable(
    kind: Kind | None, dsn: str | None = None, namespace: str = "qflib", url: str | None = None
) -> None:
    """Have a new history's database answer, before a former one is thrown away for it.

    Parameters
    ----------
    kind, dsn, namespace, url
        As `establish` takes them.

    Raises
    ------
    InputError
        If a DSN and a URL are given.
    DataError, StoreUnavailableError
        If the schema of an existing PostgreSQL is not of this version; if it is away.
    """
    now = _wanted(kind, dsn, namespace, url)
    if now.dsn is not None:
        _check(now, dsn)


def _decided(folder: Path, kind: Kind | None, dsn: str | None, namespace: str, url: str | None) -> Kept:
    """Where the history is to be; errors as `establish`'s."""
    before, there = kept_in(folder), _holds(folder)
    asked = not there or kind is not None or dsn is not None or url is not None
    now = _wanted(kind, dsn, namespace, url) if asked else before
    if there and now != before:
        raise InputError(
            f"the history in {folder} is kept {_told(before)}, not {_told(now)}; leave --store out and "
            "QFLIB_STORE__KIND, DSN and URL as they were, or start with --fresh"
        )
    if now.dsn is not None:
        _check(now, dsn)
    return now


def _tells(folder: Path) -> bool:
    return (folder / _FILE).is_file()


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _wished(store: Wished) -> Kept:
    return _wanted(store.kind, store.reading, store.namespace, store.url)


def _wanted(kind: Kind | None, dsn: str | None, namespace: str, url: str | None) -> Kept:
    kind = kind or ("delta" if dsn is None else "postgres")
    if url is not None and kind == "postgres":
        raise InputError(f"a history in PostgreSQL has no files to keep at {url}; unset QFLIB_STORE__URL, or the DSN")
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
