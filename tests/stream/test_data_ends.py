"""Several writers leave several markers at the end of a partition: who has read all is behind by none of them."""

from __future__ import annotations

import time

import pytest

from qflib.broker import reading, topics
from qflib.broker.clients import Connection, producer
from qflib.errors import BrokerError
from qflib.records.topics import ORDERS_INCOMING, RISK_EXPOSURES
from qflib.stream.data_ends import DataEnds
from qflib.stream.ingest.lag import Follower, Lags
from qflib.stream.monitor.lag_time import LagTime
from qflib.stream.monitor.offsets import Offsets
from qflib.stream.monitor.stalls import Stalls
from tests.stream.test_drained import commit

PLACE, GROUP, WRITERS = (RISK_EXPOSURES, 0), "qflib.portfolio", 3


@pytest.fixture
def c(own_kafka: Connection) -> Connection:
    """A partition that ends in a record of each of three writers and then the three markers of their transactions."""
    topics.create(own_kafka, 1)
    writers = [producer(own_kafka, client_id=f"w{i}", transactional_id=f"w{i}") for i in range(WRITERS)]
    for p in writers:
        p.init_transactions(30)
        p.begin_transaction()
        p.produce(PLACE[0], b"value", key=b"key", partition=PLACE[1])
        p.flush()
    for p in writers:
        p.commit_transaction(30)
    reached(own_kafka, 2 * WRITERS)
    return own_kafka


def reached(c: Connection, n: int) -> None:
    """Wait until transactions are through."""
    end = time.monotonic() + 20
    while reading.ends(c, [PLACE])[PLACE] < n:
        assert time.monotonic() < end, "the transactions are not through"


def looked(look: Lags) -> int:
    """Once its end has stood still for a while."""
    look.look()
    time.sleep(0.3)
    return look.look()[GROUP]


@pytest.mark.parametrize("unread", [0, 1, 3])
def test_their_markers_hold_no_market_back(c: Connection, unread: int) -> None:
    commit(c, GROUP, *PLACE, WRITERS - unread)
    assert looked(Lags(c, [Follower(GROUP, PLACE[:1], 256)], 1)) == unread


@pytest.mark.parametrize("unread", [0, 2])
def test_their_markers_are_no_lag_and_no_standing_still(c: Connection, unread: int) -> None:
    commit(c, GROUP, *PLACE, WRITERS - unread)
    offsets, lag, stalls = Offsets(c, {GROUP: [PLACE]}), LagTime(), Stalls()
    for now in (0.0, 0.5, 60.0):
        assert offsets.ask()
        lag.see(offsets.progress, now)
        still = stalls.see(offsets.progress, now)
        time.sleep(0.5)
    assert offsets.progress.lags(GROUP) == {PLACE: WRITERS + unread}
    assert offsets.progress.unread(GROUP) == {PLACE: unread}
    assert lag.seconds(GROUP, 60.0) == {PLACE: 60.0 if unread else 0.0}
    assert still == ({GROUP} if unread else set())


def test_it_looks_back_once_an_end(c: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = DataEnds(c)
    assert ends.of(PLACE, 2 * WRITERS) == WRITERS
    with monkeypatch.context() as m:
        m.setattr("qflib.stream.data_ends.last_data_offset", None)
        assert ends.of(PLACE, 2 * WRITERS) == WRITERS


def test_a_record_after_their_markers_is_late_from_its_coming(c: Connection) -> None:
    commit(c, GROUP, *PLACE, WRITERS)
    offsets, lag = Offsets(c, {GROUP: [PLACE]}), LagTime()
    for now in (0.0, 0.5):
        assert offsets.ask()
        lag.see(offsets.progress, now)
        time.sleep(0.5)
    p = producer(c, client_id="later", transactional_id="later")
    p.init_transactions(30)
    p.begin_transaction()
    p.produce(PLACE[0], b"value", key=b"key", partition=PLACE[1])
    p.commit_transaction(30)
    reached(c, 2 * WRITERS + 2)
    assert offsets.ask()
    lag.see(offsets.progress, 60.0)
    assert offsets.progress.unread(GROUP)[PLACE] > 0
    assert lag.seconds(GROUP, 62.0) == {PLACE: 2.0}


def test_a_record_that_is_no_transaction_s_is_seen_though_it_waits_alone(
    own_kafka: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order by the API, of a partition that stands still."""
    monkeypatch.setattr("qflib.stream.monitor.offsets._LONE_S", 0.6)
    topics.create(own_kafka, 1)
    p, place = producer(own_kafka, client_id="api"), (ORDERS_INCOMING, 0)
    p.produce(place[0], b"order", key=b"key", partition=0)
    p.flush()
    commit(own_kafka, GROUP, *place, 0)
    offsets, lag, unread = Offsets(own_kafka, {GROUP: [place]}), LagTime(), []
    for now in (0.0, 0.8, 1.6):
        assert offsets.ask()
        lag.see(offsets.progress, now)
        unread.append(offsets.progress.unread(GROUP)[place])
        time.sleep(0.8)
    assert unread == [0, 1, 1]
    commit(own_kafka, GROUP, *place, 1)
    assert offsets.ask()
    assert offsets.progress.unread(GROUP) == {place: 0}


def test_what_an_aborted_transaction_has_left_holds_no_market_back(c: Connection) -> None:
    commit(c, GROUP, *PLACE, WRITERS)
    p, look = producer(c, client_id="aborts", transactional_id="aborts"), Lags(c, [Follower(GROUP, PLACE[:1], 256)], 1)
    p.init_transactions(30)
    p.begin_transaction()
    for _ in range(5):
        p.produce(PLACE[0], b"value", key=b"key", partition=PLACE[1])
    p.flush()
    assert looked(look) == WRITERS + 5  # who knows whether it will be committed
    p.abort_transaction(30)
    reached(c, 2 * WRITERS + 6)
    assert looked(look) == 0


def test_a_partition_of_which_nothing_is_told_holds_nobody_up(c: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refused(*_: object, **__: object) -> int:
        asked.append(1)
        raise BrokerError("no right to read")

    monkeypatch.setattr("qflib.stream.data_ends.last_data_offset", refused)
    commit(c, GROUP, *PLACE, WRITERS)
    look = Lags(c, [Follower(GROUP, PLACE[:1], 256)], 1)
    for _ in range(2):
        assert looked(look) == WRITERS - 1  # as if there were one marker
    assert len(asked) == 1  # it is not asked for a while
    offsets = Offsets(c, {GROUP: [PLACE]})
    for _ in range(2):
        assert offsets.ask()
        time.sleep(0.5)
    assert offsets.progress.unread(GROUP) == {PLACE: WRITERS - 1}
