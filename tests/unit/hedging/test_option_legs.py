"""Hedges with options as legs: the programme's optimum, whole lots beside it, and books of options."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from qflib.errors import DataError, InputError
from qflib.hedging import Portfolio, QuotedBook, hedge, quoted_books
from qflib.hedging.legs import Leg
from qflib.hedging.shortfall_programme import least_shortfall
from qflib.orderbook import OrderBook
from qflib.pricing import Market
from qflib.shortfall import ScenarioSet, expected_shortfall

FUTURE = QuotedBook("ACME.F", 101.49, 101.51, 40, 40, 100.0)
CALL = QuotedBook("ACME-M-100-C", 5.9, 6.1, 60, 60, 100.0)
FAR = QuotedBook("ACME-J-120-C", 1.55, 1.65, 60, 60, 100.0)
BOOKS = [FUTURE, CALL, FAR]


@pytest.fixture(scope="module")
def sold() -> Portfolio:
    rows = [("ACME-M-100-C", -40, 4.0), ("ACME-J-120-C", 25, 1.2)]
    return Portfolio.from_frame(pd.DataFrame(rows, columns=["instrument", "qty", "avg_price"]))


class Steps:
    """A book of levels, given as (lots, cost a lot) a side."""

    def __init__(self, symbol: str, levels: list[tuple[int, float]]) -> None:
        self.symbol, self.levels = symbol, levels

    def cost_to_trade(self, side: str, qty: float) -> object:
        left, cost = qty, 0.0
        for lots, price in self.levels:
            take = min(left, lots)
            cost, left = cost + take * price, left - take
        return type("Cost", (), {"cost": cost, "avg_price": 0.0, "filled": qty - left})()


def whole_programme(base: np.ndarray, legs: list[Leg], level: float, weight: float) -> float:
    """Rockafellar and Uryasev's programme as it stands in their paper: a variable and a row a scenario."""
    n, m = len(base), len(base) * (1 - level)
    pieces = [(k, side, lots, c) for k, leg in enumerate(legs) for side in (1, -1) for lots, c in leg.pieces(side)]
    cost = np.r_[1.0, np.full(n, 1 / m), [weight * c for *_, c in pieces]]
    gains = np.column_stack([side * legs[k].pnl for k, side, _, _ in pieces])
    rows = sparse.hstack([-np.ones((n, 1)), -sparse.eye(n), sparse.csr_array(-gains)]).tocsr()
    bounds = [(None, None), *[(0, None)] * n, *[(0, lots) for _, _, lots, _ in pieces]]
    found = linprog(cost, rows, base, bounds=bounds, method="highs")
    assert found.status == 0
    return float(found.fun)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(20, 200),
    n_legs=st.integers(1, 3),
    level=st.sampled_from([0.5, 0.9, 0.975]),
    weight=st.sampled_from([0.0, 1.0, 3.0]),
)
def test_cuts_reach_the_whole_programme(seed: int, n: int, n_legs: int, level: float, weight: float) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.standard_t(3, (n, n_legs + 1))
    base = 10 * factors.sum(1)
    legs = []
    for k in range(n_legs):
        book = Steps(f"L{k}", [(int(rng.integers(1, 9)), c) for c in np.sort(rng.uniform(0.01, 2, 3)).tolist()])
        legs.append(Leg(book.symbol, book, 1.0, factors[:, k] + 0.3 * factors[:, k - 1]))
    found = least_shortfall(base, legs, level, weight)
    assert found.bound <= found.value
    scale = abs(float(expected_shortfall(base, level, kind="pnl").es))
    assert found.value == pytest.approx(whole_programme(base, legs, level, weight), abs=3e-7 * scale, rel=1e-9)
    pnl = base + sum(y * leg.pnl for y, leg in zip(found.lots.tolist(), legs, strict=True))
    cost = sum(_between(leg, y) for y, leg in zip(found.lots.tolist(), legs, strict=True))
    es = float(expected_shortfall(pnl, level, kind="pnl").es)
    assert found.value == pytest.approx(es + weight * cost, abs=1e-9 * scale)
    for y, leg in zip(found.lots.tolist(), legs, strict=True):
        assert abs(y) <= leg.most(1) * (1 + 1e-9)


def _between(leg: Leg, lots: float) -> float:
    """The cost of a fraction of lots, linear between whole ones."""
    low = math.floor(abs(lots) + 1e-9)
    part = max(abs(lots) - low, 0.0)
    side = 1 if lots > 0 else -1
    ends = leg.trade(side * low)[0], leg.trade(side * (low + 1))[0]
    return ends[0] if part < 1e-9 else ends[0] + part * (ends[1] - ends[0])


@given(levels=st.lists(st.tuples(st.integers(1, 1_000), st.floats(0.001, 5)), min_size=1, max_size=6))
def test_a_books_pieces_are_its_levels(levels: list[tuple[int, float]]) -> None:
    levels.sort(key=lambda x: x[1])
    leg = Leg("X", Steps("X", levels), 1.0, np.zeros(2))  # type: ignore[arg-type]
    pieces = leg.pieces(1)
    at = np.cumsum([0, *[lots for lots, _ in pieces]])
    assert at[-1] == sum(lots for lots, _ in levels)
    for q in range(0, int(at[-1]) + 1, max(int(at[-1]) // 50, 1)):
        taken = np.clip(q - at[:-1], 0, [lots for lots, _ in pieces])
        assert sum(taken * [c for _, c in pieces]) == pytest.approx(leg.trade(q)[0], rel=1e-6)


def test_options_hedge_what_the_future_cannot(sold: Portfolio, market: Market, scen: ScenarioSet) -> None:
    alone = hedge(sold, market, scen, instruments=["ACME.F"], books=BOOKS)
    both = hedge(sold, market, scen, instruments=["ACME.F", "ACME-M-100-C"], books=BOOKS)
    three = hedge(sold, market, scen, instruments=["ACME.F", "ACME-M-100-C", "ACME-J-120-C"], books=BOOKS)
    assert both.es_target < 0.7 * alone.es_target
    assert three.es_target <= both.es_target + both.gap + three.gap
    told = sold.what_if(both.trades, market, scen)
    assert told.es_after == pytest.approx(both.es_target, rel=1e-9)
    # a bound is a bound, and lots are near it
    assert 0 <= both.gap < 0.05 * both.es_target


def test_whole_lots_are_those_of_brute_force(sold: Portfolio, market: Market, scen: ScenarioSet) -> None:
    small = Portfolio.from_frame(sold.to_frame().assign(qty=[-5.0, 3.0]))
    names = ["ACME.F", "ACME-M-100-C"]
    plan = hedge(small, market, scen, instruments=names, books=BOOKS)
    base = small.scenario_pnl(market, scen).to_numpy()
    one = [Portfolio("P", "USD", (n,), np.ones(1), np.zeros(1)).scenario_pnl(market, scen).to_numpy() for n in names]
    best = math.inf
    for x, y in itertools.product(range(-12, 13), range(-12, 13)):
        cost = abs(x) * 100 * 0.01 + abs(y) * 100 * 0.1
        k = 50  # 2.5 % of 2,000
        best = min(best, -np.partition(base + x * one[0] + y * one[1], k)[:k].mean() + cost)
    assert plan.es_target == pytest.approx(best, rel=1e-9)
    assert best - plan.gap <= plan.es_target


@settings(max_examples=10, deadline=None)
@given(qty=st.tuples(st.integers(-60, 60), st.integers(-60, 60)).filter(any), half_spread=st.floats(0.001, 0.5))
def test_never_worse_than_delta_hedged_or_left_alone(
    market: Market, scen: ScenarioSet, qty: tuple[int, int], half_spread: float
) -> None:
    rows = [("ACME-M-100-C", qty[0], 4.0), ("ACME-J-120-C", qty[1], 1.2)]
    pf = Portfolio.from_frame(pd.DataFrame(rows, columns=["instrument", "qty", "avg_price"]))
    wide = QuotedBook("ACME.F", 101.5 - half_spread, 101.5 + half_spread, unit=100.0, bid_size=500, ask_size=500)
    plan = hedge(pf, market, scen, instruments=["ACME.F", "ACME-J-120-C"], books=[wide, FAR])
    lots = -round(float(pf.greeks(market)["delta"]["ACME"]) / 100)
    delta = pf.traded(pd.DataFrame({"instrument": ["ACME.F"], "qty": [float(lots)]})).scenario_pnl(market, scen)
    hedged = float(expected_shortfall(delta, 0.975, kind="pnl").es) + abs(lots) * 100 * half_spread
    assert plan.es_target <= plan.es_current * (1 + 1e-12)
    assert plan.es_target <= hedged * (1 + 1e-12) + 1e-9


def test_a_weight_on_cost_trades_less(sold: Portfolio, market: Market, scen: ScenarioSet) -> None:
    names = ["ACME.F", "ACME-M-100-C"]
    plans = [hedge(sold, market, scen, instruments=names, books=BOOKS, cost_weight=w) for w in (0.0, 1.0, 20.0, 1e6)]
    costs, shortfalls = [p.cost for p in plans], [p.es_target - p.cost for p in plans]
    assert costs == sorted(costs, reverse=True)
    assert shortfalls == sorted(shortfalls)
    assert plans[-1].trades.empty


def test_scenarios_that_are_too_good_are_told() -> None:
    free = Leg("X", QuotedBook("X", 1.0, 1.0), 1.0, np.ones(50))
    with pytest.raises(DataError, match="give books with sizes"):
        least_shortfall(np.zeros(50), [free], 0.9)


def test_quotes_without_two_sides_cannot_be_traded(sold: Portfolio, market: Market, scen: ScenarioSet) -> None:
    lame = QuotedBook("ACME-M-100-C", math.nan, 6.1, 60, 60, 100.0)
    plan = hedge(sold, market, scen, instruments=["ACME.F", "ACME-M-100-C"], books=[FUTURE, lame])
    assert plan.trades["instrument"].tolist() == ["ACME.F"]
    with pytest.raises(InputError, match="above its ask"):
        QuotedBook("X", 2.0, 1.0)
    with pytest.raises(InputError, match="unit 0"):
        QuotedBook("X", 1.0, 2.0, unit=0.0)
    with pytest.raises(InputError, match="side 'hold'"):
        FUTURE.cost_to_trade("hold", 1)  # type: ignore[arg-type]


def test_a_chain_is_books() -> None:
    chain = pd.DataFrame(
        {"bid": [1.0, 0.05], "ask": [1.2, 0.06], "bid_qty": [5, 6], "ask_qty": [7, 8], "multiplier": [100.0, 1.0],
         "forward": [100.0, 80_000.0], "inverse": [False, True]},
        index=pd.Index(["A", "COIN-C"], name="symbol"),
    )  # fmt: skip
    plain, coin = quoted_books(chain)
    assert (plain.unit, coin.unit) == (100.0, 80_000.0)
    assert coin.cost_to_trade("sell", 2).cost == pytest.approx(2 * 0.005 * 80_000)
    assert plain.cost_to_trade("sell", 9).filled == 5
    with pytest.raises(InputError, match="no column 'ask_qty'"):
        quoted_books(chain.drop(columns="ask_qty"))


def test_an_order_book_in_coin_costs_what_a_quote_in_coin_costs(market: Market, scen: ScenarioSet) -> None:
    name = "COIN-J-80K-C"
    book = OrderBook(name, market.instruments)
    sides = {"kind": "add", "side": ["buy", "sell"], "order_id": [1, 2], "price": [0.15, 0.17], "qty": [10, 10]}
    book.apply(pd.DataFrame(sides))
    quote = QuotedBook(name, 0.15, 0.17, 10, 10, unit=79_000.0)
    for currency, fx in (("USD", 1.0), ("EUR", 1.25), ("COIN", 79_000.0)):
        pf = Portfolio("C", currency, (name,), np.array([-10.0]), np.zeros(1))
        told = replace(market, fx={"EUR": 1.25})
        set_ = scen.with_fx({"EUR": 0.0})
        one, two = (hedge(pf, told, set_, instruments=[name], books=[b]) for b in (book, quote))
        assert one.trades["qty"].tolist() == [10.0]
        assert one.cost == pytest.approx(10 * 0.01 * 79_000 / fx)
        pd.testing.assert_frame_equal(one.trades, two.trades)
