"""Publishes what a desk opens with on `orders.incoming`: limits, positions, the scenario set.

Ids are content hashes, and the exchange ignores those it has applied: publishing again changes nothing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from qflib.broker.clients import Connection, producer
from qflib.desk.deployment import Deployment
from qflib.desk.opening import bookings, hedging_control, limits_control, scenario_controls
from qflib.errors import BrokerError
from qflib.records import Batch, Header, Partitions
from qflib.records.codec import encode

if TYPE_CHECKING:
    from confluent_kafka import Producer

    from qflib.shortfall import ScenarioSet

_TIMEOUT_MS = 2_000  # of the transaction: a committed reader of the topic waits for it at most so long
_ATTEMPTS = 5
_ANSWER_S = 4.0


def opening(desk: Deployment, positions: pd.DataFrame | None, scenarios: ScenarioSet | None) -> list[Batch]:
    """What a desk opens with, in order; a control of no underlying has the key "".

    Hedging is off until all positions are booked and the scenario set is there.
    """
    made: list[Batch] = []
    if desk.config.limits:
        made.append(limits_control(desk.portfolio, desk.config.limits))
    if positions is None or scenarios is None:
        return made
    return [
        hedging_control(desk.portfolio, on=False),
        *made,
        *bookings(desk.instruments, desk.portfolio, positions),
        *scenario_controls(scenarios),
        hedging_control(desk.portfolio, on=True),
    ]


def booking_ids(batches: Iterable[Batch]) -> set[str]:
    """The ids of the bookings among batches."""
    return {i.decode() for b in batches if b.kind == "booking" for i in b.bookings.booking_id.tolist()}


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


def publish(c: Connection, batches: Sequence[Batch], table: Partitions, *, attempts: int = _ATTEMPTS) -> int:
    """Send batches in one transaction: a reader sees all of them or none.

    Parameters
    ----------
    c
        The cluster.
    batches
        As `opening` gives them.
    table
        Where names lie.
    attempts
        How often to try.

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
        name = f"qflib.opening.{uuid.uuid4().hex}"
        client = producer(c, client_id="qflib.opening", transactional_id=name, transaction_timeout_ms=_TIMEOUT_MS)
        try:
            client.init_transactions(_ANSWER_S)
            _send(client, sent, table)
        except KafkaException as e:
            reason = e.args[0].str()
            continue
        return len(sent)
    raise BrokerError(f"{c.bootstrap} took no opening records ({reason}); see `qflib broker status`, then start again")


def _send(client: Producer, batches: Sequence[Batch], table: Partitions) -> None:
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
        client.commit_transaction(_ANSWER_S)
    except KafkaException as e:
        if e.args[0].txn_requires_abort():
            client.abort_transaction(_ANSWER_S)
        raise
