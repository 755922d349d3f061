"""Publishes control and booking batches: in one transaction, so that a reader sees all of them or none.

Their ids make it safe to try again: the exchange ignores those it has applied.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qflib.broker.clients import Connection, producer
from qflib.errors import BrokerError
from qflib.records import Batch, Header, Partitions
from qflib.records.codec import encode

if TYPE_CHECKING:
    from confluent_kafka import Producer

_TIMEOUT_MS = 2_000  # of the transaction: a committed reader of the topic waits for it at most so long
_ATTEMPTS = 5
_ANSWER_S = 4.0


def addressed(batches: Iterable[Batch], table: Partitions, epoch: int) -> list[Batch]:
    """Batches numbered a partition; those without a key once a partition, as part k of n."""
    seq = [0] * table.n
    made: list[Batch] = []
    for batch in batches:
        keys = [batch.key] if batch.key else list(table.every)
        for part, key in enumerate(keys):
            at = table.place(key)
            header = Header(batch.header.source, epoch, seq[at], part, len(keys))
            made.append(replace(batch, key=key, header=header))
            seq[at] += 1
    return made


def publish(
    c: Connection,
    batches: Sequence[Batch],
    table: Partitions,
    *,
    attempts: int = _ATTEMPTS,
    client_id: str = "qflib.opening",
    answer_s: float = _ANSWER_S,
) -> int:
    """Send batches in one transaction.

    Parameters
    ----------
    c
        The cluster.
    batches
        Controls and bookings of one source; one without a key goes to every partition.
    table
        Where names lie.
    attempts
        How often to try.
    client_id
        The sender's name in the broker's log.
    answer_s
        How long to wait for each of the broker's answers.

    Returns
    -------
    int
        Records sent.

    Raises
    ------
    BrokerError
        If the broker took none of the attempts.

    Notes
    -----
    An attempt has an epoch of its own: where it is unknown whether one was committed, the next doubles no number, and
    the exchange ignores the ids.
    """
    from confluent_kafka import KafkaException

    reason, epoch = "", 0
    for _ in range(attempts):
        epoch = max(epoch + 1, time.time_ns() // 1_000_000)
        sent = addressed(batches, table, epoch)
        name = f"{client_id}.{uuid.uuid4().hex}"
        client = producer(c, client_id=client_id, transactional_id=name, transaction_timeout_ms=_TIMEOUT_MS)
        try:
            client.init_transactions(answer_s)
            _send(client, sent, table, answer_s)
        except KafkaException as e:
            reason = e.args[0].str()
            continue
        return len(sent)
    what = "opening records" if client_id == "qflib.opening" else "controls or bookings"
    raise BrokerError(f"{c.bootstrap} took no {what} ({reason}); see `qflib broker status`, then start again")


def _send(client: Producer, batches: Sequence[Batch], table: Partitions, answer_s: float) -> None:
    from confluent_kafka import KafkaException

    values = [encode(b) for b in batches]
    client.begin_transaction()
    try:
        for batch, value in zip(batches, values, strict=True):
            while True:
                try:
                    client.produce(batch.topic, value, table.key(batch.key))
                    break
                except BufferError:  # the queue is bounded
                    client.poll(0.05)
        client.commit_transaction(answer_s)
    except KafkaException as e:
        if e.args[0].txn_requires_abort():
            client.abort_transaction(answer_s)
        raise
