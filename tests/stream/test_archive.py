"""The archive on real Kafka: every committed record once, aborted ones never, whoever is killed."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from qflib.broker import reading, topics
from qflib.broker.clients import Connection, consumer_config, producer
from qflib.broker.local import LocalBroker
from qflib.desk.deployment import Deployment
from qflib.history import DeltaHistory
from qflib.history.kept import is_exact
from qflib.records import CONNECTION, FRAMES, MARKET_EVENTS, Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, ORDERS_EXECUTED, journal
from qflib.stream.archive import GROUP, instruments_of
from tests.processes import stand_still

PARTITIONS = 4
TABLE = Instruments((Instrument("ACME", kind="spot", source="sim:0"),))
NS = 1_767_600_000_000_000_123
ROOT = Path(__file__).parents[2]


class Archive:
    """The process, and what is sent to its topics."""

    def __init__(self, c: Connection, folder: Path) -> None:
        self.c, self.folder = c, folder
        topics.create(c, PARTITIONS)
        self.file = folder / "up" / "deployment.json"
        Deployment(TABLE, partitions=PARTITIONS).save(self.file)
        self.history = DeltaHistory(self.file.parent / "history")
        self.process: subprocess.Popen[bytes] | None = None
        self.started: list[subprocess.Popen[bytes]] = []
        self.seq = 0
        self.plain = producer(c, client_id="raw")
        self.transactional = producer(c, client_id="test", transactional_id="test")
        self.transactional.init_transactions()

    def start(self) -> None:
        command = [sys.executable, "pipelines/archive.py", "--deployment", str(self.file)]
        with (self.folder / "archive.log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--bootstrap", self.c.bootstrap], stderr=log, cwd=ROOT)
        self.started.append(self.process)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(20)

    def send(self, transactions: int) -> None:
        """Transactions over several topics, every third one aborted; and plain raw records."""
        made, plain = self.transactional, self.plain
        for n in range(transactions):
            made.begin_transaction()
            for i in range(8):
                self.seq += 1
                key = b"k%d" % (i % 7)
                for topic in (MARKET_NORMALIZED, ORDERS_EXECUTED, journal("exchange")):
                    made.produce(topic, self._market(), key=key, headers=[("ingest_ns", b"%d" % self.seq)])
                plain.produce(MARKET_RAW, self._raw(), key=key)
            made.produce(MARKET_NORMALIZED, b"\xff\x00 no record", key=b"poison")
            made.flush()
            if n % 3 == 2:
                made.abort_transaction()
            else:
                made.commit_transaction()
        plain.flush()

    def log(self) -> str:
        return (self.folder / "archive.log").read_text()

    def wait(self, until: Callable[[], bool], timeout_s: float = 60.0) -> None:
        end = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < end, self.log()[-2000:]
            time.sleep(0.05)

    def stores_more(self) -> Callable[[], bool]:
        """Whether more is stored than now."""
        stored = self.history.offsets(MARKET_RAW)
        return lambda: self.history.offsets(MARKET_RAW) != stored

    def drained(self, again: bool = False) -> None:
        """Wait until the group has committed every last data record; `again`: one that dies is started again, once."""
        places = [
            (t, p) for t in (MARKET_RAW, MARKET_NORMALIZED, ORDERS_EXECUTED, journal("exchange")) for p in range(4)
        ]
        last = {(t, p): reading.last_data_offset(self.c, t, p) for t, p in places}

        starts = int(again)

        def committed() -> bool:
            nonlocal starts
            assert self.process is not None
            if starts and self.process.poll() not in (None, 0, 2):  # as the supervisor would
                starts -= 1
                print(f"the archive ended with {self.process.returncode}")
                self.start()
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.log()[-2000:]}"
            at = reading.committed(self.c, GROUP, places)
            return all(at[place] > offset for place, offset in last.items() if offset >= 0)

        self.wait(committed)

    def check(self) -> int:
        """The history holds what the topics hold, offset by offset; returns how many."""
        n = 0
        for topic in (MARKET_RAW, MARKET_NORMALIZED, ORDERS_EXECUTED, journal("exchange")):
            for p in range(PARTITIONS):
                kept = list(self.history.batches(topic, p))
                sent = list(reading.read(self.c, topic, p, reading.watermarks(self.c, topic, p)[0]))
                assert [k.offset for k in kept] == [m.offset() for m in sent]
                for k, m in zip(kept, sent, strict=True):
                    assert (k.key, list(k.headers)) == (m.key(), m.headers() or [])
                    assert k.append_ns == m.timestamp()[1] * 1_000_000
                    assert k.length == len(m.value())
                    assert (k.value if is_exact(topic) else k.sha256) == (
                        m.value() if is_exact(topic) else hashlib.sha256(m.value()).digest()
                    )
                n += len(kept)
        return n

    def _market(self) -> bytes:
        events = MARKET_EVENTS.make(kind=[1, 3, 5], price_ticks=self.seq, receipt_ns=[NS + self.seq] * 3)
        return encode(Batch.of("market", Header("sim:0", 0, self.seq), events=events))

    def _raw(self) -> bytes:
        frames = FRAMES.make(receipt_ns=[NS + self.seq], length=[5], payload=b"bytes")
        return encode(
            Batch.of("raw", Header("sim:0", 0, self.seq), connection=CONNECTION.make(venue=["sim"]), frames=frames)
        )


@pytest.fixture
def archive(own_kafka: Connection, tmp_path: Path) -> Archive:
    made = Archive(own_kafka, tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait()


def test_everything_once_through_kills_and_aborted_transactions(archive: Archive) -> None:
    archive.send(10)
    for _ in range(2):
        archive.start()
        archive.send(10)
        archive.wait(archive.stores_more())
        archive.send(10)
        archive.stop(signal.SIGKILL)
    archive.start()
    archive.drained()
    began = time.monotonic()
    assert archive.stop() == 0
    assert time.monotonic() - began < 5
    first = archive.check()
    assert first > 1_000
    prices = archive.history.read(MARKET_NORMALIZED, ["price_ticks"], form="arrow")["price_ticks"].to_pylist()
    committed = {k.offset for p in range(4) for k in archive.history.batches(MARKET_NORMALIZED, p)}
    assert committed
    assert len(prices) == 3 * len(set(prices))

    # The group's offsets only tell: a folder that was thrown away is filled again, from the beginning.
    archive.history.root.rename(archive.folder / "away")
    archive.start()
    archive.send(1)
    archive.drained()
    assert archive.stop() == 0  # what it held is stored
    assert archive.check() > first


@pytest.mark.faults
def test_one_that_wakes_after_its_successor_stores_nothing_nor_does_a_broker_s_death_cost_anything(
    archive: Archive, own_broker: LocalBroker
) -> None:
    """Stopped with records in hand, replaced, woken: it ends, and the history is its successor's."""
    archive.start()
    archive.send(5)
    archive.drained()
    late = archive.process
    assert late is not None
    stand_still(late.pid)
    archive.send(5)
    archive.start()
    archive.send(5)
    archive.drained()
    late.send_signal(signal.SIGCONT)
    assert late.wait(150) not in (0, 2)  # a machine may stand still for half of it
    archive.send(5)
    archive.drained()
    archive.check()

    said = archive.log().count("brokers are down")
    own_broker.crash()
    archive.wait(lambda: archive.log().count("brokers are down") > said)
    assert archive.process is not None
    assert archive.process.poll() is None
    own_broker.start()
    archive.send(5)
    archive.drained(again=True)
    assert archive.stop() == 0
    archive.check()


def _committed(client: Consumer, offsets: list[TopicPartition]) -> bool:
    try:
        client.commit(offsets=offsets, asynchronous=False)
    except KafkaException as e:
        if e.args[0].code() != KafkaError.UNKNOWN_MEMBER_ID:
            raise
        return False
    return True


@pytest.mark.faults
def test_what_was_stored_and_not_committed_is_committed_at_the_next_start(archive: Archive) -> None:
    """Else a desk whose sources have ended would wait for its archive for ever."""
    archive.start()
    archive.send(5)
    archive.drained()
    assert archive.stop() == 0
    client = Consumer(consumer_config(archive.c, group=GROUP))
    back = [TopicPartition(MARKET_RAW, p, 1) for p in range(PARTITIONS)]
    archive.wait(lambda: _committed(client, back))  # once the stopped one's session is over
    client.close()
    archive.start()  # and nothing comes any more
    archive.drained()
    assert archive.stop() == 0
    archive.check()


def test_the_instrument_table_of_the_desks_file(tmp_path: Path) -> None:
    Deployment(TABLE).save(tmp_path / "deployment.json")
    assert instruments_of(tmp_path / "deployment.json") == TABLE
