"""The interface of a store: whoever keeps the history, archive, audit and readers see this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qflib.errors import DataError
from qflib.history.where import Condition
from qflib.records import Instruments

#: Bytes of values that a reader of records holds.
WINDOW_BYTES = 32 << 20


class ConflictError(Exception):
    """Another archive has stored the same partitions meanwhile: this one has lost them and must end."""


class RetiredError(Exception):
    """The assignment is over and what was held is not stored: its offsets must not be committed."""


class NothingStoredError(DataError):
    """Nothing was archived yet, or nothing of a table."""


class Log(NamedTuple):
    """One partition of one topic of one cluster: what offsets count in.

    A topic made anew, or a new cluster, is another log, whose offsets begin anew.
    """

    cluster: str
    topic: str
    topic_id: str
    partition: int

    @property
    def app_id(self) -> str:
        """Its name in the store's transactions."""
        return f"{self.cluster}/{self.topic_id}/{self.partition}"


class Stored(NamedTuple):
    """A record as it was: the value, or its SHA-256 where that alone is kept."""

    topic: str
    partition: int
    offset: int
    append_ns: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    length: int
    sha256: bytes | None
    value: bytes | None


class Handle(ABC):
    """One table, loaded for writing; it sees what stood at its loading and what it wrote itself."""

    @abstractmethod
    def next_offset(self, log: Log) -> int:
        """The first offset of a log that is not stored."""

    @abstractmethod
    def append(self, rows: pa.Table, next_offsets: Mapping[Log, int]) -> None:
        """Store rows and their logs' next offsets, all or nothing.

        Raises
        ------
        ConflictError
            If another handle has stored one of the logs since this one was loaded.
        DataError
            If the disk is full or cannot be written.
        """


class History(ABC):
    """A store of all topics."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How it is told of in a sentence."""

    @abstractmethod
    def handle(self, table: str) -> Handle:
        """A table (a name of `KEPT`, or "batches"), loaded now; made where there is none."""

    @abstractmethod
    def offsets(self, topic: str, table: str = "batches") -> dict[tuple[str, int], int]:
        """The next offset of each (cluster, partition) of a topic by the rows that a table holds."""

    @property
    @abstractmethod
    def clusters(self) -> tuple[str, ...]:
        """Kafka clusters that were archived, in the order of their first time."""

    @abstractmethod
    def register(self, cluster: str, instruments: Instruments) -> None:
        """Keep a cluster's instrument table beside its rows.

        Raises
        ------
        DataError
            If the cluster was archived with a table whose numbers mean something else.
        """

    @abstractmethod
    def instruments(self, cluster: str | None = None) -> Instruments:
        """The instrument table of a cluster; of the last one by default."""

    @abstractmethod
    def scan(self, table: str, columns: list[str] | None = None, where: Condition | None = None) -> pa.Table:
        """Rows of one state of a table, in no order; zeros where a column was declared after a row was stored."""

    @abstractmethod
    def count(self, table: str, where: Condition | None = None) -> int:
        """How many rows `scan` would give; none is held."""

    @abstractmethod
    def dates(self, table: str, cluster: str) -> list[str]:
        """The UTC dates of a column table's own time of which there are rows, the first one first."""

    @abstractmethod
    def partitions(self, topic: str, cluster: str | None = None) -> list[int]:
        """Partitions of a topic that have records, of one cluster or of any."""

    @abstractmethod
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
        """Records of a partition by rising offset, a bounded number of bytes in memory.

        Parameters
        ----------
        cluster
            Default: the last one.
        date
            Only what was appended on this day (UTC), as 2026-01-05.
        start, stop
            Offsets from `start` to before `stop`.
        """

    @abstractmethod
    def rows_of(
        self, table: str, partition: int, *, cluster: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which records have rows in a column table, by rising offset, and how many each.

        Parameters
        ----------
        table, partition, cluster
            Whose rows.
        start, stop
            Offsets from `start` to before `stop`.
        """

    def read(
        self,
        topic: str,
        columns: list[str] | None = None,
        instrument: str | int | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> Any:
        """Rows of a topic by rising time: `qflib.history.reading.read` tells all of it."""
        from qflib.history.reading import read

        return read(self, topic, columns, instrument, start, end, **options)


def windows(lengths: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of records with so many bytes at most as a reader may hold, or one record.

    Parameters
    ----------
    lengths
        Bytes of each record; below 0: it has no value.
    """
    ends = np.cumsum(np.maximum(lengths, 0) + 128)
    at, done = 0, 0
    while at < len(ends):
        stop = max(int(np.searchsorted(ends, done + WINDOW_BYTES, "right")), at + 1)
        yield at, stop
        at, done = stop, int(ends[stop - 1])
