"""Where the audit reads from: Kafka, the archive, or lists in a test."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from qflib.records.topics import snapshots

if TYPE_CHECKING:
    from qflib.broker.clients import Connection

#: A topic's partition.
Place = tuple[str, int]


class Record(NamedTuple):
    """A record as it lies in a partition."""

    offset: int
    key: bytes | None
    value: bytes | None


class Records(Protocol):
    """Committed records by topic, partition and offset."""

    def spans(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset kept and the end of each; (0, 0) where there is no such topic."""

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """The records from `start` up to `stop`, which is not among them, in order of offset."""

    def committed(self, group: str, places: Collection[Place]) -> dict[Place, int]:
        """The group's next offset of each; -1 where it has none."""


@dataclass(frozen=True)
class KafkaRecords:
    """The records of a cluster.

    Parameters
    ----------
    connection
        The cluster.
    """

    connection: Connection

    def spans(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        """As `Records.spans`. Three requests."""
        from qflib.broker import reading
        from qflib.broker.clients import admin

        topics = admin(self.connection).list_topics(timeout=10.0).topics
        there = [(t, p) for t, p in places if t in topics and p in topics[t].partitions]
        low, high = reading.starts(self.connection, there), reading.ends(self.connection, there)
        return dict.fromkeys(places, (0, 0)) | {place: (low[place], high[place]) for place in there}

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """As `Records.read`."""
        from qflib.broker import reading
        from qflib.broker.reading import OffsetGoneError

        try:
            for m in reading.read(self.connection, topic, partition, start, stop):
                at, key, value = m.offset(), m.key(), m.value()
                yield Record(-1 if at is None else at, _bytes(key), _bytes(value))
        except OffsetGoneError:
            low, _ = reading.watermarks(self.connection, topic, partition)
            if low <= start or not topic.endswith(snapshots("")):
                raise
            yield from self.read(topic, partition, low, stop)  # a running stage has deleted those before its newest

    def committed(self, group: str, places: Collection[Place]) -> dict[Place, int]:
        """As `Records.committed`."""
        from qflib.broker import reading

        return reading.committed(self.connection, group, list(places))


def _bytes(content: bytes | str | None) -> bytes | None:
    return content.encode() if isinstance(content, str) else content
