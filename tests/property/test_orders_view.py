"""The view's orders stand as the exchange's own do, whichever of the two topics is read first."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.records import ORDERS, Batch, ExecType, Header
from qflib.records.codec import encode
from qflib.records.topics import ORDERS_EXECUTED, ORDERS_INCOMING
from qflib.views import Views
from tests.unit.steps.exchange.conftest import Scene

NEW, CANCEL, REPLACE = 1, 2, 3
PICK = st.integers(0, 3)  # so many ids back
REQUEST = st.tuples(
    st.sampled_from((NEW, NEW, NEW, CANCEL, REPLACE)),
    st.sampled_from((1, 2)),
    st.integers(9_996, 10_004),
    st.integers(1, 9),
    st.sampled_from((1, 1, 1, 1, 3, 4)),  # GTC, IOC, FOK
    PICK,
    st.sampled_from((False, False, False, False, True)),  # the same id again
)


def _answered(requests: list[Any]) -> tuple[Scene, list[Seen]]:
    scene, records, ids, sides = Scene(), [], [], {}
    scene.market(*((1, 0, side, n, price, 4) for n, (side, price) in enumerate(
        [(1, 9_999 - k) for k in range(3)] + [(2, 10_001 + k) for k in range(3)], start=1)))  # fmt: skip
    offsets = {ORDERS_INCOMING: 0, ORDERS_EXECUTED: 0}

    def record(topic: str, batch: Batch) -> None:
        value = encode(batch)
        records.append(Seen(topic, 0, offsets[topic], b"ACME", value, (), 1_000 + len(records)))
        offsets[topic] += 1

    for k, (action, side, price, qty, tif, pick, again) in enumerate(requests):
        back = ids[-1 - pick % len(ids)] if ids else "none"
        name = back if again and ids else f"id{k}"
        meant = "" if action == NEW else back
        own_side = sides.get(meant, side)  # a replace keeps its order's
        ids.append(name)
        sides.setdefault(name, own_side)
        columns = {
            "action": action, "instrument": 0, "side": own_side, "ord_type": 2, "time_in_force": tif,
            "price_ticks": price, "qty": qty, "account": "A", "portfolio": "DESK1", "book": 1,
            "client_order_id": name, "orig_client_order_id": meant, "request_hash": k + 1,
        }  # fmt: skip
        batch = Batch.of("order", Header("test", 0, k), orders=ORDERS.make(**{n: [v] for n, v in columns.items()}))
        record(ORDERS_INCOMING, batch)
        for made in scene.step.feed(batch):
            if made.kind == "execution":
                record(ORDERS_EXECUTED, made)
    return scene, records


def _exchange_side(scene: Scene) -> dict[str, tuple[int, int, int]]:
    core, meta = scene.step._core, scene.step._orders.meta
    made = {}
    for slot in core.engine.resting(-1):
        own = core.engine.o.own[slot]
        name = core.texts[int(meta.rows[slot]["client_order_id"])].decode()
        made[name] = int(own["price"]), int(own["qty"]), int(own["leaves"])
    return made


@given(st.lists(REQUEST, max_size=25), st.lists(st.booleans(), max_size=120))
def test_resting_orders_are_the_exchanges(requests: list[Any], turns: list[bool]) -> None:
    scene, records = _answered(requests)
    views = Views(Deployment(scene.step.instruments))
    queues = {t: [r for r in records if r.topic == t] for t in (ORDERS_INCOMING, ORDERS_EXECUTED)}
    for turn in turns:
        topic = ORDERS_INCOMING if turn else ORDERS_EXECUTED
        if queues[topic]:
            views.take(queues[topic].pop(0))
    for topic in (ORDERS_EXECUTED, ORDERS_INCOMING):
        for seen in queues[topic]:
            views.take(seen)
    held = {o.client_order_id: (o.price_ticks, o.qty, o.leaves_qty) for o in views.orders.resting(0)}
    assert held == _exchange_side(scene)
    assert {o.client_order_id for o in views.orders.orders(limit=10_000) if o.live} == set(held)
    fills = [x for x in views.orders.executions(limit=10_000) if x.exec_type == ExecType.FILL]
    for o in views.orders.orders(limit=10_000):
        if not o.replaced_by and o.reason == 0 and not o.orig_client_order_id:
            assert o.cum_qty == sum(x.qty for x in fills if x.client_order_id == o.client_order_id)
    in_order = Views(Deployment(scene.step.instruments))
    for seen in records:
        in_order.take(seen)
    assert views.orders.orders(limit=10_000) == in_order.orders.orders(limit=10_000)
