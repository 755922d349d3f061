"""A record as an onlooker gets it from Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from confluent_kafka import Message


class Seen(NamedTuple):
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    append_ms: int

    @classmethod
    def of(cls, m: Message) -> Seen:
        """From librdkafka's message, which holds no error."""
        at = m.timestamp()[1]
        return cls(str(m.topic()), m.partition() or 0, m.offset() or 0, m.key(), m.value(), m.headers() or (), at)
