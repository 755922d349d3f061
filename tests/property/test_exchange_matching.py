"""The exchange's matching against its plain twin, and conservation of quantity."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from qflib.records import (
    CONTROLS,
    MARKET_EVENTS,
    ORDERS,
    Batch,
    ExecType,
    Header,
    Instrument,
    Instruments,
    OrderOption,
    Reason,
)
from qflib.steps.exchange import Exchange

_spec = importlib.util.spec_from_file_location(
    "slow_exchange", Path(__file__).parents[1] / "reference" / "slow_exchange.py"
)
slow_exchange = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(slow_exchange)
SlowExchange, merged = slow_exchange.SlowExchange, slow_exchange.merged

TIF = {"GTC": 1, "IOC": 3, "FOK": 4, "POST": 1}
KINDS = ["GTC", "GTC", "IOC", "FOK", "POST"]
price = st.integers(98, 102)
qty = st.integers(1, 6)
side = st.sampled_from([1, 2])
venue_l3 = st.tuples(st.just("venue"), st.sampled_from([1, 1, 1, 2, 3, 4, 4, 5]), side, price, qty, st.integers(0, 40))
venue_l2 = st.tuples(st.just("venue"), st.sampled_from([6, 6, 5]), side, price, st.integers(0, 6), st.just(0))
ours = st.tuples(
    st.just("new"),
    side,
    price,
    qty,
    st.sampled_from(KINDS),
    st.sampled_from([False, False, True]),
)
cancel = st.tuples(st.just("cancel"), st.integers(1, 20))


def steps(venue):
    return st.lists(st.one_of(venue, venue, ours, cancel), min_size=1, max_size=60)


def play(levels, actions):
    step = Exchange(Instruments((Instrument("X", tick_schedule=(("0", "1"),), source="s", levels=levels),)))
    twin = SlowExchange(levels)
    live, ids, seen, n_new = [], 0, [], 0
    for t, a in enumerate(actions, 1):
        if a[0] == "venue":
            _, kind, s, p, q, pick = a
            oid = 0
            if not levels:
                live = [e[0] for b in twin.venue.values() for level in b.values() for e in level]
                if kind in (2, 3, 4):
                    if not live:
                        continue
                    oid = live[pick % len(live)]
                elif kind == 1:
                    ids += 1
                    oid = 1000 + ids
            row = {"kind": [kind], "flags": [1], "instrument": [0], "side": [s], "order_id": [oid], "price_ticks": [p]}
            events = MARKET_EVENTS.make(**row, qty=[q], receipt_ns=[t])
            out = step.feed(Batch.of("market", Header("s"), events=events))
            twin.row(kind, s, oid, p, q)
        elif a[0] == "new":
            _, s, p, q, tif, market = a
            market = market and tif != "POST"
            told = (s, 0 if market else p, q, TIF[tif], 1 if market else 2)
            options = int(OrderOption.TELL_QUEUE) | (int(OrderOption.POST_ONLY) if tif == "POST" else 0)
            if tif == "POST" and twin.could_get(s, p, False):
                out = order(step, 1, *told, f"r{t}", "A0", options=options)
                assert out[0].executions.reason.tolist() == [Reason.WOULD_TAKE]
                seen.append(out[0].executions)
                continue
            n_new += 1
            out = order(step, 1, *told, f"o{n_new}", f"A{n_new % 2}", options=options)
            left = twin.new(s, p, q, "GTC" if tif == "POST" else tif, market)
            ended = [b.executions.qty[b.executions.exec_type == ExecType.CANCELLED].sum() for b in out[:1]]
            assert ended == [left]
            if n_new in twin.queue[s]:
                assert out[0].executions.queue_ahead[0] == twin.orders[n_new]["ahead"]
        else:
            alive = a[1] in twin.queue[1] + twin.queue[2]
            account = f"A{a[1] % 2}"
            out = order(step, 2, 1, 0, 0, 0, 0, f"c{t}", account, f"o{a[1]}")
            assert (out[0].executions.exec_type[0] == ExecType.CANCELLED) == alive
            twin.cancel(a[1])
        new = [b.executions for b in out if b.kind == "execution"]
        seen += new
        assert pairs(new) == merged(twin.fills)
        twin.fills.clear()
        shown(step, twin, t, out)
        resting = twin.queue[1] + twin.queue[2]
        own = step._core.engine.o.own
        assert [int(own[n - 1]["ahead"]) for n in resting] == [twin.orders[n]["ahead"] for n in resting]
    return step, seen


def shown(step, twin, t, out):
    """The newest marks show what the twin says is still to be had of the venue, best first."""
    control = CONTROLS.make(control_id=[f"{t}"], kind=[2], name=["nothing"])
    told = [b for b in out + step.feed(Batch.of("control", controls=control)) if b.kind == "marks"]
    told = [b for b in told if len(b.tops.instrument)]
    if not told:
        return
    tops, depth = told[-1].tops, told[-1].depth
    for s in (1, 2):
        free = [(p, twin.free(s, p)) for p in sorted(twin.venue[s], reverse=s == 1) if twin.free(s, p)][:5]
        at = depth.side == s
        assert list(zip(depth.price_ticks[at].tolist(), depth.qty[at].tolist(), strict=True)) == free
        top = (
            (tops.bid_ticks, tops.bid_qty, tops.bid_depth) if s == 1 else (tops.ask_ticks, tops.ask_qty, tops.ask_depth)
        )
        assert [int(c[0]) for c in top] == [*(free[0] if free else (0, 0)), sum(q for _, q in free)]


def order(step, action, s, p, q, tif, ord_type, cid, account, orig="", options=0):
    row = {"action": [action], "instrument": [0], "side": [s], "ord_type": [ord_type], "time_in_force": [tif]}
    row |= {"price_ticks": [p], "qty": [q], "account": [account], "portfolio": ["P"], "book": [1]}
    row |= {"options": [options]}
    return step.feed(Batch.of("order", orders=ORDERS.make(**row, client_order_id=[cid], orig_client_order_id=[orig])))


def pairs(seen):
    """Fills as the twin writes them; our two sides of one fill become one."""
    out, skip = [], False
    for e in seen:
        for i in np.flatnonzero(e.exec_type == ExecType.FILL).tolist():
            if skip:
                skip = False
                continue
            me, contra, p, q = (int(e[c][i]) for c in (6, 7, 8, 9))
            ours = 0 < contra < 1000
            taker = e.liquidity[i] == 2
            skip = bool(taker and ours)
            out.append((contra if ours else 0, me, 0 if ours else contra, p, q) if taker else (me, 0, contra, p, q))
    return merged(out)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps(venue_l3))
def test_orders_told_match_as_the_twin(actions):
    conserved(*play(False, actions))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps(venue_l2))
def test_levels_told_match_as_the_twin(actions):
    conserved(*play(True, actions))


@pytest.mark.parametrize("levels", [False, True])
def test_a_long_story_matches_as_the_twin(levels):
    rng = np.random.default_rng(11)
    actions = []
    for _ in range(2500):
        s, p, q = int(rng.integers(1, 3)), int(rng.integers(97, 104)), int(rng.integers(1, 7))
        r = rng.random()
        if r < 0.7:
            kind = int(rng.choice([6, 6, 5] if levels else [1, 1, 1, 2, 3, 4, 4, 5]))
            actions.append(("venue", kind, s, p, q - (levels and kind == 6), int(rng.integers(1000))))
        elif r < 0.95:
            actions.append(("new", s, p, q, str(rng.choice(KINDS)), bool(rng.random() < 0.1)))
        else:
            actions.append(("cancel", int(rng.integers(1, 1 + max(1, len(actions) // 4)))))
    conserved(*play(levels, actions))


def conserved(step, seen):
    """Each order's fills add up to cum, cum and leaves to its quantity; positions are the fills' sum."""
    cum, qtys, net = {}, {}, 0
    for e in seen:
        for i in range(len(e.exec_type)):
            n = int(e.order_id[i])
            if e.exec_type[i] == ExecType.NEW:
                qtys[n], cum[n] = int(e.qty[i]), 0
            elif e.exec_type[i] == ExecType.FILL:
                cum[n] += int(e.qty[i])
                assert e.cum_qty[i] == cum[n]
                assert e.cum_qty[i] + e.leaves_qty[i] == qtys[n]
                net += int(e.qty[i]) * (1 if e.side[i] == 1 else -1)
    assert step.positions["qty"].sum() == net
    ids = [int(x) for e in seen for x in e.exec_id]
    assert ids == list(range(1, len(ids) + 1))
