"""Signals to orders: targets, validity, one order alive, limits."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from qflib.records import (
    ALL_INSTRUMENTS,
    CONTROLS,
    EXECUTIONS,
    SIGNALS,
    TICK,
    TOPS,
    Batch,
    ControlKind,
    ExecType,
    Instrument,
    Instruments,
    OrderStatus,
    Side,
    TradingStatus,
)
from qflib.steps.exchange.execution_log import SIGNED
from qflib.steps.strategy import Strategy, StrategyConfig

TABLE = Instruments((Instrument("ACME", underlying="ACME"),))
S = 10**9


def signal(direction: int, strength: float = 1.0, until: int = 100 * S, instrument: int = 0) -> Batch:
    rows = SIGNALS.make(
        signal_id=["1"],
        strategy=["t"],
        instrument=[instrument],
        direction=[direction],
        strength=[strength],
        valid_until_ns=[until],
    )
    return Batch.of("signal", signals=rows)


def marks(time_ns: int, *, status: int = 0, shown: bool = True, **tables: Any) -> Batch:
    n = int(shown)
    tops = TOPS.make(
        instrument=[0] * n, bid_ticks=[99] * n, bid_qty=[50] * n, ask_ticks=[101] * n, ask_qty=[50] * n,
        status=[status] * n,
    )  # fmt: skip
    return Batch.of("marks", key="ACME", tick=TICK.make(time_ns=[time_ns]), tops=tops, **tables)


def control(name: str, value: float, portfolio: str = "", instrument: int = ALL_INSTRUMENTS) -> Any:
    kind = ControlKind.LIMIT if name else ControlKind.KILL_SWITCH
    return CONTROLS.make(
        control_id=[f"{name}{value}{portfolio}{instrument}"], kind=[int(kind)], name=[name], value=[value],
        portfolio=[portfolio], instrument=[instrument],
    )  # fmt: skip


def executed(kind: ExecType, side: int, qty: int, status: OrderStatus, no: int = 1, **columns: Any) -> Batch:
    row = {"account": "STRATEGY", "portfolio": "STRATEGY", "client_order_id": f"STRATEGY/ACME/{no}", "instrument": 0}
    row |= {"exec_type": int(kind), "side": int(side), "qty": qty, "ord_status": int(status)} | columns
    rows = EXECUTIONS.make(**{n: [v] for n, v in row.items()})
    return Batch.of("execution", key="ACME", executions=rows)


def moved(kind: ExecType, qty: int, **columns: Any) -> Batch:
    return executed(kind, 0, qty, OrderStatus.FILLED, client_order_id="b1", **columns)


def orders(batches: list[Batch]) -> list[tuple[int, int, int]]:
    return [(int(b.orders.side[0]), int(b.orders.qty[0]), int(b.orders.price_ticks[0])) for b in batches]


def started(max_lots: int = 10) -> Strategy:
    step = Strategy(TABLE, StrategyConfig(max_lots=max_lots))
    step.feed(marks(S))
    return step


def test_a_signal_becomes_its_target_once() -> None:
    step = started()
    assert orders(step.feed(signal(1, 0.55))) == [(Side.BID, 5, 101)]
    assert step.feed(signal(1, 0.55)) == []  # one order alive
    assert step.feed(marks(2 * S)) == []
    assert step.feed(executed(ExecType.FILL, Side.BID, 5, OrderStatus.FILLED)) == []


def test_a_turned_signal_trades_through_flat() -> None:
    step = started()
    step.feed(signal(1))
    step.feed(executed(ExecType.FILL, Side.BID, 10, OrderStatus.FILLED))
    assert orders(step.feed(signal(-1))) == [(Side.ASK, 20, 99)]


def test_an_expired_signal_is_flattened() -> None:
    step = started()
    step.feed(signal(1, until=5 * S))
    step.feed(executed(ExecType.FILL, Side.BID, 10, OrderStatus.FILLED))
    assert step.feed(marks(5 * S)) == []
    assert orders(step.feed(marks(6 * S))) == [(Side.ASK, 10, 99)]


def test_after_a_reject_it_waits_for_market_time() -> None:
    step = started()
    step.feed(signal(1))
    assert step.feed(executed(ExecType.REJECTED, Side.BID, 10, OrderStatus.REJECTED)) == []
    assert orders(step.feed(marks(2 * S))) == [(Side.BID, 10, 101)]


def test_an_order_that_found_nothing_waits_for_market_time() -> None:
    step = started()
    step.feed(signal(1))
    gone = executed(ExecType.CANCELLED, Side.BID, 10, OrderStatus.CANCELLED, time_ns=2 * S)
    assert step.feed(gone) == []
    assert step.feed(marks(2 * S)) == []  # the marks beside the execution are of its own time
    assert step.feed(signal(1)) == []
    assert orders(step.feed(marks(3 * S))) == [(Side.BID, 10, 101)]


def test_what_was_left_of_a_filled_order_is_sent_again() -> None:
    step = started()
    step.feed(signal(1))
    step.feed(executed(ExecType.FILL, Side.BID, 4, OrderStatus.PARTIALLY_FILLED, cum_qty=4))
    rest = executed(ExecType.CANCELLED, Side.BID, 6, OrderStatus.CANCELLED, cum_qty=4)
    assert orders(step.feed(rest)) == [(Side.BID, 6, 101)]


def test_the_end_of_another_order_does_not_end_ours() -> None:
    step = started()
    step.feed(signal(1))
    other = executed(ExecType.FILL, Side.BID, 2, OrderStatus.FILLED, client_order_id="by hand")
    assert step.feed(other) == []
    assert step.feed(moved(ExecType.BOOKING, 1)) == []
    assert orders(step.feed(executed(ExecType.FILL, Side.BID, 10, OrderStatus.FILLED))) == [(Side.ASK, 3, 99)]


@pytest.mark.parametrize("kind", SIGNED)
def test_every_kind_of_execution_that_moves_a_position_is_counted(kind: ExecType) -> None:
    step = started()
    assert orders(step.feed(moved(kind, -3))) == [(Side.BID, 3, 101)]
    assert started().feed(moved(kind, -3, portfolio="DESK1")) == []
    assert started().feed(moved(kind, -3, account="CLIENT")) == []


def test_transfers_leave_and_arrive() -> None:
    out = moved(ExecType.TRANSFER, 4, to_portfolio="DESK1")
    assert orders(started().feed(out)) == [(Side.BID, 4, 101)]
    into = moved(ExecType.TRANSFER, 4, account="CLIENT", portfolio="DESK1", to_portfolio="STRATEGY")
    assert orders(started().feed(into)) == [(Side.ASK, 4, 99)]
    assert started().feed(moved(ExecType.TRANSFER, 4, to_portfolio="STRATEGY")) == []
    assert started().feed(moved(ExecType.VARIATION_MARGIN, 0)) == []


@pytest.mark.parametrize("status", TradingStatus)
def test_orders_go_only_where_there_is_trading(status: TradingStatus) -> None:
    step = started()
    step.feed(marks(2 * S, status=int(status)))
    open_ = status in (TradingStatus.UNKNOWN, TradingStatus.CONTINUOUS)
    assert len(step.feed(signal(1))) == open_
    assert len(step.feed(marks(3 * S))) == (not open_)  # trading goes on


def test_a_halt_told_with_the_time_that_ends_a_wait_holds() -> None:
    step = started()
    step.feed(signal(1))
    step.feed(executed(ExecType.REJECTED, Side.BID, 10, OrderStatus.REJECTED))
    assert step.feed(marks(2 * S, status=TradingStatus.HALT)) == []


@pytest.mark.parametrize(("before", "sent"), [(1, 1), (0, 0)])
def test_no_order_from_expiry_on(before: int, sent: int) -> None:
    expiry = pd.Timestamp(5 * S, tz="UTC")
    step = Strategy(Instruments((Instrument("F", underlying="ACME", kind="future", expiry=expiry),)))
    step.feed(marks(5 * S - before))
    assert len(step.feed(signal(1))) == sent


def test_a_quiet_market_ends_a_signal_too() -> None:
    step = started()
    step.feed(signal(1, until=5 * S))
    step.feed(executed(ExecType.FILL, Side.BID, 10, OrderStatus.FILLED))
    assert orders(step.feed(marks(6 * S, shown=False))) == [(Side.ASK, 10, 99)]


@pytest.mark.parametrize("name", ["max_order_qty", "max_position"])
def test_the_tightest_limit_holds(name: str) -> None:
    step = started()
    for i, (value, portfolio) in enumerate([(4.0, ""), (7.0, "STRATEGY"), (1.0, "DESK1")]):
        step.feed(marks((2 + i) * S, controls=control(name, value, portfolio)))
    assert orders(step.feed(signal(1))) == [(Side.BID, 4, 101)]
    step = started()
    for i, (value, portfolio, k) in enumerate([(4.0, "", 0), (3.0, "STRATEGY", 0), (1.0, "", 1)]):
        step.feed(marks((2 + i) * S, controls=control(name, value, portfolio, k)))
    assert orders(step.feed(signal(1))) == [(Side.BID, 3, 101)]


def test_a_clipped_target_is_reached_order_by_order() -> None:
    step = started()
    step.feed(marks(2 * S, controls=control("max_order_qty", 4.0)))
    got = orders(step.feed(signal(1)))
    for no, qty in ((1, 4), (2, 4), (3, 2)):
        got += orders(step.feed(executed(ExecType.FILL, Side.BID, qty, OrderStatus.FILLED, no=no, cum_qty=qty)))
    assert [qty for _, qty, _ in got] == [4, 4, 2]


def test_a_switch_of_another_instrument_or_portfolio_does_not_stop_us() -> None:
    step = started()
    step.feed(marks(2 * S, controls=control("", 1.0, "DESK1")))
    step.feed(marks(3 * S, controls=control("", 1.0, "", 1)))
    assert len(step.feed(signal(1))) == 1


def test_limit_and_kill_switch_come_from_the_marks() -> None:
    step = started()
    limit = CONTROLS.make(control_id=["1"], kind=[int(ControlKind.LIMIT)], name=["max_position"], value=[3.0],
                         instrument=[ALL_INSTRUMENTS])  # fmt: skip
    step.feed(marks(2 * S, controls=limit))
    assert orders(step.feed(signal(1))) == [(Side.BID, 3, 101)]
    step.feed(executed(ExecType.FILL, Side.BID, 3, OrderStatus.FILLED))
    kill = CONTROLS.make(control_id=["2"], kind=[int(ControlKind.KILL_SWITCH)], value=[1.0],
                        instrument=[ALL_INSTRUMENTS])  # fmt: skip
    step.feed(marks(3 * S, controls=kill))
    assert step.feed(signal(-1)) == []


def test_others_executions_are_not_ours() -> None:
    step = started()
    other = EXECUTIONS.make(exec_type=[int(ExecType.FILL)], side=[1], qty=[7], account=["CLIENT"], instrument=[0])
    step.feed(Batch.of("execution", key="ACME", executions=other))
    assert orders(step.feed(signal(1))) == [(Side.BID, 10, 101)]
