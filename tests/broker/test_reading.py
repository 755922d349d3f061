"""Reading partitions with gaps: control markers, aborted and open transactions, retention, silence."""

import itertools
import os
import signal
import threading
import time
from functools import lru_cache

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from qflib.broker import reading
from qflib.broker.clients import MAX_BYTES, Connection, admin, consumer_config, producer
from qflib.broker.local import LocalBroker
from qflib.errors import BrokerError, DataError

_numbers = itertools.count()


@pytest.fixture
def topic(kafka: Connection) -> str:
    """A topic of one partition that nobody else has."""
    name = f"reading.{next(_numbers)}"
    client = admin(kafka)
    client.create_topics([NewTopic(name, 1, 1)])[name].result()
    reading.watermarks(kafka, name, 0)  # its leader is known
    return name


@pytest.fixture
def writer(kafka: Connection) -> Producer:
    """A transactional producer."""
    made = producer(kafka, client_id="test", transactional_id=f"test.{next(_numbers)}", overrides={"log_level": 0})
    made.init_transactions(30)
    return made


def _transaction(writer: Producer, topic: str, values: list[bytes], end: str = "commit") -> None:
    writer.begin_transaction()
    for value in values:
        writer.produce(topic, value, key=b"k", partition=0)
    assert writer.flush(10) == 0
    if end == "commit":
        writer.commit_transaction(10)
    elif end == "abort":
        writer.abort_transaction(10)


def _offsets(c: Connection, topic: str, start: int = 0, stop: int | None = None, **kw: bool) -> list[int]:
    return [m.offset() for m in reading.read(c, topic, 0, start, stop, **kw)]


def test_an_empty_partition(kafka: Connection, topic: str) -> None:
    assert _offsets(kafka, topic) == []
    assert _offsets(kafka, topic, 0, 5) == []
    assert reading.watermarks(kafka, topic, 0) == (0, 0)
    assert reading.last_data_offset(kafka, topic, 0) == -1


def test_gaps(kafka: Connection, topic: str, writer: Producer) -> None:
    _transaction(writer, topic, [b"0", b"1"])  # 2 is a marker
    _transaction(writer, topic, [b"3"], "abort")  # 4 is a marker
    _transaction(writer, topic, [b"5"])  # 6 is a marker
    _transaction(writer, topic, [b"7", b"8"], "abort")  # 9 is a marker
    assert _offsets(kafka, topic) == [0, 1, 5]
    assert _offsets(kafka, topic, committed=False) == [0, 1, 3, 5, 7, 8]
    for start in range(10):
        for stop in range(12):
            assert _offsets(kafka, topic, start, stop) == [o for o in (0, 1, 5) if start <= o < stop], (start, stop)
    assert reading.watermarks(kafka, topic, 0) == (0, 10)
    assert reading.last_data_offset(kafka, topic, 0) == 5


def test_behind_an_open_transaction_nothing_is_read(kafka: Connection, topic: str, writer: Producer) -> None:
    _transaction(writer, topic, [b"0"])
    _transaction(writer, topic, [b"2", b"3"], "open")
    assert _offsets(kafka, topic) == [0]
    assert _offsets(kafka, topic, 0, 100) == [0]  # it waits for nobody
    assert reading.watermarks(kafka, topic, 0) == (0, 2)
    assert reading.watermarks(kafka, topic, 0, committed=False) == (0, 4)
    assert reading.ends(kafka, [(topic, 0)]) == {(topic, 0): 2}
    writer.commit_transaction(10)
    assert _offsets(kafka, topic) == [0, 2, 3]


def test_the_last_record_lies_far_back(kafka: Connection, topic: str, writer: Producer) -> None:
    _transaction(writer, topic, [b"here", b"there"])
    _transaction(writer, topic, [b"%d" % i for i in range(700)], "abort")
    assert reading.last_data_offset(kafka, topic, 0) == 1
    found = reading.last_record(kafka, topic, 0, lambda m: m.value() == b"here")
    assert found is not None
    assert found.offset() == 0
    assert reading.last_record(kafka, topic, 0, lambda m: m.value() == b"nowhere") is None


def test_the_longest_record_and_one_too_long(kafka: Connection, topic: str) -> None:
    plain = producer(kafka, client_id="test")
    plain.produce(topic, bytes(MAX_BYTES - 200), key=b"k", partition=0)
    plain.produce(topic, b"small", key=b"k", partition=0)
    assert plain.flush(20) == 0
    assert [len(m.value()) for m in reading.read(kafka, topic, 0, 0)] == [MAX_BYTES - 200, 5]


def test_many_records_in_order_by_a_slow_reader(kafka: Connection, topic: str) -> None:
    plain = producer(kafka, client_id="test")
    for i in range(5_000):
        plain.produce(topic, b"%d" % i, key=b"k", partition=0)
    assert plain.flush(20) == 0
    reader = reading.read(kafka, topic, 0, 10, patience_s=0.5)
    first = next(reader)
    time.sleep(0.7)  # longer than the broker may be silent: the reader's own time does not count
    assert [int(m.value()) for m in (first, *reader)] == list(range(10, 5_000))


def test_what_retention_took(kafka: Connection, topic: str) -> None:
    plain = producer(kafka, client_id="test")
    for i in range(10):
        plain.produce(topic, b"%d" % i, key=b"k", partition=0)
    assert plain.flush(20) == 0
    client = admin(kafka)
    for future in client.delete_records([TopicPartition(topic, 0, 4)]).values():
        future.result(25)
    assert reading.starts(kafka, [(topic, 0)]) == {(topic, 0): 4}
    assert _offsets(kafka, topic, 4) == [4, 5, 6, 7, 8, 9]
    with pytest.raises(reading.OffsetGoneError, match=r"offset 3 of .* the topic holds 4 to 10; .* archive"):
        _offsets(kafka, topic, 3)
    with pytest.raises(reading.OffsetGoneError):
        _offsets(kafka, topic, 11)


def test_committed_offsets(kafka: Connection, topic: str) -> None:
    assert reading.committed(kafka, "test.nobody", [(topic, 0)]) == {(topic, 0): -1}
    consumer = Consumer(consumer_config(kafka, group="test.somebody"))
    consumer.commit(offsets=[TopicPartition(topic, 0, 7)], asynchronous=False)
    consumer.close()
    assert reading.committed(kafka, "test.somebody", [(topic, 0)]) == {(topic, 0): 7}
    assert reading.committed(kafka, "test.somebody", []) == {}


def test_no_such_topic_or_partition(kafka: Connection, topic: str) -> None:
    with pytest.raises(DataError, match=r"the cluster has no nonsense\[0\]"):
        list(reading.read(kafka, "nonsense", 0, 0))
    with pytest.raises(DataError, match=rf"the cluster has no {topic}\[7\]"):
        list(reading.read(kafka, topic, 7, 0))
    with pytest.raises(DataError, match=r"the cluster has no nonsense\[0\]"):
        reading.watermarks(kafka, "nonsense", 0)


def test_a_client_that_never_finds_its_leaders_is_left(
    kafka: Connection, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of thirty that first asked while a broker had lost its partitions for a moment was told this for ever."""
    stuck = [_Stuck(0.0), _Stuck(1.1)]
    made = reading._asker.__wrapped__
    monkeypatch.setattr(reading, "_asker", lru_cache(lambda *asked: stuck.pop() if stuck else made(*asked)))
    with pytest.raises(BrokerError, match="Unknown partition"):  # it had no time left to try another one
        reading.ends(kafka, [(topic, 0)], timeout_s=1.0)
    assert reading.ends(kafka, [(topic, 0)]) == {(topic, 0): 0}
    assert not stuck


class _Stuck:
    def __init__(self, takes_s: float) -> None:
        self._takes_s = takes_s

    def offsets_for_times(self, asked: object, timeout: float) -> None:
        time.sleep(self._takes_s)
        raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))


def test_nobody_there() -> None:
    nobody = Connection("127.0.0.1:1")
    with pytest.raises(BrokerError, match=r"reading t\[0\] at 127\.0\.0\.1:1: no answer for 0\.3 s"):
        list(reading.read(nobody, "t", 0, 0, patience_s=0.3))
    for ask in (
        lambda: reading.watermarks(nobody, "t", 0, timeout_s=0.3),
        lambda: reading.committed(nobody, "g", [("t", 0)], timeout_s=0.3),
        lambda: reading.cluster_id(nobody, timeout_s=0.3),
    ):
        with pytest.raises(BrokerError, match=r"asking 127\.0\.0\.1:1 for .* failed"):
            ask()


def test_a_broker_that_stands_still_and_goes_on(broker: LocalBroker, topic: str) -> None:
    c = broker.connection
    plain = producer(c, client_id="test", overrides={"log_level": 0})
    for i in range(100):
        plain.produce(topic, b"%d" % i, key=b"k", partition=0)
    assert plain.flush(20) == 0
    pid = broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    on = threading.Timer(1.0, os.kill, (pid, signal.SIGCONT))
    on.start()
    assert len(_offsets(c, topic)) == 100
    on.join()
