"""What a desk opens with, on real Kafka."""

import time

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.broker import reading, topics
from qflib.broker.publishing import addressed, publish
from qflib.desk.deployment import Deployment
from qflib.records import BookingAction, ControlKind, Instrument, Instruments
from qflib.records.codec import decode
from qflib.records.partitions import name_of
from qflib.records.topics import ORDERS_INCOMING
from qflib.stream.opening import booking_ids, opening

NAMES = ("ACME", "BETA", "GAMA")
N = 4


@pytest.fixture(scope="module")
def desk():
    table = Instruments(tuple(Instrument(f"{n}.F", underlying=n, source=f"sim:{n}") for n in NAMES))
    config = qf.DeskConfig(limits={"max_order_qty": 100.0, "price_band": 0.1})
    return Deployment(table, config, risk=True, partitions=N)


@pytest.fixture(scope="module")
def batches(desk):
    rng = np.random.default_rng(3)
    days = pd.date_range("2024-01-01", periods=300, freq="D", tz="UTC")
    spot = {(n, "spot"): 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 300))) for n in NAMES}
    vol = {(n, "atm_vol"): np.full(300, 0.3) for n in NAMES}
    history = pd.DataFrame(spot | vol, index=days)
    positions = pd.DataFrame({"instrument": ["ACME.F", "BETA.F"], "qty": [5.0, -3.0], "avg_price": [99.0, 101.0]})
    scenarios = qf.scenarios.default(history, n_historical=200, n_simulated=100)
    return opening(desk, positions, scenarios)


def lying(c):
    """Every record of the topic: its partition, key's name and batch."""
    return [
        (p, name_of(m.key()), decode(m.value()), bytes(m.value()))
        for p in range(N)
        for m in reading.read(c, ORDERS_INCOMING, p, 0)
    ]


def arrived(c, count):
    """The same, once there are so many: a commit returns before its markers stand in every partition."""
    end = time.monotonic() + 15
    while len(there := lying(c)) < count and time.monotonic() < end:
        time.sleep(0.05)
    return there


def what(batch):
    return ControlKind(int(batch.controls.kind[0])).name if batch.kind == "control" else batch.kind


def test_order_numbers_and_places(desk, batches):
    table = desk.table
    sent = addressed(batches, table, epoch=7)
    for p in range(N):
        mine = [b for b in sent if table.place(b.key) == p]
        assert [b.header.seq for b in mine] == list(range(len(mine)))
        assert [what(b) for b in mine if b.header.parts == N] == ["HEDGING", "LIMIT", "HEDGING"]
        assert [b.header.part for b in mine if b.header.parts == N] == [p] * 3
        assert what(mine[0]) == what(mine[-1]) == "HEDGING"
        assert (mine[0].controls.value[0], mine[-1].controls.value[0]) == (0.0, 1.0)
    assert {b.header.epoch for b in sent} == {7}
    assert [b.key for b in sent if b.kind == "booking"] == ["ACME", "BETA"]
    sets = [b for b in sent if what(b) == "SCENARIO_SET"]
    assert [(b.key, b.header.part, b.header.parts) for b in sets] == [(n, 0, 1) for n in NAMES]


def test_without_positions_there_are_limits_alone(desk):
    assert [what(b) for b in opening(desk, None, None)] == ["LIMIT"]


def test_a_second_start_sends_the_same_but_for_the_epoch(own_kafka, desk, batches):
    topics.create(own_kafka, N)
    sent = publish(own_kafka, batches, desk.table)
    assert sent == 3 * N + 2 + 3
    first = arrived(own_kafka, sent)
    assert len(first) == sent
    for p, name, batch, _ in first:
        assert desk.table.place(name) == p
        if batch.kind == "booking":
            assert set(batch.bookings.action.tolist()) == {BookingAction.BOOK}
    publish(own_kafka, batches, desk.table)
    both = arrived(own_kafka, 2 * sent)
    assert len(both) == 2 * sent
    epochs = sorted({b.header.epoch for _, _, b, _ in both})
    assert len(epochs) == 2
    again = [one for one in both if one[2].header.epoch == epochs[1]]
    for (p, name, was, _), (q, name_now, now, _) in zip(first, again, strict=True):
        assert (p, name) == (q, name_now)
        assert was.header.seq == now.header.seq
        assert was.header.part == now.header.part
        for table in was.tables:
            for old, new in zip(was.tables[table], now.tables[table], strict=True):
                assert bytes(old) == bytes(new)
    assert booking_ids(b for _, _, b, _ in both) == booking_ids(batches)


def test_readers_see_all_or_nothing(own_kafka, desk, batches, monkeypatch):
    """A publisher that dies before its commit leaves nothing for a reader of committed records."""
    from qflib.broker import publishing as module

    topics.create(own_kafka, N)

    class Died(Exception):
        pass

    class Producer:
        def __init__(self, real):
            self.real = real

        def __getattr__(self, name):
            return getattr(self.real, name)

        def commit_transaction(self, *_):
            self.real.flush()
            raise Died

    made = module.producer
    with monkeypatch.context() as m:
        m.setattr(module, "producer", lambda *a, **k: Producer(made(*a, **k)))
        with pytest.raises(Died):
            publish(own_kafka, batches, desk.table)
    sent = publish(own_kafka, batches, desk.table)
    there = arrived(own_kafka, sent)  # readers wait for the dead one's transaction, 2 s and the broker's next look
    assert len(there) == sent
    assert len({b.header.epoch for _, _, b, _ in there}) == 1
