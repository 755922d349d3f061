"""The store: rows taken in a second, beside COPY alone, and the views' questions, beside files and DuckDB."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from qflib.cli.bench import Row
from qflib.errors import InputError
from qflib.history.delta import DeltaHistory
from qflib.history.kept import KEPT
from qflib.history.rows import DAY_NS
from qflib.history.store import History, Log
from qflib.history.where import Condition, field

#: Rows of the generated history where none are given: 2 GB of PostgreSQL's files.
ROWS = 10_000_000
_BATCH = 500_000  # what the archive holds at most
_DAYS, _INSTRUMENTS, _RECORD = 10, 50, 500
_BEGIN = 1_767_571_200 * 10**9  # 2026-01-05
_LOG = Log("cluster-of-the-bench", "market.data.normalized", "t", 0)
_ASKED = 60  # times a question is put, elsewhere each time
_MINUTE = 60 * 10**9
_COLUMNS = ["receipt_ns", "instrument", "price_ticks", "qty", "side", "offset", "row"]


def rows(peers: bool, rows: int = ROWS) -> Iterator[Row]:
    """Rows a second, and milliseconds a question."""
    from qflib.history.postgres import PostgresHistory, PrivateServer, migrate
    from qflib.history.postgres.connections import Database

    if rows < _BATCH:
        raise InputError(f"a store of {rows:,} rows tells nothing; give --rows {_BATCH} or more")
    with tempfile.TemporaryDirectory(prefix="qflib-bench-") as folder:
        server = PrivateServer(Path(folder) / "postgres")
        database = Database(None, server=server)
        migrate(database)
        try:
            stores: dict[str, History] = {"postgres": PostgresHistory(database)}
            duck = _duck(Path(folder)) if peers else None
            if peers:
                stores["delta"] = DeltaHistory(Path(folder) / "delta")
            yield from _taken_in(database, stores, duck, rows)
            yield _indexed(database)
            yield from _asked(stores, duck, rows)
            yield _size(database, Path(folder), rows, peers)
        finally:
            database.close()
            server.remove()


def generated(first: int, n: int, total: int) -> pa.Table:
    """Rows of the table of events, as an archive has them: ten days, fifty instruments, records of 500 rows."""
    rng = np.random.default_rng(first)
    at = np.arange(first, first + n)
    ns = _BEGIN + (at * (_DAYS * DAY_NS / total)).astype(np.int64)
    day = str(np.datetime64(int(ns[0]) // DAY_NS, "D"))
    ns = np.minimum(ns, (int(ns[0]) // DAY_NS + 1) * DAY_NS - 1)  # a batch of one day, as nearly all are
    made: dict[str, Any] = {
        "date": pa.repeat(day, n),
        "cluster": pa.repeat(_LOG.cluster, n),
        "source": pa.repeat("sim:ACME", n),
        "offset": at // _RECORD,
        "row": at % _RECORD,
        "seq": at // _RECORD,
        "receipt_ns": ns,
        "venue_ns": ns - rng.integers(0, 10**6, n),
        "instrument": rng.integers(0, _INSTRUMENTS, n),
        "price_ticks": 10_000 + rng.integers(-50, 50, n).cumsum() // 100,
        "qty": rng.integers(1, 500, n),
        "side": rng.integers(0, 2, n),
        "kind": rng.integers(1, 6, n),
        "order_id": at,
    }
    schema = KEPT["events"].schema
    columns = [pa.array(made.get(f.name, np.zeros(n, np.int64)), f.type) for f in schema]
    return pa.table(columns, schema=schema)


def _taken_in(database: Any, stores: dict[str, History], duck: Any, total: int) -> Iterator[Row]:
    handles = {name: store.handle("events") for name, store in stores.items()}
    took: dict[str, list[float]] = {name: [] for name in (*handles, "copy alone", *(["duckdb"] if duck else []))}
    for i, first in enumerate(range(0, total, _BATCH)):
        table = generated(first, min(_BATCH, total - first), total)
        reached = {_LOG: (first + table.num_rows - 1) // _RECORD + 1}
        for name, handle in handles.items():
            took[name].append(_seconds(handle.append, table, reached) / table.num_rows)
        if duck is not None:
            took["duckdb"].append(_seconds(_insert, duck, table) / table.num_rows)
        if i < _COPIED:
            took["copy alone"].append(_copied(database, table) / table.num_rows)
    rates = {name: 1 / median(t) for name, t in took.items() if t}
    least = 1 / max(took["postgres"])
    beside = {name: rate for name, rate in rates.items() if name != "postgres"}
    note = f"batches of {_BATCH:,} rows, rows, offsets and days in one transaction; {total:,} rows in all"
    yield Row("ingest", rates["postgres"], least, "rows/s", beside, note)


_COPIED = 10  # batches of COPY alone: its rows are dropped again


def _copied(database: Any, table: pa.Table) -> float:
    """Seconds of a bare COPY of bytes that lie ready, into a table like it with the same index."""
    from qflib.history.postgres.copying import HEADER, TRAILER, day_numbers, encoded
    from qflib.history.postgres.declared import columns

    declared = columns("events")
    held: dict[str, Any] = {"cluster": 1, "source": 1, "date": int(day_numbers([table["date"][0].as_py()])[0])}
    held |= {c.name: table[c.name].combine_chunks().to_numpy() for c in declared if c.name not in held}
    body = [HEADER, *map(bytes, encoded(declared, held, table.num_rows)), TRAILER]
    names = ", ".join(f'"{c.name}"' for c in declared)
    with database.connection() as c:
        c.execute("CREATE TABLE alone (LIKE events INCLUDING DEFAULTS)")
        c.execute('CREATE INDEX ON alone USING brin (receipt_ns, "offset") WITH (pages_per_range = 32)')

        def copy() -> None:
            with c.cursor() as cursor, cursor.copy(f"COPY alone ({names}) FROM STDIN (FORMAT binary)") as out:
                for piece in body:
                    out.write(piece)

        took = _seconds(copy)
        c.execute("DROP TABLE alone")
    return took


def _indexed(database: Any) -> Row:
    """The index of (instrument, time) of the days that are over."""
    from qflib.history.postgres.tending import tend

    took = _seconds(lambda: tend(database, quiet_s=0))
    return Row("index_of_all_days", took, took, "s", note="made by upkeep once a day is over; all ten days here")


def _asked(stores: dict[str, History], duck: Any, total: int) -> Iterator[Row]:
    span, records = _DAYS * DAY_NS, total // _RECORD
    width = max(_MINUTE, int(5_000 * _INSTRUMENTS * span / total))  # some 5,000 rows of an instrument
    rng = np.random.default_rng(1)
    begins, ids = rng.integers(_BEGIN, _BEGIN + span - width, _ASKED), rng.integers(0, _INSTRUMENTS, _ASKED)
    offsets = rng.integers(0, max(records - 20, 1), _ASKED)

    def window(i: int) -> Condition:
        return _times(int(begins[i]), width) & (field("instrument") == int(ids[i]))

    def times(i: int) -> Condition:
        return _times(int(begins[i]), width // 8)

    def places(i: int) -> Condition:
        at = (field("offset") >= int(offsets[i])) & (field("offset") < int(offsets[i]) + 20)
        return (field("cluster") == _LOG.cluster) & (field("partition") == 0) & at

    for name, where, counted, note in (
        ("page", window, False, "an instrument's rows of a stretch of time, some 5,000"),
        ("count", times, True, "rows of a stretch of time counted, some 30,000"),
        ("records", places, False, "all columns of twenty records by their offsets"),
    ):
        columns = None if name == "records" else _COLUMNS
        took = {n: [_seconds(_put, s, columns, where(i), counted) for i in range(_ASKED)] for n, s in stores.items()}
        if duck is not None:
            took["duckdb"] = [_seconds(_put_duck, duck, columns, where(i), counted) for i in range(_ASKED)]
        for quantile in (50, 99):
            ms = {store: float(np.percentile(t, quantile)) * 1e3 for store, t in took.items()}
            least = min(took["postgres"]) * 1e3
            beside = {store: v for store, v in ms.items() if store != "postgres"}
            yield Row(f"{name}_p{quantile}", ms["postgres"], least, "ms", beside, f"{note}; {total:,} rows stored")


def _times(begin: int, width: int) -> Condition:
    end = begin + width
    days = [str(np.datetime64(ns // DAY_NS, "D")) for ns in (begin, end)]
    told = (field("receipt_ns") >= begin) & (field("receipt_ns") < end)
    return (field("cluster") == _LOG.cluster) & told & (field("date") >= days[0]) & (field("date") <= days[1])


def _put(store: History, columns: list[str] | None, where: Condition, counted: bool) -> None:
    if counted:
        store.count("events", where)
    else:
        store.scan("events", columns, where)


def _size(database: Any, folder: Path, total: int, peers: bool) -> Row:
    """Bytes a row on disk, its index with it."""
    told = database.run(
        lambda c: c.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'events'::regclass"
        ).fetchone()
    )
    delta = sum(f.stat().st_size for f in (folder / "delta" / "events").rglob("*.parquet")) / total if peers else 0
    duck = (folder / "peer.duckdb").stat().st_size / total if peers else 0
    value = float(told[0]) / total
    return Row("bytes_a_row", value, value, "bytes", {"delta": delta, "duckdb": duck} if peers else {})


def _duck(folder: Path) -> Any:
    """DuckDB's own file."""
    import duckdb

    made = duckdb.connect(str(folder / "peer.duckdb"))
    schema = generated(0, 1, 1)  # noqa: F841  DuckDB finds it by its name
    made.execute("CREATE TABLE events AS SELECT * FROM schema LIMIT 0").fetchall()
    return made


def _insert(duck: Any, table: pa.Table) -> None:
    duck.register("batch", table)
    duck.execute("INSERT INTO events SELECT * FROM batch").fetchall()
    duck.unregister("batch")


def _put_duck(duck: Any, columns: list[str] | None, where: Condition, counted: bool) -> None:
    told = _in_words(where)
    if counted:
        duck.sql(f"SELECT count(*) FROM events WHERE {told}").fetchall()
    else:
        names = "*" if columns is None else ", ".join(f'"{c}"' for c in columns)
        duck.sql(f"SELECT {names} FROM events WHERE {told}").to_arrow_table()


def _in_words(where: Any) -> str:
    """A condition as DuckDB takes it: its tables hold names where PostgreSQL's hold their numbers."""
    if hasattr(where, "parts"):
        return " AND ".join(_in_words(p) for p in where.parts)
    value = f"'{where.value}'" if isinstance(where.value, str) else where.value
    return f'"{where.column}" {where.op} {value}'


def _seconds(work: Callable[..., object], *arguments: Any) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began
