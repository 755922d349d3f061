"""Scenario P&L off grids and on several cores against every option in every scenario."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qflib.errors import InputError
from qflib.hedging import scenario_table
from qflib.hedging.revaluation import VOL_FLOOR, Moves, Valued
from qflib.hedging.scenario_table import NEAR_ENOUGH, add_scenario_pnl
from qflib.kernels.scenario_grid import grid_pnl
from qflib.pricing import black76

RATE, HORIZON = 0.03, 1 / 252


def book(n: int, seed: int = 1, least_years: float = 0.05) -> Valued:
    rng = np.random.default_rng(seed)
    strike, years = rng.uniform(80, 120, n), rng.uniform(least_years, 2.0, n)
    vol, right = rng.uniform(0.15, 0.5, n), rng.choice([1.0, -1.0], n)
    price = np.asarray(black76(right, 100.0, strike, years, vol, RATE))
    yes, no = np.ones(n, bool), np.zeros(n, bool)
    linear = np.zeros(n)
    linear[0] = 7.0
    return Valued(
        "U", 100.0, RATE, np.arange(n), yes, no, right, strike, years, vol, price, rng.normal(0, 10, n), linear
    )


def shocks(n: int, seed: int = 2) -> Moves:
    rng = np.random.default_rng(seed)
    return Moves.of(np.expm1(0.015 * rng.standard_t(4, n)), rng.normal(0, 0.02, n), HORIZON)


def plain(v: Valued, m: Moves) -> Any:
    out = np.zeros(len(m.spot_return))
    for i in range(len(v.strike)):
        left = max(v.years[i] - m.years, 0.0)
        vol = np.maximum(v.vol[i] + m.vol_shift, VOL_FLOOR)
        after = black76(v.right[i], 100.0 * (1 + m.spot_return), v.strike[i], left, vol, RATE)
        out += v.cash_qty[i] * (after - v.price[i])
    return out + v.linear.sum() * m.spot_return


def test_full_is_every_option_in_every_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    v, m = book(60), shocks(20_000)
    out, alone = np.zeros(20_000), np.zeros(20_000)
    add_scenario_pnl((v,), (m,), out)
    np.testing.assert_allclose(out, plain(v, m), atol=1e-9)
    monkeypatch.setattr(scenario_table, "_MANY", 10**12)  # one core
    monkeypatch.setattr(scenario_table, "_CHUNK", 777)
    add_scenario_pnl((v,), (m,), alone)
    assert out.tobytes() == alone.tobytes()


@pytest.mark.parametrize("least_years", [0.05, 0.001])
def test_fast_is_as_near_as_it_says(least_years: float) -> None:
    books, moves = (book(200, 1, least_years), book(150, 3)), (shocks(50_000), shocks(50_000, 4))
    full, fast = np.zeros(50_000), np.zeros(50_000)
    assert add_scenario_pnl(books, moves, full) == 0.0
    bound = add_scenario_pnl(books, moves, fast, "fast")
    assert 0 < np.abs(fast - full).max() <= bound <= NEAR_ENOUGH * np.abs(full).max()
    worst = np.sort(full)[:1250].mean()
    assert abs(np.sort(fast)[:1250].mean() / worst - 1) < 5e-6


def test_what_costs_less_in_full_is_done_in_full() -> None:
    v, few = book(20), shocks(500)
    full, fast = np.zeros(500), np.zeros(500)
    add_scenario_pnl((v,), (few,), full)
    assert add_scenario_pnl((v,), (few,), fast, "fast") == 0.0
    assert full.tobytes() == fast.tobytes()
    with pytest.raises(InputError, match="accuracy 'half' is unknown"):
        add_scenario_pnl((v,), (few,), np.zeros(500), "half")  # type: ignore[arg-type]


def test_moves_that_stay_and_books_worth_nothing() -> None:
    v = book(20)
    flat = Moves.of(np.zeros(20_000), np.zeros(20_000), HORIZON)
    hedged = replace(v, cash_qty=np.zeros(20), linear=np.zeros(20))
    for each, m in ((v, flat), (hedged, shocks(20_000))):
        full, fast = np.zeros(20_000), np.zeros(20_000)
        add_scenario_pnl((each,), (m,), full)
        bound = add_scenario_pnl((each,), (m,), fast, "fast")
        assert np.abs(fast - full).max() <= bound <= NEAR_ENOUGH * np.abs(full).max()


def test_the_bits_do_not_depend_on_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    books, moves = (book(200, 1, 0.001), book(150, 3)), (shocks(50_000), shocks(50_000, 4))
    many, alone = np.zeros(50_000), np.zeros(50_000)
    add_scenario_pnl(books, moves, many, "fast")
    monkeypatch.setattr(scenario_table, "_MANY", 10**12)
    add_scenario_pnl(books, moves, alone, "fast")
    assert many.tobytes() == alone.tobytes()


def test_a_cubic_is_read_exactly() -> None:
    x, v = np.linspace(-1.5, 1.5, 7), np.linspace(-0.2, 0.2, 5)
    table = (x**3 - 2 * x)[:, None] * (1 + v**3)[None, :]
    rng = np.random.default_rng(1)
    at, shift = rng.uniform(x[1], x[-2], 200), rng.uniform(v[1], v[-2], 200)
    for a in (table, at, shift):
        a.flags.writeable = False
    out = np.ones(200)
    grid_pnl(table, x[0], x[1] - x[0], v[0], v[1] - v[0], at, shift, out)
    np.testing.assert_allclose(out, 1 + (at**3 - 2 * at) * (1 + shift**3), rtol=1e-12)
