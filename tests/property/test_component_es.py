"""Contributions of every estimator: they sum to ES, are its derivatives, and what is left out is left out exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import optimize, stats

from qflib.errors import InputError
from qflib.shortfall import ComponentES, component_es, distribution_es, expected_shortfall
from qflib.shortfall.elliptical import fit_df

F8 = NDArray[np.float64]
METHODS = ("historical", "monte_carlo", "gaussian", "student_t", "modified")
levels = st.sampled_from([0.5, 0.9, 0.975, 0.99])
numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3) + 0.0)


def made(x: F8, size: F8, level: float, method: str) -> ComponentES:
    df = 4.5 if method == "student_t" else None
    return component_es(x, level, weights=size, method=method, df=df)


@st.composite
def books(draw: st.DrawFn) -> tuple[F8, F8]:
    n, m = draw(st.integers(2, 40)), draw(st.integers(1, 5))
    size = draw(arrays(np.float64, m, elements=st.floats(-3, 3).map(lambda x: round(x, 2) + 0.0)))
    return draw(arrays(np.float64, (n, m), elements=numbers)), size


@pytest.mark.parametrize("method", METHODS)
@given(book=books(), level=levels)
def test_they_sum_to_es_and_to_size_times_slope(book: tuple[F8, F8], level: float, method: str) -> None:
    x, size = book
    r = made(x, size, level, method)
    total = x @ size
    # standardised moments of a sum that is small beside its parts, or nearly constant, are that much less exact
    worst = float(np.abs(x * size).max()) + 1e-300
    sd = float(np.std(total, ddof=1))
    lost = worst / sd if method == "modified" and sd > 1e-9 * worst else 1.0
    assert r.contribution.sum() == pytest.approx(r.es, rel=0, abs=1e-12 * (np.abs(r.contribution).sum() + worst) * lost)
    assert r.marginal is not None
    np.testing.assert_allclose(r.contribution, size * r.marginal, rtol=1e-12, atol=1e-12 * worst)


@pytest.mark.parametrize("method", METHODS)
@given(book=books(), level=levels)
def test_incremental_is_what_leaving_it_out_saves(book: tuple[F8, F8], level: float, method: str) -> None:
    x, size = book
    r = made(x, size, level, method)
    assert r.incremental is not None
    worst = float(np.abs(x * size).max())
    for j in range(len(size)):
        rest = np.delete(np.arange(len(size)), j)
        if len(rest) == 0:
            assert r.incremental[j] == r.es
            continue
        total = x[:, rest] @ size[rest]
        if method == "modified" and np.std(total) < 1e-3 * worst:
            continue  # kurtosis of what rounding left
        without = made(x[:, rest], size[rest], level, method).es
        assert r.incremental[j] == pytest.approx(r.es - without, rel=1e-9, abs=1e-9 * worst)


@pytest.mark.parametrize("method", METHODS)
def test_marginal_is_the_slope_of_es_in_size(method: str) -> None:
    x = np.random.default_rng(4).standard_t(5, (500, 4)) @ np.diag([1.0, 2.0, 0.5, 3.0]) + 0.1
    size = np.array([1.0, -0.5, 0.0, 2.0])  # the third is not held, and its slope is told all the same
    r = made(x, size, 0.95, method)
    assert r.marginal is not None
    h = 1e-6
    for j in range(4):
        step = h * np.eye(4)[j]
        slope = (made(x, size + step, 0.95, method).es - made(x, size - step, 0.95, method).es) / (2 * h)
        assert r.marginal[j] == pytest.approx(slope, rel=1e-6, abs=1e-8)
    assert r.contribution[2] == 0.0
    assert r.marginal[2] != 0.0


@pytest.mark.parametrize("level", [0.9, 0.975])
def test_cornish_fisher_is_the_estimator_of_the_sum(level: float) -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_t(9, (2000, 3)) @ np.diag([1.0, 2.0, 0.5]) + 0.1
    x[:, 0] += 0.4 * rng.gamma(2.0, 1.0, 2000)
    size = np.array([-1.0, 1.5, 0.7])

    def es(total: F8) -> float:
        return float(expected_shortfall(total, level, kind="pnl", method="cornish_fisher").es)

    r = component_es(x, level, weights=size, method="cornish_fisher")
    whole = expected_shortfall(x @ size, level, kind="pnl", method="cornish_fisher")
    assert (r.es, r.var) == (pytest.approx(whole.es, rel=1e-13), pytest.approx(whole.var, rel=1e-13))
    assert r.contribution.sum() == pytest.approx(r.es, rel=1e-12)
    assert r.marginal is not None
    assert r.incremental is not None
    h = 1e-5
    for j in range(3):
        step = h * np.eye(3)[j]
        slope = (es(x @ (size + step)) - es(x @ (size - step))) / (2 * h)
        assert r.marginal[j] == pytest.approx(slope, rel=1e-7)
        assert r.standalone[j] == pytest.approx(es(x[:, j] * size[j]), rel=1e-12)
        assert r.incremental[j] == pytest.approx(r.es - es(x @ (size * (np.arange(3) != j))), rel=1e-9, abs=1e-12)
    assert abs(r.es - component_es(x, level, weights=size, method="modified").es) > 1e-4 * r.es


def test_cornish_fisher_tells_where_there_is_no_law() -> None:
    rng = np.random.default_rng(5)
    calm, wild = rng.normal(size=1000) * 20, rng.standard_t(2, 1000)
    r = component_es(np.column_stack([calm, wild]), method="cornish_fisher")
    assert np.isnan(r.standalone).tolist() == [False, True]
    assert r.incremental is not None
    assert np.isnan(r.incremental).tolist() == [True, False]
    with pytest.raises(InputError, match="is no law's"):
        component_es(wild[:, None], method="cornish_fisher")


@given(book=books(), level=levels)
def test_historical_agrees_with_the_estimator_of_the_sum(book: tuple[F8, F8], level: float) -> None:
    x, size = book
    r = made(x, size, level, "historical")
    assert r.es == pytest.approx(expected_shortfall(x @ size, level, kind="pnl").es, rel=1e-12, abs=1e-9)
    assert (r.contribution <= r.standalone + 1e-9 * (1 + np.abs(r.standalone))).all()
    assert r.incremental is not None
    # convexity: leaving a component out saves no more than it is worth alone, and no less than its contribution
    slack = 1e-9 * (1 + np.abs(x * size).max())
    assert (r.incremental <= r.standalone + slack).all()
    assert (r.incremental <= r.contribution + slack).all()


def test_student_t_is_the_closed_form_of_the_sum() -> None:
    x = np.random.default_rng(8).normal(size=(300, 3)) * [1.0, 2.0, 3.0] + [0.1, -0.2, 0.3]
    w = np.array([0.5, 1.0, -1.0])
    r = component_es(x, 0.975, weights=w, method="student_t", df=5.0)
    total = x @ w
    law = distribution_es(
        "student_t", 0.975, df=5.0, loc=-total.mean(), scale=total.std(ddof=1), standardised="unit_variance"
    )
    assert (r.es, r.var, r.df) == (pytest.approx(law.es, rel=1e-12), pytest.approx(law.var, rel=1e-12), 5.0)
    near = component_es(x, 0.975, weights=w, method="student_t", df=1e7).es
    assert near == pytest.approx(component_es(x, 0.975, weights=w, method="gaussian").es, rel=1e-6)


def test_degrees_of_freedom_have_the_greatest_likelihood() -> None:
    rng = np.random.default_rng(12)
    x = rng.multivariate_normal([0, 0, 0], [[1, 0.5, 0.2], [0.5, 2, 0.1], [0.2, 0.1, 1]], 800)
    x /= np.sqrt(rng.chisquare(4.0, 800) / 4.0)[:, None]
    mean, cov = x.mean(axis=0), np.cov(x, rowvar=False)

    def unlikely(df: float) -> float:
        return -float(np.sum(stats.multivariate_t(mean, cov * (df - 2) / df, df).logpdf(x)))

    want = optimize.minimize_scalar(unlikely, bounds=(2.1, 50), method="bounded", options={"xatol": 1e-7}).x
    assert fit_df(x) == pytest.approx(want, rel=1e-4)
    assert fit_df(x * [1e-6, 1.0, 1e6]) == pytest.approx(fit_df(x), rel=1e-6)
    twice = np.column_stack([x, x[:, 0] - x[:, 1], np.full(800, 3.0)])  # explained by others; constant
    assert fit_df(twice) == pytest.approx(fit_df(x), rel=1e-6)
    assert component_es(x, method="student_t").df == fit_df(x)
    with pytest.raises(InputError, match="tell no degrees of freedom"):
        fit_df(x[:4])


def test_standard_errors_are_those_of_many_simulations() -> None:
    rng = np.random.default_rng(21)
    found, told = [], []
    for _ in range(600):
        common = rng.standard_t(5, (2000, 1))
        x = common * [1.0, 0.3, -0.5] + rng.normal(size=(2000, 3)) * [0.5, 2.0, 1.0]
        r = component_es(x, 0.95, method="monte_carlo")
        assert r.se is not None
        found.append(r.contribution)
        told.append(r.se)
    np.testing.assert_allclose(np.mean(told, axis=0), np.std(found, axis=0), rtol=0.12)


def test_the_error_of_one_component_is_that_of_es() -> None:
    x = np.random.default_rng(2).standard_t(4, 20_000)
    r = component_es(x[:, None], 0.975, method="monte_carlo")
    assert r.se is not None
    assert r.se[0] == pytest.approx(expected_shortfall(x, 0.975, kind="pnl").se, rel=0.02)
    few = component_es(x[:10, None], 0.975, method="monte_carlo")
    assert few.se is not None
    assert np.isnan(few.se).all()


def test_frames_tell_what_there_is() -> None:
    x = np.random.default_rng(3).normal(size=(100, 2))
    columns = component_es(x, method="monte_carlo").to_frame().columns
    assert columns.tolist() == ["contribution", "share", "standalone", "marginal", "incremental", "se"]
    assert "se" not in component_es(x).to_frame()
    assert "degrees of freedom" in component_es(x, method="student_t", df=4)._repr_html_()
    with pytest.raises(InputError, match="degrees of freedom are for 'student_t'"):
        component_es(x, df=4)
    with pytest.raises(InputError, match="df is 2"):
        component_es(x, method="student_t", df=2.0)
    with pytest.raises(InputError, match="expected one of cornish_fisher, gaussian, historical"):
        component_es(x, method="normal")
