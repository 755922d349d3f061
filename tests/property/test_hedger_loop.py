"""The hedger under loop delay: no order is sent twice for the same risk."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from qflib.hedging.hedgers import Band
from qflib.records import (
    DEPTH,
    EXPOSURE,
    GREEKS,
    HEDGE_INSTRUMENTS,
    POSITIONS,
    SCENARIO_SETS,
    SHOCKS,
    VECTORS,
    Batch,
    Instrument,
    Instruments,
    Side,
)
from qflib.steps.portfolio import Portfolio, PortfolioConfig

FUTURE = Instrument(
    "ACME.F", kind="future", underlying="ACME", expiry=pd.Timestamp("2026-12-18T16:00Z"), multiplier=100
)
TABLE = Instruments((FUTURE,))
UNIT = 100.0  # delta of a lot
RETURNS = np.linspace(-0.05, 0.05, 50)
MS = 1_000_000


class World:
    """One future, a client's delta that wanders, and an exchange whose fills are seen `delay` later."""

    def __init__(self, seed: int, delay_ms: int, refuse: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.delay_ns, self.refuse = delay_ms * MS, refuse
        self.client = float(self.rng.integers(-20_000, 20_000))
        self.in_flight: list[tuple[int, int, int, bool]] = []  # (seen at, hedge no, lots, refused)
        self.position = self.last_no = self.last_rejected = 0
        self.sent: dict[int, int] = {}
        self.refused: set[int] = set()

    def step(self, now: int) -> None:
        self.client += self.rng.normal() * 300
        for order in [o for o in self.in_flight if o[0] <= now]:
            self.in_flight.remove(order)
            self.last_no = order[1]
            if order[3]:
                self.last_rejected = order[1]
                self.refused.add(order[1])
            else:
                self.position += order[2]

    def take(self, out: list[Batch], now: int) -> None:
        for batch in out:
            if batch.kind == "order":
                o = batch.orders
                no, lots = int(o.hedge_no[0]), int(o.qty[0]) * (1 if o.side[0] == Side.BID else -1)
                assert no not in self.sent, "a number is used once"
                self.sent[no] = lots
                self.in_flight.append((now + self.delay_ns, no, lots, bool(self.rng.random() < self.refuse)))

    def exposure(self, now: int, first: bool) -> Batch:
        n = len(RETURNS)
        hedge = self.position * UNIT
        made = {
            "exposure": EXPOSURE.make(
                portfolio=["P"], underlying=["ACME"], set_id=["s"], time_ns=[now], as_of_ns=[now], forward=[100.0]
            ),
            "greeks": GREEKS.make(portfolio=["P"] * 2, book=[1, 2], delta=[self.client, hedge], gamma=[-50.0, 0.0]),
            "vectors": VECTORS.make(client=self.client * 100 * RETURNS, hedge=hedge * 100 * RETURNS),
            "positions": POSITIONS.make(portfolio=["P"], instrument=[0], book=[2], qty=[self.position], fx=[1.0]),
            "hedge_instruments": HEDGE_INSTRUMENTS.make(
                instrument=[0],
                position=[self.position],
                last_hedge_no=[self.last_no],
                last_rejected=[self.last_rejected],
                bid_ticks=[9_999],
                bid_qty=[500],
                ask_ticks=[10_001],
                ask_qty=[500],
                unit_delta=[UNIT],
                unit_cash=[UNIT * 0.01],
            ),
            "depth": DEPTH.make(
                instrument=[0, 0], side=[1, 2], level=[0, 0], price_ticks=[9_999, 10_001], qty=[500, 500]
            ),
        }
        if first:
            made["scenario_set"] = SCENARIO_SETS.make(
                set_id=["s"], n_scenarios=[n], horizon_ns=[86_400 * 10**9], underlying=["ACME"], chunks=[1]
            )
            made["shocks"] = SHOCKS.make(spot_return=RETURNS, vol_shift=np.zeros(n))
        return Batch.of("exposures", **made)


@given(
    seed=st.integers(0, 2**31),
    delay_ms=st.integers(5, 100),
    every_ms=st.sampled_from([5, 10, 20]),
    refuse=st.sampled_from([0.0, 0.3]),
)
def test_no_order_is_sent_twice_for_the_same_risk(seed: int, delay_ms: int, every_ms: int, refuse: float) -> None:
    world = World(seed, delay_ms, refuse)
    step = Portfolio(TABLE, PortfolioConfig(band=Band(risk_aversion=1.0), period_ns=MS))
    for k in range(1, 150):
        now = k * every_ms * MS
        world.step(now)
        flying = sum(o[2] for o in world.in_flight)
        before = world.client / UNIT + world.position + flying
        out = step.feed(world.exposure(now, first=k == 1))
        had = len(world.in_flight)
        world.take(out, now)
        new = sum(o[2] for o in world.in_flight) - flying
        assert len(world.in_flight) <= 1, "one order alive an instrument"
        if len(world.in_flight) > had:
            assert had == 0
            # with all that was sent counted, an order reduces the exposure and does not turn it round
            after = before + new
            assert abs(after) < abs(before)
            assert math.copysign(1, after) == math.copysign(1, before) or abs(after) < 1.0


def test_hedges_stop_growing_once_the_risk_is_covered() -> None:
    world = World(seed=1, delay_ms=64, refuse=0.0)
    world.client = 10_000.0
    world.rng = np.random.default_rng(5)
    step = Portfolio(TABLE, PortfolioConfig(band=Band(), period_ns=MS))
    for k in range(1, 400):
        now = k * 5 * MS
        world.client = 10_000.0
        for order in [o for o in world.in_flight if o[0] <= now]:
            world.in_flight.remove(order)
            world.last_no, world.position = order[1], world.position + order[2]
        world.take(step.feed(world.exposure(now, first=k == 1)), now)
    assert list(world.sent.values()) == [-100]
    assert world.position == -100


def test_after_a_reject_the_hedger_waits_for_a_newer_exposure() -> None:
    world = World(seed=1, delay_ms=5, refuse=1.0)
    step = Portfolio(TABLE, PortfolioConfig(band=Band(), period_ns=MS))
    step.feed(world.exposure(4 * MS, first=True))
    world.take(step.feed(world.exposure(5 * MS, first=False)), 5 * MS)
    assert len(world.sent) == 1
    world.in_flight.clear()
    world.last_no = world.last_rejected = 1
    # the reject is seen, but the market has not moved: as_of is the same
    same = world.exposure(5 * MS, first=False)
    world.take(step.feed(same), 5 * MS)
    assert len(world.sent) == 1
    # nor so soon after it: an order that did not trade whole is not sent again at every step of the market
    for k in range(2, 200):
        world.take(step.feed(world.exposure(5 * k * MS, first=False)), 5 * k * MS)
    assert len(world.sent) == 1
    world.take(step.feed(world.exposure(1_010 * MS, first=False)), 1_010 * MS)
    assert len(world.sent) == 2


@given(share=st.sampled_from([0.0, 0.5]), every_ms=st.sampled_from([5, 20]))
def test_orders_that_do_not_trade_whole_are_not_sent_without_end(share: float, every_ms: int) -> None:
    """Immediate-or-cancel orders of which nothing, or half, trades: a few a minute, not one an exposure."""
    world = World(seed=1, delay_ms=22, refuse=0.0)
    step = Portfolio(TABLE, PortfolioConfig(band=Band(), period_ns=MS))
    for k in range(1, 20_000 // every_ms):
        now = k * every_ms * MS
        for order in [o for o in world.in_flight if o[0] <= now]:
            world.in_flight.remove(order)
            world.last_no, world.position = order[1], world.position + int(order[2] * share)
        world.take(step.feed(world.exposure(now, first=k == 1)), now)
    assert 2 <= len(world.sent) <= 20
