"""ES budgets and least-ES portfolios: closed forms, other solvers, and the conditions that an optimum meets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from qflib.errors import InputError
from qflib.shortfall import component_es, es_budget, expected_shortfall
from qflib.shortfall.optimal import min_cvar

F8 = NDArray[np.float64]


def draws(seed: int, n: int, m: int) -> F8:
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, (n, 1)) * rng.uniform(0, 0.8, m) + rng.standard_t(4, (n, m)) * rng.uniform(0.3, 3, m)


def es_of(x: F8, w: F8, level: float) -> float:
    return float(expected_shortfall(x @ w, level, kind="pnl").es)


@pytest.mark.parametrize("method", ["gaussian", "student_t"])
@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.8])
def test_two_assets_of_equal_budget_weigh_one_over_sigma(method: str, correlation: float) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 2)) @ np.linalg.cholesky([[1, correlation], [correlation, 1]]).T * [1.0, 4.0]
    x -= x.mean(axis=0)
    r = es_budget(x, 0.975, kind="pnl", method=method, df=5.0 if method == "student_t" else None)
    inverse = 1 / x.std(axis=0)
    np.testing.assert_allclose(r.weights, inverse / inverse.sum(), rtol=1e-12)
    np.testing.assert_allclose(r.share, [0.5, 0.5], atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from(["gaussian", "student_t"]))
def test_shares_of_a_law_are_the_euler_contributions(seed: int, m: int, method: str) -> None:
    x = draws(seed, 200, m) + np.random.default_rng(seed).normal(0, 0.05, m)
    b = np.random.default_rng(seed + 1).dirichlet(np.ones(m) * 2) + 1e-3
    r = es_budget(x, 0.95, kind="pnl", method=method, budget=b)
    assert r.weights.min() > 0
    assert r.weights.sum() == pytest.approx(1, abs=1e-14)
    same = component_es(x, 0.95, weights=r.weights, method=method, df=r.df)
    assert same.es == pytest.approx(r.es, rel=1e-12)
    np.testing.assert_allclose(same.contribution, r.contribution, rtol=1e-10)
    np.testing.assert_allclose(r.share, b / b.sum(), atol=1e-11)
    assert r.error < 1e-11


def test_another_solver_finds_the_same_weights() -> None:
    x = draws(5, 300, 4) + 0.05
    b = np.array([0.1, 0.2, 0.3, 0.4])

    def missed(w: F8) -> float:
        r = component_es(x, 0.95, weights=w, method="gaussian")
        return float(np.sum((r.contribution / r.es - b) ** 2)) * 1e4

    found = optimize.minimize(
        missed, np.full(4, 0.25), method="SLSQP", bounds=[(1e-3, 1)] * 4, options={"ftol": 1e-14, "maxiter": 500},
        constraints={"type": "eq", "fun": lambda w: np.sum(w) - 1},
    )  # fmt: skip
    got = es_budget(x, 0.95, kind="pnl", method="gaussian", budget=b)
    np.testing.assert_allclose(got.weights, found.x, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    n=st.sampled_from([30, 100, 999]),
    m=st.integers(1, 6),
    level=st.sampled_from([0.5, 0.9, 0.975, 0.99]),
)
def test_a_budget_of_scenarios_is_certified(seed: int, n: int, m: int, level: float) -> None:
    x = draws(seed, n, m) - 0.3  # in the tail of every long-only portfolio there is a loss
    b = np.random.default_rng(seed + 1).dirichlet(np.ones(m) * 2) + 1e-3
    b /= b.sum()
    if min_cvar(x, level, kind="pnl").es < 1e-6 * np.abs(x).max():
        with pytest.raises(InputError, match="budgets need"):
            es_budget(x, level, kind="pnl", budget=b)
        return
    r = es_budget(x, level, kind="pnl", budget=b)
    # the tail is one that ES allows, and it makes the whole ES of these weights: a subgradient of ES there
    mass = n * (1 - level)
    assert r.tail.min() >= 0
    assert r.tail.max() <= (1 + 1e-12) / mass
    assert r.tail.sum() == pytest.approx(1, abs=1e-12)
    assert r.es == pytest.approx(es_of(x, r.weights, level), rel=1e-12)
    assert -(r.tail @ x) @ r.weights == pytest.approx(r.es, rel=1e-9)
    np.testing.assert_allclose(r.contribution, r.weights * -(r.tail @ x), rtol=1e-12)
    np.testing.assert_allclose(r.share, b, atol=1e-9)
    # so no weights near or far have a lower ES(w) - b log w
    scaled = r.weights / r.es
    best = es_of(x, scaled, level) - b @ np.log(scaled)
    rng = np.random.default_rng(seed)
    for size in (1e-4, 0.1, 2.0):
        other = scaled * np.exp(size * rng.normal(size=m))
        assert es_of(x, other, level) - b @ np.log(other) >= best - 1e-9


def test_many_normal_scenarios_are_the_normal_law() -> None:
    rng = np.random.default_rng(9)
    x = rng.multivariate_normal([0, 0, 0], [[1, 0.5, 0.1], [0.5, 4, 0.3], [0.1, 0.3, 2]], 200_000)
    told = es_budget(x, 0.9, kind="pnl")
    law = es_budget(x, 0.9, kind="pnl", method="gaussian")
    np.testing.assert_allclose(told.weights, law.weights, atol=3e-3)
    assert told.es == pytest.approx(law.es, rel=3e-3)


def test_units_of_assets_do_not_matter() -> None:
    x = draws(2, 400, 3)
    r = es_budget(x, kind="pnl", budget=[1, 2, 3])
    s = es_budget(x * [1e-6, 1.0, 1e5], kind="pnl", budget=[1, 2, 3])
    again = s.weights * [1e-6, 1.0, 1e5]
    np.testing.assert_allclose(again / again.sum(), r.weights, rtol=1e-5)


def test_assets_that_are_one_share_its_weight() -> None:
    x = draws(4, 300, 2)
    r = es_budget(np.column_stack([x, x[:, 1]]), kind="pnl", budget=[0.5, 0.25, 0.25])
    one = es_budget(x, kind="pnl")
    np.testing.assert_allclose([r.weights[0], r.weights[1] + r.weights[2]], one.weights, rtol=1e-5)


@pytest.mark.parametrize("method", ["historical", "gaussian"])
def test_what_cannot_be_budgeted_is_told(method: str) -> None:
    x = draws(6, 200, 2)
    with pytest.raises(InputError, match="budgets need"):  # the two cancel out
        es_budget(np.column_stack([x[:, 0], 0.1 - x[:, 0]]), kind="pnl", method=method)
    with pytest.raises(InputError, match="alone has an ES of"):
        es_budget(np.column_stack([x[:, 0], 50 + 0.1 * x[:, 1]]), kind="pnl", method=method)
    with pytest.raises(InputError, match="expected 2 shares above 0"):
        es_budget(x, kind="pnl", budget=[1, 0], method=method)
    with pytest.raises(InputError, match="degrees of freedom are for"):
        es_budget(x, kind="pnl", df=3, method=method)
    with pytest.raises(InputError, match="expected one of historical"):
        es_budget(x, kind="pnl", method="normal")


def test_the_result_shows_itself() -> None:
    r = es_budget(pd.DataFrame(draws(1, 200, 2), columns=["a", "b"]), kind="pnl")
    assert r.to_frame().columns.tolist() == ["weight", "contribution", "share", "budget"]
    assert r.to_frame().index.tolist() == ["a", "b"]
    assert "historical" in r._repr_html_()
    assert r.plot() is not None


def whole_programme(x: F8, level: float, low: F8, high: F8, target: float | None) -> float:
    """Rockafellar and Uryasev's programme as it stands: weights, the VaR, and a shortfall a scenario."""
    n, m = x.shape
    rows = np.hstack([-x, -np.ones((n, 1)), -np.eye(n)])
    right = np.zeros(n)
    if target is not None:
        rows, right = np.vstack([rows, np.r_[-x.mean(axis=0), np.zeros(n + 1)]]), np.r_[right, -target]
    found = optimize.linprog(
        np.r_[np.zeros(m), 1.0, np.full(n, 1 / (n * (1 - level)))], rows, right,
        np.r_[np.ones(m), np.zeros(n + 1)][None], [1.0],
        bounds=[*zip(low, high, strict=True), (None, None), *[(0, None)] * n], method="highs",
    )  # fmt: skip
    assert found.status == 0
    return float(found.fun)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    m=st.integers(2, 5),
    level=st.sampled_from([0.5, 0.9, 0.975]),
    low=st.sampled_from([0.0, -0.3, 0.05]),
    aim=st.sampled_from([None, 0.3, 0.9]),
)
def test_bounds_and_target_are_those_of_the_whole_programme(
    seed: int, m: int, level: float, low: float, aim: float | None
) -> None:
    x = draws(seed, 80, m) + np.random.default_rng(seed).normal(0, 0.3, m)
    least, most = np.full(m, low), np.full(m, 0.7)
    mean = x.mean(axis=0)
    found = optimize.linprog(-mean, A_eq=np.ones((1, m)), b_eq=[1.0], bounds=[(low, 0.7)] * m)
    target = None if aim is None else float(aim * -found.fun + (1 - aim) * mean.mean())
    if target is not None:
        with pytest.raises(InputError, match="no weights within the bounds have a mean above"):
            min_cvar(x, level, kind="return", bounds=(low, most), target_return=-found.fun + 1e-6)
    r = min_cvar(x, level, kind="return", bounds=(low, most), target_return=target)
    assert r.es == pytest.approx(whole_programme(x, level, least, most, target), rel=1e-7, abs=1e-9)
    assert es_of(x, r.weights, level) == pytest.approx(r.es, rel=1e-7, abs=1e-9)
    assert r.weights.sum() == pytest.approx(1, abs=1e-9)
    assert (r.weights >= low - 1e-9).all()
    assert (r.weights <= 0.7 + 1e-9).all()
    assert target is None or r.mean >= target - 1e-7


def test_programmes_without_solution_are_told() -> None:
    x = draws(7, 100, 3)
    with pytest.raises(InputError, match="sum to one"):
        min_cvar(x, kind="pnl", bounds=(0.0, 0.2))
    with pytest.raises(InputError, match="have a mean above"):
        min_cvar(x, kind="pnl", target_return=100.0)
    with pytest.raises(InputError, match="give finite bounds"):
        min_cvar(np.column_stack([x[:, 0], x[:, 0] + 1.0]), kind="pnl", bounds=(None, None))
    with pytest.raises(InputError, match="expected a number, or one for each of 3"):
        min_cvar(x, kind="pnl", bounds=([0, 0], None))
    with pytest.raises(InputError, match="target_return is nan"):
        min_cvar(x, kind="pnl", target_return=np.nan)
    made = min_cvar(pd.DataFrame(x, columns=list("abc")), kind="pnl")
    assert made.to_frame().index.tolist() == ["a", "b", "c"]
    assert "ES 97.5%" in made._repr_html_()
    assert made.plot() is not None


def test_assets_that_nearly_hedge_each_other() -> None:
    rng = np.random.default_rng(325)
    x = rng.standard_t(3, (300, 4))
    x[:, 1] = -x[:, 0] + rng.normal(0, 1e-3, 300) - 0.01
    budget = np.array([0.1, 0.2, 0.3, 0.4])
    r = es_budget(x, 0.5, kind="pnl", budget=budget)
    assert np.abs(r.share - budget).max() <= 1e-9
    assert float(expected_shortfall(x @ r.weights, 0.5, kind="pnl").es) == pytest.approx(r.es, rel=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.975])
def test_where_rounding_is_all_that_is_left_the_answer_is_right_or_an_error(level: float) -> None:
    found = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        x = rng.standard_t(3, (200, 2)) * 100
        x[:, 1] = -x[:, 0] + rng.normal(0, 1e-3, 200) - 0.01
        try:
            r = es_budget(x, level, kind="pnl", budget=[0.05, 0.95])
        except InputError as e:
            found.append(str(e))
        else:
            assert np.abs(r.share - [0.05, 0.95]).max() <= 1e-9
    assert any("hedge each other nearly wholly" in told for told in found)
