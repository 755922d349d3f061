"""The history in Delta Lake tables, a folder each; offsets stand in the transactions of the rows.

Writers commit through the handle loaded at their assignment: one that commits late meets its successor's transaction
and is refused. Readers see the newest state that was whole when they asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from numpy.typing import NDArray

from qflib.errors import DataError, FullDiskError
from qflib.history import runs
from qflib.history.kept import (
    BATCHES,
    BATCHES_PARTITIONS,
    COLUMN_PARTITIONS,
    KEPT,
    known,
    schema_of,
)
from qflib.history.store import ConflictError, Handle, History, Log, Stored, windows
from qflib.history.where import Condition, field
from qflib.records import Instruments

#: Rows of a Parquet row group: what a reader of some records has to read at least.
_GROUP = {BATCHES: 1_024}
_GROUP_OF_COLUMNS = 262_144


def writer_properties(table: str) -> WriterProperties:
    """How files are written: zstd 1; integers as differences, which costs 0.3 µs an event where plain ones cost 0.5."""
    schema = schema_of(table)
    told = set(_skipping(table))
    columns = {}
    for column in schema:
        statistics: Literal["CHUNK", "NONE"] = "CHUNK" if column.name in told else "NONE"
        if pa.types.is_integer(column.type):
            columns[column.name] = ColumnProperties(
                dictionary_enabled=False, statistics_enabled=statistics, encoding="DELTA_BINARY_PACKED"
            )
        elif pa.types.is_string(column.type):
            columns[column.name] = ColumnProperties(dictionary_enabled=True, statistics_enabled=statistics)
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        max_row_group_size=_GROUP.get(table, _GROUP_OF_COLUMNS),
        default_column_properties=ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE"),
        column_properties=columns,
    )


def _whole(rows: pa.Table, schema: pa.Schema, wanted: list[str]) -> pa.Table:
    """With all columns that are wanted, and zeros where a row has none."""
    made = {}
    for name in wanted:
        kind = schema.field(name).type
        zero = pa.scalar("" if pa.types.is_string(kind) else 0, kind)
        if name not in rows.column_names:
            made[name] = pa.chunked_array([pa.repeat(zero, rows.num_rows)])
        else:
            made[name] = pc.fill_null(rows[name], zero) if rows[name].null_count else rows[name]
    return pa.table(made)


class DeltaHandle(Handle):
    """One Delta table, as it stood when it was loaded; one that was not there is made with its first rows."""

    def __init__(self, root: str, name: str) -> None:
        self._name, self._root = name, root
        self._properties = writer_properties(name)
        self._table: DeltaTable | None = None
        self._grown = False
        try:
            self._load()
        except TableNotFoundError:
            pass
        except (OSError, DeltaError) as e:
            raise _unwritable(root, e) from None

    def next_offset(self, log: Log) -> int:
        """The log's version in the transactions that the handle saw."""
        return 0 if self._table is None else self._table.transaction_version(log.app_id) or 0

    def append(self, rows: pa.Table, next_offsets: Mapping[Log, int]) -> None:
        """One commit of rows and offsets."""
        transactions = [Transaction(log.app_id, offset) for log, offset in next_offsets.items()]
        try:
            write_deltalake(
                self._table or self._made(next_offsets),
                rows,
                mode="append",
                schema_mode="merge" if self._grown else None,
                writer_properties=self._properties,
                commit_properties=CommitProperties(app_transactions=transactions),
            )
        except CommitFailedError as e:
            raise self._conflict(e) from None
        except (OSError, DeltaError) as e:
            raise _unwritable(self._root, e) from None
        self._grown = False

    def _load(self) -> DeltaTable:
        self._table = DeltaTable(f"{self._root}/{self._name}")
        held = {f.name for f in self._table.schema().fields}
        self._grown = not set(schema_of(self._name).names) <= held  # a column was added to the declaration since
        return self._table

    def _made(self, logs: Iterable[Log]) -> DeltaTable:
        """The table, new; or another worker's, who has stored none of these logs."""
        DeltaTable.create(
            f"{self._root}/{self._name}",
            schema_of(self._name),
            mode="ignore",
            partition_by=list(BATCHES_PARTITIONS if self._name == BATCHES else COLUMN_PARTITIONS),
            configuration={
                "delta.dataSkippingStatsColumns": ",".join(_skipping(self._name)),
                "delta.logRetentionDuration": "interval 1 days",
                "delta.checkpointInterval": "100",
            },
        )
        table = self._load()
        if any(self.next_offset(log) for log in logs):
            raise self._conflict("it was made meanwhile")
        return table

    def _conflict(self, why: object) -> ConflictError:
        return ConflictError(
            f"table {self._name} of history {self._root} was written by another archive ({why}); this one ends"
        )


class DeltaHistory(History):
    """The history in a folder, or in an object store.

    Parameters
    ----------
    root
        The folder; it is made by the first `handle` or `register`. Or a URL, as ``s3://bucket/desk``: how the store is
        reached, keys among it, stands in the environment (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ...).

    Examples
    --------
    >>> from qflib.history import DeltaHistory
    >>> DeltaHistory("runs/none").clusters
    ()
    """

    def __init__(self, root: str | Path) -> None:
        self._root = str(root).rstrip("/") if "://" in str(root) else str(Path(root))

    def __repr__(self) -> str:
        return f"DeltaHistory({self.name!r})"

    @property
    def root(self) -> Path:
        """Its folder, where it has one."""
        return Path(self._root)

    @property
    def name(self) -> str:
        """Its folder, or its URL."""
        return self._root

    def handle(self, table: str) -> DeltaHandle:
        """A table, loaded for writing."""
        return DeltaHandle(self.name, known(table))

    def offsets(self, topic: str, table: str = BATCHES) -> dict[tuple[str, int], int]:
        """The next offset of each (cluster, partition) by the rows of a table."""
        where = field("topic") == topic if table == BATCHES else None
        rows = self.scan(table, ["cluster", "partition", "offset"], where)
        last = rows.group_by(["cluster", "partition"]).aggregate([("offset", "max")])
        return {
            (r["cluster"], r["partition"]): r["offset_max"] + 1
            for r in last.sort_by([("cluster", "ascending"), ("partition", "ascending")]).to_pylist()
        }

    @property
    def clusters(self) -> tuple[str, ...]:
        """Clusters that were archived, the oldest first."""
        return runs.clusters(self.name)

    def register(self, cluster: str, instruments: Instruments) -> None:
        """Keep a cluster's instrument table."""
        runs.register(self.name, cluster, instruments)

    def instruments(self, cluster: str | None = None) -> Instruments:
        """The instrument table of a cluster; of the last one by default."""
        return runs.instruments(self.name, cluster)

    def dataset(self, table: str) -> ds.Dataset | None:
        """The newest whole state of a table, for pyarrow and DuckDB; None where nothing was written yet."""
        try:
            made = self._state(table)
            return None if made is None else made.to_pyarrow_dataset()
        except (OSError, DeltaError) as e:
            raise self._unreadable(table, e) from None

    def _state(self, table: str) -> DeltaTable | None:
        try:
            return DeltaTable(f"{self.name}/{known(table)}")
        except TableNotFoundError:
            return None

    def _unreadable(self, table: str, e: Exception) -> DataError:
        return DataError(f"table {table} of history {self.name} is not readable: {_line(e)}")

    def scan(self, table: str, columns: list[str] | None = None, where: Condition | None = None) -> pa.Table:
        """Rows of one state of a table, in no order; zeros where a column was declared after a row was stored."""
        data, schema = self.dataset(table), schema_of(table)
        wanted = columns or schema.names
        if data is None:
            return pa.table({n: pa.array([], schema.field(n).type) for n in wanted})
        rows = data.to_table(columns=[n for n in wanted if n in data.schema.names], filter=_arrow(where))
        return rows if table == BATCHES else _whole(rows, schema, wanted)

    def count(self, table: str, where: Condition | None = None) -> int:
        """How many rows; they are counted a file, and none is held."""
        data = self.dataset(table)
        return 0 if data is None else int(data.count_rows(filter=_arrow(where)))

    def dates(self, table: str, cluster: str) -> list[str]:
        """The dates of a cluster's rows, from the names of the folders."""
        try:
            state = self._state(table)
            parts = [] if state is None else state.partitions()
        except (OSError, DeltaError) as e:
            raise self._unreadable(table, e) from None
        return sorted({p["date"] for p in parts if p["cluster"] == cluster})

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
        data = self.dataset(BATCHES)
        known = (cluster,) if cluster else self.clusters
        if data is None or not known:
            return
        where = (
            (ds.field("topic") == topic)
            & (ds.field("cluster") == known[-1])
            & (ds.field("partition") == partition)
            & (ds.field("offset") >= start)
        )
        if date is not None:
            where &= ds.field("date") == date
        if stop is not None:
            where &= ds.field("offset") < stop
        index = data.to_table(columns=["offset", "length"], filter=where).sort_by("offset")
        offsets = index["offset"].to_numpy()
        for first, last in windows(index["length"].to_numpy()):
            inside = (ds.field("offset") >= int(offsets[first])) & (ds.field("offset") <= int(offsets[last - 1]))
            yield from _stored(topic, data.to_table(filter=where & inside).sort_by("offset"))

    def rows_of(
        self, table: str, partition: int, *, cluster: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Offsets that have rows, and how many each; O(rows), of which a batch is in memory at a time."""
        data = self.dataset(table)
        where = (ds.field("cluster") == cluster) & (ds.field("partition") == partition)
        where &= (ds.field("offset") >= start) & (ds.field("offset") < stop)
        found = [
            np.unique(part.column("offset").to_numpy(), return_counts=True)
            for part in (() if data is None else data.to_batches(columns=["offset"], filter=where))
            if part.num_rows
        ]
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        offsets, place = np.unique(np.concatenate([o for o, _ in found]), return_inverse=True)
        counts = np.zeros(len(offsets), np.int64)
        np.add.at(counts, place, np.concatenate([n for _, n in found]))
        return offsets, counts

    def partitions(self, topic: str, cluster: str | None = None) -> list[int]:
        """Partitions of a topic that have records."""
        where = field("topic") == topic
        if cluster is not None:
            where &= field("cluster") == cluster
        return sorted(pc.unique(self.scan(BATCHES, ["partition"], where)["partition"]).to_pylist())

    def sql(self, query: str) -> Any:
        """A query by DuckDB over the tables, by their names: ``events``, ``executions``, ``batches``, …

        Parameters
        ----------
        query
            SQL. Each table named is a state that was whole when the query began.

        Returns
        -------
        duckdb.DuckDBPyRelation
            ``.df()``, ``.arrow()``, ``.fetchall()``.
        """
        import duckdb

        made = duckdb.connect()
        for name in (BATCHES, *KEPT):
            if name in query and (data := self.dataset(name)) is not None:
                made.register(name, data)
        return made.sql(query)


def _arrow(where: Condition | None) -> ds.Expression | None:
    return None if where is None else where.arrow


def _skipping(name: str) -> list[str]:
    """Columns whose least and greatest value a file tells: by them a reader leaves files out."""
    if name == BATCHES:
        return ["partition", "offset", "append_ns"]
    kept = KEPT[name]
    more = ["instrument"] if "instrument" in kept.schema.names else []
    return ["partition", "offset", kept.time, *more]


def _stored(topic: str, rows: pa.Table) -> Iterator[Stored]:
    for part in rows.to_batches():
        names = ("partition", "offset", "append_ns", "key", "headers", "length", "sha256", "value")
        for p, o, a, k, h, n, sha, v in zip(*(part[c].to_pylist() for c in names), strict=True):
            yield Stored(topic, p, o, a, k, tuple((e["name"], e["value"]) for e in h or ()), n, sha, v)


def _unwritable(root: str, e: Exception) -> DataError:
    line = _line(e)
    if "No space left" in line or "os error 28" in line or "StorageFull" in line:
        return FullDiskError(f"history {root} cannot be written: the disk is full; free some space and start again")
    return DataError(f"history {root} cannot be written: {line}; see to the folder and its disk")


def _line(e: Exception) -> str:
    return " ".join(str(e).split())[:200]
