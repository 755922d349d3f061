"""Hedges of least cost under a bound on ES: the programme against the whole one, whole lots by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from qflib.errors import InputError
from qflib.hedging import Portfolio, QuotedBook, hedge
from qflib.hedging.legs import Leg
from qflib.hedging.shortfall_programme import least_cost, least_shortfall
from qflib.pricing import Market
from qflib.shortfall import ScenarioSet, expected_shortfall

BOOKS = [QuotedBook("ACME.F", 101.49, 101.51, 40, 40, 100.0), QuotedBook("ACME-M-100-C", 5.9, 6.1, 60, 60, 100.0)]
NAMES = ["ACME.F", "ACME-M-100-C"]


class Steps:
    """A book of levels, given as (lots, cost a lot), alike on both sides."""

    def __init__(self, symbol: str, levels: list[tuple[int, float]]) -> None:
        self.symbol, self.levels = symbol, levels

    def cost_to_trade(self, side: str, qty: float) -> object:
        left, cost = qty, 0.0
        for lots, price in self.levels:
            take = min(left, lots)
            cost, left = cost + take * price, left - take
        return type("Cost", (), {"cost": cost, "avg_price": 0.0, "filled": qty - left})()


def whole_programme(base: np.ndarray, legs: list[Leg], level: float, most: float) -> float:
    """Least cost with Rockafellar and Uryasev's rows, a variable and a row a scenario, and ES + cost bounded."""
    n, m = len(base), len(base) * (1 - level)
    pieces = [(k, side, lots, c) for k, leg in enumerate(legs) for side in (1, -1) for lots, c in leg.pieces(side)]
    costs = [c for *_, c in pieces]
    gains = np.column_stack([side * legs[k].pnl for k, side, _, _ in pieces])
    rows = sparse.hstack([-np.ones((n, 1)), -sparse.eye(n), sparse.csr_array(-gains)])
    bound = sparse.csr_array(np.r_[1.0, np.full(n, 1 / m), costs][None])
    bounds = [(None, None), *[(0, None)] * n, *[(0, lots) for _, _, lots, _ in pieces]]
    both = sparse.vstack([rows, bound]).tocsr()
    found = linprog(np.r_[0.0, np.zeros(n), costs], both, np.r_[base, most], bounds=bounds, method="highs")
    assert found.status == 0
    return float(found.fun)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(20, 150),
    n_legs=st.integers(1, 3),
    level=st.sampled_from([0.5, 0.9, 0.975]),
    share=st.floats(0.05, 0.95),
)
def test_least_cost_is_that_of_the_whole_programme(seed: int, n: int, n_legs: int, level: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.standard_t(3, (n, n_legs + 1))
    base = 10 * factors.sum(1)
    legs = []
    for k in range(n_legs):
        book = Steps(f"L{k}", [(int(rng.integers(1, 9)), c) for c in np.sort(rng.uniform(0.01, 2, 3)).tolist()])
        legs.append(Leg(book.symbol, book, 1.0, factors[:, k] + 0.3 * factors[:, k - 1]))  # type: ignore[arg-type]
    now = float(expected_shortfall(base, level, kind="pnl").es)
    best = least_shortfall(base, legs, level)
    most = best.value + share * (now - best.value)
    scale = abs(now)
    found = least_cost(base, legs, level, most)
    assert found.value == pytest.approx(whole_programme(base, legs, level, most), rel=1e-5, abs=1e-5 * scale)
    assert found.bound <= found.value
    pnl = base + sum(y * leg.pnl for y, leg in zip(found.lots.tolist(), legs, strict=True))
    assert float(expected_shortfall(pnl, level, kind="pnl").es) + found.value <= most + 2e-7 * scale
    with pytest.raises(InputError, match="give a higher max_es"):
        least_cost(base, legs, level, best.bound - 1e-3 * scale)


@pytest.fixture(scope="module")
def sold() -> Portfolio:
    rows = [("ACME-M-100-C", -5, 4.0), ("ACME-J-120-C", 3, 1.2)]
    return Portfolio.from_frame(pd.DataFrame(rows, columns=["instrument", "qty", "avg_price"]))


@pytest.mark.parametrize("names", [NAMES[:1], NAMES])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_no_cheaper_lots_keep_the_bound(
    sold: Portfolio, market: Market, scen: ScenarioSet, names: list[str], share: float
) -> None:
    free = hedge(sold, market, scen, instruments=names, books=BOOKS)
    most = free.es_target + share * (free.es_current - free.es_target)
    plan = hedge(sold, market, scen, instruments=names, books=BOOKS, max_es=most)
    assert plan.es_target <= most
    assert plan.cost <= free.cost + 1e-9
    base = sold.scenario_pnl(market, scen).to_numpy()
    one = [Portfolio("P", "USD", (n,), np.ones(1), np.zeros(1)).scenario_pnl(market, scen).to_numpy() for n in names]
    each = [0.01 * 100, 0.1 * 100]
    found = np.inf
    for lots in itertools.product(range(-7, 8), repeat=len(names)):
        cost = sum(abs(n) * c for n, c in zip(lots, each, strict=False))
        pnl = base + sum(n * p for n, p in zip(lots, one, strict=True))
        if float(expected_shortfall(pnl, 0.975, kind="pnl").es) + cost <= most:
            found = min(found, cost)
    # whole lots of several legs are searched near the fractions, and the gap tells by how much they may be dearer
    assert plan.cost <= found + (1e-9 if len(names) == 1 else plan.gap + 1e-9)
    assert plan.cost >= found - 1e-9
    assert plan.gap <= plan.cost


def test_a_bound_that_holds_asks_for_no_trade(sold: Portfolio, market: Market, scen: ScenarioSet) -> None:
    now = hedge(sold, market, scen, instruments=NAMES, books=BOOKS).es_current
    plan = hedge(sold, market, scen, instruments=NAMES, books=BOOKS, max_es=now)
    assert len(plan.trades) == 0
    assert (plan.cost, plan.gap, plan.es_target) == (0.0, 0.0, now)


def test_a_bound_out_of_reach_is_told(sold: Portfolio, market: Market, scen: ScenarioSet) -> None:
    for names in (NAMES[:1], NAMES):
        with pytest.raises(InputError, match="give a higher"):
            hedge(sold, market, scen, instruments=names, books=BOOKS, max_es=0.0)
    with pytest.raises(InputError, match="give a finite bound, and no cost_weight"):
        hedge(sold, market, scen, instruments=NAMES, books=BOOKS, max_es=1.0, cost_weight=2.0)
    with pytest.raises(InputError, match="give a finite bound"):
        hedge(sold, market, scen, instruments=NAMES, books=BOOKS, max_es=np.nan)
