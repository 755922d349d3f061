"""A stage on real Kafka: nothing lost, nothing doubled, every output as the journalled order makes it."""

from __future__ import annotations

import math
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from qflib.broker import reading, topics
from qflib.broker.clients import MAX_BYTES as BROKER_MAX_BYTES
from qflib.broker.clients import Connection, producer
from qflib.records import TICK, Batch, DeadReason, Header
from qflib.records.codec import MAX_BYTES, decode, encode
from qflib.records.topics import ANALYTICS_RESULTS, MARKET_NORMALIZED, ORDERS_INCOMING, dead_letters, journal, snapshots
from qflib.stream import marks
from qflib.stream import snapshots as snapshot_records
from tests.processes import stand_still
from tests.stream import toy

INPUTS = (MARKET_NORMALIZED, ORDERS_INCOMING)
OUTPUTS = (ANALYTICS_RESULTS, *map(dead_letters, (ANALYTICS_RESULTS, *INPUTS)))
POISON = b"\xff\x00 no record"


class Desk:
    """A broker with the toy stage's inputs being written, and its workers, which may reach it by another way."""

    def __init__(self, c: Connection, folder: Path, way: Connection | None = None) -> None:
        self.c, self.folder, self._way = c, folder, way or c
        topics.create(c, toy.PARTITIONS.n)
        self.sent = dict.fromkeys(INPUTS, 0)
        self.epoch = self.revived = 0
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, ordinal: int, slow: float = 0.0, version: str = toy.VERSION) -> None:
        command = [sys.executable, "-m", "tests.stream.toy", self._way.bootstrap, str(ordinal), str(slow), version]
        with (self.folder / f"worker{ordinal}.log").open("ab") as log:  # the logger writes to stdout here
            self.workers[ordinal] = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[2])

    def stop(self, ordinal: int, how: signal.Signals = signal.SIGTERM) -> int:
        self.workers[ordinal].send_signal(how)
        return self.workers[ordinal].wait(30)

    def revive(self, ordinal: int) -> None:
        """Start a worker again that a machine standing still has cost its transaction: here is no supervisor."""
        if self.workers[ordinal].poll() in (1, 3):
            self.revived += 1
            assert self.revived < 4, self.log(ordinal)[-2000:]
            self.start(ordinal)

    def log(self, ordinal: int) -> str:
        return (self.folder / f"worker{ordinal}.log").read_text()

    def produce(self, n: int, poison_every: int = 0, pause: float = 0.0) -> None:
        """So many records to both inputs, of a new epoch."""
        p, rng, seq = producer(self.c, client_id="test"), random.Random(n), 0
        self.epoch += 1
        for i in range(n):
            topic = INPUTS[rng.random() < 0.2]
            tick = TICK.make(time_ns=[rng.randrange(1000, 10**9)])
            batch = Batch.of("clock", Header("test", self.epoch, seq := seq + 1), tick=tick)
            value = POISON if poison_every and i % poison_every == 1 else encode(batch)
            p.produce(topic, value, key=toy.PARTITIONS.key(f"k{i % 16}"))
            self.sent[topic] += 1
            p.poll(0)
            if pause:
                time.sleep(pause)
            if self._stop.is_set():
                break
        p.flush()

    def send(self, value: bytes) -> None:
        """One record."""
        p = producer(self.c, client_id="test")
        p.produce(INPUTS[0], value, key=toy.PARTITIONS.key("k0"))
        p.flush()
        self.sent[INPUTS[0]] += 1

    def produce_on(self, n: int, pause: float) -> None:
        self._thread = threading.Thread(target=self.produce, args=(n, 101, pause))
        self._thread.start()

    def produced(self) -> None:
        assert self._thread is not None
        self._stop.set()
        self._thread.join()

    def drained(self, timeout_s: float = 40.0) -> None:
        """Wait until the group has committed every input, as long as it goes on."""
        least, deadline = math.inf, time.monotonic() + timeout_s
        while any((lag := self.lag()).values()):
            for ordinal in self.workers:
                self.revive(ordinal)
            if (left := sum(lag.values())) < least:
                least, deadline = left, time.monotonic() + timeout_s
            dead = {k: w.returncode for k, w in self.workers.items() if w.poll() not in (None, 0, -9)}
            assert not dead, (dead, [self.log(k)[-2000:] for k in dead])
            assert time.monotonic() < deadline, (lag, [self.log(k)[-3000:] for k in self.workers])
            time.sleep(0.05)

    def lag(self) -> dict[tuple[str, int], int]:
        """Records that the group is behind, by partition."""
        ends = reading.ends(self.c, [(t, p) for t in INPUTS for p in range(toy.PARTITIONS.n)])
        done = reading.committed(self.c, toy.STAGE.group, list(ends))
        return {tp: end - max(done[tp], 0) for tp, end in ends.items()}

    def check(self) -> int:
        """Recompute everything in journalled order; how many inputs there were."""
        total, letters = 0, 0
        for p in range(toy.PARTITIONS.n):
            inputs = {t: {m.offset(): (m.key(), m.value()) for m in reading.read(self.c, t, p, 0)} for t in INPUTS}
            outputs = {t: iter([m.value() for m in reading.read(self.c, t, p, 0)]) for t in OUTPUTS}
            fold = toy.fold(p)
            records = [(m.offset(), m.value()) for m in reading.read(self.c, journal("exchange"), p, 0)]
            for mark in marks.read("journal", records):
                taken = fold.take(mark.input, mark.offset, *inputs[mark.input].pop(mark.offset))
                assert taken.crc == mark.crc
                for out in taken.outputs:
                    assert next(outputs[out.topic]) == out.value
                letters += len(taken.letters)
                total += 1
            assert not inputs[MARKET_NORMALIZED]  # every input stands in one mark
            assert not inputs[ORDERS_INCOMING]
            assert [t for t, rest in outputs.items() if next(rest, None) is not None] == []  # and made none twice
        assert total == sum(self.sent.values())
        self.letters = letters
        return total

    def last_snapshot(self, p: int) -> snapshot_records.Snapshot:
        topic = snapshots("exchange")
        low, _ = reading.watermarks(self.c, topic, p)
        *_, last = snapshot_records.read(topic, ((m.offset(), m.value()) for m in reading.read(self.c, topic, p, low)))
        return last

    def end(self) -> None:
        self._stop.set()
        for w in self.workers.values():
            w.kill()
            w.wait()


@pytest.fixture
def desk(own_kafka: Connection, tmp_path: Path):
    made = Desk(own_kafka, tmp_path)
    yield made
    made.end()


def test_poison_and_refused_inputs_become_dead_letters_and_the_rest_goes_on(desk: Desk) -> None:
    desk.start(0)
    desk.produce(2_000, poison_every=50)
    desk.drained()
    began = time.monotonic()
    assert desk.stop(0) == 0
    assert time.monotonic() - began < 5.0
    desk.check()
    assert desk.letters == 40
    for p in range(toy.PARTITIONS.n):  # a graceful stop leaves a snapshot that nothing follows
        last = desk.last_snapshot(p)
        assert last.graceful
        assert last.next == reading_next(desk.c, p)


def test_an_output_too_long_to_be_sent_becomes_a_dead_letter_and_the_rest_goes_on(desk: Desk) -> None:
    desk.start(0)
    desk.send(encode(Batch.of("clock", Header("wide", 0, 0), tick=TICK.make(time_ns=[777]))))
    desk.produce(200)
    desk.drained()
    assert desk.stop(0) == 0
    desk.check()
    assert desk.letters == 1
    [letter] = letters(desk, ANALYTICS_RESULTS)
    assert (letter.reason[0], letter.topic[0].decode()) == (DeadReason.UNSENT, ANALYTICS_RESULTS)
    assert "reason=unsent" in desk.log(0)


def test_an_input_longer_than_a_record_may_be_becomes_a_dead_letter_and_the_lag_goes_back_to_none(desk: Desk) -> None:
    rows = TICK.make(time_ns=np.arange(MAX_BYTES // 12 + 1))
    value = encode(Batch.of("clock", Header("wide", 0, 0), tick=rows), max_bytes=BROKER_MAX_BYTES)
    assert MAX_BYTES < len(value) < BROKER_MAX_BYTES - 1_000
    desk.start(0)
    desk.send(value)
    desk.produce(200)
    desk.drained()
    assert set(desk.lag().values()) == {0}
    assert desk.stop(0) == 0
    desk.check()
    assert desk.letters == 1
    [letter] = letters(desk, INPUTS[0])
    assert (letter.reason[0], letter.topic[0].decode(), letter.position[0]) == (DeadReason.OVERSIZED, INPUTS[0], 0)
    assert letter.payload.tobytes() == value[: MAX_BYTES // 2]
    assert "reason=oversized" in desk.log(0)


def letters(desk: Desk, topic: str) -> list:
    """The rows of a topic's dead letters."""
    places = range(toy.PARTITIONS.n)
    return [decode(m.value()).dead for p in places for m in reading.read(desk.c, dead_letters(topic), p, 0)]


def test_workers_come_go_and_are_killed(desk: Desk) -> None:
    """1 → 2 → 1 workers under load and a kill -9: with state kept over a revoke, thousands of outputs were wrong."""
    desk.produce_on(60_000, 0.001)
    desk.start(0)
    goes_on(desk, 1_000)
    desk.start(1)
    wait_for(lambda: "restored" in desk.log(1))
    goes_on(desk, committed_sum(desk) + 500)
    assert desk.stop(1) == 0
    at = committed_sum(desk)
    desk.stop(0, signal.SIGKILL)
    desk.start(0)
    goes_on(desk, at + 2_000)
    desk.produced()
    desk.drained()
    assert desk.check() > 3_000


@pytest.mark.faults
def test_a_restore_slower_than_the_transaction_timeout_does_not_crash(desk: Desk) -> None:
    desk.produce(400)
    desk.start(0)
    desk.drained()
    desk.stop(0, signal.SIGKILL)
    desk.produce(400)
    desk.start(0, slow=1.5)  # a partition: 6 s for four, and the broker gives a transaction 3 s
    desk.drained()
    assert desk.stop(0) == 0
    desk.check()


@pytest.mark.faults
def test_a_worker_stopped_past_its_session_dies_on_waking_and_loses_nothing(desk: Desk) -> None:
    desk.produce_on(60_000, 0.001)
    desk.start(0)
    goes_on(desk, 1_000)
    desk.start(1)

    def both() -> bool:
        desk.revive(0)
        return desk.workers[0].poll() is None and "restored" in desk.log(1)

    wait_for(both)
    stand_still(desk.workers[0].pid)
    at = committed_sum(desk)

    def has_all() -> bool:
        desk.revive(1)
        return desk.log(1).count("restored") >= 2 + toy.PARTITIONS.n  # its share, then all of it

    wait_for(has_all)
    desk.workers[0].send_signal(signal.SIGCONT)
    wait_for(lambda: desk.workers[0].poll() is not None)
    assert desk.workers[0].returncode != 0
    del desk.workers[0]
    goes_on(desk, at + 1_000)
    desk.produced()
    desk.drained()
    desk.check()


def test_another_version_starts_after_a_graceful_stop_alone(desk: Desk) -> None:
    desk.produce(400)
    desk.start(0)
    desk.drained()
    desk.stop(0, signal.SIGKILL)
    desk.start(0, version="toy-2")
    assert desk.workers[0].wait(30) == 2
    sentence = desk.log(0).strip().splitlines()[-1]
    assert all(said in sentence for said in ("toy-1", "toy-2", "--fresh"))
    desk.start(0)
    desk.produce(100)
    desk.drained()
    assert desk.stop(0) == 0
    desk.start(0, version="toy-2")
    desk.produce(100)
    desk.drained()
    desk.stop(0, signal.SIGKILL)
    desk.start(0, version="toy-2")  # its own tail on the former version's graceful snapshot
    desk.produce(100)
    desk.drained()
    assert desk.stop(0) == 0
    desk.check()


def reading_next(c: Connection, p: int) -> dict[str, int]:
    told = reading.committed(c, toy.STAGE.group, [(t, p) for t in INPUTS])
    return {t: max(told[t, p], 0) for t in INPUTS}


def committed_sum(desk: Desk) -> int:
    every = [(t, p) for t in INPUTS for p in range(toy.PARTITIONS.n)]
    return sum(max(o, 0) for o in reading.committed(desk.c, toy.STAGE.group, every).values())


def goes_on(desk: Desk, beyond: int) -> None:
    """Wait until more than so much is committed, by whichever workers live."""

    def there() -> bool:
        for ordinal in desk.workers:
            desk.revive(ordinal)
        return committed_sum(desk) > beyond

    wait_for(there)


def wait_for(condition, timeout_s: float = 90.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.faults
def test_a_record_that_retention_takes_before_it_is_read_ends_the_worker(own_kafka: Connection, tmp_path: Path) -> None:
    """It would jump to the next one, and every output after it would be wrong."""
    from confluent_kafka import TopicPartition

    from qflib.broker.clients import admin

    desk = Desk(own_kafka, tmp_path)
    desk.produce(40)
    desk.start(0)
    desk.drained()
    worker = desk.workers[0]
    stand_still(worker.pid)  # it stands before records that go meanwhile
    desk.produce(400)
    gone = [
        TopicPartition(t, p, reading.watermarks(own_kafka, t, p)[1]) for t in INPUTS for p in range(toy.PARTITIONS.n)
    ]
    for future in admin(own_kafka).delete_records(gone).values():
        future.result()
    desk.produce(40)
    worker.send_signal(signal.SIGCONT)
    assert worker.wait(30) not in (0, None)
    desk.start(0)
    assert desk.workers[0].wait(60) == 2
    assert "retention has taken" in desk.log(0)
