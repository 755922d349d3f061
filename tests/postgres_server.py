"""A PostgreSQL for tests: a server a worker, and a schema that is emptied."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator

import pytest

from qflib.history.kept import BATCHES, KEPT
from qflib.history.postgres import PostgresHistory, PrivateServer, migrate
from qflib.history.postgres.connections import Database, sql


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    """Not in pytest's folder, which would be closed to it: under root it is another user's."""
    made = PrivateServer(tempfile.mkdtemp(prefix="qflib-test-"))
    made.ensure()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def database(server: PrivateServer) -> Iterator[Database]:
    """A schema of the newest version."""
    made = Database(None, server=server)
    migrate(made)
    yield made
    made.close()


@pytest.fixture
def new_postgres(database: Database) -> Callable[[], PostgresHistory]:
    """Empties the schema."""

    def make() -> PostgresHistory:
        with database.connection() as c, c.transaction():
            for table in (BATCHES, *KEPT):
                for (child,) in c.execute("SELECT child FROM partitions_of(%s)", [table]).fetchall():
                    c.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(child)))
            c.execute("TRUNCATE clusters, sources, offsets, days")
        return PostgresHistory(database)

    return make


def schema_of_its_own(database: Database, name: str) -> PostgresHistory:
    """A history that no other test empties."""
    own = Database(None, name, database.server)
    migrate(own)
    return PostgresHistory(own)


__all__ = ["database", "new_postgres", "schema_of_its_own", "server"]
