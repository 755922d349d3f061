"""A table of the history in PostgreSQL, loaded for writing: rows and offsets in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qflib.history.kept import BATCHES
from qflib.history.postgres.connections import Database, psycopg, sql
from qflib.history.postgres.copying import HEADER, TRAILER, day_numbers, encoded
from qflib.history.postgres.declared import columns
from qflib.history.store import ConflictError, Handle, Log

_DAY = sql.SQL("hashtext('qflib.day'), hashtext(%s || d)")
#: Of a table and days that a transaction adds to: retention, which cannot see its rows yet, leaves them alone.
HELD = sql.SQL("SELECT pg_advisory_xact_lock_shared({}) FROM unnest(%s::text[]) d").format(_DAY)
#: Of a table and a day: whether nobody adds to it.
FREE = sql.SQL("SELECT pg_try_advisory_xact_lock({}) FROM (VALUES (%s::text)) v(d)").format(_DAY)
_RECORD = (
    "append_ns",
    "offset",
    "length",
    "date",
    "partition",
    "cluster",
    "topic",
    "key",
    "sha256",
    "headers",
    "value",
)
_RECORD_TYPES = ("int8", "int8", "int8", "date", "int4", "int2", "text", "bytea", "bytea", "bytea[]", "bytea")


class PostgresHandle(Handle):
    """One table, with the offsets that stood there when it was loaded.

    Parameters
    ----------
    database
        Where it is.
    name
        A name of `KEPT`, or "batches".

    Notes
    -----
    A transaction whose end nobody heard of, because the server died with it, is not written again: the offsets that it
    would have left tell by their writer whether they are this handle's own.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self._writer = uuid.uuid4()
        self._days: set[Any] = set()
        self._numbers: dict[tuple[str, str], int] = {}
        self._next = database.run(self._loaded)

    def next_offset(self, log: Log) -> int:
        """What stood there when the handle was loaded, and what it stored since."""
        return self._next.get(log.app_id, 0)

    def append(self, rows: pa.Table, next_offsets: Mapping[Log, int]) -> None:
        """One transaction of rows and offsets; one that was cut off is asked after, and done again where it is not in.

        Raises
        ------
        ConflictError
            If another handle has stored one of the logs since this one was loaded.
        DataError
            If the server does not come back, its disk is full, or it refuses.
        """
        self._database.run(lambda c: self._append(c, rows, next_offsets))
        self._next |= {log.app_id: offset for log, offset in next_offsets.items()}

    def _loaded(self, c: psycopg.Connection[Any]) -> dict[str, int]:
        return dict(c.execute('SELECT log, next FROM offsets WHERE "table" = %s', [self._name]).fetchall())

    def _append(
        self, c: psycopg.Connection[Any], rows: pa.Table, next_offsets: Mapping[Log, int], *, again: bool = False
    ) -> None:
        cluster = self._number(c, "clusters", next(iter(next_offsets)).cluster)
        days, on = _names(rows["date"])
        self._partitions(c, days)
        given = {"cluster": cluster, "date": _one_or_each(day_numbers(days), on)}
        if self._name != BATCHES:
            sources, of = _names(rows["source"])
            numbers = np.array([self._number(c, "sources", s) for s in sources], np.int32)
            given["source"] = _one_or_each(numbers, of)
        try:
            with c.transaction():
                c.execute(HELD, [self._name, days])
                if self._stored(c, cluster, next_offsets):
                    return
                if self._name == BATCHES:
                    self._copy_records(c, rows, cluster)
                else:
                    self._copy_rows(c, rows, given)
                self._count(c, dict(zip(days, np.bincount(on).tolist(), strict=True)), cluster)
        except psycopg.errors.CheckViolation:
            if again:
                raise
            self._days.clear()  # a partition was retired since: it is made again, once
            self._append(c, rows, next_offsets, again=True)

    def _stored(self, c: psycopg.Connection[Any], cluster: int, next_offsets: Mapping[Log, int]) -> bool:
        """Move the offsets on; whether this handle has done so already, in a transaction whose end it did not hear.

        Rows of logs that are there are locked by asking, and of those that are not by their key: no two handles can
        both find what they expect.
        """
        asked = {log.app_id: (log, offset) for log, offset in sorted(next_offsets.items())}
        told = c.execute(
            'SELECT log, next, writer FROM offsets WHERE "table" = %s AND log = ANY(%s) ORDER BY log FOR UPDATE',
            [self._name, list(asked)],
        ).fetchall()
        there = {log: (offset, writer) for log, offset, writer in told}
        if all(there.get(name) == (offset, self._writer) for name, (_, offset) in asked.items()):
            return True
        for name, (log, _) in asked.items():
            if there.get(name, (0, None))[0] != self.next_offset(log):
                raise self._conflict(log)
        with c.cursor() as cursor:
            cursor.executemany(
                'UPDATE offsets SET next = %s, writer = %s WHERE "table" = %s AND log = %s',
                [(offset, self._writer, self._name, n) for n, (_, offset) in asked.items() if n in there],
            )
            new = [(n, log, offset) for n, (log, offset) in asked.items() if n not in there]
            try:
                cursor.executemany(
                    "INSERT INTO offsets VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    [(self._name, n, cluster, log.topic, log.partition, o, self._writer) for n, log, o in new],
                )
            except psycopg.errors.UniqueViolation:
                raise self._conflict(new[0][1]) from None
        return False

    def _copy_rows(self, c: psycopg.Connection[Any], rows: pa.Table, given: dict[str, Any]) -> None:
        held, declared = dict(given), columns(self._name)
        for column in declared:
            if column.name not in held:
                a = rows[column.name].combine_chunks()
                held[column.name] = a if column.type == "text" else a.to_numpy()
        with c.cursor() as cursor, cursor.copy(self._copy_statement([d.name for d in declared])) as copy:
            copy.write(HEADER)
            for piece in encoded(declared, held, rows.num_rows):
                copy.write(piece)
            copy.write(TRAILER)

    def _copy_records(self, c: psycopg.Connection[Any], rows: pa.Table, cluster: int) -> None:
        """Records, which are some thousandth of the rows: headers and null values are the driver's business."""
        lists = {n: rows[n].to_pylist() for n in _RECORD if n != "cluster"}
        lists["headers"] = [[v for h in of or () for v in (h["name"].encode(), h["value"])] for of in lists["headers"]]
        lists["date"] = rows["date"].cast(pa.date32()).to_pylist()
        lists["cluster"] = [cluster] * rows.num_rows
        with c.cursor() as cursor, cursor.copy(self._copy_statement(_RECORD)) as copy:
            copy.set_types(_RECORD_TYPES)
            for row in zip(*(lists[n] for n in _RECORD), strict=True):
                copy.write_row(row)

    def _copy_statement(self, names: Iterable[str]) -> sql.Composed:
        listed = sql.SQL(", ").join(map(sql.Identifier, names))
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(self._name), listed)

    def _count(self, c: psycopg.Connection[Any], counts: Mapping[str, int], cluster: int) -> None:
        with c.cursor() as cursor:
            cursor.executemany(
                'INSERT INTO days VALUES (%s, %s, %s::date, %s, now()) ON CONFLICT ("table", cluster, day) '
                "DO UPDATE SET rows = days.rows + excluded.rows, written = excluded.written",
                [(self._name, cluster, day, n) for day, n in sorted(counts.items())],
            )

    def _partitions(self, c: psycopg.Connection[Any], days: Iterable[str]) -> None:
        """Partitions of these days, those that upkeep has not made ahead."""
        for day in sorted(set(days) - self._days):
            c.execute("SELECT make_partition(%s, %s::date)", [self._name, day])
            self._days.add(day)

    def _number(self, c: psycopg.Connection[Any], table: str, name: str) -> int:
        """A name's number; given one where it has none."""
        if (table, name) not in self._numbers:
            told = name.replace("\0", "\u2400")  # a text of PostgreSQL holds no zero byte
            of = sql.Identifier(table)
            ask = sql.SQL("SELECT id FROM {} WHERE name = %s").format(of)
            make = sql.SQL("INSERT INTO {} (name) VALUES (%s) ON CONFLICT DO NOTHING").format(of)
            if (found := c.execute(ask, [told]).fetchone()) is None:
                c.execute(make, [told])
                found = c.execute(ask, [told]).fetchone()
            assert found is not None
            self._numbers[table, name] = int(found[0])
        return self._numbers[table, name]

    def _conflict(self, log: Log) -> ConflictError:
        return ConflictError(
            f"table {self._name} of history {self._database.name} was written by another archive "
            f"({log.topic}[{log.partition}] stands elsewhere); this one ends"
        )


def _names(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int32]]:
    """The texts of a column, and which of them each row has."""
    coded = column.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy()


def _one_or_each(numbers: NDArray[np.int32], of: NDArray[np.int32]) -> Any:
    """Numbers a row; the number alone, where all have the same."""
    return int(numbers[0]) if len(numbers) == 1 else numbers[of]
