"""What topics no longer have comes from the history: a view that begins late knows what one of the first hour knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from qflib.broker import topics
from qflib.broker.clients import admin, producer
from qflib.broker.local import LocalBroker
from qflib.broker.reading import cluster_id
from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.desk.opening import limits_control
from qflib.history import Archiver, DeltaHistory, Log
from qflib.records import ALL_INSTRUMENTS, CONTROLS, ORDERS, Batch, ControlKind, Header, Instruments
from qflib.records.codec import encode
from qflib.records.topics import ORDERS_EXECUTED, ORDERS_INCOMING, RISK_METRICS
from qflib.views import Views
from tests.property.test_orders_view import CANCEL, NEW, REPLACE, REQUEST, _answered
from tests.views.recorded import recorded

FED = (ORDERS_INCOMING, ORDERS_EXECUTED, RISK_METRICS)


def _archived(folder: Path, table: Instruments, seen: Iterable[Seen], cluster: str = "c1") -> DeltaHistory:
    history = DeltaHistory(folder)
    history.register(cluster, table)
    archiver = Archiver(history)
    archiver.assign(Log(cluster, t, t, 0) for t in FED)
    for s in seen:
        if s.topic in FED:
            archiver.take(s.topic, 0, s.offset, s.append_ms * 1_000_000, s.key, s.value)
    archiver.store()
    return history


def _late(deployment: Deployment, history: DeltaHistory, seen: Iterable[Seen], starts: Mapping[str, int]) -> Views:
    """Views as after a restart: topics begin at these offsets."""
    views = Views(deployment, history=history)
    views.begin("c1", {(t, 0): n for t, n in starts.items()})
    for s in seen:
        if s.offset >= starts.get(s.topic, 0):
            views.take(s)
    return views


def _live(views: Views) -> list[Any]:
    return [
        (o.key, o.cursor, o.known, o.action, o.price_ticks, o.qty, o.cum_qty, o.leaves_qty, o.avg_price, o.ord_status)
        for o in views.orders.orders(live=True, limit=10**6)
    ]


@settings(max_examples=25)
@example(
    [(NEW, 1, 9_996, 5, 1, 0, False), (REPLACE, 1, 9_997, 5, 1, 0, False), (CANCEL, 1, 9_996, 1, 1, 1, False)], 1.0, 1.0
)  # cancelled by the name that it had before
@example([(NEW, 1, 9_996, 5, 1, 0, False), (NEW, 1, 9_996, 5, 1, 0, True)], 1.0, 1.0)  # the same id again
@example([(NEW, 1, 10_001, 9, 1, 0, False), (REPLACE, 1, 9_997, 9, 1, 0, False)], 1.0, 0.5)  # filled before
@given(st.lists(REQUEST, min_size=1, max_size=25), st.floats(0, 1), st.floats(0, 1))
def test_live_orders_are_known_wherever_topics_begin(
    tmp_path_factory: pytest.TempPathFactory, requests: list[Any], sent: float, executed: float
) -> None:
    scene, records = _answered(requests)
    counts = {t: sum(r.topic == t for r in records) for t in FED}
    starts = {ORDERS_INCOMING: int(sent * counts[ORDERS_INCOMING]),
              ORDERS_EXECUTED: int(executed * counts[ORDERS_EXECUTED])}  # fmt: skip
    table = scene.step.instruments
    history = _archived(tmp_path_factory.mktemp("history"), table, records)
    late = _late(Deployment(table), history, records, starts)
    whole = Views(Deployment(table))
    for s in records:
        whole.take(s)
    assert _live(late) == _live(whole)
    assert {x.cursor[2] for x in late.orders.executions(limit=10**6)} == set(
        range(starts[ORDERS_EXECUTED], counts[ORDERS_EXECUTED])
    ), "of the history no executions are listed"


def _more(seen: tuple[Seen, ...]) -> list[Seen]:
    """The recorded run, with limits, a kill switch and an order that rests in front of all else it sent."""
    kill = CONTROLS.make(control_id=["k1"], kind=[int(ControlKind.KILL_SWITCH)], portfolio=["P9"],
                         instrument=[ALL_INSTRUMENTS], value=[1.0])  # fmt: skip
    rests = ORDERS.make(action=[1], instrument=[0], side=[1], ord_type=[2], time_in_force=[1], price_ticks=[1],
                        qty=[5], account=["ALICE"], client_order_id=["gtc-1"])  # fmt: skip
    first = [
        limits_control("DESK1", {"max_order_qty": 50.0}),
        Batch.of("control", Header("api", 0, 1), controls=kill),
        Batch.of("order", Header("api", 0, 2), orders=rests),
    ]
    made = [Seen(ORDERS_INCOMING, 0, k, b"ACME", encode(b), (), seen[0].append_ms) for k, b in enumerate(first)]
    return made + [s._replace(offset=s.offset + len(first)) if s.topic == ORDERS_INCOMING else s for s in seen]


def _same(late: Views, whole: Views) -> None:
    assert whole.shortfall.scenarios is not None
    assert late.shortfall.scenarios == whole.shortfall.scenarios
    assert late.controls.bounds() == whole.controls.bounds() != []
    assert late.controls.hold("P9", 0).killed
    assert not late.controls.hold("DESK1", 0).killed
    assert _live(late) == _live(whole) != []
    counts = whole.risk.hedge_counts()
    assert counts["fills"] > 0
    assert late.risk.hedge_counts() == pytest.approx(counts)
    assert late.risk.hedges_since_ns == whole.risk.hedges_since_ns
    assert [f.cost for f in late.risk.hedge_fills(10**4)] == pytest.approx(
        [f.cost for f in whole.risk.hedge_fills(10**4)]
    )


@pytest.mark.parametrize("part", [0.5, 1.0])
def test_controls_scenarios_and_hedges_of_before(tmp_path: Path, part: float) -> None:
    told = recorded()
    seen = _more(told.seen)
    ends = {t: sum(s.topic == t for s in seen) for t in FED}
    history = _archived(tmp_path, told.deployment.instruments, seen)
    late = _late(told.deployment, history, seen, {t: int(part * n) for t, n in ends.items()})
    whole = Views(told.deployment)
    for s in seen:
        whole.take(s)
    _same(late, whole)


def test_another_clusters_history_tells_nothing(tmp_path: Path) -> None:
    told = recorded()
    history = _archived(tmp_path, told.deployment.instruments, _more(told.seen), cluster="another")
    late = _late(told.deployment, history, (), dict.fromkeys(FED, 10**6))
    assert late.shortfall.scenarios is None
    assert late.controls.bounds() == late.orders.orders() == []


def test_a_restart_after_retention_took_the_beginning(tmp_path: Path, own_broker: LocalBroker) -> None:
    from confluent_kafka import TopicPartition

    told = recorded()
    seen = _more(told.seen)
    sent = [s for s in seen if s.topic in FED]
    c = own_broker.connection
    topics.create(c, 1)
    client = producer(c, client_id="test")
    for s in sent:
        client.produce(s.topic, s.value, s.key, partition=0)
    assert client.flush(30) == 0
    history = _archived(tmp_path / "history", told.deployment.instruments, seen, cluster_id(c))
    keeper = admin(c)
    ends = {t: sum(s.topic == t for s in sent) for t in FED}
    for future in keeper.delete_records([TopicPartition(t, 0, n // 2 + 1) for t, n in ends.items()]).values():
        future.result()
    views = Views(told.deployment, c, history)
    views.start()
    try:
        assert views.wait_ready(60)
    finally:
        views.stop()
    whole = Views(told.deployment)
    for s in sent:
        whole.take(s)
    assert len(views.orders.executions(limit=10**4)) < len(whole.orders.executions(limit=10**4))
    assert views.shortfall.scenarios == whole.shortfall.scenarios
    assert views.controls.bounds() == whole.controls.bounds() != []
    assert views.risk.hedge_counts() == pytest.approx(whole.risk.hedge_counts())
    assert [o.key for o in views.orders.orders(live=True)] == [o.key for o in whole.orders.orders(live=True)] != []
