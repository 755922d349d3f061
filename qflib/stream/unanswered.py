"""A commit that got no answer in time was sent again, and the first may still come: nothing is written after it."""

from __future__ import annotations

import logging

#: Where Quix Streams has its producer's client say what it does.
_PRODUCER = logging.getLogger("quixstreams.kafka.producer")


class Unanswered(logging.Filter):
    """Notices in what librdkafka says that the request which ends a transaction ran out of time.

    It is sent again by another connection, and that one's answer is what the commit returns with. The first may lie at
    the broker still, and end the next transaction with half of it written: its epoch is that one's too. So a worker
    that has waited for it ends; its successor begins with a new epoch, in which the broker no longer takes it
    (KIP-890; librdkafka's issue 5423).

    Examples
    --------
    >>> Unanswered().seen
    False
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    @classmethod
    def listen(cls) -> Unanswered:
        """One that hears the producer of this process's application; what is no warning is not logged."""
        made = cls()
        _PRODUCER.setLevel(logging.INFO)
        _PRODUCER.addFilter(made)
        return made

    def filter(self, record: logging.LogRecord) -> bool:
        """Take note; whether it is a warning."""
        said = record.getMessage()
        self.seen |= "Timed out" in said and "EndTxn" in said
        return record.levelno >= logging.WARNING
