"""Simulated hedges against a plain loop, models against their moments, and what must hold of rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from qflib.errors import InputError
from qflib.hedging import simulate_hedges
from qflib.hedging.paths import GBM, HestonModel, JumpModel, RoughModel
from qflib.hedging.rules import Delta, FixedBand, Leland, Rule, Terms, WhalleyWilmott, Zakamouline, leland_vol
from qflib.kernels.hedge_paths import hedge_along

RULES = [
    Delta(), Leland(), FixedBand(0.05), WhalleyWilmott(0.5), WhalleyWilmott(1.0, 0.5, 1.2, 0.3), Zakamouline(2.0),
]  # fmt: skip


def one_path(
    rule: Rule, path: Any, sign: float, strike: float, years: float, rate: float, vol: float, cost: float
) -> Any:
    """The textbook's loop, its bands and vols from the papers' own formulas."""
    looks = len(path) - 1
    dt = years / looks

    def delta(spot: float, left: float, sigma: float) -> float:
        d1 = (math.log(spot / strike) + (rate + sigma**2 / 2) * left) / (sigma * math.sqrt(left))
        return sign * norm.cdf(sign * d1)

    def gamma(spot: float, left: float) -> float:
        d1 = (math.log(spot / strike) + (rate + vol**2 / 2) * left) / (vol * math.sqrt(left))
        return norm.pdf(d1) / (spot * vol * math.sqrt(left))

    root = vol * math.sqrt(years)
    d1 = (math.log(path[0] / strike) + rate * years) / root + root / 2
    cash = sign * (path[0] * norm.cdf(sign * d1) - strike * math.exp(-rate * years) * norm.cdf(sign * (d1 - root)))
    held = paid = 0.0
    for k in range(looks):
        spot, left = path[k], years - k * dt
        g = gamma(spot, left)
        sigma, width = vol, 0.0
        if isinstance(rule, Leland):
            sigma = leland_vol(vol, cost, dt)
        elif isinstance(rule, FixedBand):
            width = rule.width
        elif isinstance(rule, WhalleyWilmott):
            sigma = vol * rule.vol_factor
            width = (1.5 * math.exp(-rate * left) * cost * spot * g**2 / rule.risk_aversion) ** (1 / 3)
            width *= rule.scale * left**rule.time_power
        elif isinstance(rule, Zakamouline):
            a = rule.risk_aversion
            quarter = (math.exp(-rate * left) / vol) ** 0.25
            sigma = vol * math.sqrt(1 + 4.76 * cost**0.78 / left**0.02 * quarter * (a * spot**2 * g) ** 0.15)
            width = cost / (a * spot * vol**2 * left)
            width += 1.12 * cost**0.31 * left**0.05 * quarter * math.sqrt(g / a)
        want = delta(spot, left, sigma)
        new = min(max(held, want - width), want + width)
        fee = abs(new - held) * spot * cost
        cash = (cash - (new - held) * spot - fee) * math.exp(rate * dt)
        paid += fee * math.exp(-rate * k * dt)
        held = new
    fee = abs(held) * path[-1] * cost
    return cash + held * path[-1] - fee - max(sign * (path[-1] - strike), 0.0), paid + fee * math.exp(-rate * years)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_hedge_is_that_of_the_plain_loop(rule: Rule, sign: float) -> None:
    years, rate, vol, cost, looks = 0.4, 0.03, 0.3, 0.004, 25
    paths = GBM(0.35, 0.05).paths(100.0, years, looks, 64, np.random.default_rng(3))
    left = years - years / looks * np.arange(looks)
    pnl, costs = np.empty(64), np.empty(64)
    hedge_along(paths, sign, 104.0, years, rate, vol, rule.table(Terms(left, rate, vol, cost)), cost, pnl, costs)
    twin = np.array([one_path(rule, paths[:, j], sign, 104.0, years, rate, vol, cost) for j in range(64)])
    np.testing.assert_allclose(pnl, twin[:, 0], rtol=0, atol=2e-10)
    np.testing.assert_allclose(costs, twin[:, 1], rtol=0, atol=2e-10)


@pytest.mark.parametrize("model", [GBM(0.2, 0.04), HestonModel(0.2, 0.3, drift=0.04), JumpModel(0.2, drift=0.04),
                                   RoughModel(0.2, drift=0.04)], ids=lambda m: type(m).__name__)  # fmt: skip
def test_models_grow_by_their_drift_and_begin_at_their_vol(model: Any) -> None:
    paths = model.paths(50.0, 0.5, 60, 40_000, np.random.default_rng(5))
    assert paths.shape == (61, 40_000)
    assert (paths[0] == 50.0).all()
    end = paths[-1]
    error = end.std() / math.sqrt(len(end))
    assert abs(end.mean() - 50.0 * math.exp(0.02)) < 4 * error
    first = np.log(paths[1] / 50.0)
    jumps = model.intensity * (model.jump_std**2 + model.jump_mean**2) if isinstance(model, JumpModel) else 0.0
    assert math.isclose(first.var() * 120, 0.2**2 + jumps, rel_tol=0.06)


def test_heston_returns_to_its_long_vol() -> None:
    model = HestonModel(0.1, 0.4, reversion=20.0, vol_of_variance=0.2)
    paths = model.paths(1.0, 2.0, 100, 20_000, np.random.default_rng(5))
    late = np.diff(np.log(paths[-20:]), axis=0).var() * 50
    assert math.isclose(late, 0.4**2, rel_tol=0.05)


def test_rough_vol_is_rough() -> None:
    """Squared differences of log variance over a lag grow as lag^(2 hurst)."""
    from qflib.hedging.paths import _rough_root

    z = np.random.default_rng(1).standard_normal((400, 20_000))
    process = (_rough_root(0.1, 200) @ z)[200:]
    variances = process.var(axis=1)
    np.testing.assert_allclose(variances, np.arange(1, 201) ** 0.2, rtol=0.06)
    lags = [1, 4, 16]
    spread = [((process[100 + lag] - process[100]) ** 2).mean() for lag in lags]
    slope = np.polyfit(np.log(lags), np.log(spread), 1)[0]
    assert abs(slope - 0.2) < 0.05


def test_seeds_give_paths_and_costs_grow() -> None:
    one = simulate_hedges(RULES, paths=20_000, looks=40)
    again = simulate_hedges(RULES[:2], paths=20_000, looks=40)
    np.testing.assert_array_equal(one.pnl[:2], again.pnl)
    other = simulate_hedges(RULES[:1], paths=20_000, looks=40, seed=2)
    assert (other.pnl[0] != one.pnl[0]).any()
    frame = one.to_frame()
    assert frame.loc["Delta()", "mean_cost"] == frame["mean_cost"].max()
    dear = simulate_hedges(RULES, paths=20_000, looks=40, cost=0.01).to_frame()
    assert (dear["mean_cost"] > frame["mean_cost"]).all()
    free = simulate_hedges(RULES, paths=20_000, looks=40, cost=0.0)
    assert (free.costs == 0).all()
    np.testing.assert_allclose(free.pnl[0], free.pnl[1], atol=1e-12)


def test_a_hedge_without_costs_is_worth_nothing_and_errs_by_its_looks() -> None:
    few, many = (simulate_hedges([Delta()], paths=50_000, looks=n, cost=0.0).to_frame().iloc[0] for n in (20, 320))
    assert abs(many["mean_pnl"]) < 4 * many["mean_pnl_se"] + 0.002
    assert math.isclose(few["std"] / many["std"], 4.0, rel_tol=0.06)  # as one over the root of the looks


def test_standard_errors_are_those_of_repetition() -> None:
    rows = [simulate_hedges([Delta()], paths=8_192, looks=10, seed=s).to_frame().iloc[0] for s in range(60)]
    es, told = np.array([r["es"] for r in rows]), np.mean([r["es_se"] for r in rows])
    assert 0.6 < es.std() / told < 1.4


def test_it_shows_itself() -> None:
    made = simulate_hedges([Delta(), FixedBand(0.1)], paths=8_192, looks=10)
    assert "FixedBand(width=0.1)" in made._repr_html_()
    assert "2 rules" in repr(made)
    assert made.plot() is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rules": []}, "no list of rules, or an empty one"),
        ({"cost": -0.1}, "a cost is a share"),
        ({"years": 0.0}, "an option to hedge has both above 0"),
        ({"strike": [90.0, 100.0]}, "one option is hedged at a time"),
        ({"looks": 0}, "numbers from 1"),
        ({"looks": 12.5}, "numbers from 1"),
        ({"level": 1e-17}, "level"),
    ],
)
def test_bad_input_is_one_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        simulate_hedges(**({"rules": [Delta()], "paths": 10} | change))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FixedBand(-1.0), "width is -1.0"),
        (lambda: WhalleyWilmott(0.0), "risk_aversion is 0.0"),
        (lambda: WhalleyWilmott(1.0, time_power=math.nan), "time_power is nan"),
        (lambda: Zakamouline(math.inf), "risk_aversion is inf"),
        (lambda: leland_vol(0.2, 0.05, 1 / 252, short=False), "leaves no vol"),
        (lambda: leland_vol(0.2, 1.5, 1 / 252), "expected a share"),
        (lambda: GBM(0.0), "vol is 0.0"),
        (lambda: GBM(0.2, math.nan), "drift is nan"),
        (lambda: JumpModel(0.2, jump_mean=math.inf), "jump_mean is inf"),
        (lambda: HestonModel(0.2, 0.2, correlation=1.0), "correlation is 1.0"),
        (lambda: RoughModel(0.2, hurst=0.5), "hurst is 0.5"),
    ],
)
def test_rules_and_models_refuse(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()
