"""Restores that go wrong elsewhere: a great state, inputs that retention has taken, offsets set back by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from confluent_kafka import TopicPartition
from structlog.testing import capture_logs

from qflib.broker import topics
from qflib.broker.clients import Connection, admin, producer
from qflib.errors import DataError, StateError
from qflib.records import (
    MARKET_EVENTS,
    SNAPSHOTS,
    TICK,
    Batch,
    EventKind,
    Header,
    Instrument,
    Instruments,
    Partitions,
)
from qflib.records.codec import decode, encode
from qflib.records.topics import ANALYTICS_RESULTS, MARKET_RAW, journal, snapshots
from qflib.steps.exchange import Exchange
from qflib.steps.state import digest
from qflib.stream import marks
from qflib.stream import restore as restoring
from qflib.stream import snapshots as snapshot_records
from qflib.stream.fold import Fold
from qflib.stream.restore import Restored, restore
from qflib.stream.stages import STAGES, Stage
from tests.stream import toy

VERSION = "one"
#: One input, as normalize and portfolio have: its offsets are its journal.
PLAIN = Stage("normalize", (MARKET_RAW,), (ANALYTICS_RESULTS,))


@pytest.fixture
def c(own_kafka: Connection) -> Connection:
    topics.create(own_kafka, toy.PARTITIONS.n)
    return own_kafka


def keep(c: Connection, fold: Fold, *, graceful: bool = False) -> int:
    """Write a fold's snapshot, as a stage does; its count of records."""
    p = producer(c, client_id="test", transactional_id="test")
    p.init_transactions()
    p.begin_transaction()
    records = snapshot_records.write(fold, VERSION, -1, graceful)
    for record in records:
        p.produce(snapshots(fold.stage.name), record, key=b"0", partition=fold.partition)
        p.poll(0)
    p.commit_transaction()
    # a commit returns before its marker stands; who begins under the same id, as a stage does, waits for it
    producer(c, client_id="test", transactional_id="test").init_transactions()
    return len(records)


def test_a_state_of_a_million_live_orders_comes_back_whole(c: Connection) -> None:
    table = Instruments((Instrument("ACME.F", underlying="ACME", source="sim:ACME"),))
    fold = Fold(STAGES["exchange"], Exchange(table), 0, Partitions())
    n = 100_000
    for k in range(10):
        ids = np.arange(k * n, (k + 1) * n, dtype=np.uint64) + 1
        rows = MARKET_EVENTS.make(
            kind=np.full(n, EventKind.ADD, np.uint32), flags=np.ones(n, np.uint32), side=ids.astype(np.uint32) % 2 + 1,
            order_id=ids, qty=np.full(n, 5),
            price_ticks=np.where(ids % 2, 10_000 + ids % 997, 9_000 - ids % 997).astype(np.int64),
            instrument=np.zeros(n, np.uint32), receipt_ns=ids.astype(np.int64),
        )  # fmt: skip
        fold.take(
            "market.data.normalized", k, b"ACME#0", encode(Batch.of("market", Header("sim:ACME", 0, k), events=rows))
        )
    fold.next = dict.fromkeys(fold.next, 0)  # its inputs are not on the topic: only the state matters here
    assert max(len(a) for k, a in fold.state().items() if k.startswith("book.")) == 10 * n
    assert keep(c, fold) > 30
    fresh = Fold(STAGES["exchange"], Exchange(table), 0, Partitions())
    restore(c, fresh, VERSION, lambda: dict.fromkeys(fold.next, -1))
    assert digest(fresh.state()) == digest(fold.state())


def plain() -> Fold:
    return Fold(PLAIN, toy.Toy(0), 0, toy.PARTITIONS)


def fill(c: Connection, n: int) -> list[bytes]:
    values = [encode(Batch.of("clock", Header("test", 0, i), tick=TICK.make(time_ns=[1_000 + i]))) for i in range(n)]
    p = producer(c, client_id="fill")
    for value in values:
        p.produce(MARKET_RAW, value, key=b"k0#0", partition=0)
    p.flush()
    return values


def trimmed(c: Connection, below: int, topic: str = MARKET_RAW) -> None:
    [future] = admin(c).delete_records([TopicPartition(topic, 0, below)]).values()
    future.result()


def restored(c: Connection, committed: int, **more: object) -> Restored:
    return restore(c, plain(), VERSION, lambda: {MARKET_RAW: committed}, **more)  # type: ignore[arg-type]


def kept_at_ten_of_twenty(c: Connection, values: list[bytes]) -> Fold:
    """A stage that has taken in twenty inputs, and has a snapshot of the first ten."""
    fold = plain()
    for i in range(10):
        fold.take(MARKET_RAW, i, b"k0#0", values[i])
    keep(c, fold)
    for i in range(10, 20):
        fold.take(MARKET_RAW, i, b"k0#0", values[i])
    return fold


def test_inputs_that_retention_has_taken_come_from_the_archive_or_are_missed_aloud(c: Connection) -> None:
    values = fill(c, 30)
    fold = kept_at_ten_of_twenty(c, values)
    assert digest(restored(c, 20).fold.state()) == digest(fold.state())
    trimmed(c, 15)
    with pytest.raises(StateError, match=r"offset 10 .* retention is shorter"):
        restored(c, 20)
    asked = []

    def kept(topic: str, partition: int, start: int, stop: int):
        asked.append((topic, partition, start, stop))
        return ((i, b"k0#0", values[i]) for i in range(start, stop))

    assert digest(restored(c, 20, kept=kept).fold.state()) == digest(fold.state())
    assert asked == [(MARKET_RAW, 0, 10, 15)]


def test_a_stage_that_retention_has_overtaken_does_not_jump(c: Connection) -> None:
    fill(c, 30)
    trimmed(c, 25)
    with pytest.raises(
        StateError, match=r"stands at offset 20 of market\.data\.raw, and retention has taken all below 25"
    ):
        restored(c, 20)


def test_offsets_that_were_set_back_by_hand_are_refused(c: Connection) -> None:
    values = fill(c, 10)
    fold = plain()
    for i, value in enumerate(values):
        fold.take(MARKET_RAW, i, b"k0#0", value)
    keep(c, fold)
    with pytest.raises(StateError, match=r"has snapshots, and its group qflib\.normalize no offsets"):
        restored(c, -1)


def test_a_broken_snapshot_is_passed_over_for_the_one_before_it(c: Connection) -> None:
    """Bytes that are no record, one with a wrong checksum, another kind of record, and a content of another name."""
    values = fill(c, 20)
    fold = kept_at_ten_of_twenty(c, values)
    [sound] = snapshot_records.write(fold, VERSION, -1, False)
    batch = decode(sound)
    row = batch.snapshot
    other = {n: getattr(row, n) for n in row._fields if n != "payload"}
    named = SNAPSHOTS.make(**other, payload=row.payload.tobytes()[:-1] + b"?")
    torn = replace(batch, tables=batch.tables | {"snapshot": named})
    p = producer(c, client_id="stranger")
    for bad in (b"\xff\x00", sound[:-1] + bytes([sound[-1] ^ 1]), values[0], encode(torn)):
        p.produce(snapshots("normalize"), bad, key=b"0", partition=0)
    p.flush()
    with capture_logs() as told:
        found = restored(c, 20)
    assert digest(found.fold.state()) == digest(fold.state())
    assert found.tail == 10  # from the snapshot of before on
    assert [e["offset"] for e in told if e["event"] == "snapshot broken"] == [2, 3, 4, 5]  # after its commit's marker
    with pytest.raises(DataError, match="broken"):
        list(snapshot_records.read("here", [(0, b"\xff\x00")]))


def test_a_journal_in_which_somebody_else_has_written_is_refused(c: Connection) -> None:
    p = producer(c, client_id="stranger")
    for bad in (b"\xff\x00", encode(Batch.of("clock", Header("test", 0, 0), tick=TICK.make(time_ns=[1])))):
        with pytest.raises(DataError, match=r"offset 0 of here is no mark .*QFLIB_STATE"):
            list(marks.read("here", [(0, bad)]))
        p.produce(journal("exchange"), bad, key=b"0", partition=0)
    p.flush()
    with pytest.raises(DataError, match=r"exchange\.journal\[0\] is no mark"):
        restore(c, toy.fold(0), VERSION, lambda: dict.fromkeys(toy.STAGE.inputs, -1))


def test_snapshots_trimmed_while_a_restore_begins_are_not_missed(
    c: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has just let a partition go has it trimmed a moment later, when it may have the partition back."""
    values = fill(c, 20)
    fold = plain()
    for i, value in enumerate(values):
        fold.take(MARKET_RAW, i, b"k0#0", value)
        if i in (4, 9):
            second = keep(c, fold)  # and a marker of its commit
    looked, found = [], restoring._low

    def low(c: Connection, topic: str, partition: int) -> int:
        looked.append(found(c, topic, partition))
        trimmed(c, second + 1, topic)
        return looked[-1]

    monkeypatch.setattr(restoring, "_low", low)
    told = restored(c, 20)
    assert looked == [0, second + 1]
    assert digest(told.fold.state()) == digest(fold.state())
    assert (told.tail, [first for first, _ in told.snapshots]) == (10, [second + 1])
