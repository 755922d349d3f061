"""Hedges whose own trades move the price: recent impact that decays, and what a trade's own costs."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import InputError, UnknownInstrumentError
from qflib.hedging import ExponentialDecay, Portfolio, PowerDecay, QuotedBook, hedge
from qflib.hedging.decaying_impact import DecayingImpact
from qflib.hedging.legs import Leg, _chords
from qflib.hedging.shortfall_programme import least_shortfall
from qflib.pricing import Market
from qflib.shortfall import ScenarioSet

FUTURE = QuotedBook("ACME.F", 101.49, 101.51, 200, 200, 100.0)
CALL = QuotedBook("ACME-M-100-C", 5.9, 6.1, 60, 60, 100.0)
DAY = 86_400.0


def sold(qty: float = -50.0, instrument: str = "ACME.F") -> Portfolio:
    return Portfolio("D", "USD", (instrument,), np.array([qty]), np.zeros(1))


def recent(qty: float, ago: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame({"instrument": ["ACME.F"], "seconds_ago": [ago], "qty": [qty]})


def es(pnl: np.ndarray) -> float:
    return float(-np.partition(pnl, 50)[:50].mean())  # 2.5 % of 2,000


def test_decay_is_of_all_that_is_held_and_no_cost_of_the_trade(market: Market, scen: ScenarioSet) -> None:
    """50 sold just now lowered the price by 2 * 50 a contract: the short position loses that as it recovers."""
    told: dict[str, Any] = {
        "instruments": ["ACME.F"],
        "books": [FUTURE],
        "impact": {"ACME.F": ExponentialDecay(2.0, 60.0)},
    }
    plan = hedge(sold(), market, scen, **told, recent=recent(-50.0))
    alone = es(sold().scenario_pnl(market, scen).to_numpy())
    assert plan.es_current == pytest.approx(alone + 50 * 100.0)
    assert plan.trades["qty"].tolist() == [50.0]
    assert plan.cost == pytest.approx(50 * 0.01 * 100)  # the walk alone
    assert plan.impact_cost == pytest.approx(0.5 * 2.0 * 50**2)
    assert plan.es_target == pytest.approx(plan.cost + plan.impact_cost)  # flat: no shortfall, no decay
    gone = hedge(sold(), market, scen, **told, recent=recent(-50.0, 1e7))
    assert gone.es_current == pytest.approx(alone)


@pytest.mark.parametrize("size", [0.02, 2.0, 20.0, 2_000.0])
def test_who_has_just_sold_is_not_led_to_buy_more_than_back(market: Market, scen: ScenarioSet, size: float) -> None:
    told: dict[str, Any] = {
        "instruments": ["ACME.F"],
        "books": [FUTURE],
        "impact": {"ACME.F": ExponentialDecay(size, 60.0)},
    }
    assert hedge(sold(), market, scen, **told, recent=recent(-50.0)).trades["qty"].tolist() == [50.0]


@pytest.mark.parametrize("impact", [ExponentialDecay(20.0, 6e4), PowerDecay(9.0, 0.5, 20.0)], ids=str)
@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_one_leg_is_the_best_of_a_plain_loop(
    market: Market, scen: ScenarioSet, impact: DecayingImpact, weight: float
) -> None:
    euros, rates = replace(market, fx={"EUR": 1.25}), scen.with_fx({"EUR": 0.0})
    pf = replace(sold(-40.0, "ACME-M-100-C"), currency="EUR")
    own = {"ACME.F": impact}
    plan = hedge(
        pf, euros, rates, instruments=["ACME.F"], books=[FUTURE], impact=own, recent=recent(30.0, 60.0),
        cost_weight=weight,
    )  # fmt: skip
    without = hedge(pf, euros, rates, instruments=["ACME.F"], books=[FUTURE], cost_weight=weight)
    base = pf.scenario_pnl(euros, rates).to_numpy()
    lot = replace(sold(1.0), currency="EUR").scenario_pnl(euros, rates).to_numpy()
    fall = 30.0 * float(impact.left(60.0) - impact.left(60.0 + DAY)) / 1.25
    spent = float(impact.left(0.0) - impact.left(DAY)) / 1.25

    def total(n: int, w: float) -> float:
        return es(base + n * (lot - fall)) + w * (abs(n) * 0.8 + 0.5 * spent * n * n)

    best = min(range(-100, 101), key=lambda n: total(n, weight))
    assert plan.trades["qty"].tolist() == [best]
    assert best < without.trades["qty"].iloc[0]
    assert plan.es_target == pytest.approx(total(best, 1.0), rel=1e-9)
    assert plan.es_current == pytest.approx(total(0, 1.0), rel=1e-9)


def test_two_legs_reach_the_plain_loop_within_the_gap(market: Market, scen: ScenarioSet) -> None:
    pf = sold(-20.0, "ACME-J-120-C")
    names, books = ["ACME.F", "ACME-M-100-C"], [FUTURE, CALL]
    impact: dict[str, DecayingImpact] = {"ACME.F": ExponentialDecay(4.0, 600.0), "ACME-M-100-C": PowerDecay(2.0)}
    plan = hedge(pf, market, scen, instruments=names, books=books, impact=impact)
    base = pf.scenario_pnl(market, scen).to_numpy()
    one = [sold(1.0, n).scenario_pnl(market, scen).to_numpy() for n in names]
    lost = [0.5 * float(impact[n].left(0.0) - impact[n].left(DAY)) for n in names]
    best = math.inf
    for x, y in itertools.product(range(-12, 21), range(-12, 13)):
        cost = abs(x) * 1.0 + abs(y) * 10.0 + lost[0] * x * x + lost[1] * y * y
        best = min(best, es(base + x * one[0] + y * one[1]) + cost)
    assert plan.es_target - plan.gap <= best * (1 + 1e-9)
    assert plan.es_target == pytest.approx(best, rel=1e-3)
    assert not plan.trades.empty
    free = hedge(pf, market, scen, instruments=names, books=books)
    assert plan.impact_cost > free.impact_cost == 0.0
    assert "ACME" in repr(plan)


@given(most=st.integers(1, 10**9))
def test_chords_are_below_the_square_and_meet_it_at_few_lots(most: int) -> None:
    ends, slopes = _chords(float(most))
    assert ends[-1] == most
    assert (np.diff(ends) > 0).all()
    assert (np.diff(slopes) > 0).all()
    for n in (1, 2, 7, 40, 41, 97, 1_003, 54_321):
        if n <= most:
            told = float((slopes * (np.minimum(ends, n) - np.minimum(np.r_[0.0, ends[:-1]], n))).sum())
            assert told <= n * n * (1 + 1e-12)
            assert told == pytest.approx(n * n, rel=1e-12 if n <= 40 else 7e-4)


@given(levels=st.lists(st.integers(1, 300), min_size=1, max_size=4), impact=st.floats(1e-4, 1.0))
def test_pieces_cost_no_more_than_the_trade(levels: list[int], impact: float) -> None:
    class Steps:
        symbol = "X"

        def cost_to_trade(self, side: str, qty: float) -> Any:
            before = np.cumsum(levels) - levels
            taken = np.clip(qty - before, 0.0, levels)
            cost = float((taken * (0.5 + np.arange(len(levels)))).sum())
            return type("Cost", (), {"cost": cost, "avg_price": 0.0, "filled": float(taken.sum())})()

    leg = Leg("X", Steps(), 1.0, np.zeros(2), impact)
    pieces = leg.pieces(-1)
    assert [s for _, s in pieces] == sorted(s for _, s in pieces)
    at = np.cumsum([0.0, *[lots for lots, _ in pieces]])
    assert at[-1] == sum(levels)
    for n in range(1, sum(levels) + 1, max(sum(levels) // 40, 1)):
        told = float((np.clip(n - at[:-1], 0.0, np.diff(at)) * [s for _, s in pieces]).sum())
        assert told <= leg.cost(-n) * (1 + 1e-9)
        assert told == pytest.approx(leg.cost(-n), rel=7e-4)


def test_books_without_an_end_are_solved_too() -> None:
    """ES rises by 1 a lot short of the target, and impact alone ends the trade."""
    rng = np.random.default_rng(2)
    factor = rng.normal(size=400)
    leg = Leg("X", QuotedBook("X", 1.0, 1.0), 1.0, -factor, 1e-4)
    found = least_shortfall(1_000.0 * factor, [leg], 0.9)
    grid = np.linspace(0.0, 1_000.0, 20_001)
    slope = es_of(factor, 0.9)
    total = (1_000.0 - grid) * slope + 1e-4 * grid**2
    assert found.bound == pytest.approx(total.min(), rel=1e-3)
    assert found.bound <= total.min() * (1 + 1e-6)


def es_of(pnl: np.ndarray, level: float) -> float:
    k = round(len(pnl) * (1 - level))
    return float(-np.sort(pnl)[:k].mean())


def test_bad_input_is_named(market: Market, scen: ScenarioSet) -> None:
    told: dict[str, Any] = {"instruments": ["ACME.F"], "books": [FUTURE]}
    own = {"ACME.F": ExponentialDecay(2.0, 60.0)}
    with pytest.raises(UnknownInstrumentError, match="NONE"):
        hedge(sold(), market, scen, **told, impact={"NONE": own["ACME.F"]})
    with pytest.raises(InputError, match="no column 'seconds_ago'"):
        hedge(sold(), market, scen, **told, impact=own, recent=recent(1.0).drop(columns="seconds_ago"))
