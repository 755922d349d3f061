"""Orders by keyboard, and cancels; a key without the trade scope sends nothing."""

from __future__ import annotations

from playwright.sync_api import expect

from dashboards.access import Login
from dashboards.pages.orders import OrdersPage
from dashboards.trading import UnknownOutcomeError
from tests.browser.conftest import Visit, turn
from tests.browser.desk_up import wait
from tests.browser.running import KEYS, READER, TRADER, Running


def test_an_order_by_keyboard(visit: Visit, running: Running) -> None:
    page = visit.page
    turn(page, "orders")
    qty, price, said = (
        page.get_by_label("Quantity"),
        page.get_by_label("Price", exact=True),
        page.locator(".ticket .said"),
    )
    expect(page.locator("[data-take=bid] b")).not_to_have_text("–")
    qty.click()
    page.keyboard.type("12")
    page.keyboard.press("s")
    price.fill("100.02")
    for _ in range(2):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    expect(price).to_have_value("100.03")
    page.keyboard.press("Enter")
    expect(said).to_have_text("accepted: sell 12 ACME.F")
    key, order = running.trading.orders[-1]
    assert key == TRADER
    assert (order.side, order.qty, order.price, order.instrument, order.portfolio) == (
        "sell",
        "12",
        "100.03",
        "ACME.F",
        "DESK1",
    )
    qty.fill("666")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    expect(said).to_contain_text("order_size_limit")
    page.keyboard.press("Escape")
    expect(qty).to_have_value("")
    assert len(running.trading.orders) == 1
    assert visit.faults == []


def test_an_order_that_may_only_rest(visit: Visit, running: Running) -> None:
    page, post_only = visit.page, visit.page.get_by_label("Post only")
    turn(page, "orders")
    expect(page.locator("[data-take=bid] b")).not_to_have_text("–")
    page.get_by_label("Price", exact=True).fill("99.50")
    page.get_by_label("Quantity").fill("3")
    page.get_by_label("Time in force").select_option("ioc")
    expect(post_only).to_be_disabled()
    page.get_by_label("Time in force").select_option("day")
    post_only.check()
    page.locator(".ticket .go").click()
    expect(page.locator(".ticket .said")).to_contain_text("accepted")
    order = running.trading.orders[-1][1]
    assert (order.qty, order.time_in_force, order.post_only) == ("3", "day", True)
    post_only.uncheck()
    page.get_by_label("Quantity").fill("4")
    page.locator(".ticket .go").click()
    wait(lambda: running.trading.orders[-1][1].qty == "4")
    assert not running.trading.orders[-1][1].post_only
    assert visit.faults == []


def test_an_order_of_unknown_outcome_is_sent_again_as_the_same(visit: Visit, running: Running) -> None:
    page, orders, unknown = visit.page, running.trading.orders, running.trading.unknown
    turn(page, "orders")
    qty, said, go = page.get_by_label("Quantity"), page.locator(".ticket .said"), page.locator(".ticket .go")
    page.get_by_label("Price", exact=True).fill("100.02")
    qty.fill("7")
    unknown += [UnknownOutcomeError("sent, and not confirmed in time (unknown_outcome)"), OSError("cut off")]
    n = len(orders)
    for k in range(2):
        page.keyboard.press("Enter")
        expect(said).to_contain_text("not known whether it was sent; Send again repeats the same order")
        expect(go).to_contain_text("Send again")
        assert len(orders) == n + k + 1
    page.keyboard.press("Enter")
    expect(said).to_contain_text("accepted")
    expect(go).not_to_contain_text("Send again")
    page.keyboard.press("Enter")  # the same fields after a definite answer are another order
    wait(lambda: len(orders) == n + 4)
    unknown.append(UnknownOutcomeError("sent, and not confirmed in time (unknown_outcome)"))
    expect(said).to_contain_text("accepted")
    page.keyboard.press("Enter")
    expect(said).to_contain_text("not known")
    qty.fill("8")  # another order, too
    expect(go).not_to_contain_text("Send again")
    page.keyboard.press("Enter")
    expect(said).to_have_text("accepted: buy 8 ACME.F")
    ids = [o.client_order_id for _, o in orders[n:]]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids[2:])) == len(ids[2:]) == 4
    page.keyboard.press("Escape")


def test_a_price_of_the_ladder_fills_the_ticket(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Alt+1")
    page.locator(".ladder .best-b .qty.b").first.click()
    expect(page.locator("#orders")).to_be_visible()
    expect(page.locator(".ticket .go")).to_contain_text("Buy")
    expect(page.get_by_label("Price", exact=True)).not_to_have_value("")
    page.keyboard.press("Escape")


def test_an_order_is_cancelled_from_the_blotter(visit: Visit, running: Running) -> None:
    page = visit.page
    page.locator(".brand").click()
    turn(page, "orders")
    page.get_by_role("button", name="live").click()
    row = visit.tile("blotter").locator("tr", has_text="desk-2")
    row.get_by_role("button", name="cancel").click()
    expect(page.locator(".ticket .said")).to_contain_text("cancel of desk-2")
    assert running.trading.cancels == [(TRADER, "ALICE", "desk-2")]
    page.get_by_role("button", name="hedges").click()
    expect(row).to_have_count(0)
    page.get_by_label("Filter").fill("beta")
    expect(visit.tile("blotter").locator("tbody tr")).to_have_count(2)


def test_a_reader_cannot_trade(reader: Visit, running: Running) -> None:
    page, before = reader.page, (len(running.trading.orders), len(running.trading.cancels))
    turn(page, "orders")
    expect(page.locator(".ticket .go")).to_have_text("This key may not trade")
    expect(page.get_by_label("Quantity")).to_be_disabled()
    expect(reader.tile("blotter").get_by_role("button", name="cancel")).to_have_count(0)
    # a page that was tampered with asks all the same: the server refuses
    desk = running.dashboard.desk
    orders = OrdersPage(desk, Login(KEYS[READER], READER, float("inf")))
    orders.ticket.admits = orders.blotter.admits = lambda: True
    told = {"side": "buy", "instrument": "ACME.F", "qty": "1", "price": "100", "ord_type": "limit"}
    orders.ticket.heard({"op": "place", **told})
    orders.blotter.heard({"op": "act", "id": "ALICE|desk-1"})
    assert (len(running.trading.orders), len(running.trading.cancels)) == before
    assert reader.faults == []
