"""Hedge plans: the optimum over lots, the figures told, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import InputError, UnknownInstrumentError
from qflib.hedging import HedgePlan, Portfolio, hedge
from qflib.hedging.lot_search import along, descend
from qflib.orderbook import OrderBook
from qflib.pricing import Market
from qflib.shortfall import ScenarioSet, expected_shortfall


@dataclass(frozen=True)
class Cost:
    cost: float
    avg_price: float
    filled: float


@dataclass(frozen=True)
class Levels:
    """A book of levels one tick apart, `size` contracts each: the cost is convex and piecewise linear."""

    symbol: str
    mid: float
    half_spread: float = 0.01
    tick: float = 0.01
    size: float = 10
    depth: int = 100
    unit: float = 100

    def cost_to_trade(self, side: str, qty: float) -> Cost:
        left, cost, level = qty, 0.0, 0
        while left > 0 and level < self.depth:
            take = min(left, self.size)
            cost += take * (self.half_spread + level * self.tick)
            left, level = left - take, level + 1
        filled = qty - left
        return Cost(cost * self.unit, self.mid + (1 if side == "buy" else -1) * cost / filled, filled)


ACME = Levels("ACME.F", 101.5)
BETA = Levels("BETA.F", 42.0, unit=50)


def es_after(pf: Portfolio, market: Market, scen: ScenarioSet, trades: dict[str, float], cost: float) -> float:
    frame = pd.DataFrame({"instrument": list(trades), "qty": list(trades.values())})
    return float(expected_shortfall(pf.traded(frame).scenario_pnl(market, scen) - cost, 0.975, kind="pnl").es)


def cost_of(book: Levels, qty: float) -> float:
    return book.cost_to_trade("buy" if qty > 0 else "sell", abs(qty)).cost if qty else 0.0


@pytest.mark.parametrize("book", [ACME, Levels("ACME.F", 101.5, half_spread=0.4, tick=0.05)], ids=["tight", "wide"])
def test_no_number_of_lots_is_better(portfolio: Portfolio, market: Market, scen: ScenarioSet, book: Levels) -> None:
    plan = hedge(portfolio, market, scen, instruments=["ACME.F"], books=[book])
    tried = {q: es_after(portfolio, market, scen, {"ACME.F": q}, cost_of(book, q)) for q in range(-40, 61)}
    best = min(tried, key=lambda q: tried[q])
    assert -40 < best < 60
    assert plan.trades["qty"].sum() == best
    assert plan.es_target == pytest.approx(tried[best], rel=0, abs=1e-9 * plan.es_current)
    assert plan.es_target < plan.es_current == pytest.approx(tried[0])


def test_a_plan_in_another_currency_is_the_same_plan(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    """At a pegged rate everything is the dollars' over it, the books' cost too."""
    wide = Levels("ACME.F", 101.5, half_spread=0.4, tick=0.05)
    dollars = hedge(portfolio, market, scen, instruments=["ACME.F"], books=[wide])
    euros = hedge(
        replace(portfolio, currency="EUR"), replace(market, fx={"EUR": 1.25}), scen.with_fx({"EUR": 0.0}),
        instruments=["ACME.F"], books=[wide],
    )  # fmt: skip
    assert dollars.cost > 0
    assert euros.currency == "EUR"
    assert euros.trades["qty"].tolist() == dollars.trades["qty"].tolist()
    assert euros.cost == pytest.approx(dollars.cost / 1.25)
    assert euros.es_target == pytest.approx(dollars.es_target / 1.25)
    assert euros.delta_after["ACME"] == pytest.approx(dollars.delta_after["ACME"] / 1.25)


def test_the_target_is_what_full_revaluation_gives(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    plan = hedge(portfolio, market, scen, instruments=["ACME.F", "BETA.F"], books=[BETA, ACME])
    trades = dict(zip(plan.trades["instrument"], plan.trades["qty"], strict=True))
    cost = sum(cost_of(b, trades.get(b.symbol, 0)) for b in (ACME, BETA))
    assert plan.cost == pytest.approx(cost, abs=1e-9)
    assert plan.es_target == pytest.approx(es_after(portfolio, market, scen, trades, cost), rel=1e-9)
    told = portfolio.what_if(plan.trades, market, scen)
    assert (told.es_before, told.es_after) == pytest.approx((plan.es_current, plan.es_target), rel=1e-9)
    np.testing.assert_allclose(told.greeks_after["delta"], plan.delta_after)
    np.testing.assert_allclose(told.greeks_before["delta"], plan.delta_before)


def test_two_instruments_reach_the_brute_force_optimum(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    books = [ACME, BETA]
    plan = hedge(portfolio, market, scen, instruments=["ACME.F", "BETA.F"], books=books)
    base = portfolio.scenario_pnl(market, scen).to_numpy()
    a = 100 * 101.5 * scen.shocks("ACME")[0]
    b = 50 * 42.0 * scen.shocks("BETA")[0]
    k = 50  # 2.5 % of 2,000 scenarios
    best = min(
        -np.partition(base + x * a + y * b, k)[:k].mean() + cost_of(ACME, x) + cost_of(BETA, y)
        for x in range(-20, 41)
        for y in range(-60, 21)
    )
    assert plan.es_target <= best * (1 + 1e-4)


def test_a_hedge_that_costs_more_than_it_saves_is_not_made(
    portfolio: Portfolio, market: Market, scen: ScenarioSet
) -> None:
    plan = hedge(portfolio, market, scen, instruments=["ACME.F"], books=[Levels("ACME.F", 101.5, half_spread=50.0)])
    assert plan.trades.empty
    assert plan.es_target == plan.es_current
    assert "no trade" in repr(plan)
    same = portfolio.what_if(plan.trades, market, scen)
    assert same.es_after == same.es_before


def test_no_more_is_traded_than_the_book_holds(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    free = hedge(portfolio, market, scen, instruments=["ACME.F"], books=[ACME]).trades["qty"].iloc[0]
    thin = Levels("ACME.F", 101.5, size=1, depth=3)
    assert abs(free) > 3
    assert hedge(portfolio, market, scen, instruments=["ACME.F"], books=[thin]).trades["qty"].tolist() == [
        3 * np.sign(free)
    ]


def test_coin_contracts_and_fractional_lots(market: Market, scen: ScenarioSet) -> None:
    pf = Portfolio("C", "USD", ("COIN-J-80K-C",), np.array([-3.0]), np.array([0.1]))
    spot = hedge(
        pf,
        market,
        scen,
        instruments=["COIN"],
        books=[Levels("COIN", 79_000.0, half_spread=1.0, tick=1.0, size=0.5, unit=1)],
    )
    qty = spot.trades["qty"].iloc[0]
    assert qty * 100 == pytest.approx(round(qty * 100))
    assert 0 < qty < 3
    assert abs(spot.delta_after["COIN"]) < abs(spot.delta_before["COIN"])
    perp = hedge(
        pf,
        market,
        scen,
        instruments=["COIN.P"],
        books=[Levels("COIN.P", 79_000.0, half_spread=1.0, tick=1.0, size=5e3, unit=10 / 79_000)],
    )
    assert perp.trades["qty"].iloc[0] * 10 / 79_000 == pytest.approx(qty, rel=0.02)


def test_the_plan_shows_itself(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    plan = hedge(portfolio, market, scen, instruments=["ACME.F"], books=[ACME])
    assert isinstance(plan, HedgePlan)
    assert list(plan.to_frame().columns) == ["qty", "avg_price", "cost", "es_current", "es_target"]
    assert "<table" in plan._repr_html_()
    assert plan.plot() is not None
    assert plan.curve["es"].min() >= plan.es_target - 1e-9


def test_bad_arguments_get_a_sentence(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    def ask(instruments: list[str], **more: object) -> None:
        hedge(portfolio, market, scen, instruments=instruments, books=[ACME], **more)  # type: ignore[arg-type]

    with pytest.raises(InputError, match=r"'BETA\.F' has no book; books hold ACME\.F"):
        ask(["BETA.F"])
    with pytest.raises(InputError, match="'ACME-M-100-C' has no book"):
        ask(["ACME-M-100-C"])
    with pytest.raises(InputError, match="cost_weight is -1"):
        ask(["ACME.F"], cost_weight=-1)
    with pytest.raises(InputError, match="no column 'seconds_ago'"):
        ask(["ACME.F"], recent=pd.DataFrame({"instrument": ["ACME.F"], "qty": [1.0]}))
    with pytest.raises(InputError, match="recent trades are past"):
        ask(["ACME.F"], recent=pd.DataFrame({"instrument": ["ACME.F"], "qty": [1.0], "seconds_ago": [-1.0]}))
    with pytest.raises(InputError, match="one at least"):
        ask([])
    with pytest.raises(InputError, match="distinct symbols"):
        ask(["ACME.F", "ACME.F"])
    with pytest.raises(InputError, match="objective is 'var'"):
        ask(["ACME.F"], objective="var")
    with pytest.raises(InputError, match="impact is 'x'; expected a mapping"):
        ask(["ACME.F"], impact="x")
    with pytest.raises(InputError, match=r"impact of ACME\.F is 1\.0; expected a decay"):
        ask(["ACME.F"], impact={"ACME.F": 1.0})
    with pytest.raises(InputError, match="level"):
        ask(["ACME.F"], level=1.5)
    with pytest.raises(UnknownInstrumentError, match="NONE"):
        ask(["NONE"])


def test_trades_need_their_columns_and_finite_numbers(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    with pytest.raises(InputError, match="trades have no column 'qty'; give instrument and qty, and avg_price"):
        portfolio.what_if(pd.DataFrame({"instrument": ["ACME.F"]}), market, scen)
    with pytest.raises(InputError, match="is nan"):
        portfolio.what_if(pd.DataFrame({"instrument": ["ACME.F"], "qty": [np.nan]}), market, scen)
    with pytest.raises(InputError, match="cost of the trades sums to nan"):
        portfolio.what_if(pd.DataFrame({"instrument": ["ACME.F"], "qty": [1], "cost": [np.nan]}), market, scen)


@given(centre=st.floats(-1e6, 1e6), kinks=st.lists(st.tuples(st.integers(-500, 500), st.floats(0, 10)), max_size=5))
def test_along_finds_the_least_of_convex_functions(centre: float, kinks: list[tuple[int, float]]) -> None:
    def f(t: int) -> float:
        return abs(t - centre) + sum(w * abs(t - k) for k, w in kinks)

    got = along(f)
    around = min(f(t) for t in {got - 1, got, got + 1, round(centre), *(k for k, _ in kinks)})
    assert f(got) <= around * (1 + 1e-12)


@settings(max_examples=50)
@given(x=st.integers(-300, 300), y=st.integers(-300, 300), z=st.integers(-300, 300))
def test_descend_finds_the_least_of_a_smooth_function(x: int, y: int, z: int) -> None:
    def f(p: tuple[int, ...]) -> float:
        a, b, c = p[0] - x, p[1] - y, p[2] - z
        return a * a + b * b + c * c + a * b

    assert descend(f, 3) == (x, y, z)


def test_an_order_book_tells_the_cost(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    book = OrderBook("ACME.F", market.instruments)
    side = ["buy"] * 3 + ["sell"] * 3
    price = [101.49, 101.48, 101.47, 101.51, 101.52, 101.53]
    orders = {"kind": "add", "side": side, "order_id": range(1, 7), "price": price, "qty": [2, 2, 50] * 2}
    book.apply(pd.DataFrame(orders))
    plan = hedge(portfolio, market, scen, instruments=["ACME.F"], books=[book])
    row = plan.trades.iloc[0]
    assert row["qty"] > 4
    assert row["cost"] == pytest.approx(100 * (2 * 0.01 + 2 * 0.02 + (row["qty"] - 4) * 0.03))
    assert row["avg_price"] == pytest.approx(101.5 + row["cost"] / 100 / row["qty"])
