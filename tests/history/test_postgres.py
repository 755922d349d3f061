"""What PostgreSQL has of its own: the schema's versions, roles, partitions, and which of two stores a desk has."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import DataError, InputError, SettingsError
from qflib.history import Archiver, DeltaHistory, History, Log, opened
from qflib.history.kept import BATCHES, KEPT
from qflib.history.opening import establish, kept_in, remove
from qflib.history.postgres import PostgresHistory, PrivateServer, migrate
from qflib.history.postgres.connections import Database, shown
from qflib.history.postgres.copying import HEADER, TRAILER, decoded, encoded
from qflib.history.postgres.declared import Column, columns, missing
from qflib.history.postgres.schema import described, pending, roles
from qflib.history.postgres.tending import Tended, tend
from qflib.history.where import Condition, field
from qflib.records import EXECUTIONS, MARKET_EVENTS, Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, ORDERS_EXECUTED
from qflib.settings import load

DAY = 86_400 * 10**9
NS = 1_767_600_000_000_000_123  # 2026-01-05T08:00
TABLE = Instruments((Instrument("ACME", kind="spot"),))
LOGS = [Log("c1", t, t, p) for t in (MARKET_NORMALIZED, ORDERS_EXECUTED, MARKET_RAW) for p in (0, 1)]


def filled(history: History, days: int = 3) -> None:
    """Two partitions, some days: events, executions with texts of all lengths and prices that are none, raw records."""
    history.register("c1", TABLE)
    archiver, rng = Archiver(history), np.random.default_rng(7)
    archiver.assign(LOGS)
    for offset in range(days):
        at = NS + offset * DAY
        for p in (0, 1):
            n = 5 + offset
            events = MARKET_EVENTS.make(
                kind=1,
                instrument=rng.integers(0, 3, n),
                receipt_ns=at + np.arange(n),
                order_id=2**63 + np.arange(n, dtype=np.uint64),
            )
            record = encode(Batch.of("market", Header(f"sim:{p}", 2**63, offset), events=events))
            archiver.take(MARKET_NORMALIZED, p, offset, at, b"k", record, [("h", b"1"), ("h", None)])
            names = [("é" * int(rng.integers(0, 33))) or "A" * (64 * (i % 2)) for i in range(n)]
            executions = EXECUTIONS.make(
                time_ns=at + np.arange(n), account=names, client_order_id=[f"{offset}/{i}" for i in range(n)],
                price=np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)), instrument=rng.integers(0, 3, n),
            )  # fmt: skip
            record = encode(Batch.of("execution", Header(f"exchange/{p}", 0, offset), executions=executions))
            archiver.take(ORDERS_EXECUTED, p, offset, at, None, record)
            archiver.take(MARKET_RAW, p, offset, at, b"\0", b"\0\xff" * offset)
    archiver.store()


def in_order(rows: pa.Table) -> list[dict[str, object]]:
    """Rows that may be compared: not a number is one value, as it is not in Python."""
    told = [{k: "nan" if isinstance(v, float) and math.isnan(v) else v for k, v in r.items()} for r in rows.to_pylist()]
    return sorted(told, key=repr)


# -- the same answers as the store in files --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(database: Database, tmp_path_factory: pytest.TempPathFactory) -> tuple[DeltaHistory, PostgresHistory]:
    other = Database(database.dsn, "both", database.server)
    migrate(other)
    made = DeltaHistory(tmp_path_factory.mktemp("delta")), PostgresHistory(other)
    for history in made:
        filled(history)
    return made


_OPS: dict[str, Callable[[str, object], Condition]] = {
    "=": lambda c, v: field(c) == v,
    "<>": lambda c, v: field(c) != v,
    "<": lambda c, v: field(c) < v,
    "<=": lambda c, v: field(c) <= v,
    ">": lambda c, v: field(c) > v,
    ">=": lambda c, v: field(c) >= v,
}
_VALUES: dict[str, st.SearchStrategy[object]] = {
    "cluster": st.sampled_from(["c0", "c1", "c2"]),
    "date": st.sampled_from(["2026-01-04", "2026-01-05", "2026-01-06", "2026-01-09"]),
    "source": st.sampled_from(["exchange/0", "exchange/1", "nobody"]),
    "partition": st.integers(-1, 2),
    "offset": st.integers(-1, 4),
    "account": st.sampled_from(["", "é", "A" * 64, "B'; --", "\\"]),
    "price": st.floats(-2, 2),
    "time_ns": st.integers(0, 3).map(lambda d: NS + d * DAY),
}


@st.composite
def _compared(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(sorted(_VALUES)))
    how = draw(st.sampled_from(["in", "ends", *_OPS]))
    if how == "in" and column != "price":
        return field(column).isin(draw(st.lists(_VALUES[column], max_size=3)))
    if how == "ends" and column == "account":
        return field(column).ends_with(draw(st.sampled_from(["é", "A", "_", "%"])))
    return _OPS[draw(st.sampled_from(sorted(_OPS)))](column, draw(_VALUES[column]))


_conditions = st.recursive(
    _compared(), lambda inner: st.builds(lambda a, b, both: a & b if both else a | b, inner, inner, st.booleans()),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(where=_conditions)
def test_a_condition_has_the_same_rows(both: tuple[DeltaHistory, PostgresHistory], where: Condition) -> None:
    files, server = both
    expected = files.scan("executions", None, where)
    assert in_order(server.scan("executions", None, where)) == in_order(expected)
    assert server.count("executions", where) == expected.num_rows
    assert server.scan("executions", ["price", "cluster"], where).schema == expected.select(["price", "cluster"]).schema


def test_the_other_questions_have_the_same_answers(both: tuple[DeltaHistory, PostgresHistory]) -> None:
    files, server = both
    for table in (BATCHES, *KEPT):
        assert server.scan(table).schema == files.scan(table).schema
        assert in_order(server.scan(table)) == in_order(files.scan(table))
        assert server.dates(table, "c1") == files.dates(table, "c1")
    for topic in (MARKET_NORMALIZED, MARKET_RAW, "exchange.marks"):
        assert server.offsets(topic) == files.offsets(topic)
        assert server.partitions(topic) == files.partitions(topic) == server.partitions(topic, "c1")
        assert list(server.batches(topic, 1)) == list(files.batches(topic, 1))
        asked = {"cluster": "c1", "date": "2026-01-06", "start": 1, "stop": 2}
        assert list(server.batches(topic, 0, **asked)) == list(files.batches(topic, 0, **asked))
    assert server.offsets(MARKET_NORMALIZED, "events") == files.offsets(MARKET_NORMALIZED, "events")
    for a, b in zip(*(h.rows_of("events", 1, cluster="c1", start=1, stop=9) for h in both), strict=True):
        assert a.tolist() == b.tolist()
    assert server.clusters == files.clusters
    assert server.instruments().to_toml() == files.instruments().to_toml()
    assert server.count(BATCHES, field("topic").ends_with("raw")) == 6


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=64), st.binary(max_size=9)))
)
def test_rows_on_the_wire(rows: list[tuple[int, float, bytes, bytes]]) -> None:
    """What a plain writer makes of them, a value at a time; and back."""
    import struct

    declared = (Column("a", "bigint", 8, ""), Column("b", "double precision", 8, ""),
                Column("s", "text", 99, ""), Column("t", "text", 99, ""))  # fmt: skip
    a, b, s, t = ([r[i] for r in rows] for i in range(4))
    held = {"a": np.array(a, np.int64), "b": np.array(b, np.float64), "s": pa.array(s, pa.binary()),
            "t": pa.array(t, pa.binary())}  # fmt: skip
    made = b"".join([bytes(piece) for piece in encoded(declared, held, len(rows))])
    plain = b"".join(
        struct.pack(">hiqid", 4, 8, x, 8, y) + b"".join(struct.pack(">i", len(z)) + z for z in (u, v))
        for x, y, u, v in rows
    )
    assert made == plain
    numbers = declared[:2]
    wire = HEADER + b"".join([bytes(piece) for piece in encoded(numbers, held, len(rows))]) + TRAILER
    back = decoded(numbers, wire)
    assert back["a"].tolist() == a
    assert back["b"].tobytes() == held["b"].tobytes()


def test_many_rows_on_the_wire() -> None:
    """More than are made at a time, with a number that all have; texts as each row alone has them."""
    n, rng = 150_001, np.random.default_rng(3)
    declared = (Column("a", "bigint", 8, ""), Column("b", "integer", 4, ""))
    a = rng.integers(-(2**63), 2**63, n)
    wire = b"".join([bytes(piece) for piece in encoded(declared, {"a": a, "b": 7}, n)])
    back = decoded(declared, HEADER + wire + TRAILER)
    assert np.array_equal(back["a"], a)
    assert np.array_equal(back["b"], np.full(n, 7))
    text = Column("t", "text", 99, "")
    told = pa.array(["x" * int(k) for k in rng.integers(0, 9, n)])
    together = b"".join([bytes(piece) for piece in encoded((*declared, text), {"a": a, "b": 7, "t": told}, n)])
    at = 0
    for i in (0, 1, 65_535, 65_536, 131_072, n - 1):
        alone = encoded((*declared, text), {"a": a[i : i + 1], "b": 7, "t": told[i : i + 1]}, 1)
        at = together.index(b"".join([bytes(piece) for piece in alone]), at) + 1
    assert len(together) == n * (2 + 12 + 8 + 4) + sum(map(len, told.to_pylist()))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="see who else writes"):
        decoded((Column("a", "bigint", 8, ""),), HEADER + b"\0" * 13 + TRAILER)


# -- the schema's versions -------------------------------------------------------------------------------------------


def test_migrations_make_what_is_declared(database: Database) -> None:
    """Where this fails a column was declared: append what the message shows to a new file in `migrations`."""
    assert missing(described(database)) == ""
    for table in KEPT:
        assert described(database)[table] == {c.name: c.type for c in columns(table)}


def test_many_at_once_migrate_once(database: Database) -> None:
    def again(_: int) -> list[str]:
        own = Database(None, "many", database.server)
        try:
            return migrate(own)
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(again, range(4)))
    assert sorted(map(len, done)) == [0, 0, 0, 2]


def test_a_migration_that_fails_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from qflib.history.postgres import schema

    for file in schema.MIGRATIONS.glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "0003.wrong.sql").write_text("-- depends: 0002.rows\nALTER TABLE nothing ADD COLUMN x int;")
    own = Database(None, "fails", database.server)
    with monkeypatch.context() as m:
        m.setattr(schema, "MIGRATIONS", tmp_path)
        with pytest.raises(DataError, match="nothing"):
            migrate(own)
    assert described(own) == {}
    assert pending(own) == migrate(own) == ["0001.places", "0002.rows"]
    own.close()


def test_rows_from_before_a_column_read_as_zeros(database: Database) -> None:
    own = Database(None, "older", database.server)
    migrate(own)
    history = PostgresHistory(own)
    with own.connection() as c:
        for name in ("queue_ahead", "to_portfolio", "cash"):
            c.execute(f"ALTER TABLE executions DROP COLUMN {name}")
    with pytest.raises(DataError, match=r"another schema version: .*; run `qflib store migrate`"):
        filled(history, 1)
    mend = missing(described(own))
    assert mend.count("ADD COLUMN") == 3
    with own.connection() as c:
        c.execute("SELECT make_partition('executions', '2020-01-01')")
        c.execute("INSERT INTO clusters (name) VALUES ('c0')")
        c.execute("INSERT INTO sources (name) VALUES ('s')")
        c.execute('INSERT INTO executions ("date", source, cluster, "offset") VALUES (\'2020-01-01\', 1, 1, 0)')
        c.execute(mend)
    filled(history, 1)
    (old,) = history.scan("executions", None, field("date") == "2020-01-01").to_pylist()
    assert (old["queue_ahead"], old["to_portfolio"], old["cash"]) == (0, "", 0.0)
    assert history.count("executions") == 11
    own.close()


# -- roles, partitions ------------------------------------------------------------------------------------------------


def test_a_writer_adds_and_a_reader_reads(database: Database) -> None:
    own = Database(database.dsn, "roled")
    migrate(own)
    with own.connection() as c:
        c.execute(roles("roled"))
        c.execute(roles("roled"))  # again changes nothing
        c.execute("CREATE ROLE archive LOGIN IN ROLE qflib_writer; CREATE ROLE api LOGIN IN ROLE qflib_reader")
    writer, reader = (
        PostgresHistory(Database((database.dsn or "").replace("user=qflib", f"user={u}"), "roled"))
        for u in ("archive", "api")
    )
    filled(writer)
    assert tend(writer.database, 1, quiet_s=0).dropped == 3  # one day of events, executions and records
    assert reader.count("events") == writer.count("events") == 2 * (6 + 7)
    assert [s.value for s in reader.batches(MARKET_RAW, 1)] == [b"\0\xff", b"\0\xff" * 2]
    refused = "refuses this user: permission denied"
    with pytest.raises(DataError, match=refused):
        filled(reader)
    for statement in ("DELETE FROM events", "UPDATE batches SET value = NULL", "DROP TABLE events_20260106",
                      "DELETE FROM offsets", "TRUNCATE events"):  # fmt: skip
        for history in (writer, reader):
            with pytest.raises(DataError, match=r"denied|must be owner"):
                history.database.run(lambda c, asked=statement: c.execute(asked))
    for history in (writer, reader):
        history.database.close()
    own.close()


@pytest.fixture
def history(new_postgres: Callable[[], PostgresHistory]) -> PostgresHistory:
    return new_postgres()


def test_days_are_made_ahead_indexed_and_retired(history: PostgresHistory) -> None:
    filled(history, 4)
    tables = len(KEPT) + 1
    assert tend(history.database, quiet_s=3_600) == Tended(made=3 * tables)
    with_instruments = 2  # events and executions: only they have rows
    done = tend(history.database, retention_days=2, quiet_s=0)
    assert done == Tended(indexed=3 * with_instruments, dropped=3)
    assert tend(history.database, retention_days=2, quiet_s=0) == Tended()
    assert history.dates("events", "c1") == ["2026-01-06", "2026-01-07", "2026-01-08"]
    assert [s.offset for s in history.batches(MARKET_RAW, 0)] == [1, 2, 3]
    assert history.offsets(MARKET_RAW) == {("c1", 0): 4, ("c1", 1): 4}
    archiver = Archiver(history)
    assert set(archiver.assign(LOGS).values()) == {4}
    with history.database.connection() as c:
        c.execute("SET enable_seqscan = off")
        where = "\"date\" = '2026-01-06' AND instrument = 1 AND receipt_ns > 0"
        plan = "\n".join(r[0] for r in c.execute(f"EXPLAIN SELECT * FROM events WHERE {where}").fetchall())
        assert "events_20260106_instrument" in plan
        assert "events_20260107" not in plan


def test_a_day_that_was_retired_is_made_again(history: PostgresHistory) -> None:
    """The handle knows the partition; it went meanwhile."""
    history.register("c1", TABLE)
    archiver = Archiver(history)
    archiver.assign(LOGS)
    for offset, day in enumerate((5, 0, 0)):
        at = NS + day * DAY
        record = encode(
            Batch.of("market", Header("s", 0, offset), events=MARKET_EVENTS.make(kind=[1], receipt_ns=[at]))
        )
        archiver.take(MARKET_NORMALIZED, 0, offset, at, b"k", record)
        archiver.store()
        tend(history.database, retention_days=2)
    assert history.dates("events", "c1") == ["2026-01-10"]


# -- which store a desk has -------------------------------------------------------------------------------------------


def test_a_folder_tells_where_its_history_is(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    assert isinstance(opened(folder), DeltaHistory)
    secret = f"{database.dsn} password=secret"
    with pytest.raises(DataError, match=r"has not seen migration 0001.places; run `qflib store migrate`"):
        establish(folder, "postgres", secret, "told")
    own = Database(database.dsn, "told")
    migrate(own)
    own.close()
    establish(folder, None, secret, "told")
    assert "secret" not in (folder / "store.json").read_text()
    history = opened(folder, secret)
    assert isinstance(history, PostgresHistory)
    assert "secret" not in repr(history)
    assert "schema told" in history.name
    filled(history, 1)
    establish(folder, None)  # as it is
    assert opened(folder).count("events") == 10
    with pytest.raises(InputError, match=r"kept by postgres, .* schema told, not by delta in the folder"):
        establish(folder, "delta")
    with pytest.raises(InputError, match=r"schema told, not by postgres, .* schema other"):
        establish(folder, "postgres", database.dsn, "other")
    remove(folder)
    assert history.count("events") == 10
    history.database.close()


def test_files_stay_files(tmp_path: Path) -> None:
    filled(DeltaHistory(tmp_path), 1)
    establish(tmp_path, None)
    with pytest.raises(
        InputError,
        match="kept by delta in the folder, not by postgres, a server of its own, schema qflib; leave --store out",
    ):
        establish(tmp_path, "postgres")
    assert kept_in(tmp_path).kind == "delta"


def test_a_dsn_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown("host=h user=u password=secret sslpassword=secret") == "user=u host=h"
    monkeypatch.setenv("QFLIB_STORE__DSN", "postgresql://u:secret@h/d")
    assert "secret" not in repr(load())
    monkeypatch.setenv("QFLIB_STORE__NAMESPACE", "No Name")
    with pytest.raises(SettingsError, match=r"store\.namespace") as e:
        load()
    assert "secret" not in str(e.value)
    with pytest.raises(InputError, match="no DSN of PostgreSQL") as told:
        shown("secret")
    assert "secret" not in str(told.value)


_USER = """
import sys
from qflib.history.postgres import PrivateServer
server = PrivateServer(sys.argv[1])
server.ensure()
print(server.pid, flush=True)
sys.stdin.read()
"""


def test_the_last_user_of_a_private_server_stops_it(server: PrivateServer) -> None:
    """However the others ended."""
    folder = server.folder / "own"
    users = [
        subprocess.Popen([sys.executable, "-c", _USER, str(folder)], stdin=-1, stdout=-1, text=True) for _ in range(3)
    ]
    pids = {user.stdout.readline() for user in users if user.stdout is not None}
    assert len(pids) == 1
    own = PrivateServer(folder)
    users[0].communicate("")
    assert own.pid == int(pids.pop())
    users[1].kill()
    users[1].communicate()
    assert own.pid is not None
    last = psutil.Process(own.pid)
    users[2].communicate("")
    last.wait(30)
    assert own.pid is None
    (own.data / "postmaster.pid").write_text(f"{os.getpid()}\n{own.data}\n")  # as after a start of the machine
    assert own.ensure()
    assert own.pid not in (None, os.getpid())
    own.remove()
    assert own.pid is None
    own.leave()  # there is nothing to leave
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own.dsn)
