"""The views of a run say what the run itself says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.broker.seen import Seen
from qflib.records import BY_KIND, Batch, ExecType, Header, OrderAction, OrderStatus
from qflib.records.codec import encode
from qflib.records.topics import ANALYTICS_RESULTS, ORDERS_EXECUTED
from qflib.views import Views
from qflib.views.changed import Changed
from qflib.views.valuation import closing_of, market_of
from tests.views.recorded import Recorded, recorded


@pytest.fixture(scope="module")
def told() -> Recorded:
    return recorded()


@pytest.fixture(scope="module")
def views(told: Recorded) -> Views:
    return told.views()


def test_tops_are_the_runs_own(told: Recorded, views: Views) -> None:
    table, tops = told.deployment.instruments, told.run.recorder.tops
    books = views.books.every()
    assert [b.instrument for b in books] == np.flatnonzero(told.run.recorder.topped).tolist()
    for b in books:
        bid_ticks, bid_qty, ask_ticks, ask_qty, last, last_qty = tops[b.instrument].tolist()
        assert (tuple(b.bids[0]) if len(b.bids) else (0, 0)) == ((bid_ticks, bid_qty) if bid_qty else (0, 0))
        assert (tuple(b.asks[0]) if len(b.asks) else (0, 0)) == ((ask_ticks, ask_qty) if ask_qty else (0, 0))
        assert (b.last_ticks, b.last_qty) == (last, last_qty)
    deep = views.books.latest("ACME.F")
    assert deep is not None
    assert len(deep.bids) > 5
    assert (np.diff(deep.bids[:, 0]) < 0).all()
    assert (np.diff(deep.asks[:, 0]) > 0).all()
    frame = views.books.tops_frame()
    assert frame.loc["ACME.F", "bid"] == table.to_price(table.id("ACME.F"), int(deep.bids[0, 0]))


def test_books_are_chained_by_sequence(told: Recorded) -> None:
    views, last = Views(told.deployment), {}

    def chained(changed: Changed) -> None:
        for b in changed.books:
            assert b.stamp.prev_seq == last.get(b.instrument, -1)
            assert b.stamp.seq > b.stamp.prev_seq
            last[b.instrument] = b.stamp.seq

    views.listen(chained)
    for seen in told.seen:
        views.take(seen)
    assert len(last) == len(views.books.every())


def test_depth_window_ends_with_the_book(views: Views) -> None:
    book = views.books.latest("ACME.F")
    rows = views.books.depth("ACME.F")
    assert book is not None
    assert rows["seq"][-1] == book.stamp.seq
    assert rows["bid_ticks"][-1, : len(book.bids)].tolist() == book.bids[:, 0].tolist()
    middle = int(rows["seq"][len(rows) // 2])
    assert views.books.depth_since("ACME.F", middle)["seq"].tolist() == [s for s in rows["seq"].tolist() if s > middle]


def test_orders_end_as_their_executions_say(told: Recorded, views: Views) -> None:
    x = told.run.executions
    orders = [o for o in views.orders.orders(limit=10_000) if o.hedge_no]
    assert len(orders) == told.run.recorder.hedge_orders > 0
    for o in orders:
        mine = x[x["client_order_id"] == o.client_order_id.encode().decode()]
        fills = mine[mine["exec_type"] == "fill"]
        at = told.deployment.instruments.to_qty(o.instrument, o.cum_qty)
        assert at == pytest.approx(fills["qty"].sum())
        if len(fills):
            assert o.avg_price == pytest.approx((fills["qty"] * fills["price"]).sum() / fills["qty"].sum())
        assert o.ord_status is not None


def test_executions_are_listed_by_cursor(views: Views) -> None:
    every = views.orders.executions(limit=10_000)
    pages, before = [], None
    while page := views.orders.executions(before=before, limit=7):
        pages += page
        before = page[-1].cursor
    assert pages == every
    assert [x.cursor for x in every] == sorted((x.cursor for x in every), reverse=True)


def test_order_read_after_its_executions_is_the_same(told: Recorded) -> None:
    """Topics are read side by side: an execution may come before the order it speaks of."""
    late = Views(told.deployment)
    for seen in (s for s in told.seen if s.topic == ORDERS_EXECUTED):
        late.take(seen)
    for seen in (s for s in told.seen if s.topic != ORDERS_EXECUTED):
        late.take(seen)
    first = told.views()
    assert late.orders.orders(limit=10_000) == first.orders.orders(limit=10_000)


def test_report_is_the_runs_last(told: Recorded, views: Views) -> None:
    report = views.risk.latest("DESK1")
    assert report is not None
    last = told.run.risk[told.run.risk["portfolio"] == "DESK1"].iloc[-2:]
    assert report.risk["es_current"].tolist() == last["es_current"].tolist()
    assert len(report.positions) == len(told.run.positions)
    assert report.by_expiry["delta"].sum() == pytest.approx(report.positions["delta"].sum())
    series = views.risk.series_frame("DESK1", 0.975)
    mine = told.run.risk[(told.run.risk["portfolio"] == "DESK1") & (told.run.risk["level"] == 0.975)]
    assert series["es_current"].tolist() == mine["es_current"].tolist()


def test_hedges_cost_what_the_run_says(told: Recorded, views: Views) -> None:
    assert views.risk.hedge_counts() == {
        "orders": told.run.recorder.hedge_orders,
        "fills": told.run.recorder.hedge_fills,
        "rejects": told.run.recorder.hedge_rejects,
        "cost": pytest.approx(told.run.recorder.realised_cost),
        "fees": 0.0,
        "since_ns": views.risk.hedges_since_ns,
    }
    fills = views.risk.hedge_fills(10_000)
    assert sum(f.cost for f in fills) == pytest.approx(told.run.recorder.realised_cost)


@pytest.mark.parametrize("with_books", [False, True])
def test_a_report_is_revalued_to_its_own_figures(views: Views, with_books: bool) -> None:
    report = views.risk.latest("DESK1")
    assert report is not None
    scen = views.shortfall.scenario_set(report.batch.risk.set_id[0].decode())
    assert scen is not None
    made = closing_of(report, books=views.books if with_books else None)
    assert made.left_out == ()
    for portfolio, figure in ((made.portfolio, "es_current"), (made.client, "es_unhedged")):
        assert portfolio is not None
        es = qf.expected_shortfall(portfolio.scenario_pnl(made.market, scen), level=0.975, kind="pnl")
        assert es.es == pytest.approx(report.figure(figure, 0.975), rel=1e-9)
    hedges = report.positions[report.positions["book"] == "hedge"]
    assert made.hedge is not None
    assert list(made.hedge.instruments) == hedges["instrument"][hedges["qty"] != 0].tolist()
    assert views.shortfall.scenario_set("none") is None


def test_what_is_not_held_is_priced_by_the_books(views: Views) -> None:
    report, scen = views.risk.latest("DESK1"), views.shortfall.scenarios
    assert report is not None
    assert scen is not None
    held = set(report.positions["instrument"])
    option = next(r.symbol for r in views.instruments if r.kind == "option" and r.symbol not in held)
    made = closing_of(report, books=views.books)
    assert made.portfolio is not None
    trades = pd.DataFrame({"instrument": [option], "qty": [10.0]})
    assert made.market.vol(option) == market_of(views.books).vol(option)
    told = made.portfolio.what_if(trades, made.market, scen)
    assert told.es_before == pytest.approx(report.figure("es_current", 0.975), rel=1e-9)
    assert told.es_after != told.es_before


def test_torn_and_foreign_records_are_passed_over(told: Recorded) -> None:
    views = told.views(500)
    there = views.books.latest("ACME.F")
    analytics = next(s for s in told.seen if s.topic == ANALYTICS_RESULTS)
    assert analytics.value is not None
    for k, value in enumerate((analytics.value[:-3], b"\xff" * 40, None)):
        views.take(analytics._replace(value=value, offset=10**6 + k))
    assert views.unreadable == 2
    assert views.books.latest("ACME.F") is there


@pytest.mark.parametrize("odd", [{"instrument": [10**6]}, {"instrument": [0], "status": [77]}])
def test_a_record_of_another_table_or_version_is_passed_over(told: Recorded, odd: dict[str, list[int]]) -> None:
    views = told.views()
    tops = BY_KIND["analytics"].by_name["tops"].make(**odd)
    batch = Batch.of("analytics", Header("exchange", 0, 0), tops=tops)
    views.take(Seen(ANALYTICS_RESULTS, 0, 10**6, b"ACME", encode(batch), (), 1_767_700_000_000))
    assert views.unreadable == 1
    assert [b.stamp for b in views.books.every()] == [b.stamp for b in told.views().books.every()]


def test_records_that_come_twice_count_once(told: Recorded) -> None:
    views, once = Views(told.deployment), told.views()
    for seen in told.seen:
        views.take(seen)
        views.take(seen)
    for seen in told.seen[-300:]:  # as after a reader that went back
        views.take(seen)
    assert views.orders.orders(limit=10_000) == once.orders.orders(limit=10_000)
    assert views.orders.executions(limit=10_000) == once.orders.executions(limit=10_000)
    assert views.risk.hedge_counts() == once.risk.hedge_counts()
    assert len(views.shortfall.outcomes("DESK1")) == len(once.shortfall.outcomes("DESK1"))


def test_other_topics_begin_at_nothing(told: Recorded) -> None:
    """After `up --fresh` offsets begin at 0, and the desk may be another."""
    other = recorded("5s", 500.0, 8)
    views, heard = Views(told.deployment, deployed=lambda: other.deployment), []
    for seen in told.seen:
        views.take(seen)
    views.listen(heard.append)
    views.anew("a test")
    assert [c.anew for c in heard] == [True]
    for seen in other.seen:
        views.take(seen)
    fresh = other.views()
    assert views.instruments is other.deployment.instruments
    assert [b.stamp for b in views.books.every()] == [b.stamp for b in fresh.books.every()] != []
    assert views.orders.orders(limit=10_000) == fresh.orders.orders(limit=10_000)


def test_a_failing_listener_leaves_the_others_alone(told: Recorded) -> None:
    views, heard = Views(told.deployment), []

    def fails(_: Changed) -> None:
        raise RuntimeError("mine alone")

    views.listen(fails)
    end = views.listen(heard.append)
    for seen in told.seen[:200]:
        views.take(seen)
    n = len(heard)
    assert n > 0
    end()
    for seen in told.seen[200:400]:
        views.take(seen)
    assert len(heard) == n


def test_a_duplicate_id_does_not_undo_the_first_order(told: Recorded) -> None:
    views = told.views()
    order = next(o for o in views.orders.orders(limit=1_000) if o.ord_status == OrderStatus.FILLED)
    assert order.action == OrderAction.NEW
    from qflib.records import EXECUTIONS, Reason

    again = EXECUTIONS.make(
        exec_type=[int(ExecType.REJECTED)], ord_status=[int(OrderStatus.REJECTED)], instrument=[order.instrument],
        reason=[int(Reason.DUPLICATE_CLIENT_ORDER_ID)], account=[order.account],
        client_order_id=[order.client_order_id],
    )  # fmt: skip
    batch = Batch.of("execution", Header("exchange", 0, 0), executions=again)
    views.take(Seen(ORDERS_EXECUTED, 0, 10**6, b"ACME", encode(batch), (), 1_767_700_000_000))
    assert views.orders.order(*order.key) == order
