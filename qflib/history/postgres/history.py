"""The history in PostgreSQL: the same questions and answers as the one in files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.history.kept import BATCHES, known, schema_of
from qflib.history.postgres.connections import Database, psycopg, sql
from qflib.history.postgres.copying import day_text, decoded, selected
from qflib.history.postgres.declared import Column, columns
from qflib.history.postgres.handle import PostgresHandle
from qflib.history.postgres.questions import NAMED, as_sql
from qflib.history.runs import goes_on
from qflib.history.store import History, NothingStoredError, Stored, windows
from qflib.history.where import Condition, field
from qflib.records import Instruments

_STORED = ("partition", "offset", "append_ns", "key", "headers", "length", "sha256", "value")
_NUMBERS = {pa.int32(): "integer", pa.int64(): "bigint"}


class PostgresHistory(History):
    """The history in a schema of a PostgreSQL database.

    Parameters
    ----------
    database
        The schema; `qflib.history.opening.opened` finds that of a desk.

    Notes
    -----
    Each question is one statement, which sees what was whole when it began.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._known: dict[str, dict[int, str]] = {}

    def __repr__(self) -> str:
        return f"PostgresHistory({self.name!r})"

    @property
    def name(self) -> str:
        """Its DSN, without a password, and schema."""
        return self.database.name

    def handle(self, table: str) -> PostgresHandle:
        """A table, loaded for writing."""
        return PostgresHandle(self.database, known(table))

    def offsets(self, topic: str, table: str = BATCHES) -> dict[tuple[str, int], int]:
        """The next offset of each (cluster, partition) by the rows of a table."""
        where = as_sql(known(table), field("topic") == topic if table == BATCHES else None)
        asked = sql.SQL(
            'SELECT c.name, t."partition", t.last + 1 FROM '
            '(SELECT cluster, "partition", max("offset") AS last FROM {} WHERE {} GROUP BY 1, 2) t '
            "JOIN clusters c ON c.id = t.cluster ORDER BY 1, 2"
        ).format(sql.Identifier(table), where)
        return {(cluster, p): end for cluster, p, end in self._rows(asked)}

    @property
    def clusters(self) -> tuple[str, ...]:
        """Clusters that were registered, the oldest first."""
        asked = "SELECT name FROM clusters WHERE registered IS NOT NULL ORDER BY registered, id"
        return tuple(name for (name,) in self._rows(sql.SQL(asked)))

    def register(self, cluster: str, instruments: Instruments) -> None:
        """Keep a cluster's instrument table; one that goes on from the table kept takes its place."""

        def kept(c: psycopg.Connection[Any]) -> None:
            with c.transaction():
                c.execute(
                    "INSERT INTO clusters (name) SELECT %s WHERE NOT EXISTS (SELECT FROM clusters WHERE name = %s) "
                    "ON CONFLICT DO NOTHING",
                    [cluster, cluster],
                )
                held = c.execute("SELECT instruments FROM clusters WHERE name = %s FOR UPDATE", [cluster]).fetchone()
                assert held is not None
                if held[0] is None or goes_on(Instruments.parse(held[0], self.name), instruments, self.name):
                    c.execute(
                        "UPDATE clusters SET instruments = %s, registered = coalesce(registered, clock_timestamp()) "
                        "WHERE name = %s",
                        [instruments.to_toml(), cluster],
                    )

        self.database.run(kept)

    def instruments(self, cluster: str | None = None) -> Instruments:
        """The instrument table of a cluster; of the last one by default."""
        asked = sql.SQL("SELECT name, instruments FROM clusters WHERE registered IS NOT NULL ORDER BY registered, id")
        told = dict(self._rows(asked))
        if not told:
            raise NothingStoredError(f"{self.name} is no history: it has no instrument table; let an archive write it")
        if cluster is not None and cluster not in told:
            raise InputError(f"cluster {cluster!r} is not in the history; it has {', '.join(told)}")
        return Instruments.parse(told[cluster or list(told)[-1]], self.name)

    def scan(self, table: str, columns: list[str] | None = None, where: Condition | None = None) -> pa.Table:
        """Rows of one state of a table, in no order."""
        schema = schema_of(known(table))
        wanted = [schema.field(n) for n in columns or schema.names]
        declared = _fixed(table, wanted)
        if declared is None:
            return self._records(wanted, where)
        asked = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT binary)").format(
            sql.SQL(", ".join(selected(c) for c in declared)), sql.Identifier(table), as_sql(table, where)
        )

        def copied(c: psycopg.Connection[Any]) -> bytes:
            with c.cursor() as cursor, cursor.copy(asked) as copy:
                return b"".join(copy)

        found = decoded(declared, self.database.run(copied))
        return pa.table([self._arrow(f, found[f.name]) for f in wanted], schema=pa.schema(wanted))

    def count(self, table: str, where: Condition | None = None) -> int:
        """How many rows."""
        asked = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(sql.Identifier(known(table)), as_sql(table, where))
        return int(self._rows(asked)[0][0])

    def dates(self, table: str, cluster: str) -> list[str]:
        """The dates of a cluster's rows, from the table of days."""
        asked = sql.SQL(
            'SELECT day::text FROM days WHERE "table" = {} AND rows > 0 '
            "AND cluster = (SELECT id FROM clusters WHERE name = {}) ORDER BY day"
        ).format(sql.Literal(known(table)), sql.Literal(cluster))
        return [day for (day,) in self._rows(asked)]

    def partitions(self, topic: str, cluster: str | None = None) -> list[int]:
        """Partitions of a topic that have records."""
        where = field("topic") == topic
        where = where if cluster is None else where & (field("cluster") == cluster)
        asked = sql.SQL('SELECT DISTINCT "partition" FROM offsets WHERE "table" = {} AND {} ORDER BY 1').format(
            sql.Literal(BATCHES), as_sql(BATCHES, where)
        )
        return [p for (p,) in self._rows(asked)]

    def batches(
        self,
        topic: str,
        partition: int,
        *,
        cluster: str | None = None,
        date: str | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[Stored]:
        """Records of a partition by rising offset, some 32 MB of values in memory at a time."""
        known_ones = (cluster,) if cluster else self.clusters
        if not known_ones:
            return
        where = (
            (field("topic") == topic)
            & (field("cluster") == known_ones[-1])
            & (field("partition") == partition)
            & (field("offset") >= start)
        )
        if date is not None:
            where &= field("date") == date
        if stop is not None:
            where &= field("offset") < stop
        index = self.scan(BATCHES, ["offset", "length"], where).sort_by("offset")
        offsets = index["offset"].to_numpy()
        for first, last in windows(index["length"].to_numpy()):
            inside = (field("offset") >= int(offsets[first])) & (field("offset") <= int(offsets[last - 1]))
            asked = sql.SQL('SELECT {} FROM batches WHERE {} ORDER BY "offset"').format(
                sql.SQL(", ").join(map(sql.Identifier, _STORED)), as_sql(BATCHES, where & inside)
            )
            for p, o, append_ns, key, headers, length, sha256, value in self._rows(asked):
                yield Stored(topic, p, o, append_ns, key, tuple(_headers(headers)), length, sha256, value)

    def rows_of(
        self, table: str, partition: int, *, cluster: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Offsets that have rows, and how many each; the server counts them."""
        where = (field("cluster") == cluster) & (field("partition") == partition)
        where &= (field("offset") >= start) & (field("offset") < stop)
        asked = sql.SQL('SELECT "offset", count(*) FROM {} WHERE {} GROUP BY 1 ORDER BY 1').format(
            sql.Identifier(known(table)), as_sql(table, where)
        )
        found = np.array(self._rows(asked), np.int64).reshape(-1, 2)
        return found[:, 0].copy(), found[:, 1].copy()

    def _records(self, wanted: list[pa.Field], where: Condition | None) -> pa.Table:
        """Rows of `batches` with columns that may be null, or of any length."""
        asked = sql.SQL("SELECT {} FROM batches WHERE {}").format(
            sql.SQL(", ").join(sql.Identifier(f.name) for f in wanted), as_sql(BATCHES, where)
        )
        rows = self._rows(asked)
        made = []
        for i, f in enumerate(wanted):
            told = [row[i] for row in rows]
            if f.name == "date":
                told = [str(day) for day in told]
            elif f.name == "headers":
                told = [[{"name": n, "value": v} for n, v in _headers(of)] for of in told]
            if f.name == "cluster":
                made.append(self._arrow(f, np.array(told, np.int64)))
            else:
                made.append(pa.array(told, f.type))
        return pa.table(made, schema=pa.schema(wanted))

    def _arrow(self, f: pa.Field, a: NDArray[Any]) -> pa.Array:
        if f.name == "date":
            return day_text(a)
        if f.name in NAMED:
            numbers, at = np.unique(a, return_inverse=True)
            told = pa.array(self._names(NAMED[f.name], numbers.tolist()), pa.string())
            return pa.DictionaryArray.from_arrays(at.astype(np.int32), told).dictionary_decode()
        if pa.types.is_string(f.type):
            return pa.array(a).view(pa.string())
        return pa.array(a, f.type)

    def _names(self, table: str, numbers: list[int]) -> list[str]:
        """The names of numbers: a number never gets another, so one that is known is not asked for again."""
        held = self._known.setdefault(table, {})
        if not held.keys() >= set(numbers):
            held |= dict(self._rows(sql.SQL("SELECT id, name FROM {}").format(sql.Identifier(table))))
        return [held[n] for n in numbers]

    def _rows(self, asked: sql.Composed | sql.SQL) -> list[Any]:
        def work(c: psycopg.Connection[Any]) -> list[Any]:
            with c.cursor(binary=True) as cursor:
                return cursor.execute(asked).fetchall()

        return self.database.run(work)


def _fixed(table: str, wanted: list[pa.Field]) -> tuple[Column, ...] | None:
    """Columns of which every row has one length; None: some of `batches` may be null, or are as long as they are."""
    if table != BATCHES:
        by_name = {c.name: c for c in columns(table)}
        return tuple(by_name[f.name] for f in wanted)
    kinds = {"date": "date", "cluster": "smallint"}
    if any(f.name not in kinds and f.type not in _NUMBERS for f in wanted):
        return None
    return tuple(Column(f.name, kinds.get(f.name) or _NUMBERS[f.type], _WIDTHS.get(f.name, 8), "") for f in wanted)


_WIDTHS = {"date": 4, "cluster": 2, "partition": 4}


def _headers(of: list[bytes | None]) -> Iterator[tuple[str, bytes | None]]:
    for name, value in zip(of[::2], of[1::2], strict=True):
        yield (name or b"").decode(), value
