"""The t copula: its likelihood, its fit of what it drew, and extremes that come together as its formula says."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qflib.errors import InputError
from qflib.shortfall import TCopula, fit_t_copula
from qflib.shortfall.copula import log_likelihood, tail_dependence

CORRELATION = np.array([[1.0, 0.5, -0.4], [0.5, 1.0, 0.1], [-0.4, 0.1, 1.0]])


def copula(df: float) -> TCopula:
    return TCopula(CORRELATION, df, float("nan"), ("a", "b", "c"))


def draws(df: float, n: int, seed: int = 1) -> Any:
    return copula(df).draw(n, np.random.default_rng(seed))


@pytest.mark.parametrize("df", [1.5, 4.0, 30.0])
def test_the_likelihood_is_that_of_scipys_laws(df: float) -> None:
    u = draws(4.0, 200)
    x = stats.t.ppf(u, df)
    joint = stats.multivariate_t(shape=CORRELATION, df=df).logpdf(x).sum()
    assert log_likelihood(u, CORRELATION, df) == pytest.approx(joint - stats.t.logpdf(x, df).sum(), rel=1e-10)


def test_the_gaussian_likelihood_is_the_limit() -> None:
    u = draws(np.inf, 200)
    x = stats.norm.ppf(u)
    joint = stats.multivariate_normal(cov=CORRELATION).logpdf(x).sum()
    assert log_likelihood(u, CORRELATION, np.inf) == pytest.approx(joint - stats.norm.logpdf(x).sum(), rel=1e-10)
    assert log_likelihood(u, CORRELATION, 1e7) == pytest.approx(log_likelihood(u, CORRELATION, np.inf), abs=1e-3)


@pytest.mark.parametrize("df", [3.0, 8.0])
def test_a_fit_finds_what_was_drawn_whatever_the_margins(df: float) -> None:
    u = draws(df, 8_000, seed=3)
    x = pd.DataFrame({"a": np.exp(u[:, 0]), "b": stats.norm.ppf(u[:, 1]), "c": stats.pareto.ppf(u[:, 2], 1.2)})
    fit = fit_t_copula(x)
    assert fit.factors == ("a", "b", "c")
    assert fit.df == pytest.approx(df, rel=0.15)
    np.testing.assert_allclose(fit.correlation, CORRELATION, atol=0.03)
    assert fit.df == pytest.approx(fit_t_copula(stats.norm.ppf(u)).df, rel=1e-6)
    for other in (0.8 * fit.df, 1.2 * fit.df):
        assert fit_t_copula(x, other).loglik < fit.loglik


def test_normal_dependence_is_found_normal() -> None:
    assert fit_t_copula(draws(np.inf, 4_000)).df > 40


def test_draws_are_uniform_with_the_rank_correlation_of_their_law() -> None:
    u = draws(4.0, 100_000)
    for j in range(3):
        assert stats.kstest(u[:, j], "uniform").pvalue > 1e-3
    for i, j in ((0, 1), (0, 2), (1, 2)):
        tau = stats.kendalltau(u[:20_000, i], u[:20_000, j]).statistic
        assert tau == pytest.approx(2 / np.pi * np.arcsin(CORRELATION[i, j]), abs=0.015)
    assert draws(4.0, 50).tobytes() == draws(4.0, 50).tobytes()
    assert draws(4.0, 50, seed=2).tobytes() != draws(4.0, 50).tobytes()


@pytest.mark.parametrize(("df", "rho"), [(2.5, 0.5), (4.0, -0.4), (10.0, 0.9)])
def test_tail_dependence_by_many_digits(df: float, rho: float) -> None:
    with mp.workdps(30):
        at, nu = -mp.sqrt((df + 1) * (1 - rho) / (1 + mp.mpf(rho))), mp.mpf(df) + 1
        tail = mp.betainc(nu / 2, 0.5, 0, nu / (nu + at**2), regularized=True) / 2
    assert tail_dependence(df, rho) == pytest.approx(float(2 * tail), rel=1e-12)


def test_extremes_of_draws_come_together_as_often_as_the_formula_says() -> None:
    u, level = draws(3.0, 1_000_000), 2e-3
    for low in (u, 1 - u):
        together = np.mean((low[:, 0] < level) & (low[:, 1] < level)) / level
        assert together == pytest.approx(copula(3.0).tail_dependence()[0, 1], abs=0.035)
    normal = draws(np.inf, 1_000_000)
    assert np.mean((normal[:, 0] < level) & (normal[:, 1] < level)) / level < 0.15


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_any_sample_gives_a_correlation_that_can_be_drawn(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.round(rng.standard_t(2, (15, d)) + rng.standard_t(2, (15, 1)), 1) + np.arange(15)[:, None] % 2
    fit = fit_t_copula(x + 1e-6 * rng.normal(size=x.shape))
    assert np.linalg.eigvalsh(fit.correlation)[0] > 0
    np.testing.assert_allclose(np.diag(fit.correlation), 1.0)
    u = fit.draw(100, rng)
    assert np.isfinite(u).all()


def test_bad_arguments() -> None:
    u = draws(4.0, 50)
    for bad in (u[:, :1], u[:5], u[0], np.where(u > 0.9, np.nan, u), np.hstack([u, np.ones((50, 1))])):
        with pytest.raises(InputError, match="none constant"):
            fit_t_copula(bad)
    with pytest.raises(InputError, match="df is -1"):
        fit_t_copula(u, -1)
    with pytest.raises(InputError, match="correlations from -1 to 1"):
        tail_dependence(3.0, 1.5)
    for twice in (u[:, 0] ** 3, -u[:, 0]):
        with pytest.raises(InputError, match="x0 and x3 move as one"):
            fit_t_copula(np.column_stack([u, twice]))
    with pytest.raises(InputError, match="singular"):
        log_likelihood(u, np.ones((3, 3)), 4.0)


def test_it_shows_itself() -> None:
    fit = fit_t_copula(draws(4.0, 300))
    assert fit.to_frame().shape == (3, 3)
    assert "ν" in fit._repr_html_()
    assert fit.plot() is not None
    assert tail_dependence(np.inf, 1.0) == 1.0
    assert tail_dependence(3.0, -1.0) == 0.0
