"""What PostgreSQL has of its own: the schema's versions, roles and partitions, and the files' answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import DataError
from qflib.history import Archiver, DeltaHistory
from qflib.history.kept import BATCHES, KEPT
from qflib.history.postgres import PostgresHistory, migrate
from qflib.history.postgres.connections import Database
from qflib.history.postgres.declared import columns, missing
from qflib.history.postgres.schema import described, pending, roles
from qflib.history.postgres.tending import Tended, tend
from qflib.history.where import Condition, field
from qflib.records import MARKET_EVENTS, Batch, Header
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW
from tests.history.some_days import DAY, LOGS, NS, TABLE, filled


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
    assert sorted(map(len, done)) == [0, 0, 0, 3]


def test_a_migration_that_fails_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from qflib.history.postgres import schema

    for file in schema.MIGRATIONS.glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "0004.wrong.sql").write_text("-- depends: 0003.search_path\nALTER TABLE nothing ADD COLUMN x int;")
    own = Database(None, "fails", database.server)
    with monkeypatch.context() as m:
        m.setattr(schema, "MIGRATIONS", tmp_path)
        with pytest.raises(DataError, match="nothing"):
            migrate(own)
    assert described(own) == {}
    assert pending(own) == migrate(own) == ["0001.places", "0002.rows", "0003.search_path"]
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


def stored_on_their_days(database: Database) -> None:
    """As if the rows of each day had come on it."""
    with database.connection() as c:
        c.execute("UPDATE days SET written = day + time '12:00'")


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
    stored_on_their_days(own)
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
    stored_on_their_days(history.database)
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
        stored_on_their_days(history.database)
        tend(history.database, retention_days=2)
    assert history.dates("events", "c1") == ["2026-01-10"]


# -- which store a desk has -------------------------------------------------------------------------------------------
