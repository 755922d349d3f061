"""Several writers leave several markers at the end of a partition: who has read all is behind by none of them."""

from __future__ import annotations

import time

import pytest

from qflib.broker import reading, topics
from qflib.broker.clients import Connection, producer
from qflib.records.topics import RISK_EXPOSURES
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
    end = time.monotonic() + 20
    while reading.ends(own_kafka, [PLACE])[PLACE] < 2 * WRITERS:
        assert time.monotonic() < end, "the transactions are not through"
    return own_kafka


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
