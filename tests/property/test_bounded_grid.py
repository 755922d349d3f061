"""P&L off grids is within the bound that is told, whatever the book and the scenarios."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.hedging.bounded_grid import bounded_grid
from qflib.hedging.revaluation import Moves, Valued
from qflib.hedging.scenario_table import NEAR_ENOUGH, add_scenario_pnl
from qflib.pricing import american, black76
from qflib.records.schema import frozen

HORIZON, RATE, N = 1 / 52, 0.03, 12_000
SPECIAL = (0.0, HORIZON, HORIZON + 1e-9, HORIZON + 1e-6, HORIZON + 1e-4)


def book(rng: np.random.Generator, n: int, corners: float) -> Valued:
    """Some options of any life, moneyness and vol; a share of them expire about the horizon; what is linear, too."""
    forward = float(rng.uniform(0.5, 5_000))
    years = np.where(rng.random(n) < corners, rng.choice(SPECIAL, n), np.exp(rng.uniform(-6, 1.6, n)))
    strike, vol = forward * np.exp(rng.normal(0, 0.3, n)), np.exp(rng.uniform(-4.5, 0.5, n))
    right = rng.choice([1.0, -1.0], n)
    price = np.asarray(black76(right, forward, strike, years, vol, RATE))
    yes, no = np.ones(n, bool), np.zeros(n, bool)
    qty = rng.standard_cauchy(n)
    return Valued(
        "U", forward, RATE, np.arange(n), yes, no, right, strike, years, vol, price, qty,
        qty * price * rng.choice([0.0, -1.0], n), qty * price,
    )  # fmt: skip


def scenarios(rng: np.random.Generator, scale: float, far: bool, rates: bool) -> Moves:
    growth, shift = scale * rng.standard_t(3, N), 2 * scale * rng.standard_t(4, N)
    if far:
        growth[rng.integers(0, N, 3)], shift[rng.integers(0, N, 2)] = [-4.0, 3.0, -0.9], [-3.0, 2.0]
    m = Moves.of(np.expm1(growth), shift, HORIZON)
    return replace(m, weight=frozen(rng.uniform(0.5, 2, N)), carried=frozen(rng.normal(0, 0.1, N))) if rates else m


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.integers(9, 60), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.sampled_from([0.002, 0.02, 0.1]),
    st.booleans(),
    st.booleans(),
)
def test_no_scenario_is_beyond_the_bound(
    seed: int, sizes: list[int], corners: float, scale: float, far: bool, rates: bool
) -> None:
    rng = np.random.default_rng(seed)
    books = tuple(book(rng, n, corners) for n in sizes)
    moves = tuple(scenarios(rng, scale, far, rates) for _ in sizes)
    full, fast = np.zeros(N), np.zeros(N)
    add_scenario_pnl(books, moves, full)
    bound = add_scenario_pnl(books, moves, fast, "fast")
    assert np.abs(fast - full).max() <= bound + 1e-15 * np.abs(full).max()
    assert bound <= NEAR_ENOUGH * np.abs(full).max() * (1 + 1e-12)


@pytest.mark.parametrize("seed", [5, 6, 7])
@pytest.mark.parametrize("rates", [False, True])
def test_americans_beside_are_as_in_full(seed: int, rates: bool) -> None:
    rng = np.random.default_rng(seed)
    v, m = book(rng, 40, 0.0), scenarios(rng, 0.01, True, rates)
    early = np.isin(np.arange(40), [0, 7, 39])  # anywhere among the others
    years = np.where(early, 0.3, np.maximum(v.years, 0.05))
    spot = v.forward * np.exp(-RATE * 0.3)
    price = np.asarray(black76(v.right, v.forward, v.strike, years, v.vol, RATE))
    price[early] = american(v.right[early], spot, v.strike[early], 0.3, RATE, 0.0, v.vol[early])
    v = replace(v, years=years, price=price, american=early)
    m = v.prepared(m)
    full, fast = np.zeros(N), np.zeros(N)
    add_scenario_pnl((v,), (m,), full)
    bound = add_scenario_pnl((v,), (m,), fast, "fast")
    # the grid leaves far scenarios out, which are revalued without it
    grid = bounded_grid(v, m, NEAR_ENOUGH * float(np.abs(full).max()))
    assert grid is not None
    assert len(grid.far) > 0
    assert 0.0 < np.abs(fast - full).max() <= bound <= NEAR_ENOUGH * np.abs(full).max()
