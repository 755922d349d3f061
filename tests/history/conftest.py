"""A history of either kind: what one store keeps to, the other keeps to as well."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from qflib.history import DeltaHistory, History
from qflib.history.kept import BATCHES, KEPT
from qflib.history.postgres import PostgresHistory, PrivateServer, migrate
from qflib.history.postgres.connections import Database, sql

NewHistory = Callable[[], History]
_numbers = count()


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    """One of this worker's own; pytest's folder would be closed to it: under root it is another user's."""
    folder = Path(tempfile.mkdtemp(prefix="qflib-test-"))
    made = PrivateServer(folder)
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


@pytest.fixture(params=["delta", "postgres"])
def new_history(request: pytest.FixtureRequest, tmp_path: Path) -> NewHistory:
    """Makes an empty one; the one made before it may be gone."""
    if request.param == "postgres":
        make: NewHistory = request.getfixturevalue("new_postgres")
        return make
    return lambda: DeltaHistory(tmp_path / f"history_{next(_numbers)}")


@pytest.fixture
def history(new_history: NewHistory) -> History:
    """An empty one."""
    return new_history()
