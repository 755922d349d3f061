"""The schema's versions: migrations are SQL files, each applied once, all that are new in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from qflib.errors import MissingPartError
from qflib.history.postgres.connections import Database, psycopg, sql

MIGRATIONS = Path(str(files("qflib.history.postgres") / "migrations"))
ROLES = Path(str(files("qflib.history.postgres") / "roles.sql"))


def migrate(database: Database) -> list[str]:
    """Bring the schema up to date; whoever does it owns the tables.

    Parameters
    ----------
    database
        Reached as a user who may create in it.

    Returns
    -------
    list of str
        The migrations that were applied, in their order.

    Raises
    ------
    DataError
        If the server is away, or the user may not.
    MissingPartError
        If yoyo is not installed.

    Notes
    -----
    Two at once take turns, and one that dies leaves the schema as it was: migrations and the note of them are one
    transaction, under a lock that ends with its connection.
    """
    return database.run(lambda c: _migrated(c, database.namespace))


def pending(database: Database) -> list[str]:
    """Migrations that a schema has not seen; all of them where there is none."""

    def asked(c: psycopg.Connection[Any]) -> list[str]:
        with _backend(c) as (backend, migrations):
            there = backend.list_tables()
            if backend.migration_table not in there:
                return [m.id for m in migrations]
            rows = c.execute(sql.SQL("SELECT migration_id FROM {}").format(sql.Identifier(backend.migration_table)))
            applied = {r[0] for r in rows.fetchall()}
            return [m.id for m in migrations if m.id not in applied]

    return database.run(asked)


def described(database: Database) -> dict[str, dict[str, str]]:
    """The columns of the schema's tables and their types."""
    told = """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'p' AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY 1, a.attnum
    """
    out: dict[str, dict[str, str]] = {}
    for table, column, kind in database.run(lambda c: c.execute(told, [database.namespace]).fetchall()):
        out.setdefault(table, {})[column] = kind
    return out


def roles(namespace: str) -> str:
    """The statements that make the roles of a schema, for its owner or an administrator to run."""
    return ROLES.read_text(encoding="utf-8").replace(":schema", namespace)


def _migrated(c: psycopg.Connection[Any], namespace: str) -> list[str]:
    c.execute("SELECT pg_advisory_lock(hashtext('qflib.migrate'))")
    try:
        if c.execute("SELECT to_regnamespace(%s)", [namespace]).fetchone() == (None,):
            c.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(namespace)))
        with _backend(c) as (backend, migrations):
            backend.ensure_internal_schema_updated()
            new = list(backend.to_apply(migrations))
            with backend.transaction():
                for m in new:
                    backend.apply_one(m)
            return [m.id for m in new]
    finally:
        if not c.closed:
            c.execute("SELECT pg_advisory_unlock(hashtext('qflib.migrate'))")


@contextmanager
def _backend(c: psycopg.Connection[Any]) -> Iterator[tuple[Any, Any]]:
    try:
        from yoyo import read_migrations
        from yoyo.connections import parse_uri
    except ImportError:
        raise MissingPartError(
            "the schema of a history in PostgreSQL needs yoyo-migrations; run `pip install 'qflib[postgres]'`"
        ) from None
    yield _one_connection()(parse_uri("postgresql+psycopg:///history"), c), read_migrations(str(MIGRATIONS))


@cache
def _one_connection() -> type[Any]:
    from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend

    class OneConnection(PostgresqlPsycopgBackend):  # type: ignore[misc]
        """Migrations in the caller's own connection: yoyo opens one for each, and notes it in another transaction."""

        def __init__(self, uri: Any, connection: psycopg.Connection[Any]) -> None:
            self._given = connection
            super().__init__(uri, "migrations")
            self._is_locked = True  # by the caller, with a lock that a dead process does not leave behind

        def connect(self, uri: Any) -> psycopg.Connection[Any]:
            return self._given

        def copy(self) -> AbstractContextManager[Any]:
            return nullcontext(self)

    return OneConnection
