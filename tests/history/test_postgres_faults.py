"""PostgreSQL's backends and the server itself killed while an archive writes: nothing lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import psycopg
import pytest

from qflib.errors import DataError
from qflib.history import Archiver, ConflictError, Log
from qflib.history.kept import KEPT
from qflib.history.postgres import PostgresHistory, PrivateServer, migrate
from qflib.history.postgres.connections import Database
from qflib.history.rows import ColumnRows
from qflib.records import MARKET_EVENTS, Batch, Header
from qflib.records.codec import decode, encode
from qflib.records.topics import MARKET_NORMALIZED
from tests.history.full_disk import filled_and_gone_on, mounted

NS = 1_767_600_000_000_000_123
ROWS = 400
LOGS = [Log("c1", MARKET_NORMALIZED, "t", p) for p in (0, 1)]
_WRITING = "application_name = 'qflib' AND state <> 'idle' AND query LIKE 'COPY%%' AND datname = current_database()"


def record(offset: int, partition: int) -> bytes:
    """Prices that no other record has: a row in the wrong place would be seen."""
    at = np.arange(ROWS, dtype=np.int64) + NS + offset * ROWS
    price = (offset * 2 + partition) * ROWS + np.arange(ROWS, dtype=np.int64)
    return encode(
        Batch.of("market", Header("s", 0, offset), events=MARKET_EVENTS.make(kind=1, price_ticks=price, receipt_ns=at))
    )


class Writer:
    """An archiver that stores every few records, in a thread, until it is told to end."""

    def __init__(self, history: PostgresHistory, each: int = 40) -> None:
        self._history, self._each, self._end = history, each, Event()
        self.offset, self.stores = 0, 0
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def await_stores(self, n: int) -> None:
        until = self.stores + n
        while self.stores < until:
            self._thread.join(0.01)
            assert self._thread.is_alive()

    def _run(self) -> None:
        try:
            archiver = Archiver(self._history)
            archiver.assign(LOGS)
            while not self._end.is_set():
                for _ in range(self._each):
                    for p in (0, 1):
                        archiver.take(MARKET_NORMALIZED, p, self.offset, NS, b"k", record(self.offset, p))
                    self.offset += 1
                archiver.store()
                self.stores += 1
        except BaseException as e:
            self._error = e


def whole(history: PostgresHistory, n: int) -> None:
    """Each of n records of both partitions once, and every row as it was sent."""
    stored = history.scan("batches", ["partition", "offset"])
    events = history.scan("events", ["partition", "offset", "row", "price_ticks", "receipt_ns"])
    for p in (0, 1):
        mine = stored.filter(np.equal(stored["partition"], p))["offset"].to_numpy()
        assert np.array_equal(np.sort(mine), np.arange(n))
        rows = events.filter(np.equal(events["partition"], p)).sort_by([("offset", "ascending"), ("row", "ascending")])
        sent = ColumnRows(KEPT["events"])
        for offset in range(n):
            sent.add(decode(record(offset, p)), p, offset, NS)
        expected = sent.to_arrow("c1").select(["partition", "offset", "row", "price_ticks", "receipt_ns"])
        assert rows.equals(expected)
    assert history.offsets(MARKET_NORMALIZED) == {("c1", 0): n, ("c1", 1): n}


@pytest.fixture
def history(new_postgres: Callable[[], PostgresHistory]) -> PostgresHistory:
    return new_postgres()


def test_backends_killed_in_the_middle_of_a_copy(history: PostgresHistory) -> None:
    killed = 0
    with Writer(history) as writer, history.database.connection() as c:
        while killed < 8:
            asked = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {_WRITING}"
            killed += (c.execute(asked).fetchone() or (0,))[0]
        writer.await_stores(2)
    whole(history, writer.offset)


def test_the_server_killed_and_started_again(history: PostgresHistory, server: PrivateServer) -> None:
    """As a loss of power would: without a word, in whatever it was doing; the archiver has it start again."""
    with Writer(history) as writer:
        for _ in range(3):
            writer.await_stores(2)
            server.kill()
        writer.await_stores(2)
    assert server.pid is not None
    whole(history, writer.offset)


def test_a_transaction_whose_end_nobody_heard(history: PostgresHistory) -> None:
    """It is in; doing it again leaves it so, and to another handle it is another archive's."""
    rows = ColumnRows(KEPT["events"])
    rows.add(decode(record(0, 0)), 0, 0, NS)
    late, mine = history.handle("events"), history.handle("events")
    table, reached = rows.to_arrow("c1"), {LOGS[0]: 1}
    with history.database.connection() as c:
        mine._append(c, table, reached)  # and here the connection would have broken
    mine.append(table, reached)
    assert history.count("events") == ROWS
    with pytest.raises(ConflictError, match="another archive"):
        late.append(table, reached)
    assert mine.next_offset(LOGS[0]) == 1
    assert history.count("events") == ROWS


def test_a_server_that_stays_away_is_told(tmp_path: Path) -> None:
    away = Database(f"host={tmp_path} user=nobody", patience_s=0.3)
    with pytest.raises(DataError, match=r"cannot be reached: .*; see whether its server runs"):
        PostgresHistory(away).count("events")
    away.close()


@pytest.fixture
def small_disk(server: PrivateServer) -> Iterator[Path]:
    """A file system of three megabytes that the server's user may write to."""
    with mounted(server.folder / "small", f"size=3m,mode=0700,uid={server.data.stat().st_uid}") as place:
        yield place


def test_a_full_disk_is_told_and_loses_nothing(server: PrivateServer, small_disk: Path) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as c:
        c.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
        c.execute("CREATE DATABASE full_disk")
        c.execute("ALTER DATABASE full_disk SET default_tablespace = small")
    database = Database(server.dsn.replace("dbname=qflib", "dbname=full_disk"))
    with psycopg.connect(database.dsn or "", autocommit=True) as c:
        c.execute("ALTER DATABASE full_disk RESET default_tablespace")
    migrate(database)
    with psycopg.connect(server.dsn, autocommit=True) as c:
        c.execute("ALTER DATABASE full_disk SET default_tablespace = small")
    database.close()
    filled_and_gone_on(PostgresHistory(database), small_disk)
    database.close()
    with psycopg.connect(server.dsn, autocommit=True) as c:
        c.execute("DROP DATABASE full_disk WITH (FORCE)")
        c.execute("DROP TABLESPACE small")
