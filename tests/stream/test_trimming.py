"""What no restore and no audit will read again goes, after a broker that stood still, too."""

from __future__ import annotations

import os
import signal
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from qflib.broker import topics
from qflib.broker.clients import consumer_config, producer
from qflib.broker.local import LocalBroker
from qflib.records.topics import journal
from qflib.stream import trimming
from qflib.stream.stages import STAGES
from qflib.stream.trimming import Trimming

EXCHANGE = STAGES["exchange"]
JOURNAL = journal(EXCHANGE.name)
_KEEP_MS = 1_000


def test_old_marks_go_after_the_broker_stood_still(own_broker: LocalBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its partitions have another leader's epoch since, and an admin client that knows the former is refused."""
    monkeypatch.setattr(trimming, "_JOURNAL_EVERY_S", 0.0)
    monkeypatch.setattr(trimming, "retention_ms", lambda _: _KEEP_MS)
    c, pid = own_broker.connection, own_broker.status().pid
    assert pid is not None
    topics.create(c, 1)
    sender, trimmed = producer(c, client_id="marks"), Trimming(c, EXCHANGE)
    asker = Consumer(consumer_config(c, group="asker"))  # a client of its own: one question mends what the other has

    def marks(count: int) -> None:
        for _ in range(count):
            sender.produce(JOURNAL, b"m", partition=0)
        assert sender.flush(10.0) == 0

    def begins_at(marks_below: int) -> None:
        """Snapshots are taken, the last but one of which needs no mark below, until those are gone."""
        end = time.monotonic() + 15.0
        while (first := asker.get_watermark_offsets(TopicPartition(JOURNAL, 0), 10.0)[0]) != marks_below:
            assert first < marks_below
            assert time.monotonic() < end, first
            marks(1)
            trimmed.begin(0, ((0, marks_below), (0, marks_below)))
            trimmed.taking(0, marks_below, {})
            time.sleep(0.1)

    marks(20)
    began = time.monotonic()
    begins_at(4)
    assert time.monotonic() - began > _KEEP_MS / 1e3  # no sooner than their inputs go
    os.kill(pid, signal.SIGSTOP)
    time.sleep(4.0)  # longer than its session: that the time passes is the fault
    os.kill(pid, signal.SIGCONT)
    for marks_below in range(5, 15):  # the first may come before the new epoch
        begins_at(marks_below)
    asker.close()
