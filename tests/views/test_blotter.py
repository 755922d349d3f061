"""Filters of orders and executions: what they find, and that nobody waits for them."""

from __future__ import annotations

from threading import Thread

import pytest

from qflib.api.shapes import execution_form, order_form
from qflib.broker.seen import Seen
from qflib.records import BY_KIND, EXECUTIONS, ORDERS, Batch, ExecType, OrderStatus, Reason
from qflib.records.codec import encode
from qflib.records.topics import ORDERS_EXECUTED, ORDERS_INCOMING, RISK_METRICS
from qflib.views import Views, orders
from qflib.views.executions import Execution
from qflib.views.order_state import OrderState
from tests.views.recorded import Recorded, recorded


@pytest.fixture(scope="module")
def told() -> Recorded:
    return recorded()


def _goes_on(views: Views, seen: Seen) -> None:
    reader = Thread(target=views.take, args=(seen,), daemon=True)
    reader.start()
    reader.join(20)
    assert not reader.is_alive(), "the reader waits for a filter"


def test_the_reader_goes_on_while_somebody_filters(told: Recorded) -> None:
    views = told.views()
    record = next(s for s in told.seen if s.topic == ORDERS_INCOMING)
    n = [10**6]

    def slow(_: OrderState | Execution) -> bool:
        n[0] += 1
        if n[0] < 10**6 + 4:
            _goes_on(views, record._replace(offset=n[0]))
        return False

    assert views.orders.orders(where=slow) == []
    n[0] = 10**6 + 10
    assert views.orders.executions(where=lambda x: bool(_goes_on(views, record._replace(offset=10**6 + 50)))) == []


def test_an_order_for_what_is_not_there_is_shown_with_its_refusal(told: Recorded) -> None:
    views, nobody, at = told.views(), 10**6, 1_767_700_000_000
    order = ORDERS.make(action=[1], instrument=[nobody], qty=[5], account=["A"], client_order_id=["odd"], side=[1])
    refused = EXECUTIONS.make(
        exec_type=[int(ExecType.REJECTED)], ord_status=[int(OrderStatus.REJECTED)], instrument=[nobody],
        reason=[int(Reason.UNKNOWN_INSTRUMENT)], account=["A"], client_order_id=["odd"], hedge_no=[3],
    )  # fmt: skip
    filled = EXECUTIONS.make(exec_type=[int(ExecType.FILL)], instrument=[nobody], qty=[1], hedge_no=[4], account=["A"],
                             portfolio=["DESK1"])  # fmt: skip
    hedge = (
        BY_KIND["risk"]
        .by_name["hedges"]
        .make(portfolio=["DESK1"], instrument=[nobody], qty=[1], price=[1.0], hedge_no=[4])
    )
    for k, (topic, batch) in enumerate(
        (
            (ORDERS_INCOMING, Batch.of("order", orders=order)),
            (ORDERS_EXECUTED, Batch.of("execution", executions=refused)),
            (ORDERS_EXECUTED, Batch.of("execution", executions=filled)),
            (RISK_METRICS, Batch.of("risk", hedges=hedge)),
        )
    ):
        views.take(Seen(topic, 0, 10**6 + k, b"ACME", encode(batch), (), at + k))
    assert views.unreadable == 0
    newest = views.orders.orders(limit=1)[0]
    assert (newest.instrument, newest.reason) == (nobody, Reason.UNKNOWN_INSTRUMENT)
    assert [x.instrument for x in views.orders.executions(limit=2)] == [nobody] * 2
    assert order_form(newest, views.instruments).instrument == str(nobody)
    assert execution_form(views.orders.executions(limit=1)[0], views.instruments).instrument == str(nobody)
    assert views.risk.hedge_fills(1)[0].instrument == nobody
    assert views.orders.resting(nobody) == []


@pytest.mark.parametrize("part", [1, 7, 1_024])
def test_pages_are_those_of_a_plain_filter(told: Recorded, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "_PART", part)
    view = told.views().orders
    every, fills = view.orders(limit=10**6), view.executions(limit=10**6)
    assert len(every) > 5
    assert len(fills) > 12
    middle, older = every[len(every) // 2].cursor, fills[len(fills) * 3 // 4].cursor
    wanted = [o for o in every if o.ord_status == OrderStatus.FILLED]
    assert view.orders(where=lambda o: o.ord_status == OrderStatus.FILLED, limit=10**6) == wanted
    assert view.orders(before=middle, limit=3) == [o for o in every if o.cursor < middle][:3]
    assert view.orders(where=lambda o: o.hedge_no > 0, scan=5) == [o for o in every[:5] if o.hedge_no > 0]
    kind = [x for x in fills if x.exec_type == ExecType.FILL]
    assert view.executions(where=lambda x: x.exec_type == ExecType.FILL, limit=4) == kind[:4]
    between = [x for x in fills if older < x.cursor < middle]
    assert view.executions(before=middle, after=older, limit=10**6) == between
    assert view.executions(scan=9, limit=10**6) == fills[:9]
    assert view.executions(limit=0) == view.orders(limit=0) == []


def test_live_orders_are_found_among_themselves(told: Recorded) -> None:
    views = told.views()
    record = next(s for s in told.seen if s.topic == ORDERS_INCOMING)
    assert record.value is not None
    asked: list[OrderState] = []

    def counted(o: OrderState) -> bool:
        asked.append(o)
        return True

    for k in range(3):
        name = next(o for o in views.orders.orders(limit=100) if o.ord_status == OrderStatus.FILLED)
        views.orders._put(orders.replace(name, client_order_id=f"live-{k}", ord_status=int(OrderStatus.NEW),
                                         cursor=(name.cursor[0], 0, 0, k), leaves_qty=1))  # fmt: skip
    plain = [o for o in views.orders.orders(limit=10**6) if o.live]
    assert len(plain) >= 3
    assert views.orders.orders(live=True, where=counted, limit=10**6) == plain
    assert asked == plain
    assert views.orders.orders(live=True, before=plain[0].cursor, limit=1) == plain[1:2]
