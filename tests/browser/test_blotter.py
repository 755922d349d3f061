"""The blotter over many orders and for many sessions; no browser is needed."""

from __future__ import annotations

from threading import current_thread
from typing import Any

import pytest

from dashboards.access import Login
from dashboards.desk import SharedDesk
from dashboards.pages import order_tables
from dashboards.pages.order_tables import LOOKED, blotter_rows, fill_rows, version, wanted
from dashboards.pages.orders import OrdersPage
from dashboards.shared_rows import SharedRows
from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.records import EXECUTIONS, Batch, ExecType, Header, Instrument, Instruments, OrderAction, OrderStatus, Side
from qflib.records.codec import encode
from qflib.records.tables import ORDERS
from qflib.records.topics import ORDERS_EXECUTED, ORDERS_INCOMING
from qflib.views import Views
from qflib.views.order_state import OrderState
from tests.browser.desk_up import wait
from tests.browser.running import KEYS, READER


def filled(n: int, *, instrument: int = 0, first: int = 0, views: Views | None = None) -> Views:
    """A desk with so many orders, each acknowledged and cancelled."""
    views = views or Views(Deployment(Instruments((Instrument("ACME.F", kind="spot"),))))
    names = [f"o-{first + k}" for k in range(n)]
    same = {
        "instrument": [instrument] * n, "side": [int(Side.BID)] * n, "price_ticks": [100] * n, "qty": [3] * n,
        "account": ["A"] * n, "portfolio": ["P"] * n, "client_order_id": names,
    }  # fmt: skip
    orders = ORDERS.make(action=[int(OrderAction.NEW)] * n, sent_ns=list(range(1, n + 1)), **same)
    told = EXECUTIONS.make(
        exec_type=[int(ExecType.CANCELLED)] * n, ord_status=[int(OrderStatus.CANCELLED)] * n, **same,
    )  # fmt: skip
    for topic, batch in (
        (ORDERS_INCOMING, Batch.of("order", Header("api", 0, first), orders=orders)),
        (ORDERS_EXECUTED, Batch.of("execution", Header("exchange", 0, first), executions=told)),
    ):
        views.take(Seen(topic, 0, first, b"ACME", encode(batch), (), 1_000 + first))
    return views


def test_an_order_of_an_unknown_instrument_is_shown() -> None:
    views = filled(1, instrument=77)
    filled(1, first=1, views=views)
    for text in ("", "o-", "?"):
        rows, _ = blotter_rows(views, wanted(views.instruments, "all", text), may_cancel=True)
        assert ("?", [3.0, 0]) in [(r["symbol"], r["qty"]) for r in rows]
    assert [r["symbol"] for r in fill_rows(views)[0]] == ["ACME.F", "?"]


def test_a_filter_looks_at_a_bounded_number_of_orders() -> None:
    views = filled(LOOKED + 3_000)
    looked = 0
    passes = wanted(views.instruments, "all", "no such text")

    def counted(o: OrderState) -> bool:
        nonlocal looked
        looked += 1
        return passes(o)

    assert blotter_rows(views, counted, may_cancel=True) == ([], "of the newest 20,000")
    assert looked == LOOKED
    rows, note = blotter_rows(views, wanted(views.instruments, "all", ""), may_cancel=True)
    assert (len(rows), rows[0]["name"], note) == (200, f"o-{LOOKED + 2_999}", "the newest 200")
    assert blotter_rows(views, wanted(views.instruments, "all", "o-22999"), may_cancel=True)[0][0]["name"] == "o-22999"
    few = filled(10)
    assert blotter_rows(few, wanted(few.instruments, "all", ""), may_cancel=True)[1] == ""


def test_sessions_share_their_rows_and_threads_make_them(monkeypatch: pytest.MonkeyPatch) -> None:
    views, made = filled(50), []
    rows = order_tables.blotter_rows

    def noted(*args: Any, **named: Any) -> Any:
        made.append(current_thread())
        return rows(*args, **named)

    monkeypatch.setattr("dashboards.pages.orders.blotter_rows", noted)
    monkeypatch.setattr(order_tables, "_ANEW_S", 1e9)
    desk = SharedDesk(views)
    pages = [OrdersPage(desk, Login(KEYS[READER], READER, float("inf"))) for _ in range(10)]
    shown: dict[int, list[object]] = {}
    for n, page in enumerate(pages):
        monkeypatch.setattr(page.blotter, "show", lambda rows, n=n: shown.__setitem__(n, rows))

    def all_shown() -> bool:
        for page in pages:
            page.fast() if page._awaited else page.slow()
        return len(shown) == len(pages)

    wait(all_shown)
    assert len(made) == 1
    assert current_thread() not in made
    assert all(rows is shown[0] for rows in shown.values())
    first = version(views)
    filled(1, first=50, views=views)
    assert version(views) != first
    wait(lambda: all_shown() and all(len(rows) == 51 for rows in shown.values()))
    assert len(made) == 2
    for page in pages:
        page.end()
    assert not desk.rows._made
    desk.stop()


def test_what_is_typed_over_is_not_made() -> None:
    jobs, made = [], []
    rows = SharedRows(jobs.append)
    for text in ("d", "de", "desk"):
        rows.get("ann", text, 1, lambda text=text: (made.append(text) or [], ""))
    for job in jobs:
        job()
    assert made == ["desk"]
    assert rows.get("ann", "desk", 1, lambda: ([], "")) is not None
