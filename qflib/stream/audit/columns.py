"""The tables that users read against the records they were made of: the rows of each record once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from qflib.errors import QflibError
from qflib.history.kept import Kept, kept_of
from qflib.records import BY_KIND
from qflib.records.checking import check
from qflib.records.codec import decode
from qflib.stream.audit.records import Record
from qflib.stream.audit.tally import Stretch, Tally

if TYPE_CHECKING:
    from qflib.history.store import History


class Columns:
    """The main column tables of one partition of a topic.

    Parameters
    ----------
    history, cluster
        The archive, and whose records it stored.
    topic, partition
        Of which the tables are.
    start, stop
        Offsets from `start` to before `stop`.

    Notes
    -----
    A record's header says how many rows its main table has, so no array is made; its other tables are stored from the
    same bytes. 16 bytes a record are held.
    """

    def __init__(self, history: History, cluster: str, topic: str, partition: int, start: int, stop: int) -> None:
        self._topic, self._partition = topic, partition
        self._kept = [k for k in kept_of(topic) if k.part == BY_KIND[k.kind].tables[0][0]]
        self._rows = [history.rows_of(k.name, partition, cluster=cluster, start=start, stop=stop) for k in self._kept]

    def compared(self, records: Iterable[Record], tally: Tally) -> Iterator[Record]:
        """The records, by rising offset, passed through; whose rows are not in the tables once is found.

        Parameters
        ----------
        records
            All that the topic holds from `start` on and that must be stored.
        tally
            Takes what is found, when the last record was taken.
        """
        tables = [
            _Table(k, Stretch(tally, self._topic, self._partition, "lost", f"rows not in table {k.name}"),
                   Stretch(tally, self._topic, self._partition, "duplicated", f"rows too many in table {k.name}"),
                   zip(offsets.tolist(), counts.tolist(), strict=True))
            for k, (offsets, counts) in zip(self._kept, self._rows, strict=True)
        ]  # fmt: skip
        for r in records:
            if tables:
                kind, rows = _told(r.value or b"")
                for table in tables:
                    table.take(r, rows if table.kept.kind == kind else 0)
            yield r
        for table in tables:
            table.finish()


class _Table:
    """One table: which of its rows comes next, and the faults that go on."""

    def __init__(self, kept: Kept, lost: Stretch, doubled: Stretch, rows: Iterator[tuple[int, int]]) -> None:
        self.kept, self._lost, self._doubled, self._rows = kept, lost, doubled, rows
        self._next = next(rows, None)

    def take(self, r: Record, told: int) -> None:
        """A record that tells of so many rows."""
        self._stray(r.offset)
        there = 0
        if self._next is not None and self._next[0] == r.offset:
            there, self._next = self._next[1], next(self._rows, None)
        if there < told and _readable(r.value or b""):
            self._lost.add(r.offset, told - there)
        elif told:
            self._lost.end()
        if there > told:
            self._doubled.add(r.offset, there - told)
        elif told:
            self._doubled.end()

    def finish(self) -> None:
        """There are no more records."""
        self._stray(None)
        self._lost.end()
        self._doubled.end()

    def _stray(self, before: int | None) -> None:
        """Rows of records that the topic does not hold."""
        while self._next is not None and (before is None or self._next[0] < before):
            self._doubled.add(*self._next)
            self._next = next(self._rows, None)


def _told(value: bytes) -> tuple[str, int]:
    """A record's kind and the rows of its main table; none where the archive could read none either."""
    try:
        kind, _, _, rows = check(value)
    except QflibError:
        return "", 0
    return kind, rows


def _readable(value: bytes) -> bool:
    """Whether the archive could read the rows: `check` leaves out what only a decoder sees."""
    try:
        decode(value)
    except QflibError:
        return False
    return True
