"""What no restore and no audit will read again goes, after a broker that stood still, too."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from structlog.testing import capture_logs

from qflib.broker import topics
from qflib.broker.clients import consumer_config, producer
from qflib.broker.local import LocalBroker
from qflib.records.topics import journal
from qflib.stream import trimming
from qflib.stream.stages import STAGES
from qflib.stream.trimming import Trimming
from tests.processes import stopped

EXCHANGE = STAGES["exchange"]
JOURNAL = journal(EXCHANGE.name)
_KEEP_MS = 1_000


def test_old_marks_go_after_the_broker_stood_still(own_broker: LocalBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its partitions have another leader's epoch since, and an admin client that knows the former is refused."""
    monkeypatch.setattr(trimming, "_JOURNAL_EVERY_S", 0.5)
    monkeypatch.setattr(trimming, "retention_ms", lambda _: _KEEP_MS)
    c = own_broker.connection
    topics.create(c, 2)
    sender, trimmed = producer(c, client_id="marks"), Trimming(c, EXCHANGE)
    asker = Consumer(consumer_config(c, group="asker"))  # a client of its own: one question mends what the other has

    def marks(count: int) -> None:
        for n in range(2 * count):
            sender.produce(JOURNAL, b"m", partition=n % 2)
        assert sender.flush(10.0) == 0

    def begins_at(marks_below: int) -> None:
        """Snapshots are taken, the last but one of which needs no mark below, until those are gone."""
        end, first = time.monotonic() + 60.0, {0: -1, 1: -1}
        for p in first:
            trimmed.begin(p, ((0, marks_below), (0, marks_below)))
        while set(first.values()) != {marks_below}:
            assert max(first.values()) <= marks_below
            assert time.monotonic() < end, first
            marks(1)
            time.sleep(0.1)
            for p in first:
                trimmed.taking(p, marks_below, {})
                with suppress(KafkaException):  # a broker that has just come back
                    first[p] = asker.get_watermark_offsets(TopicPartition(JOURNAL, p), 10.0)[0]

    marks(20)
    began = time.monotonic()
    begins_at(4)
    assert time.monotonic() - began > _KEEP_MS / 1e3  # no sooner than their inputs go
    with stopped(own_broker.pid):
        time.sleep(4.0)  # longer than its session: that the time passes is the fault
    with capture_logs() as said:
        for marks_below in range(5, 15):  # the first may come before the new epoch
            begins_at(marks_below)
    assert "old marks stay" in {line["event"] for line in said}
    asker.close()
