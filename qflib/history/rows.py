"""Records to the rows of the store: columns are joined, never walked row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from qflib.history.kept import ARROW_TYPE, BATCHES_SCHEMA, RECORD_TIME, Kept, is_exact
from qflib.records import BY_KIND, Batch

_log = structlog.get_logger("qflib.archive")

DAY_NS = 86_400 * 10**9
#: Days on which the rows of one record may lie: a store makes a partition for each.
MAX_DAYS = 31
_SIGNED: dict[np.dtype[Any], np.dtype[Any]] = {np.dtype("<u4"): np.dtype("<i4"), np.dtype("<u8"): np.dtype("<i8")}


class _Piece(NamedTuple):
    """Rows of one record."""

    rows: int
    partition: int
    offset: int
    source: str
    epoch: int
    seq: int
    record_ns: int
    columns: Any
    wild: bool


class ColumnRows:
    """Rows of a column table, gathered record by record."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self._pieces: list[_Piece] = []
        self.count = 0
        self.days: set[int] = set()

    def add(self, batch: Batch, partition: int, offset: int, append_ns: int) -> None:
        """Rows of a record, where it is of the table's kind and has some.

        Those of a record whose times lie on more than `MAX_DAYS` days keep their times, and lie under the day of its
        append, as rows that tell no time do.
        """
        if batch.kind != self.kept.kind or self.kept.part not in batch.tables:
            return
        columns = batch.tables[self.kept.part]
        n = self.kept.table.count(columns)
        if n:
            h = batch.header
            at = append_ns if self.kept.own_time else time_of(batch, append_ns)
            days = _days(getattr(columns, self.kept.own_time)) if self.kept.own_time else {at // DAY_NS}
            wild = len(days) > MAX_DAYS
            if wild:
                _log.error("times of too many days in a record", table=self.kept.name, topic=self.kept.topic,
                           partition=partition, offset=offset, days=len(days), rows=n)  # fmt: skip
            self._pieces.append(_Piece(n, partition, offset, h.source, h.epoch, h.seq, at, columns, wild))
            self.days |= {at // DAY_NS} if wild else days
            self.count += n

    def clear(self) -> None:
        """Drop all."""
        self._pieces.clear()
        self.days.clear()
        self.count = 0

    def to_arrow(self, cluster: str) -> pa.Table:
        """All rows gathered; O(bytes), each column joined once."""
        pieces, n = self._pieces, self.count
        counts = np.array([p.rows for p in pieces])
        last = np.cumsum(counts)

        def repeated(values: Sequence[int], dtype: Any) -> NDArray[Any]:
            return np.repeat(np.array(values, dtype), counts)

        record_ns = repeated([p.record_ns for p in pieces], np.int64)
        own: dict[str, Any] = {}
        for i, c in enumerate(self.kept.table.columns):
            if c.type != "blob":
                own[c.name] = _arrow(c.type, np.concatenate([p.columns[i] for p in pieces]))
        if self.kept.own_time:
            i = [c.name for c in self.kept.table.columns].index(self.kept.own_time)
            ns = np.concatenate([p.columns[i] for p in pieces])
            wild = np.repeat([p.wild for p in pieces], counts)
            if wild.any() or not ns.all():  # no time told, or none to believe: the day of its append
                ns = np.where(wild | (ns == 0), record_ns, ns)
        else:
            ns = own[RECORD_TIME] = record_ns
        sources = list(dict.fromkeys(p.source for p in pieces))
        at = {s: i for i, s in enumerate(sources)}
        origin = {
            "date": dates(ns),
            "cluster": pa.repeat(cluster, n),
            "partition": repeated([p.partition for p in pieces], np.int32),
            "offset": repeated([p.offset for p in pieces], np.int64),
            "row": (np.arange(n) - np.repeat(last - counts, counts)).astype(np.int32),
            "source": pa.DictionaryArray.from_arrays(
                repeated([at[p.source] for p in pieces], np.int32), pa.array(sources, pa.string())
            ).dictionary_decode(),
            "epoch": repeated([p.epoch for p in pieces], np.uint64).view(np.int64),
            "seq": repeated([p.seq for p in pieces], np.uint64).view(np.int64),
        }
        schema = self.kept.schema
        return pa.table({name: (origin | own)[name] for name in schema.names}, schema=schema)


class BatchRows:
    """Rows of the table of records themselves."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []

    @property
    def count(self) -> int:
        """Records gathered."""
        return len(self._rows)

    def add(
        self,
        topic: str,
        partition: int,
        offset: int,
        append_ns: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> int:
        """A record; returns the bytes it holds until it is stored."""
        length = -1 if value is None else len(value)
        exact = is_exact(topic)
        sha = None if exact or value is None else hashlib.sha256(value).digest()
        self._rows.append((topic, partition, offset, append_ns, key, headers, length, sha, value if exact else None))
        return max(length, 0) if exact else 0

    def clear(self) -> None:
        """Drop all."""
        self._rows.clear()

    def to_arrow(self, cluster: str) -> pa.Table:
        """All records gathered, by partition and offset."""
        rows = sorted(self._rows, key=lambda r: r[:3])
        topic, partition, offset, append, key, headers, length, sha, value = zip(*rows, strict=True)
        append_ns = np.array(append, np.int64)
        columns = (dates(append_ns), topic, pa.repeat(cluster, len(rows)), partition, offset, append_ns, key,
                   _headers(headers), length, sha, value)  # fmt: skip
        return pa.table(
            [
                c if isinstance(c, pa.Array) else pa.array(c, f.type)
                for c, f in zip(columns, BATCHES_SCHEMA, strict=True)
            ],
            schema=BATCHES_SCHEMA,
        )


def _headers(of: Sequence[Sequence[tuple[str, bytes | None]]]) -> pa.Array:
    """Each record's headers; a dictionary a header, as Arrow would take it, costs three times as much."""
    pairs = [pair for headers in of for pair in headers]
    fields = list(BATCHES_SCHEMA.field("headers").type.value_type)
    values = [pa.array([pair[i] for pair in pairs], f.type) for i, f in enumerate(fields)]
    ends = np.cumsum([0, *map(len, of)], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays(values, fields=fields))


def time_of(batch: Batch, append_ns: int) -> int:
    """The newest time that a record's own tables tell; where none does, that of its append."""
    for name, table in BY_KIND[batch.kind].by_name.items():
        if name in batch.tables:
            for column in ("receipt_ns", "time_ns", "sent_ns"):
                if column in (table.dtype.names or ()) and table.count(batch.tables[name]):
                    return int(getattr(batch.tables[name], column).max()) or append_ns
    return append_ns


def dates(ns: NDArray[np.int64]) -> pa.Array:
    """Days (UTC) of times, as text: a column that Delta Lake partitions by may be no dictionary."""
    days = ns // DAY_NS
    first, last = int(days.min()), int(days.max())
    if first == last:
        return pa.repeat(str(np.datetime64(first, "D")), len(ns))
    distinct, codes = np.unique(days, return_inverse=True)
    names = pa.array([str(np.datetime64(int(d), "D")) for d in distinct], pa.string())
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), names).dictionary_decode()


def _days(ns: NDArray[np.int64]) -> set[int]:
    first, last = int(ns.min()) // DAY_NS, int(ns.max()) // DAY_NS
    return {first} if first == last else set(np.unique(ns // DAY_NS).tolist())


def _arrow(kind: str, a: NDArray[Any]) -> Any:
    if kind == "text":
        return pa.array(a).view(pa.string())  # UTF-8 was checked by the codec
    return pa.array(a.view(_SIGNED.get(a.dtype, a.dtype)), ARROW_TYPE[kind])
