"""What one session asks for must not keep another waiting; no browser is needed."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from dashboards.access import Login
from dashboards.desk import SharedDesk
from dashboards.newest import Newest
from dashboards.pages.orders import OrdersPage
from dashboards.pages.what_if import WhatIfPage
from dashboards.recomputed import Made, Recomputed
from qflib.errors import DataError
from tests.browser.desk_up import wait
from tests.browser.running import KEYS, READER, TRADER, Running, Taken

ORDER = {
    "op": "place", "side": "buy", "instrument": "ACME.F", "qty": "1", "price": "100", "ord_type": "limit",
    "time_in_force": "gtc", "account": "DASHBOARD", "portfolio": "DESK1",
}  # fmt: skip


def test_a_readers_computations_do_not_keep_an_order_waiting(running: Running) -> None:
    taken, free, begun = Taken(), Event(), []
    desk = SharedDesk(running.player.views, taken)
    try:
        for _ in range(5):  # five sessions of a key that may only read, each asking without end
            page = WhatIfPage(desk, Login(KEYS[READER], READER, float("inf")))

            def compute(text: str) -> None:
                begun.append(text)
                assert free.wait(30)

            page._compute = compute  # type: ignore[assignment,method-assign]
            for n in range(100):
                page._heard({"op": "compute", "text": str(n)})
        wait(lambda: begun)
        orders = OrdersPage(desk, Login(KEYS[TRADER], TRADER, float("inf")))
        orders._heard(ORDER)
        wait(lambda: taken.orders, 5)
        assert set(begun) == {"0"}
    finally:
        free.set()
        wait(lambda: len(begun) >= 10)
        desk.stop()
    assert begun.count("0") == begun.count("99") == 5
    assert len(begun) == 10


def test_what_waits_is_the_newest_and_can_be_dropped() -> None:
    queue, done = [], []
    newest = Newest(queue.append)
    for n in range(5):
        newest.ask(lambda n=n: done.append(n))
    assert len(queue) == 1
    queue.pop()()
    newest.ask(lambda: done.append(5))
    newest.drop()
    queue.pop()()
    assert not queue
    newest.ask(lambda: done.append(6))
    queue.pop()()
    assert done == [0, 4, 6]


def test_what_is_recomputed_is_the_newest_that_could_be() -> None:
    jobs: list[Callable[[], None]] = []
    results = Recomputed(jobs.append, 0.0)
    assert results.get("a", lambda: 1) == Made()
    assert results.get("a", lambda: 2) == Made(), "one runs"
    assert len(jobs) == 1
    jobs.pop()()
    first = results.get("a", lambda: 1 // 0)
    assert first.value == 1
    jobs.pop()()
    failed = results.get("a", refuse)
    assert (failed.value, failed.at_ns) == (1, first.at_ns), "what failed leaves what was there, and its age"
    assert failed.error == "this could not be computed (ZeroDivisionError); see the dashboard's log"
    jobs.pop()()
    refused = results.get("a", lambda: 3)
    assert refused == Made(1, first.at_ns, "there is no book yet")
    jobs.pop()()
    third = results.get("a", lambda: 4)
    assert (third.value, third.error) == (3, "")
    assert third.at_ns > first.at_ns
    assert results.get("b", lambda: 5) == Made(), "each key has its own"


def refuse() -> None:
    raise DataError("there is no book yet")
