"""Any cut of the market data, and a snapshot and restore in the middle, give the same bytes."""

from __future__ import annotations

import itertools
from functools import cache

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import given, settings

from qflib.records import (
    BOOKINGS,
    CONTROLS,
    MARKET_EVENTS,
    ORDERS,
    TICK,
    Batch,
    Header,
    Instrument,
    Instruments,
    Reason,
)
from qflib.steps.exchange import Exchange, ExchangeConfig
from qflib.steps.state import digest, pack, unpack

T0 = 1_700_000_000_000_000_000
EXPIRY = pd.Timestamp(T0 + 400_000_000, tz="UTC")
N = 3000
TABLE = Instruments(
    (
        Instrument("A.F", kind="future", underlying="A", expiry=EXPIRY, source="a", tick_schedule=(("0", "1"),)),
        Instrument(
            "A.C", kind="option", underlying="A", right="call", style="european", strike=90.0, expiry=EXPIRY,
            source="a", levels=True, tick_schedule=(("0", "1"),),
        ),
        Instrument("B", underlying="B", source="b", levels=True, tick_schedule=(("0", "1"),)),
    )
)  # fmt: skip


@cache
def story():
    """Market rows of two sources in segments, with orders, bookings, controls and clocks between them."""
    rng = np.random.default_rng(5)
    segments, t, oid = [], T0, 0
    live = []
    for s in range(30):
        source = "ab"[s % 2]
        rows = []
        for _ in range(N // 30):
            t += int(rng.integers(1, 500_000))
            side, price, qty = int(rng.integers(1, 3)), int(rng.integers(95, 106)), int(rng.integers(1, 9))
            if source == "b":
                rows.append((6 if rng.random() < 0.8 else 5, 1, 2, side, 0, price, qty, t))
            elif rng.random() < 0.2:
                rows.append((int(rng.choice([9, 5, 10], p=[0.8, 0.15, 0.05])), 1, 1, side, 0, 5 + price % 7, qty, t))
            elif live and rng.random() < 0.5:
                pick = live.pop(int(rng.integers(len(live))))
                rows.append((int(rng.choice([3, 4])), 1, 0, side, pick, price, qty, t))
            else:
                oid += 1
                live.append(oid)
                rows.append((int(rng.random() < 0.95) or 5, 1, 0, side, oid, price, qty, t))
        if source == "a":
            t += 1
            rows[-1] = (10, 1, 0, 0, 0, 100, 0, t)
        if s in (0, 4):  # in front of our order far from the market
            rows[40] = ({0: 1, 4: 3}[s], 1, 0, 1, 10**6, 50, {0: 9, 4: 2}[s], rows[40][-1])
        names = ("kind", "flags", "instrument", "side", "order_id", "price_ticks", "qty", "receipt_ns")
        columns = dict(zip(names, (list(c) for c in zip(*rows, strict=True)), strict=True))
        segments.append(("market", source, MARKET_EVENTS.make(**columns)))
        many = 6
        tif = rng.choice([0, 1, 3, 4, 6], many)
        orders = ORDERS.make(
            options=rng.choice([0, 1, 128, 129], many),
            expire_ns=np.where(tif == 6, t + rng.integers(1, 40_000_000, many), 0),
            action=rng.choice([1, 1, 1, 2], many), instrument=rng.integers(0, 3, many), side=rng.integers(1, 3, many),
            ord_type=rng.choice([1, 2, 2, 2], many), price_ticks=rng.integers(96, 105, many),
            qty=rng.integers(1, 9, many),
            time_in_force=tif, account=rng.choice(["X", "Y"], many).tolist(),
            portfolio=["P"] * many, book=[1] * many, client_order_id=[f"{s}.{i}" for i in range(many)],
            orig_client_order_id=[f"{s - 1}.{i}" for i in range(many)],
        )  # fmt: skip
        segments.append(("order", "", orders))
        if s == 0:  # far from the market: it is there at expiry
            far = {"action": [1], "side": [1], "ord_type": [2], "price_ticks": [50], "qty": [1], "account": ["X"]}
            far |= {"options": [128], "portfolio": ["P"], "client_order_id": ["far"], "time_in_force": [1], "book": [1]}
            segments.append(("order", "", ORDERS.make(**far, instrument=[0])))
        if s == 3:
            booked = {"booking_id": ["1"], "action": [1], "qty": [5], "price": [1.0], "account": ["X"], "book": [1]}
            segments.append(("booking", "", BOOKINGS.make(**booked, portfolio=["P"], instrument=[1])))
        if s == 20:
            switch = {"control_id": ["k"], "kind": [1], "instrument": [0], "value": [1.0]}
            segments.append(("control", "", CONTROLS.make(**switch)))
    end = TICK.make(time_ns=[t + 10**9], closing=[1])
    return [*segments, ("clock", "a", end), ("clock", "b", end)]


def run(cuts, snapshots):
    """Outputs and final state with every market segment cut at these rows, restored at these segments."""
    step = Exchange(TABLE, ExchangeConfig(period_ns=20_000_000))
    out = []
    for i, (kind, source, columns) in enumerate(story()):
        if i in snapshots:
            state = unpack(pack(step.state()))
            step = Exchange(TABLE, ExchangeConfig(period_ns=20_000_000))
            step.load(state)
        name = {"market": "events", "clock": "tick"}.get(kind, kind + "s")
        n = len(columns[0])
        edges = [0, *sorted({c for c in cuts if c < n}), n] if kind == "market" else [0, n]
        for start, stop in itertools.pairwise(edges):
            part = type(columns)(*(c[start:stop] for c in columns))
            out += step.feed(Batch.of(kind, Header(source), **{name: part}))
    return [flat(b) for b in out], digest(step.state())


def flat(b):
    return b.kind, b.topic, b.key, b.header, {n: [np.asarray(c).tobytes() for c in t] for n, t in b.tables.items()}


@cache
def whole():
    return run((), ())


def test_the_story_has_everything_in_it():
    made = [b for b in whole()[0] if b[0] == "execution"]
    types = {int(x) for b in made for x in np.frombuffer(b[4]["executions"][0], np.uint32)}
    assert {1, 2, 3, 5, 6, 7, 9, 12} <= types
    reasons = {int(x) for b in made for x in np.frombuffer(b[4]["executions"][2], np.uint32)}
    assert {Reason.WOULD_TAKE, Reason.UNSUPPORTED_TYPE, Reason.FOK_UNFILLED} <= reasons
    assert any("places" in b[4] for b in whole()[0])
    assert len(whole()[0]) > 200


@settings(max_examples=8, deadline=None)
@given(st.sets(st.integers(1, 99), max_size=30), st.sets(st.integers(0, 60), max_size=4))
def test_cuts_and_restores_change_nothing(cuts, snapshots):
    assert run(tuple(cuts), tuple(snapshots)) == whole()


def test_a_batch_a_row():
    assert run(tuple(range(1, 100)), ()) == whole()
