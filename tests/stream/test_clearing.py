"""A journal that somebody else wrote in, cleared by the command where the state is whole without it, and only there."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner

from qflib.broker import topics
from qflib.broker.clients import Connection, consumer_config, producer
from qflib.broker.reading import ends, starts
from qflib.cli.main import app
from qflib.errors import DataError, InputError, StateError
from qflib.records import TICK, Batch, Header
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, journal, snapshots
from qflib.steps.state import digest
from qflib.stream import marks
from qflib.stream import snapshots as snapshot_records
from qflib.stream.clearing import clear_journal
from qflib.stream.fold import Fold
from qflib.stream.restore import restore
from tests.stream import toy

JOURNAL = journal("exchange")
VERSION = "one"


@pytest.fixture
def c(own_kafka: Connection) -> Connection:
    topics.create(own_kafka, toy.PARTITIONS.n)
    return own_kafka


def worked(c: Connection, n: int) -> Fold:
    """A stage that has taken in and committed so many inputs of one partition, with their marks in its journal."""
    fold, p = toy.fold(0), producer(c, client_id="test")
    for i in range(n):
        value = encode(Batch.of("clock", Header("test", 0, i), tick=TICK.make(time_ns=[1_000 + i])))
        taken = fold.take(MARKET_NORMALIZED, i, b"k0#0", value)
        p.produce(MARKET_NORMALIZED, value, key=b"k0#0", partition=0)
        p.produce(JOURNAL, marks.write(fold, MARKET_NORMALIZED, i, taken, VERSION), key=b"0", partition=0)
    p.flush()
    committed(c, n)
    return fold


def committed(c: Connection, offset: int) -> None:
    consumer = Consumer(consumer_config(c, group=toy.STAGE.group))
    consumer.commit(offsets=[TopicPartition(MARKET_NORMALIZED, 0, offset)], asynchronous=False)
    consumer.close()


def written(c: Connection, topic: str, *values: bytes) -> None:
    p = producer(c, client_id="test")
    for value in values:
        p.produce(topic, value, key=b"0", partition=0)
    p.flush()


def command(c: Connection, stage: str = "exchange"):
    return CliRunner().invoke(app, ["broker", "clear-journal", stage, "--bootstrap", c.bootstrap])


def test_a_foreign_record_is_cleared_away_where_the_last_snapshot_holds_all(
    c: Connection, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    fold = worked(c, 10)
    written(c, snapshots("exchange"), *snapshot_records.write(fold, VERSION, 10, True))
    written(c, JOURNAL, b"\xff\x00")

    def restored():
        return restore(c, toy.fold(0), VERSION, lambda: dict.fromkeys(toy.STAGE.inputs, -1) | {MARKET_NORMALIZED: 10})

    with pytest.raises(DataError, match=r"clear-journal exchange` mends it"):
        restored()
    told = command(c)
    assert told.exit_code == 0, told.exception
    assert told.stdout == "11 offsets of exchange.journal deleted\n"
    assert starts(c, [(JOURNAL, 0)]) == ends(c, [(JOURNAL, 0)]) == {(JOURNAL, 0): 11}
    assert digest(restored().fold.state()) == digest(fold.state())
    assert command(c).stdout == "0 offsets of exchange.journal deleted\n"


def test_a_journal_that_is_needed_stays(c: Connection, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a snapshot, and with one that does not hold all that the group has committed."""
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    fold = worked(c, 4)
    with pytest.raises(StateError, match=r"not stopped gracefully: .*holds nothing"):
        clear_journal(c, "exchange", toy.PARTITIONS.n)
    written(c, snapshots("exchange"), *snapshot_records.write(fold, VERSION, 4, False))
    committed(c, 5)
    assert isinstance(command(c).exception, StateError)
    assert starts(c, [(JOURNAL, 0)]) == {(JOURNAL, 0): 0}
    assert isinstance(command(c, "portfolio").exception, InputError)
