"""What turns the records of an assignment into transactions of the store: each offset once in every table.

The carrier may bring a record twice, or go back to an older offset: what a table holds already is left out by the
table's own next offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import NamedTuple

from qflib.errors import DataError, MalformedRecordError, TornBatchError
from qflib.history.kept import BATCHES, Kept, kept_of
from qflib.history.rows import MAX_DAYS, BatchRows, ColumnRows
from qflib.history.store import Handle, History, Log, RetiredError
from qflib.records.codec import decode

#: Bytes held before they are stored without waiting for the interval, and rows.
MAX_BYTES = 64 << 20
MAX_ROWS = 500_000
_PATIENCE_S = 30.0


class Counts(NamedTuple):
    """Records, rows of column tables and bytes stored; market events among the rows."""

    records: int = 0
    rows: int = 0
    value_bytes: int = 0
    events: int = 0

    def plus(self, records: int = 0, rows: int = 0, value_bytes: int = 0, events: int = 0) -> Counts:
        """The sum."""
        return Counts(self.records + records, self.rows + rows, self.value_bytes + value_bytes, self.events + events)


class _Open:
    """A table with its rows: the handle's next offsets, and those that its rows reach."""

    def __init__(self, handle: Handle, rows: ColumnRows | BatchRows, logs: Iterable[Log]) -> None:
        self.handle, self.rows = handle, rows
        self.next = {log: handle.next_offset(log) for log in logs}
        self.reached: dict[Log, int] = {}

    def takes(self, log: Log, offset: int) -> bool:
        return offset >= self.reached.get(log, self.next[log])


class Archiver:
    """Keeps the records of the partitions assigned to it until they are stored.

    Parameters
    ----------
    history
        Where to.
    max_bytes, max_rows
        Held at most; more are stored at once, and so are rows of a table of more days than one record may have: a
        transaction has a bounded number of partitions.

    Notes
    -----
    One lock is held by whoever stores. `retire` takes none: a store that has begun and outlives its assignment ends
    at its next table with an error, so that nobody commits what it did not store, and the next assignment waits until
    it has.
    """

    def __init__(self, history: History, max_bytes: int = MAX_BYTES, max_rows: int = MAX_ROWS) -> None:
        self._history, self._max_bytes, self._max_rows = history, max_bytes, max_rows
        self._lock = Lock()
        self._generation = self._assigned = 0
        self._logs: dict[tuple[str, int], Log] = {}
        self._columns: dict[str, list[tuple[Kept, _Open]]] = {}
        self._batches: _Open | None = None
        self._held = self._rows = self._days = 0
        self.counts = Counts()

    def assign(self, logs: Iterable[Log]) -> dict[Log, int]:
        """Begin anew with these partitions: buffers dropped, tables loaded; returns the next offsets of their records.

        Raises
        ------
        DataError
            If an older store does not end, or a table cannot be read.
        """
        self._generation += 1
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise DataError(f"the history takes no rows for {_PATIENCE_S:.0f} s; see whether its disk still answers")
        try:
            assigned = list(logs)
            self._logs = {(log.topic, log.partition): log for log in assigned}
            self._columns, self._held, self._rows, self._days = {}, 0, 0, 0
            for topic in dict.fromkeys(log.topic for log in assigned):
                of = [log for log in assigned if log.topic == topic]
                self._columns[topic] = [
                    (k, _Open(self._history.handle(k.name), ColumnRows(k), of)) for k in kept_of(topic)
                ]
            self._batches = _Open(self._history.handle(BATCHES), BatchRows(), assigned) if assigned else None
            self._assigned = self._generation
            return dict(self._batches.next) if self._batches else {}
        finally:
            self._lock.release()

    def retire(self) -> None:
        """The assignment is over: nothing held is stored any more, and whoever asks for it is told."""
        self._generation += 1

    def take(
        self,
        topic: str,
        partition: int,
        offset: int,
        append_ns: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """One record. One that cannot be read has bytes and no columns.

        Raises
        ------
        ConflictError, DataError, RetiredError
            As `store`, where too much is held.
        """
        with self._lock:
            log = self._logs[topic, partition]
            tables = [t for t in self._columns[topic] if t[1].takes(log, offset)]
            if tables and value is not None:
                self._add_columns(tables, log, offset, append_ns, value)
            o = self._batches
            if o is not None and o.takes(log, offset):
                assert isinstance(o.rows, BatchRows)
                self._held += o.rows.add(topic, partition, offset, append_ns, key, value, headers)
                o.reached[log] = offset + 1
                self.counts = self.counts.plus(records=1, value_bytes=len(value or b""))
        if self._held > self._max_bytes or self._rows > self._max_rows or self._days > MAX_DAYS:
            self.store()

    def store(self) -> None:
        """Store what is held: each table in one transaction, the records themselves last.

        Raises
        ------
        ConflictError
            If another archive has stored the same partitions.
        DataError
            If the disk is full or cannot be written.
        RetiredError
            If the assignment is over before all is stored: to return would say that the offsets may be committed.
        """
        generation = self._generation
        with self._lock:
            tables = [o for kept in self._columns.values() for _, o in kept]
            for o in [*tables, *([self._batches] if self._batches else [])]:
                if not generation == self._generation == self._assigned:
                    raise RetiredError("the assignment is over; its successor stores these records")
                self._store(o)
            self._held = self._rows = self._days = 0

    def _store(self, o: _Open) -> None:
        if not o.rows.count:
            return
        cluster = next(iter(o.next)).cluster
        o.handle.append(o.rows.to_arrow(cluster), o.reached)
        o.next |= o.reached
        o.reached = {}
        o.rows.clear()

    def _add_columns(
        self, tables: list[tuple[Kept, _Open]], log: Log, offset: int, append_ns: int, value: bytes
    ) -> None:
        try:
            batch = decode(value)
        except (MalformedRecordError, TornBatchError):
            return  # its bytes, or their hash, are kept
        for kept, o in tables:
            assert isinstance(o.rows, ColumnRows)
            before = o.rows.count
            o.rows.add(batch, log.partition, offset, append_ns)
            added = o.rows.count - before
            if added:
                o.reached[log] = offset + 1
                self._rows += added
                self._days = max(self._days, len(o.rows.days))
                self._held += len(value)
                self.counts = self.counts.plus(rows=added, events=added if kept.name == "events" else 0)
