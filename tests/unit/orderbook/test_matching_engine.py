"""The matching engine as people use it: each rule by an example that can be checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.errors import DataError, InputError, UnknownInstrumentError
from qflib.kernels import engine_codes as codes
from qflib.orderbook import MatchingEngine, Rules
from qflib.orderbook.engine_codes import Refusal
from qflib.records import Instrument, Instruments, Reason

S = "ACME.F"


def filled(events) -> list[tuple[int, float, float]]:
    """Who rested, at what price, how much."""
    frame = events.of("traded").to_frame()
    return list(frame[["order_id", "price", "qty"]].itertuples(index=False, name=None))


def kinds(events) -> list[str]:
    return events.to_frame()["kind"].tolist()


def reason(events) -> str:
    return events.to_frame()["reason"].iloc[-1]


def test_its_public_name() -> None:
    assert qf.MatchingEngine is MatchingEngine


def test_reasons_are_numbered_as_the_records() -> None:
    same = {r.name: int(r) for r in Reason} | {"DUPLICATE_ORDER_ID": int(Reason.DUPLICATE_CLIENT_ORDER_ID)}
    for own in Refusal:
        if own.name in same:
            assert int(own) == same[own.name]
        else:
            assert int(own) not in set(Reason)


def test_price_then_time() -> None:
    e = MatchingEngine(S)
    for oid, price in ((1, 100.02), (2, 100.01), (3, 100.01)):
        e.submit(S, "sell", 5, price, order_id=oid)
    assert filled(e.submit(S, "buy", 12, 100.02)) == [(2, 100.01, 5), (3, 100.01, 5), (1, 100.02, 2)]
    assert e.best(S) == {"bid": pytest.approx(float("nan"), nan_ok=True), "bid_qty": 0.0, "ask": 100.02, "ask_qty": 3.0}


def test_pro_rata_with_top_order_and_least_share() -> None:
    e = MatchingEngine(S, {S: Rules("pro_rata", least_share=2, top_order=4)})
    for oid, qty in ((1, 10), (2, 30), (3, 4)):
        e.submit(S, "sell", qty, 100.0, order_id=oid)
    # the top order's 4; then 16 over 6, 30 and 4 of 40: 2.4, 12, 1.6 -> 2, 12, none; the 2 left by time
    assert filled(e.submit(S, "buy", 20, 100.0)) == [(1, 100.0, 8), (2, 100.0, 12)]


def test_an_iceberg_shows_its_peak_again_behind_the_others() -> None:
    e = MatchingEngine(S)
    e.submit(S, "sell", 10, 100.0, order_id=1, display=3)
    e.submit(S, "sell", 5, 100.0, order_id=2)
    assert e.best(S)["ask_qty"] == 8
    assert filled(e.submit(S, "buy", 9, 100.0)) == [(1, 100.0, 3), (2, 100.0, 5), (1, 100.0, 1)]
    left = e.orders(S).loc[1]
    assert (left["qty"], left["leaves"]) == (2, 6)


def test_hidden_orders_trade_after_shown_ones_at_their_price() -> None:
    e = MatchingEngine(S)
    e.submit(S, "sell", 5, 100.0, order_id=1, hidden=True)
    e.submit(S, "sell", 5, 100.0, order_id=2)
    e.submit(S, "sell", 5, 99.99, order_id=3, hidden=True)
    assert e.best(S)["ask"] == 100.0
    assert filled(e.submit(S, "buy", 12, 100.0)) == [(3, 99.99, 5), (2, 100.0, 5), (1, 100.0, 2)]


@pytest.mark.parametrize(
    ("rule", "left", "maker_left"),
    [("newest", 0, 8), ("oldest", 5, 0), ("both", 0, 0), ("decrement", 0, 3), ("none", 0, 3)],
)
def test_self_trades(rule: str, left: float, maker_left: float) -> None:
    """The maker is an iceberg of 8 that shows 2: a decrement takes its reserve first, and strands none of it."""
    e = MatchingEngine(S)
    e.submit(S, "sell", 8, 100.0, order_id=1, account=7, display=2)
    events = e.submit(S, "buy", 5, 100.0, order_id=2, account=7, self_trade=rule)
    assert (filled(events) != []) == (rule == "none")
    orders = e.orders(S)["leaves"].to_dict()
    assert orders == {k: v for k, v in ((1, maker_left), (2, left)) if v}
    if rule == "decrement":
        assert filled(e.submit(S, "buy", 3, 100.0, order_id=3)) == [(1, 100.0, 2), (1, 100.0, 1)]


def test_post_only() -> None:
    e = MatchingEngine(S)
    e.submit(S, "sell", 5, 100.0)
    assert reason(e.submit(S, "buy", 5, 100.05, post_only=True)) == "would_take"
    e.submit(S, "buy", 5, 100.05, order_id=9, post_only="slide")
    assert e.orders(S).loc[9, "price"] == 99.99


def test_times_in_force() -> None:
    e = MatchingEngine(S)
    e.submit(S, "sell", 5, 100.0)
    assert reason(e.submit(S, "buy", 8, 100.0, time_in_force="fok")) == "fok_unfilled"
    assert reason(e.submit(S, "buy", 8, 100.0, time_in_force="ioc")) == "ioc_remainder"
    assert reason(e.submit(S, "buy", 8)) == "no_liquidity"
    at = pd.Timestamp("2026-01-05 10:00", tz="UTC")
    e.submit(S, "buy", 1, 99.0, order_id=5, time_in_force="gtd", expire=at, time=at - pd.Timedelta("1s"))
    assert kinds(e.clock(at - pd.Timedelta("1ns"))) == []
    assert kinds(e.clock(at)) == ["expired"]


def test_stops_follow_the_trades() -> None:
    e = MatchingEngine(S)
    for price in (100.0, 100.01, 100.05):
        e.submit(S, "sell", 5, price)
    e.submit(S, "buy", 7, stop=100.01, order_id=50)
    e.submit(S, "buy", 1, 100.02, stop=100.05, order_id=51)
    assert e.orders(S)["place"].tolist()[-2:] == ["stops", "stops"]
    events = e.submit(S, "buy", 6, 100.01)  # its second trade, at 100.01, triggers 50, which trades at 100.05
    assert [k for k in kinds(events) if k == "triggered"] == ["triggered"] * 2
    assert filled(events) == [(1, 100.0, 5), (2, 100.01, 1), (2, 100.01, 4), (3, 100.05, 3)]
    assert e.orders(S).loc[51, "place"] == "book"


def test_a_replacement_keeps_its_place_only_where_it_asks_for_less() -> None:
    e = MatchingEngine(S)
    for oid in (1, 2, 3):
        e.submit(S, "sell", 5, 100.0, order_id=oid)
    e.replace(S, 1, 3, 100.0)
    e.replace(S, 2, 6, 100.0)
    assert e.orders(S).index.tolist() == [1, 3, 2]
    assert filled(e.submit(S, "buy", 9, 100.0)) == [(1, 100.0, 3), (3, 100.0, 5), (2, 100.0, 1)]
    e.submit(S, "buy", 1, 99.0, order_id=4)
    assert filled(e.replace(S, 4, 2, 100.0)) == [(2, 100.0, 2)]


def test_an_auction_trades_at_one_price_with_icebergs_and_what_expires() -> None:
    e = MatchingEngine(S, session="pre_open")
    late = pd.Timestamp("2030-01-01", tz="UTC")
    e.submit(S, "buy", 10, 100.02, order_id=1, display=2)
    e.submit(S, "buy", 5, 100.0, order_id=2, time_in_force="gtd", expire=late)
    e.submit(S, "sell", 8, 99.99, order_id=3)
    e.submit(S, "sell", 4, 100.0, order_id=4, time_in_force="at_open")
    e.submit(S, "sell", 1, order_id=5)
    # at 100.00: 15 wanted, 13 offered; at 100.01 and 100.02: 10 wanted
    assert e.indicative(S) == {"price": 100.0, "qty": 13.0, "imbalance": 2.0}
    fills = e.session(S, "continuous").fills()
    assert set(fills["price"]) == {100.0}
    assert fills["qty"].sum() / 2 == 13
    assert fills["liquidity"].unique().tolist() == ["maker"]
    assert e.orders(S)["leaves"].to_dict() == {2: 2.0}


def test_what_an_auction_leaves_over_goes() -> None:
    e = MatchingEngine(S, session="pre_open")
    e.submit(S, "buy", 5, order_id=1)
    e.submit(S, "buy", 5, 99.0, order_id=2, time_in_force="at_open")
    e.submit(S, "buy", 5, 99.0, order_id=3)
    gone = e.session(S, "continuous").of("cancelled").to_frame()
    assert dict(zip(gone["order_id"], gone["reason"], strict=True)) == dict.fromkeys((1, 2), "auction_remainder")
    e.submit(S, "sell", 2, 99.5, order_id=4, time_in_force="at_close")
    assert e.best(S)["ask_qty"] == 0
    e.session(S, "closing")
    assert e.best(S)["ask_qty"] == 2
    e.submit(S, "buy", 1, 99.5, order_id=5, time_in_force="day")
    ended = e.session(S, "closed").to_frame().set_index("order_id")["kind"]
    assert ended.loc[[4]].tolist()[-1] == "cancelled"
    assert e.orders(S).index.tolist() == [3]


def test_bounds_and_switches() -> None:
    e = MatchingEngine(S, {S: Rules(band=(99.0, 101.0), collar=0.02, max_qty=50)})
    assert reason(e.submit(S, "buy", 51, 100.0)) == "order_size_limit"
    assert reason(e.submit(S, "buy", 5, 101.01)) == "price_band"
    for price in (100.0, 100.02, 100.03):
        e.submit(S, "sell", 1, price, account=3)
    assert reason(e.submit(S, "buy", 3)) == "collar"
    assert kinds(e.kill(account=3)) == ["cancelled"]
    assert reason(e.submit(S, "sell", 1, 100.0, account=3)) == "kill_switch"
    e.kill(False, account=3)
    assert kinds(e.submit(S, "sell", 1, 100.0, account=3)) == ["accepted", "resting"]
    assert kinds(e.mass_cancel(side="buy")) == []
    assert kinds(e.mass_cancel()) == ["cancelled"]
    e.session(S, "halt")
    assert reason(e.submit(S, "buy", 1, 100.0)) == "market_closed"


def test_fees() -> None:
    e = MatchingEngine(S, {S: Rules(maker_fee=-0.1, taker_fee=0.25)})
    e.submit(S, "sell", 5, 100.0)
    assert e.submit(S, "buy", 4, 100.0).fills()["fee"].tolist() == [-0.4, 1.0]


def test_journal_state_and_digest() -> None:
    table = Instruments((Instrument("A"), Instrument("B", tick_schedule=(("0", "0.5"),))))
    e = MatchingEngine(table)
    rng = np.random.default_rng(0)
    for _ in range(200):
        symbol, side = rng.choice(["A", "B"]), rng.choice(["buy", "sell"])
        e.submit(str(symbol), str(side), int(rng.integers(1, 9)), 100 + 0.5 * int(rng.integers(-4, 5)))
    again, events = MatchingEngine.replay(e.journal)
    assert again.digest == e.digest
    assert len(events.of("accepted")) == 200
    other = MatchingEngine(table)
    assert other.digest != e.digest
    other.load(e.state())
    assert other.digest == e.digest
    last = {"order_id": 10_000, "account": 3}
    assert (other.submit("A", "buy", 50, 104.0, **last).rows == e.submit("A", "buy", 50, 104.0, **last).rows).all()
    with pytest.raises(DataError, match="2 instruments"):
        MatchingEngine("A").load(e.state())


def test_commands_in_a_frame() -> None:
    e = MatchingEngine(S)
    frame = pd.DataFrame(
        {"action": ["new", "new", "cancel"], "symbol": S, "side": ["buy", "sell", ""], "order_id": [1, 2, 1],
         "price": [99.0, 99.5, math.nan], "qty": [2, 3, math.nan]},
        index=pd.date_range("2026-01-05", periods=3, freq="1s", tz="UTC"),
    )  # fmt: skip
    told = e.run(frame).to_frame()
    assert told["kind"].tolist() == ["accepted", "resting"] * 2 + ["cancelled"]
    assert told.index[-1] == frame.index[-1]


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (lambda e: e.submit(S, "long", 1, 1.0), "side 'long'"),
        (lambda e: e.submit(S, "buy", 1, 1.001), "tick"),
        (lambda e: e.submit(S, "buy", 1.5, 1.0), "lot"),
        (lambda e: e.submit(S, "buy", 1, float("nan")), "finite"),
        (lambda e: e.submit(S, "buy", 1, 1.0, order_id=-1), "order_id -1"),
        (lambda e: e.submit(S, "buy", 1, 1.0, account="me"), "account me"),
        (lambda e: e.submit(S, "buy", 1, 1.0, colour="red"), "no 'colour'"),
        (lambda e: e.submit(S, "buy", 1, 1.0, time_in_force="soon"), "time_in_force 'soon'"),
        (lambda e: e.submit(S, "buy", 1, 1.0, post_only="maybe"), "post_only 'maybe'"),
        (lambda e: e.clock(pd.Timestamp("2026-01-05")), "time zone"),
        (lambda e: e.session(S, "lunch"), "session 'lunch'"),
        (lambda e: e.run([1]), "list"),
        (lambda e: e.run(pd.DataFrame({"action": ["new"]})), "'symbol'"),
        (lambda e: Rules("luck"), "algorithm 'luck'"),
        (lambda e: Rules(band=(2.0, 1.0)), "band"),
        (lambda e: Rules(max_qty=-1), "max_qty -1"),
    ],
)
def test_bad_input_is_a_sentence(act, match: str) -> None:
    with pytest.raises(InputError, match=match):
        act(MatchingEngine(S))


def test_an_unknown_symbol() -> None:
    with pytest.raises(UnknownInstrumentError):
        MatchingEngine(S).submit("OTHER", "buy", 1, 1.0)
    with pytest.raises(UnknownInstrumentError):
        MatchingEngine(S, {"OTHER": Rules()})


def test_it_shows_itself() -> None:
    e = MatchingEngine(S)
    events = e.submit(S, "sell", 5, 100.0)
    assert "1 live orders" in repr(e)
    assert "100.0" in e._repr_html_()
    assert "accepted" in events._repr_html_()
    assert type(e.plot()).__module__.startswith("holoviews")
    e.submit(S, "buy", 5, 100.0)
    assert e.memory_bytes > 0
    assert int(codes.AT_MARKET) == 2**60


def test_a_replacement_keeps_what_it_does_not_tell() -> None:
    engine = MatchingEngine("A", {"A": Rules()})
    for oid, price, stop in ((1, 99.0, None), (2, 104.0, 103.0), (3, None, 103.0)):
        engine.submit("A", "buy", 5, price, stop=stop, order_id=oid)
    for oid in (1, 2, 3):
        told = engine.replace("A", oid, 8).to_frame()
        assert told["kind"].iloc[0] == "replaced"
    frame = pd.DataFrame({"action": "replace", "symbol": "A", "order_id": [1], "qty": [9], "price": [np.nan]})
    engine.run(frame)
    assert engine.best("A")["bid"] == 99.0
    assert engine.orders().loc[1, "leaves"] == 9
    engine.submit("A", "sell", 1, 99.0)
    fired = engine.submit("A", "buy", 1, 103.0, order_id=50).to_frame()
    assert "triggered" not in set(fired["kind"])
    engine.submit("A", "sell", 1, 103.0, order_id=51)  # trades at 103: both stops' trigger
    assert {2, 3} & set(engine.orders().index) == {2}  # the stop-limit rests at its 104, the stop found nothing
    assert engine.best("A")["bid"] == 104.0


def test_kill_switches_are_released_by_themselves() -> None:
    engine = MatchingEngine("A", {"A": Rules()})
    engine.kill(True, "A")
    engine.kill(False)
    assert engine.submit("A", "buy", 1, 10.0).to_frame()["reason"].iloc[0] == "kill_switch"
    engine.kill(True)
    engine.kill(False, "A")
    assert engine.submit("A", "buy", 1, 10.0).to_frame()["reason"].iloc[0] == "kill_switch"
    engine.kill(False)
    assert engine.submit("A", "buy", 1, 10.0).to_frame()["kind"].iloc[0] == "accepted"


def test_orders_of_a_frame_get_the_next_ids_and_wrong_ones_are_told() -> None:
    engine = MatchingEngine("A", {"A": Rules()})
    frame = pd.DataFrame({"action": "new", "symbol": "A", "side": "buy", "price": [9.0, 8.0, 7.0], "qty": 1})
    engine.run(frame.assign(order_id=[None, 7, None]))
    assert engine.orders().index.tolist() == [1, 7, 8]
    for wrong in (1.5, -2, "x", True, 2.0**60):
        with pytest.raises(InputError, match="row 0: order_id"):
            engine.run(frame[:1].assign(order_id=pd.Series([wrong], dtype=object)))
    with pytest.raises(InputError, match=r"order_id 1\.5 is no whole number"):
        engine.cancel("A", 1.5)  # type: ignore[arg-type]
    for name in ("qty", "price", "display"):
        with pytest.raises(InputError, match=f"{name} x must be one finite number"):
            engine.submit("A", "buy", **({"qty": 1, "price": 5.0} | {name: "x"}))  # type: ignore[arg-type]
