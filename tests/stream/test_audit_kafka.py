"""The audit on a real Kafka: clean, with a record too many, without the archive its group tells of, overtaken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from qflib.broker import topics
from qflib.broker.clients import Connection, admin, producer
from qflib.broker.reading import OffsetGoneError
from qflib.records.topics import RISK_METRICS
from qflib.stream.audit import audit
from qflib.stream.audit.records import KafkaRecords, Place
from qflib.stream.stages import ARCHIVE_GROUP
from tests.stream.chain import Lists, run

PARTITIONS = 2


def test_the_command_audits_a_cluster(own_kafka: Connection, tmp_path: Path) -> None:
    desk, lists = run(PARTITIONS, duration="1500ms", markers=False)
    topics.create(own_kafka, PARTITIONS)
    _send(own_kafka, lists)
    desk.save(tmp_path / "up" / "deployment.json")
    code, told = _audit(own_kafka, tmp_path, "--replay")
    assert (code, told["ok"]) == (0, True), told
    assert told["topics"][RISK_METRICS]["batches"] > 0
    assert told["replay"]["records"] > 100
    assert (told["replay"]["unequal"], told["replay"]["state_equal"]) == (0, True)

    (topic, p), records = next((at, r) for at, r in lists.topics.items() if at[0] == RISK_METRICS and r)
    again = Lists()
    again.send(topic, p, records[0].key, records[0].value or b"")
    _send(own_kafka, again)
    code, told = _audit(own_kafka, tmp_path)
    assert (code, told["ok"], told["topics"][RISK_METRICS]["duplicated"]) == (1, False, 1)
    assert told["findings"][0]["offset"] == len(records)

    claimed = Lists()
    claimed.groups[ARCHIVE_GROUP, topic, p] = 1
    _send(own_kafka, claimed)
    code, told = _audit(own_kafka, tmp_path)
    assert code == 1
    assert told["topics"][RISK_METRICS]["lost"] >= 1  # the record, and its rows
    assert {(f["topic"], f["partition"], f["offset"]) for f in told["findings"] if f["fault"] == "lost"} == {
        (topic, p, 0)
    }


class Retained(KafkaRecords):
    """A cluster whose retention takes the first of the reports just when an audit has asked what there is."""

    takes = 1

    def spans(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        found = super().spans(places)
        at = next(((t, p) for (t, p), (_, high) in found.items() if t == RISK_METRICS and high > 2), None)
        if at is not None and Retained.takes:
            Retained.takes -= 1
            [gone] = admin(self.connection).delete_records([TopicPartition(*at, found[at][0] + 1)]).values()
            gone.result(20)
        return found


def test_retention_may_go_on_meanwhile(own_kafka: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, lists = run(1, duration="1500ms", markers=False)
    topics.create(own_kafka, 1)
    _send(own_kafka, lists)
    monkeypatch.setattr("qflib.stream.audit.report.KafkaRecords", Retained)
    told: list[int] = []
    Retained.takes = 2  # asked twice: before and after what groups have committed
    report = audit(own_kafka, desk, jobs=1, told=lambda: told.append(1))
    assert (report.ok, Retained.takes, len(told)) == (True, 0, 1), report.document["findings"]
    Retained.takes = 1_000
    with pytest.raises(OffsetGoneError, match="asked for, and the topic holds"):
        audit(own_kafka, desk, jobs=1)


def _audit(c: Connection, state: Path, *flags: str) -> tuple[int, dict[str, object]]:
    command = [sys.executable, "-m", "qflib.cli.main", "audit", "--json", "--bootstrap", c.bootstrap, *flags]
    env = os.environ | {"QFLIB_STATE": str(state)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def _send(c: Connection, lists: Lists) -> None:
    """The lists as topics, at the same offsets, and their groups."""
    from confluent_kafka import Consumer, TopicPartition

    sender = producer(c, client_id="test")
    for (topic, p), records in lists.topics.items():
        for r in records:
            sender.produce(topic, r.value, r.key, partition=p)
        sender.flush()
    for group in {g for g, _, _ in lists.groups}:
        at = [TopicPartition(t, p, n) for (g, t, p), n in lists.groups.items() if g == group]
        consumer = Consumer({"bootstrap.servers": c.bootstrap, "group.id": group})
        consumer.commit(offsets=at, asynchronous=False)
        consumer.close()
