"""Every way to be refused has its code, and a refused order leaves no trace in the book."""

from __future__ import annotations

import pytest

from qflib.records import ExecType, Reason


@pytest.fixture
def open_market(scene):
    scene.market((1, 0, 1, 1, 9990, 50), (1, 0, 2, 2, 10010, 50), (1, 3, 2, 3, 80, 9), (6, 4, 2, 0, 100, 9))
    return scene


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"instrument": 99}, Reason.UNKNOWN_INSTRUMENT),
        ({"side": 0}, Reason.BAD_SIDE),
        ({"side": 3}, Reason.BAD_SIDE),
        ({"qty": 0}, Reason.BAD_QUANTITY),
        ({"qty": -1}, Reason.BAD_QUANTITY),
        ({"qty": 2**62}, Reason.BAD_QUANTITY),
        ({"price": 0}, Reason.BAD_PRICE),
        ({"price": -5}, Reason.BAD_PRICE),
        ({"price": 10000, "ord_type": 1}, Reason.BAD_PRICE),
        ({"instrument": 3, "price": 61}, Reason.OFF_TICK),
        ({"ord_type": 9}, Reason.UNSUPPORTED_TYPE),
        ({"tif": 2}, Reason.UNSUPPORTED_TYPE),
        ({"action": 7}, Reason.UNSUPPORTED_TYPE),
        ({"account": ""}, Reason.BAD_TEXT),
        ({"portfolio": ""}, Reason.BAD_TEXT),
        ({"client_order_id": ""}, Reason.BAD_TEXT),
        ({"client_order_id": b"\xff"}, Reason.BAD_TEXT),
        ({"action": 2, "orig_client_order_id": "none"}, Reason.UNKNOWN_ORDER),
        ({"action": 3, "orig_client_order_id": "none"}, Reason.UNKNOWN_ORDER),
    ],
)
def test_a_bad_order_is_refused(open_market, order, reason):
    [row], batches = open_market.order(**order)
    assert (row.exec_type, row.reason) == (ExecType.REJECTED, reason)
    assert [b.kind for b in batches] == ["execution"]
    assert open_market.order()[0][0].order_id == 1


def test_a_price_on_its_bands_tick_is_taken(open_market):
    assert open_market.order(3, price=62)[0][0].exec_type == ExecType.NEW
    assert open_market.order(3, price=59)[0][0].exec_type == ExecType.NEW


def test_ids_are_unique_an_account_for_ever(open_market):
    open_market.order(client_order_id="x", request_hash=5)
    [row], _ = open_market.order(client_order_id="x", request_hash=5)
    assert row.reason == Reason.DUPLICATE_CLIENT_ORDER_ID
    assert row.request_hash == 5
    assert open_market.order(client_order_id="x", account="B")[0][0].exec_type == ExecType.NEW


def test_size_limits(make_scene):
    s = make_scene({"max_order_qty": 10})
    s.market((1, 0, 1, 1, 9990, 50))
    assert s.order(qty=11)[0][0].reason == Reason.ORDER_SIZE_LIMIT
    s.control(2, 4, "max_order_qty", portfolio="DESK1")
    assert s.order(qty=5)[0][0].reason == Reason.ORDER_SIZE_LIMIT
    assert s.order(qty=5, portfolio="DESK2")[0][0].exec_type == ExecType.NEW
    assert s.order(qty=4)[0][0].exec_type == ExecType.NEW


def test_a_position_limit_counts_what_is_held_and_what_rests(open_market):
    s = open_market
    s.control(2, 10, "max_position")
    s.control(2, 6, "max_position", portfolio="DESK1", instrument=0)
    s.booking(0, 2, price=100.0)
    s.order(price=9000, qty=3, client_order_id="rests")
    assert s.order(qty=2, price=10010, tif=3)[0][0].reason == Reason.POSITION_LIMIT
    assert s.order(qty=1, price=10010, tif=3)[0][1].exec_type == ExecType.FILL  # 2 held + 3 resting + 1
    assert s.order(qty=7, price=10010, portfolio="DESK2", tif=3)[0][1].exec_type == ExecType.FILL
    assert s.order(qty=4, price=10010, portfolio="DESK2", tif=3)[0][0].reason == Reason.POSITION_LIMIT
    assert s.order(4, qty=10, price=100, tif=3)[0][0].exec_type == ExecType.NEW  # the other limit is of one instrument
    assert s.order(4, qty=11, price=100, tif=3)[0][0].reason == Reason.POSITION_LIMIT
    assert s.order(side=2, qty=10, price=9990, tif=3)[0][0].reason == Reason.POSITION_LIMIT  # to -7
    assert s.order(side=2, qty=9, price=9990, tif=3)[0][0].exec_type == ExecType.NEW


def test_a_replacement_counts_itself_once_against_the_position_limit(open_market):
    s = open_market
    s.control(2, 6, "max_position")
    s.order(price=9000, qty=5, client_order_id="a")
    assert s.order(price=9001, qty=7, action=3, orig_client_order_id="a")[0][0].reason == Reason.POSITION_LIMIT
    rows, _ = s.order(price=9001, qty=6, action=3, orig_client_order_id="a")
    assert rows[0].exec_type == ExecType.REPLACED


def test_a_position_beyond_its_limit_can_be_reduced(open_market):
    s = open_market
    s.booking(0, 20, price=100.0)
    s.control(2, 5, "max_position")
    assert s.order(qty=1)[0][0].reason == Reason.POSITION_LIMIT
    assert s.order(side=2, qty=4, price=9990, tif=3)[0][1].exec_type == ExecType.FILL


def test_price_band_is_around_the_mid_then_the_last_trade(open_market):
    s = open_market
    s.control(2, 0.01, "price_band", instrument=0)
    assert s.order(price=9899)[0][0].reason == Reason.PRICE_BAND
    assert s.order(price=9900)[0][0].exec_type == ExecType.NEW
    s.control(2, 0.01, "price_band", instrument=4)
    assert s.order(4, price=500)[0][0].exec_type == ExecType.NEW  # neither mid nor trade
    s.market((5, 4, 1, 0, 100, 1))
    assert s.order(4, price=102)[0][0].reason == Reason.PRICE_BAND


@pytest.mark.parametrize("status", [1, 3, 4])
def test_a_market_that_is_not_open(open_market, status):
    open_market.market((8, 0, 0, 0, 0, status))
    assert open_market.order()[0][0].reason == Reason.MARKET_CLOSED
    open_market.market((8, 0, 0, 0, 0, 2))
    assert open_market.order()[0][0].exec_type == ExecType.NEW


def test_a_stale_market(open_market):
    s = open_market
    at = s.now
    s.clock(at + 10_000_000_000 - 4000)
    assert s.order()[0][0].exec_type == ExecType.NEW
    s.clock(at + 10_000_001_000)
    assert s.order()[0][0].reason == Reason.STALE_MARKET


def test_the_kill_switch_cancels_and_refuses(open_market):
    s = open_market
    s.order(portfolio="DESK1")
    s.order(portfolio="DESK2")
    rows, batches = s.control(1, 1, portfolio="DESK1")
    assert [(r.exec_type, r.reason, r.portfolio) for r in rows] == [(3, Reason.KILL_SWITCH, b"DESK1")]
    assert [b.key for b in batches] == ["ACME", "ACME", "OTHER"]
    assert s.order()[0][0].reason == Reason.KILL_SWITCH
    assert s.order(portfolio="DESK2")[0][0].exec_type == ExecType.NEW
    s.control(1, 0, portfolio="DESK1")
    assert s.order()[0][0].exec_type == ExecType.NEW
    rows, _ = s.control(1, 1)
    assert len(rows) == 3


def test_a_control_is_applied_and_passed_on_once(open_market):
    _, first = open_market.control(4, 1, control_id="c1")
    assert [(b.kind, b.controls.control_id.tolist()) for b in first] == [("marks", [b"c1"])] * 2
    assert open_market.control(4, 1, control_id="c1") == ([], [])
