"""Limit orders of the hedger that rest: one at a time, post-only, the same however cut, and cheaper than taking."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest

from qflib.desk import Desk, DeskConfig
from qflib.desk.datasets import load
from qflib.desk.deployment import Deployment
from qflib.desk.hedge_fills import hedge_fills
from qflib.hedging.hedgers import Band, LimitMarket
from qflib.records import ORDERS, Batch, OrderAction, OrderOption, TimeInForce
from qflib.records.codec import encode
from qflib.records.topics import ORDERS_INCOMING
from qflib.steps.portfolio import Portfolio, PortfolioConfig
from qflib.steps.state import digest, pack, unpack

POLICY = LimitMarket(risk_aversion=0.001)
FEES = DeskConfig(maker_fee=-0.05, taker_fee=0.2)


@cache
def run_of(seed: int, hedger: Band = POLICY, cut_ms: int = 250) -> Any:
    feed = load("sim", seed=seed, duration="8s", rate=4_000)
    raw = feed.raw
    feed.raw = lambda period_ns: raw(cut_ms * 1_000_000)  # type: ignore[method-assign]
    return Desk(feed, hedger=hedger, config=FEES).run()


class Tap:
    """The portfolio step, noting what it is fed and what it sends."""

    def __init__(self, step: Any) -> None:
        self._step, self.name = step, step.name
        self.seen: list[Batch] = []
        self.sent: list[Batch] = []

    def feed(self, batch: Batch) -> list[Batch]:
        self.seen.append(batch)
        out: list[Batch] = self._step.feed(batch)
        self.sent += [b for b in out if b.topic == ORDERS_INCOMING]
        return out

    def state(self) -> Any:
        return self._step.state()


@pytest.fixture(scope="module")
def tapped() -> tuple[Desk, Tap, Any]:
    desk = Desk(load("sim", seed=104, duration="8s", rate=4_000), hedger=POLICY, config=FEES)
    tap = desk._chain["portfolio"].step = Tap(desk._chain["portfolio"].step)
    return desk, tap, desk.run()


def test_orders_rest_at_the_touch_and_go_one_after_another(tapped: tuple[Desk, Tap, Any]) -> None:
    _, tap, run = tapped
    sent = ORDERS.concat([b.orders for b in tap.sent])
    new = sent.action == OrderAction.NEW
    rests = sent.options == OrderOption.POST_ONLY
    assert (sent.time_in_force[rests] == TimeInForce.DAY).all()
    assert (sent.time_in_force[new & ~rests] == TimeInForce.IOC).all()
    assert rests.sum() >= 3
    assert (new & ~rests).sum() >= 1
    x = run.executions
    x = x[(x["hedge_no"] > 0) & (x["portfolio"] == run.recorder.portfolio)]
    assert (x["exec_type"] == "cancelled").any()
    assert not (x["exec_type"] == "rejected").any()
    for _, of in x.groupby("instrument"):
        alive = 0
        for kind, status, no in zip(of["exec_type"], of["ord_status"], of["hedge_no"], strict=True):
            if kind == "new":
                assert alive == 0, "one order alive an instrument"
                alive = no
            assert no == alive
            if status in ("filled", "cancelled", "expired"):
                alive = 0


def test_a_passive_fill_earns_the_half_spread_and_the_rebate(tapped: tuple[Desk, Tap, Any]) -> None:
    _, tap, run = tapped
    sent = ORDERS.concat([b.orders for b in tap.sent])
    rests = {(run.recorder.instruments[int(i)].symbol, int(no)) for i, no in zip(
        sent.instrument[sent.options > 0], sent.hedge_no[sent.options > 0], strict=True)}  # fmt: skip
    fills = hedge_fills(run)
    passive = np.array([(i, n) in rests for i, n in zip(fills["instrument"], fills["hedge_no"], strict=True)])
    assert passive.any()
    assert (fills["cost"][passive] < 0).all()
    assert (fills["fee"][passive] < 0).all()
    assert (fills["cost"][~passive] >= 0).all()
    assert (fills["price"][passive] == fills["price_expected"][passive]).all()


@pytest.mark.parametrize("cut_ms", [50, 125])
@pytest.mark.parametrize("seed", [101, 104])
def test_the_same_orders_and_fills_however_the_feed_is_cut(seed: int, cut_ms: int) -> None:
    """A fill that waits bears the time of the last clock, and there are more clocks where slices are shorter."""

    def told(run: Any) -> list[Any]:
        x, h = run.recorder.columns("executions"), run.hedges
        rows = [
            np.sort(a[x.hedge_no > 0]) for n, a in zip(x._fields, x, strict=True) if n not in ("time_ns", "exec_id")
        ]
        return [*(a.tobytes() for a in rows), h[h["price"] > 0].to_csv()]

    whole, parts = run_of(seed), run_of(seed, cut_ms=cut_ms)
    assert (whole.executions["exec_type"] == "cancelled").any()
    assert told(parts) == told(whole)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_after_a_restore(seed: int, tapped: tuple[Desk, Tap, Any]) -> None:
    desk, tap, run = tapped
    config = PortfolioConfig(hedged=(run.recorder.portfolio,), band=POLICY, period_ns=desk.config.period_ns)

    def fresh() -> Portfolio:
        return Portfolio(desk.feed.instruments, config)

    at = int(np.random.default_rng(seed).integers(1, len(tap.seen)))
    whole, first, second = fresh(), fresh(), fresh()
    expected = [encode(o) for b in tap.seen for o in whole.feed(b)]
    got = [encode(o) for b in tap.seen[:at] for o in first.feed(b)]
    second.load(unpack(pack(first.state())))
    got += [encode(o) for b in tap.seen[at:] for o in second.feed(b)]
    assert got == expected
    assert digest(second.state()) == digest(whole.state())


def test_a_state_from_before_orders_rested_is_taken(tapped: tuple[Desk, Tap, Any]) -> None:
    desk, tap, _ = tapped
    config = PortfolioConfig(band=Band(0.001), period_ns=desk.config.period_ns)
    old, new = (Portfolio(desk.feed.instruments, config) for _ in range(2))
    for b in tap.seen[:200]:
        old.feed(b)
    state = dict(old.state())
    sent = state["portfolio.0.sent"]
    state["portfolio.0.sent"] = sent[[n for n in sent.dtype.names if n not in ("resting_ticks", "leaving")]]
    new.load(state)
    assert digest(new.state()) == digest(old.state())


def test_what_rests_is_cancelled_once_hedging_is_off(tapped: tuple[Desk, Tap, Any]) -> None:
    desk, tap, run = tapped
    name = run.recorder.portfolio
    step = Portfolio(desk.feed.instruments, PortfolioConfig(hedged=(name,), band=POLICY, period_ns=250_000_000))
    cancelled = 0
    for batch in tap.seen:
        step.feed(batch)
        book = step._books[name]
        for part in book.sums.parts():
            h = part.hedge_instruments
            sent = book.hedger._record(int(h.instrument[0])).copy()
            if not sent["resting_ticks"] or sent["leaving"] or int(h.last_hedge_no[0]) < int(sent["alive_no"]):
                continue
            if not int(h.working[0]):
                continue
            state = book.hedger.state()
            for killed, send in ((set(), False), ({int(h.instrument[0])}, True)):
                found = book.hedger.decide(part, send, killed)
                (row,) = book.hedger.orders(found, name, "HEDGER")
                assert row["action"] == OrderAction.CANCEL
                assert row["orig_client_order_id"].endswith(f"/{sent['alive_no']}")
                assert book.hedger.orders(book.hedger.decide(part, send, killed), name, "HEDGER") == []  # once
                book.hedger.load(state)
                cancelled += 1
    assert cancelled >= 4


def test_it_costs_less_than_taking_and_leaves_no_more_risk() -> None:
    """Fees in, on the same markets: the mean difference is beyond three of its standard errors."""
    cost, es, alone = [], [], []
    for seed in range(200, 208):
        one, two = run_of(seed, Band(POLICY.risk_aversion)), run_of(seed)
        paid = [float(f["cost"].sum() + f["fee"].sum()) for f in (hedge_fills(one), hedge_fills(two))]
        cost.append(paid[1] - paid[0])
        alone.append(paid[0])
        es.append(float(two.risk["es_current"].mean() / one.risk["es_current"].mean()))
    error = float(np.std(cost, ddof=1)) / math.sqrt(len(cost))
    print(
        f"market alone {np.mean(alone):.1f}; limit and market {np.mean(cost):.2f} ± {error:.2f}; ES {np.mean(es):.3f}"
    )
    assert np.mean(cost) < -3 * error
    assert np.mean(es) < 1.0


def test_a_deployment_keeps_the_policy(tmp_path: Any) -> None:
    feed = load("sim", seed=1, duration="1s")
    for hedger in (POLICY, Band(2.0), None):
        Deployment(feed.instruments, FEES, hedger).save(tmp_path / "desk.json")
        assert Deployment.load(tmp_path / "desk.json").hedger == hedger
