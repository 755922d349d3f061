"""Drained: every group past the last data record of its inputs, control markers aside."""

import time
import uuid

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from qflib.broker import reading, topics
from qflib.broker.clients import consumer_config, producer
from qflib.records.topics import EXCHANGE_MARKS, ORDERS_EXECUTED
from qflib.stream.drained import Drain, drained

N = 2
GROUPS = {"a": (ORDERS_EXECUTED,), "b": (ORDERS_EXECUTED, EXCHANGE_MARKS)}


def send(c, topic, partition, n=1):
    """Records in a transaction, and the control marker that follows them: a commit returns before it stands."""
    place = topic, partition
    end = reading.ends(c, [place])[place] + n + 1
    p = producer(c, client_id="test", transactional_id=uuid.uuid4().hex)
    p.init_transactions(30)
    p.begin_transaction()
    for _ in range(n):
        p.produce(topic, b"value", key=b"key", partition=partition)
    p.commit_transaction(30)
    deadline = time.monotonic() + 20
    while reading.ends(c, [place])[place] < end:
        assert time.monotonic() < deadline, "the transaction is not through"
        time.sleep(0.01)


def commit(c, group, topic, partition, offset):
    consumer, until = Consumer(consumer_config(c, group=group)), time.monotonic() + 20
    while True:
        try:
            consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
            break
        except KafkaException as e:  # a broker that has just started is still reading its offsets
            if e.args[0].code() != KafkaError.COORDINATOR_LOAD_IN_PROGRESS or time.monotonic() > until:
                raise
    consumer.close()


def test_a_group_behind_by_the_marker_alone_is_drained(own_kafka):
    c = own_kafka
    topics.create(c, N)
    for group in GROUPS:
        commit(c, group, ORDERS_EXECUTED, 0, 0)  # a broker's first group makes it wait for its coordinator
    assert drained(c, GROUPS, N, timeout_s=10)  # of nothing, all is through
    send(c, ORDERS_EXECUTED, 1, n=3)
    send(c, EXCHANGE_MARKS, 0)
    drain = Drain(c, GROUPS, N)
    assert drain.lag() == {"a": 3, "b": 4}
    commit(c, "a", ORDERS_EXECUTED, 1, 3)
    commit(c, "b", ORDERS_EXECUTED, 1, 2)
    assert drain.lag() == {"a": 0, "b": 2}
    assert not drained(c, GROUPS, N, timeout_s=0.5)
    commit(c, "b", ORDERS_EXECUTED, 1, 3)
    commit(c, "b", EXCHANGE_MARKS, 0, 1)
    assert not drain.ask()  # once is not enough
    assert drained(c, GROUPS, N, timeout_s=10)


def test_what_comes_between_two_looks_begins_anew(own_kafka, monkeypatch):
    import qflib.stream.drained as module

    c, now = own_kafka, [100.0]
    topics.create(c, N)
    commit(c, "a", ORDERS_EXECUTED, 0, 0)
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    drain = Drain(c, {"a": (ORDERS_EXECUTED,)}, N)
    assert not drain.ask()
    send(c, ORDERS_EXECUTED, 0)
    commit(c, "a", ORDERS_EXECUTED, 0, 1)
    now[0] += 1.0
    assert not drain.ask()  # caught up, and yet a record went through since
    now[0] += 1.0
    assert drain.ask()


@pytest.mark.faults
def test_a_broker_that_goes_away_while_it_is_asked_gives_no_lag(own_broker, monkeypatch):
    c = own_broker.connection
    topics.create(c, N)
    commit(c, "a", ORDERS_EXECUTED, 0, 0)
    send(c, ORDERS_EXECUTED, 0, n=3)
    drain = Drain(c, {"a": (ORDERS_EXECUTED,)}, N)
    ask = drain._offsets.ask

    def and_die():
        answered = ask()
        own_broker.crash()
        return answered

    with monkeypatch.context() as m:
        m.setattr(drain._offsets, "ask", and_die)
        began = time.monotonic()
        assert drain.lag() is None
        assert time.monotonic() - began < 9  # whoever asks also starts the broker again
        m.setattr(drain._offsets, "ask", lambda: True)
        assert not drain.ask()
    own_broker.start()
    end = time.monotonic() + 30
    while (lag := drain.lag()) is None and time.monotonic() < end:
        time.sleep(0.1)
    assert lag == {"a": 3}
