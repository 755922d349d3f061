"""Bookings, busts, variation margin, expiry: each with its cash worked out by hand (multiplier 100)."""

from __future__ import annotations

import pandas as pd
import pytest

from qflib.records import ExecType, Instrument, Instruments, Reason

from .conftest import EXPIRY, SECOND, T0, Scene

AT = EXPIRY.value
BOOK, TRANSFER, BUST, EXERCISE = 1, 2, 3, 4


def told(rows):
    return [(r.exec_type, r.instrument, r.qty, r.price, r.cash) for r in rows]


def test_a_booking_is_applied_once(scene):
    [row], _ = scene.booking(1, -7, price=2.5, booking_id="x")
    assert (row.exec_type, row.qty, row.price, row.client_order_id) == (ExecType.BOOKING, -7, 2.5, b"x")
    assert scene.booking(1, -7, price=2.5, booking_id="x") == ([], [])
    assert scene.position(1) == -7


def test_bad_bookings_are_refused(scene):
    refusals = [
        (scene.booking(77, 1), Reason.UNKNOWN_INSTRUMENT),
        (scene.booking(1, 0), Reason.BAD_QUANTITY),
        (scene.booking(1, 1, price=float("nan")), Reason.BAD_PRICE),
        (scene.booking(1, 1, action=9), Reason.UNSUPPORTED_TYPE),
        (scene.booking(1, 1, portfolio=""), Reason.BAD_TEXT),
        (scene.booking(1, 1, action=TRANSFER), Reason.BAD_TEXT),
        (scene.booking(1, 1, action=BUST, exec_id=4), Reason.UNKNOWN_EXECUTION),
        (scene.booking(1, 1, action=EXERCISE), Reason.BAD_QUANTITY),
        (scene.booking(0, 1, action=EXERCISE), Reason.UNSUPPORTED_TYPE),
    ]
    assert [rows[0].reason for (rows, _), _ in refusals] == [reason for _, reason in refusals]
    assert len(scene.step.positions) == 0


def test_a_transfer_moves_the_position_at_its_average_price(scene):
    scene.booking(1, 10, price=2.0)
    [row], _ = scene.booking(1, 4, action=TRANSFER, to_portfolio="DESK2")
    assert (row.exec_type, row.qty, row.price, row.to_portfolio) == (ExecType.TRANSFER, 4, 2.0, b"DESK2")
    assert scene.step.positions[["qty", "avg_price"]].tolist() == [(6, 2.0), (4, 2.0)]


def test_a_bust_undoes_a_fill_once(make_scene):
    s = make_scene({"taker_fee": 1.0})
    s.market((1, 0, 2, 1, 10010, 5))
    fill = s.order(price=10010, qty=3)[0][1]
    [row], _ = s.booking(0, 0, action=BUST, exec_id=fill.exec_id)
    assert (row.exec_type, row.qty, row.price, row.fee) == (ExecType.BUST, -3, 100.1, -3.0)
    assert (row.contra_id, row.cum_qty) == (fill.exec_id, 3)
    assert s.position(0) == 0
    assert s.booking(0, 0, action=BUST, exec_id=fill.exec_id)[0][0].reason == Reason.UNKNOWN_EXECUTION


def test_a_fill_of_a_contract_that_has_ended_is_not_busted(scene):
    scene.market((1, 1, 2, 1, 300, 5))
    fill = scene.order(1, price=300, qty=3)[0][1]
    scene.clock(AT)  # expired; without a price it is not settled yet
    assert scene.booking(1, 0, action=BUST, exec_id=fill.exec_id)[0][0].reason == Reason.EXPIRED_INSTRUMENT
    scene.price_future(10350)
    scene.clock(AT + SECOND)
    assert scene.position(1) == 0
    assert scene.booking(1, 0, action=BUST, exec_id=fill.exec_id)[0][0].reason == Reason.EXPIRED_INSTRUMENT
    assert scene.position(1) == 0


@pytest.mark.parametrize(
    ("k", "price", "taken"),
    [
        (0, 40.0, True),
        (0, 0.0, False),
        (0, -1.0, False),
        (0, float("inf"), False),
        (1, 0.0, True),
        (1, -0.01, False),
        (1, float("inf"), False),
        (2, -3.0, True),  # linear futures have traded below zero
        (2, float("nan"), False),
    ],
)
def test_bookings_at_prices_that_cannot_be_are_refused(k, price, taken):
    s = Scene(coin_table())
    reason = Reason.NONE if taken else Reason.BAD_PRICE
    assert s.booking(k, 2, price=price)[0][0].reason == reason
    if price:  # 0: a transfer at the average price
        assert s.booking(k, 2, price=price, action=TRANSFER, to_portfolio="DESK2")[0][0].reason == reason


def test_a_flat_inverse_position_has_no_average_price_to_be_transferred_at():
    s = Scene(coin_table())
    assert s.booking(0, 2, action=TRANSFER, to_portfolio="DESK2")[0][0].reason == Reason.BAD_PRICE
    s.booking(0, 2, price=40.0)
    assert s.booking(0, 2, action=TRANSFER, to_portfolio="DESK2")[0][0].price == 40.0


def test_variation_margin_pays_from_price_to_settlement_to_settlement(scene):
    scene.booking(0, 10, price=99.0)
    assert told(scene.market((10, 0, 0, 0, 10050, 0))[0]) == [(ExecType.VARIATION_MARGIN, 0, 0, 100.5, 1500.0)]
    scene.booking(0, 10, price=101.5)  # average 101
    [row], _ = scene.market((10, 0, 0, 0, 10000, 0))
    assert (row.cash, row.cum_qty, row.qty) == (-2000.0, 20, 0)
    assert scene.step.positions["avg_price"].tolist() == [100.0]


def test_cash_options_pay_their_payoff_at_expiry(scene):
    scene.booking(1, -3, price=2.0)
    scene.booking(2, 5, price=2.0)
    scene.order(1, price=100)
    scene.price_future(10350)
    assert scene.clock(AT - 1)[0] == []
    rows, batches = scene.clock(AT)
    assert told(rows) == [
        (ExecType.EXPIRED, 1, 5, 1.0, 0.0),
        (ExecType.SETTLEMENT, 1, 3, 3.5, -1050.0),
        (ExecType.SETTLEMENT, 2, -5, 0.0, 0.0),
    ]
    assert scene.position(1) == scene.position(2) == 0
    assert 5 in batches[-1].tops.status
    assert scene.order(1, price=100)[0][0].reason == Reason.EXPIRED_INSTRUMENT
    assert scene.booking(1, 1, price=1.0)[0][0].reason == Reason.EXPIRED_INSTRUMENT


def test_a_final_settlement_stands_before_the_last_trade(scene):
    scene.booking(1, 1, price=2.0)
    scene.market((10, 0, 0, 0, 9000, 0))  # ten hours before expiry: not final
    scene.price_future(10350)
    scene.clock(AT - 60 * SECOND)
    scene.market((10, 0, 0, 0, 10400, 0))
    assert told(scene.clock(AT)[0]) == [(ExecType.SETTLEMENT, 1, -1, 4.0, 400.0)]


def test_an_options_own_settlement_is_its_payoff(scene):
    scene.booking(1, 1, price=2.0)
    scene.price_future(10350)
    scene.clock(AT - 60 * SECOND)
    scene.market((10, 1, 0, 0, 360, 0))
    assert told(scene.clock(AT)[0])[0][:4] == (ExecType.SETTLEMENT, 1, -1, 3.6)


def test_settlement_waits_for_a_price(make_scene):
    s = make_scene({"settlement_wait_ns": 600 * SECOND})
    s.booking(1, 1, price=2.0)
    s.price_future(10350)
    assert s.clock(AT)[0] == []
    assert told(s.market((10, 0, 0, 0, 10500, 0))[0]) == [(ExecType.SETTLEMENT, 1, -1, 5.0, 500.0)]


def test_without_any_price_the_position_stays_until_there_is_one(scene):
    scene.booking(1, 1, price=2.0)
    assert scene.clock(AT)[0] == []
    scene.price_future(10200)
    assert told(scene.clock(AT + SECOND)[0]) == [(ExecType.SETTLEMENT, 1, -1, 2.0, 200.0)]


@pytest.mark.parametrize(
    ("k", "qty", "last", "expected"),
    [
        (1, 3, 10350, [(ExecType.EXERCISE, 1, -3, 0.0, 0.0), (ExecType.DELIVERY, 0, 3, 100.0, 0.0)]),
        (1, -3, 10350, [(ExecType.ASSIGNMENT, 1, 3, 0.0, 0.0), (ExecType.DELIVERY, 0, -3, 100.0, 0.0)]),
        (2, 2, 9800, [(ExecType.EXERCISE, 2, -2, 0.0, 0.0), (ExecType.DELIVERY, 0, -2, 100.0, 0.0)]),
        (2, -2, 10100, [(ExecType.SETTLEMENT, 2, 2, 0.0, 0.0)]),
    ],
)
def test_physical_options_deliver_the_future_at_the_strike(make_scene, k, qty, last, expected):
    s = make_scene(settlement_type="physical")
    s.booking(k, qty, price=2.0)
    s.price_future(last)
    assert told(s.clock(AT)[0]) == expected


def test_delivered_futures_are_settled_at_their_own_expiry(make_scene):
    s = make_scene(settlement_type="physical")
    s.booking(1, 3, price=2.0)
    s.price_future(10350)
    s.clock(AT)
    s.price_future(10400)
    assert told(s.clock(AT + 3600 * SECOND)[0]) == [(ExecType.SETTLEMENT, 0, -3, 104.0, 1200.0)]


def test_exercise_at_will(scene, make_scene):
    scene.booking(1, 3, price=2.0)
    scene.price_future(10350)
    assert told(scene.booking(1, 2, action=EXERCISE)[0]) == [(ExecType.EXERCISE, 1, -2, 3.5, 700.0)]
    s = make_scene(settlement_type="physical", style="american")
    s.booking(2, 3, price=2.0)
    s.price_future(9900)
    rows = told(s.booking(2, 1, action=EXERCISE)[0])
    assert rows == [(ExecType.EXERCISE, 2, -1, 0.0, 0.0), (ExecType.DELIVERY, 0, -1, 100.0, 0.0)]


def coin_table():
    common = {"underlying": "BTC", "source": "sim", "inverse": True, "tick_schedule": (("0", "0.0001"),)}
    option = {"kind": "option", "style": "european", "right": "call", "strike": 40.0, "settlement_type": "cash"}
    later = EXPIRY + pd.Timedelta("1h")
    return Instruments(
        (
            Instrument("BTC-F", kind="future", expiry=later, contract_value=10.0, **common),
            Instrument("BTC-C", expiry=EXPIRY, **option, **common),
            Instrument("BTC-L", kind="future", expiry=later, **(common | {"inverse": False})),
        )
    )


def test_inverse_contracts_pay_in_coin():
    s = Scene(coin_table())
    s.booking(0, 4, price=40.0)
    s.booking(1, 2, price=0.01)
    s.price_future(500_000)  # 50
    assert told(s.clock(AT)[0]) == [(ExecType.SETTLEMENT, 1, -2, 0.2, 0.4)]
    [row], _ = s.clock(AT + 3600 * SECOND)
    assert row.cash == pytest.approx(4 * 10 * (1 / 40 - 1 / 50), rel=1e-14)


def test_time_is_the_least_of_the_sources():
    s = Scene(Instruments((Instrument("X", source="a"), Instrument("Y", source="b"))))
    s.market((1, 0, 1, 1, 10, 1), source="a")
    assert s.step.time_ns == 0
    s.market((1, 1, 1, 1, 10, 1), source="b")
    assert s.step.time_ns == T0 + 1000
