"""Orders by hand: price and time with our own resting orders, what we consumed, replace, and odd market data."""

from __future__ import annotations

import numpy as np
import pytest

from qflib.errors import InputError, StateError
from qflib.records import Batch, ExecType, Instrument, Instruments, Reason
from qflib.steps.exchange import Exchange, ExchangeConfig

FILL = ExecType.FILL


def fills(rows):
    return [(r.order_id, r.contra_id, r.price_ticks, r.qty) for r in rows if r.exec_type == FILL]


def test_own_orders_stand_in_the_venues_queue(scene):
    scene.market((1, 0, 2, 71, 10010, 3))
    scene.order(side=2, price=10010, qty=2, account="B")  # behind the venue's 3
    scene.market((1, 0, 2, 72, 10010, 4))  # behind us
    rows, _ = scene.order(side=1, price=10010, qty=7)
    assert fills(rows) == [(2, 71, 10010, 3), (2, 1, 10010, 2), (1, 2, 10010, 2), (2, 72, 10010, 2)]
    assert [(r.cum_qty, r.leaves_qty) for r in rows if r.order_id == 2] == [(0, 7), (3, 4), (5, 2), (7, 0)]
    assert [r.liquidity for r in rows] == [0, 2, 2, 1, 2]


def test_consumed_liquidity_does_not_come_back_until_the_venue_says_so(scene):
    scene.market((1, 0, 2, 1, 10010, 5))
    scene.order(price=10010, qty=4, tif=3)
    rows, _ = scene.order(price=10010, qty=4, tif=3)
    assert fills(rows) == [(2, 1, 10010, 1)]
    assert rows[-1].reason == Reason.IOC_REMAINDER
    scene.market((3, 0, 2, 1, 10010, 5), (1, 0, 2, 2, 10010, 5))  # the level went and came again
    assert fills(scene.order(price=10010, qty=4, tif=3)[0]) == [(3, 2, 10010, 4)]


def test_a_replaced_quote_is_new_liquidity(scene):
    scene.market((9, 1, 2, 0, 300, 5))
    scene.order(1, price=300, qty=5, tif=3)
    scene.market((9, 1, 2, 0, 300, 5))  # told again, not replaced
    assert scene.order(1, price=300, qty=5, tif=3)[0][-1].leaves_qty == 0
    assert fills(scene.order(1, price=300, qty=5, tif=3)[0]) == []
    scene.market((9, 1, 2, 0, 300, 6))
    assert fills(scene.order(1, price=300, qty=5, tif=3)[0]) == [(4, 0, 300, 5)]


def test_market_and_fill_or_kill_orders(scene):
    assert scene.order(price=0, ord_type=1)[0][-1].reason == Reason.NO_LIQUIDITY
    scene.market((1, 0, 2, 1, 10010, 5))
    assert scene.order(price=10010, qty=6, tif=4)[0][-1].reason == Reason.FOK_UNFILLED
    assert fills(scene.order(price=10010, qty=5, tif=4)[0]) == [(3, 1, 10010, 5)]


def test_a_resting_order_is_filled_by_executions_behind_the_lots_ahead(scene):
    scene.market((1, 0, 1, 1, 9990, 5))
    scene.order(side=1, price=9990, qty=3)
    assert scene.market((4, 0, 1, 1, 9990, 4))[0] == []
    assert scene.market((5, 0, 2, 0, 9990, 4))[0] == []  # told beside it
    scene.market((1, 0, 1, 2, 9990, 9))
    assert scene.market((4, 0, 1, 2, 9990, 3))[0] == []  # the venue did not go by time: we are not at the front
    rows, batches = scene.market((3, 0, 1, 1, 9990, 1), (4, 0, 1, 2, 9990, 2))
    assert fills(rows) == [(1, 2, 9990, 2)]
    assert [b.kind for b in batches] == ["execution", "marks"]
    assert rows[0].liquidity == 1


def test_a_venue_order_through_our_price_fills_us_once_at_our_price(scene):
    scene.order(side=1, price=9990, qty=10)
    rows, _ = scene.market((1, 0, 2, 5, 9980, 4), (5, 0, 1, 0, 9970, 1))
    assert fills(rows) == [(1, 5, 9990, 4)]
    assert scene.market((1, 0, 1, 6, 9000, 1))[0] == []


def test_replace_keeps_priority_only_when_the_quantity_falls(scene):
    scene.market((1, 0, 1, 1, 9990, 5))
    scene.order(price=9990, qty=5, client_order_id="a")
    rows, _ = scene.order(price=9990, qty=4, action=3, client_order_id="b", orig_client_order_id="a")
    assert [(r.exec_type, r.qty, r.leaves_qty, r.order_id) for r in rows] == [(ExecType.REPLACED, 4, 4, 1)]
    scene.market((1, 0, 1, 2, 9990, 5), (3, 0, 1, 1, 9990, 5))
    assert fills(scene.market((4, 0, 1, 2, 9990, 1))[0]) == [(1, 2, 9990, 1)]  # the 5 before us have gone
    scene.order(price=9990, qty=6, action=3, client_order_id="c", orig_client_order_id="b")
    assert fills(scene.market((4, 0, 1, 2, 9990, 4))[0]) == []  # behind all 4 now
    rows, _ = scene.order(price=9980, qty=6, action=2, client_order_id="d", orig_client_order_id="c")
    assert (rows[0].exec_type, rows[0].reason, rows[0].qty) == (ExecType.CANCELLED, Reason.REQUESTED, 5)


def ahead(scene, slot=0):
    return int(scene.step._core.engine.o.own[slot]["ahead"])


def test_only_what_stood_before_our_order_brings_it_nearer(scene):
    scene.market((1, 0, 1, 1, 9990, 5), (1, 0, 1, 2, 9990, 3))
    scene.order(price=9990, qty=4)
    scene.market((1, 0, 1, 3, 9990, 9))
    assert ahead(scene) == 8
    scene.market((3, 0, 1, 3, 9990, 4), (2, 0, 1, 3, 9990, 2))  # behind us
    assert ahead(scene) == 8
    scene.market((2, 0, 1, 2, 9990, 1))  # loses lots and keeps its place
    assert ahead(scene) == 6
    scene.market((2, 0, 1, 2, 9990, 7))  # gains lots and loses it
    assert ahead(scene) == 5
    scene.market((3, 0, 1, 2, 9990, 7), (2, 0, 1, 1, 9980, 5))  # behind us; the last before us goes to another price
    assert ahead(scene) == 0
    assert fills(scene.market((4, 0, 1, 3, 9990, 1))[0]) == [(1, 3, 9990, 1)]


def test_our_place_is_found_again_after_a_snapshot(scene):
    scene.market((1, 0, 1, 1, 9990, 5), (1, 0, 1, 2, 9990, 3))
    scene.order(price=9990, qty=4)
    scene.market((1, 0, 1, 3, 9990, 9))
    told = [(7, 0, 0, 0, 0, 0), (1, 0, 1, 2, 9990, 2), (1, 0, 1, 3, 9990, 9)]
    scene.market(*told, flags=[2, 2, 3])
    assert ahead(scene) == 2  # order 1 has gone meanwhile, 2 has lost a lot
    scene.market(*told[:1], (1, 0, 1, 3, 9990, 9), flags=[2, 3])  # ours is not told: behind as many lots as before
    assert ahead(scene) == 2
    scene.market((3, 0, 1, 3, 9990, 8))
    assert ahead(scene) == 0
    scene.market((7, 0, 0, 0, 0, 0), flags=[3])
    assert ahead(scene) == 0


def test_day_orders_end_with_the_day(scene):
    scene.market((1, 0, 1, 1, 9990, 5))
    scene.order(price=9990, tif=0)
    scene.order(price=9990, tif=1)
    rows, _ = scene.market((8, 0, 0, 0, 0, 4))
    assert [(r.exec_type, r.order_id) for r in rows] == [(ExecType.EXPIRED, 1)]


def test_the_venues_books_do_not_hold_our_orders(scene):
    scene.market((1, 0, 1, 1, 9990, 5))
    before = scene.step.books_digest
    scene.order(price=9990)
    assert scene.step.books_digest == before
    scene.market((1, 0, 1, 2, 9990, 5))
    assert scene.step.books_digest != before


def test_rows_of_unknown_instruments_are_counted(scene):
    scene.market((1, 77, 1, 1, 9990, 5), (1, 0, 1, 1, 9990, 5))
    assert scene.step.counts == {"unknown_instruments": 1, "refused": 0}


def test_fees(make_scene):
    s = make_scene({"taker_fee": 0.5, "maker_fee": -0.25})
    s.order(side=2, price=10010, qty=4, account="B")
    rows, _ = s.order(side=1, price=10010, qty=4)
    assert [r.fee for r in rows] == [0.0, 2.0, -1.0]


def test_wrong_batches_states_and_settings_are_refused():
    step = Exchange(Instruments((Instrument("X", source="s"),)))
    with pytest.raises(InputError, match="not 'risk'"):
        step.feed(Batch.of("risk"))
    with pytest.raises(StateError, match="instrument table"):
        Exchange(Instruments((Instrument("Y", source="s"),))).load(step.state())
    with pytest.raises(InputError, match="period_ns 0"):
        ExchangeConfig(period_ns=0)


def test_ending_orders_touches_the_resting_ones_alone(scene):
    """However many orders have gone: kill switch and expiry read the queues, never the table of all orders."""
    for _ in range(40):
        scene.order(price=9000, tif=3)
    for k, price in ((0, 9000), (0, 9500), (0, 9000), (3, 200)):
        scene.order(k, price=price)
    engine = scene.step._core.engine
    read = []

    class Watched(np.ndarray):
        def __getitem__(self, at):
            read.append(at)
            return super().__getitem__(at)

    engine.o = engine.o._replace(own=engine.o.own.view(Watched))
    assert (engine.resting(), engine.resting(3), engine.resting(1)) == ([40, 41, 42, 43], [43], [])
    assert set(read) == {"next", 40, 41, 42, 43}
    engine.o = engine.o._replace(own=engine.o.own.view(np.ndarray))
    rows, _ = scene.control(1, 1, instrument=0)
    assert [(r.exec_type, r.order_id) for r in rows] == [(ExecType.CANCELLED, n) for n in (41, 42, 43)]
    assert engine.resting() == [43]


def test_queues_stay_whole_when_orders_leave_them_anywhere(scene):
    rng = np.random.default_rng(2)
    engine, alive = scene.step._core.engine, {}
    for n in range(200):
        if alive and rng.random() < 0.45:
            slot = int(rng.choice(list(alive)))
            scene.order(action=2, client_order_id=f"c{n}", orig_client_order_id=f"o{slot}")
            del alive[slot]
        else:
            slot = int(engine.o.counts[0])
            alive[slot] = int(rng.integers(9990, 9995))
            scene.order(price=alive[slot], client_order_id=f"o{slot}")
        assert engine.queue(0) == sorted(alive, key=lambda s: (-alive[s], s))
        assert engine.resting() == sorted(alive)
