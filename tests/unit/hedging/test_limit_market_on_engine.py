"""LimitMarket on a matching engine: its place in the queue, fees, and what it pays beside taking at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qflib.hedging.hedgers import Band, LimitMarket
from qflib.orderbook import MatchingEngine, Rules

FEES = {"ACME.F": Rules(maker_fee=-0.002, taker_fee=0.003)}
OURS, TICK = 7, 0.01


class Venue:
    """An engine of one instrument, and what our account has traded on it."""

    def __init__(self) -> None:
        self.engine = MatchingEngine("ACME.F", FEES)
        self.position = 0
        self.cash = 0.0  # paid, fees in
        self.resting: tuple[int, int, int] | None = None  # order id, signed lots open, price in ticks
        self.fills: list[tuple[str, int, float]] = []
        self.others = 0
        self.next_id = 1_000_000  # ours; those of others are below

    def send(self, side: str, qty: int, price: float | None, account: int = 0, **more: Any) -> int:
        if account == OURS:
            self.next_id += 1
            more["order_id"] = self.next_id
        else:
            self.others += 1
            more["order_id"] = self.others
        self.note(self.engine.submit("ACME.F", side, qty, price, account=account, **more))
        return int(more["order_id"])

    def note(self, events: Any) -> None:
        """Fold our fills in."""
        fills = events.fills()
        ours = fills["order_id"].to_numpy() > 1_000_000
        for row in fills[ours].itertuples() if ours.any() else ():
            sign = 1 if row.side == "buy" else -1
            self.position += sign * int(row.qty)
            self.cash += sign * row.qty * row.price + row.fee
            self.fills.append((row.liquidity, sign * int(row.qty), row.price))
            if self.resting is not None and row.order_id == self.resting[0]:
                left = self.resting[1] - sign * int(row.qty)
                self.resting = (self.resting[0], left, self.resting[2]) if left else None

    def market(self) -> dict[str, float]:
        """The touch without our own order: quoting against oneself would chase it."""
        orders = self.engine.orders("ACME.F")
        price, buys = orders["price"].to_numpy(), (orders["side"] == "buy").to_numpy()
        others = orders["account"].to_numpy() != OURS
        bid, ask = float(price[others & buys].max()), float(price[others & ~buys].min())
        return {"mid": 0.5 * (bid + ask), "half_spread": 0.5 * (ask - bid),
                "bid_ticks": round(bid / TICK), "ask_ticks": round(ask / TICK)}  # fmt: skip

    def ahead(self) -> int:
        """Lots before our order at its price."""
        assert self.resting is not None
        orders = self.engine.orders("ACME.F")
        same = orders[(orders["side"] == ("buy" if self.resting[1] > 0 else "sell"))]
        same = same[np.rint(same["price"] / TICK) == self.resting[2]]
        return int(same.loc[: self.resting[0]]["qty"].iloc[:-1].sum())

    def act(self, policy: Band, delta: float, gamma: float) -> None:
        """One decision of the hedger: `delta` lots held by the client."""
        m = self.market()
        now = {"net_delta": delta + self.position, "gamma": gamma, "unit_delta": 1.0, "position": self.position}
        touch = {k: int(m.pop(k)) for k in ("bid_ticks", "ask_ticks")}
        if self.resting is not None:
            assert isinstance(policy, LimitMarket)
            oid, lots, ticks = self.resting
            if policy.stays(leaves=lots, price_ticks=ticks, **now, **m, **touch):
                return
            self.note(self.engine.cancel("ACME.F", oid))
            self.resting = None
        lots = policy.decide(**now, **m, working=0)
        if lots:
            self.send("buy" if lots > 0 else "sell", abs(lots), None, OURS, time_in_force="ioc")
        elif isinstance(policy, LimitMarket) and (quoted := policy.quote(**now, **m, **touch)) is not None:
            lots, ticks = quoted
            oid = self.send("buy" if lots > 0 else "sell", abs(lots), round(ticks * TICK, 2), OURS, post_only=True)
            self.resting = (oid, lots, ticks)


def made(ask: float = 100.01) -> Venue:
    venue = Venue()
    for k in range(4):
        venue.send("sell", 20, round(ask + k * TICK, 2))
        venue.send("buy", 20, round(99.99 - k * TICK, 2))
    return venue


def test_it_waits_its_turn_and_keeps_its_place() -> None:
    venue, policy = made(), LimitMarket(risk_aversion=1e-5, rest_from=0.1)
    venue.act(policy, delta=6.0, gamma=5.0)  # an edge of some 33 lots
    assert venue.resting is not None
    assert venue.resting[1:] == (-6, 10_001)
    assert venue.ahead() == 20
    placed = venue.resting
    venue.send("buy", 15, 100.01)  # eats what stands before us
    venue.send("sell", 9, 100.01)  # comes behind
    venue.act(policy, delta=6.0, gamma=5.0)
    assert venue.resting == placed
    assert venue.ahead() == 5
    assert venue.position == 0
    venue.send("buy", 9, 100.01)
    assert venue.position == -4
    assert venue.resting == (placed[0], -2, 10_001)
    venue.send("buy", 30, 100.01)
    assert venue.resting is None
    assert venue.fills == [("maker", -4, 100.01), ("maker", -2, 100.01)]
    assert math.isclose(venue.cash, -6 * 100.01 - 6 * 0.002)  # a rebate on each


def test_across_the_edge_it_leaves_the_queue_and_takes() -> None:
    venue, policy = made(), LimitMarket(risk_aversion=1e-5, rest_from=0.1)
    venue.act(policy, delta=6.0, gamma=5.0)
    edge = math.ceil(50 - (1.5 * 0.01 * 25 / 1e-5) ** (1 / 3))
    venue.act(policy, delta=50.0, gamma=5.0)
    assert venue.resting is None
    assert venue.position == -edge
    assert {kind for kind, _, _ in venue.fills} == {"taker"}
    assert (venue.engine.orders("ACME.F")["account"] == 0).all()
    venue.act(policy, delta=50.0, gamma=5.0)  # at the edge: the rest may wait
    assert venue.resting is not None
    assert venue.resting[1] == -(50 - edge)


def test_the_touch_that_moves_away_is_followed() -> None:
    venue, policy = made(), LimitMarket(risk_aversion=1e-5, rest_from=0.1)
    venue.act(policy, delta=-6.0, gamma=5.0)
    assert venue.resting is not None
    assert venue.resting[1:] == (6, 9_999)
    venue.send("buy", 5, 100.0)
    venue.act(policy, delta=-6.0, gamma=5.0)
    assert venue.resting[1:] == (6, 10_000)
    assert venue.ahead() == 5


def cost_of(policy: Band, seed: int) -> tuple[float, float]:
    """Paid above the mid of the moment, fees in, a lot that the client's delta moved; and mean squared delta."""
    rng = np.random.default_rng(seed)
    venue, delta, paid, squared = made(), 0.0, 0.0, []
    for _ in range(40):
        mid = venue.market()["mid"]
        held, cash = venue.position, venue.cash
        for _ in range(3):  # others: orders at and near the touch, both ways alike; what empties is filled again
            m, up = venue.market(), bool(rng.random() < 0.5)
            if rng.random() < 0.5:
                venue.send("buy" if up else "sell", int(rng.integers(1, 25)), None, time_in_force="ioc")
            else:
                ticks = m["bid_ticks"] - rng.integers(0, 2) if up else m["ask_ticks"] + rng.integers(0, 2)
                venue.send("buy" if up else "sell", int(rng.integers(1, 25)), round(float(ticks) * TICK, 2))
        venue.send("sell", 20, 100.05)
        venue.send("buy", 20, 99.95)
        delta += rng.normal() * 3
        venue.act(policy, delta, gamma=2.0)
        paid += venue.cash - cash - (venue.position - held) * mid
        squared.append((delta + venue.position) ** 2)
    return paid, float(np.mean(squared))


def test_resting_inside_the_band_costs_less_than_taking_at_its_edge() -> None:
    both = [(cost_of(Band(1e-4), s), cost_of(LimitMarket(1e-4), s)) for s in range(8)]
    less = np.array([two[0] - one[0] for one, two in both])
    error = less.std(ddof=1) / math.sqrt(len(less))
    risk = np.mean([two[1] for _, two in both]) / np.mean([one[1] for one, _ in both])
    alone = np.mean([one[0] for one, _ in both])
    print(f"taking alone {alone:.3f}; resting too {less.mean():.3f} ± {error:.3f}; squared delta {risk:.2f} of it")
    assert less.mean() < -3 * error
    assert risk < 1.0
