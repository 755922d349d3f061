"""Offsets that are sent before an output has arrived do not count where it never does."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic
from quixstreams.internal_producer import InternalProducer
from quixstreams.processing.context import ProcessingContext

from qflib.broker.clients import Connection, admin, consumer_config, producer_config
from qflib.stream.pacing import PacedContext


def test_an_output_that_the_broker_refuses_aborts_the_offsets_with_it(kafka: Connection) -> None:
    narrow = NewTopic("undelivered.out", 1, 1, config={"max.message.bytes": "5000"})
    for future in admin(kafka).create_topics([narrow, NewTopic("undelivered.in", 1, 1)]).values():
        future.result(30)
    own = producer_config(kafka, client_id="undelivered", transactional_id="undelivered.0")
    own = {k: v for k, v in own.items() if k != "bootstrap.servers"}
    producer = InternalProducer(kafka.bootstrap, extra_config=own, transactional=True, flush_timeout=30)
    consumer = Consumer(consumer_config(kafka, group="undelivered", instance="undelivered.0"))
    context = PacedContext.of(
        ProcessingContext(0.005, producer, consumer, MagicMock(), MagicMock(sinks=[]), MagicMock(), exactly_once=True)
    )

    def committed() -> int:
        return int(consumer.committed([TopicPartition("undelivered.in", 0)], timeout=30)[0].offset)

    try:
        context.init_checkpoint()
        producer.produce("undelivered.out", b"x" * 100, partition=0)
        context.store_offset("undelivered.in", 0, 6)
        context.commit_checkpoint(force=True)
        assert committed() == 7
        producer.produce("undelivered.out", b"x" * 50_000, partition=0)
        context.store_offset("undelivered.in", 0, 8)
        with pytest.raises(KafkaException) as refused:
            context.commit_checkpoint(force=True)
        assert refused.value.args[0].txn_requires_abort()
        producer.abort_transaction(30)
        assert committed() == 7
    finally:
        consumer.close()
