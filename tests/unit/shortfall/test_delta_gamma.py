"""Delta-gamma by Fourier inversion against closed forms, known laws, quadrature and simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from qflib.errors import InputError, QflibError
from qflib.shortfall import delta_gamma_es, distribution_es, expected_shortfall
from qflib.shortfall.quadratic_form import QuadraticForm, quantile

F8 = NDArray[np.float64]
RNG = np.random.default_rng(11)
LEVELS = [0.5, 0.9, 0.975, 0.999]


def book(n: int, rank: int) -> tuple[F8, F8, F8]:
    """Delta, an indefinite gamma and a covariance of this rank."""
    a, g = RNG.normal(size=(n, rank)), RNG.normal(size=(n, n))
    return RNG.normal(size=n), g + g.T, a @ a.T


@pytest.mark.parametrize(
    ("delta", "gamma"), [(1.0, 0.0), (1.0, 0.8), (1.0, -0.3), (-2.0, 3.0), (0.0, -1.0), (0.001, 1.0), (5.0, -0.01)]
)
def test_inversion_is_the_closed_form_of_one_factor(delta: float, gamma: float) -> None:
    closed = delta_gamma_es(delta, gamma, 2.25, LEVELS)
    form = QuadraticForm(0.0, np.array([1.5 * delta]), np.array([2.25 * gamma]))
    for level, es, var, error in zip(LEVELS, closed.es, closed.var, closed.error, strict=True):
        x, tail = quantile(form, level)
        assert error < 1e-10 * max(1.0, es)
        assert x == pytest.approx(var, rel=1e-11, abs=error)
        assert x + tail.excess == pytest.approx(es, rel=1e-11, abs=error)
    # the same factor, seen twice
    half = np.array([0.5, 0.5])
    twice = delta_gamma_es(delta * half, gamma * np.outer(half, half), np.full((2, 2), 2.25), LEVELS)
    assert twice.factors == 1
    np.testing.assert_allclose(twice.es, closed.es, rtol=1e-11, atol=1e-11)


def test_a_curve_that_vanishes_leaves_the_straight_loss() -> None:
    z = stats.norm.ppf(0.99)
    for gamma in (1e-4, 1e-6, -1e-10, 1e-14):
        r = delta_gamma_es(1.0, gamma, 1.0, 0.99)
        assert r.var == pytest.approx(z + 0.5 * gamma * z * z, abs=gamma * gamma + 1e-13)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_equal_curves_are_a_non_central_chi_squared(n: int) -> None:
    b = RNG.normal(size=n)
    r = delta_gamma_es(2.0 * b, 2.0 * np.eye(n), np.eye(n), LEVELS, theta=0.3)
    law, shift = stats.ncx2(n, b @ b), 0.3 - b @ b  # the loss is |z + b|² − |b|² + θ
    np.testing.assert_allclose(law.sf(r.var - shift), 1 - np.array(LEVELS), rtol=1e-11)
    # E[X; X > x] of a non-central chi-squared: n times the tail of n + 2 degrees, λ times that of n + 4
    x = r.var - shift
    more, most = stats.ncx2(n + 2, b @ b).sf(x), stats.ncx2(n + 4, b @ b).sf(x)
    np.testing.assert_allclose(r.es, shift + (n * more + (b @ b) * most) / (1 - np.array(LEVELS)), rtol=1e-10)


def test_one_curved_and_one_straight_factor_by_quadrature() -> None:
    # −z²/2 + z + 0.7 y > v where (z − 1)² < 1.4 t², y = (v − ½)/0.7 + t²: no edge is left in t
    def over_t(v: float, inner: Callable[[float], float]) -> float:
        def density(t: float) -> float:
            return math.exp(-0.5 * ((v - 0.5) / 0.7 + t * t) ** 2) / math.sqrt(2 * math.pi) * 2 * t * inner(t)

        return integrate.quad(density, 0, 5, epsabs=0, epsrel=1e-12)[0]

    def inside(t: float) -> float:
        return float(special.ndtr(1 + math.sqrt(1.4) * t) - special.ndtr(1 - math.sqrt(1.4) * t))

    def excess(t: float) -> float:
        z = 1 + math.sqrt(1.4) * t * nodes
        return float(weights @ (np.exp(-0.5 * z * z) * (1 - nodes**2))) * 0.7 * t * t * math.sqrt(1.4 / 2 / math.pi) * t

    nodes, weights = np.polynomial.legendre.leggauss(80)
    r = delta_gamma_es([1.0, 0.7], [[-1.0, 0.0], [0.0, 0.0]], np.eye(2), LEVELS)
    for c, es, var in zip(LEVELS, r.es, r.var, strict=True):
        assert over_t(var, inside) == pytest.approx(1 - c, rel=1e-11)
        assert over_t(var, excess) / (1 - c) == pytest.approx(es - var, rel=1e-10)
    line = delta_gamma_es([1.0, 0.7], np.zeros((2, 2)), np.eye(2), LEVELS, theta=2.0)
    known = distribution_es("normal", LEVELS, scale=math.sqrt(1.49), loc=2.0)
    np.testing.assert_allclose(line.es, known.es, rtol=1e-12)
    np.testing.assert_allclose(line.var, known.var, rtol=1e-12)


@pytest.mark.parametrize("df", [None, 3.0, 8.0])
@pytest.mark.parametrize("rank", [3, 6])
def test_indefinite_books_by_simulation(rank: int, df: float | None) -> None:
    delta, gamma, cov = book(6, rank)
    r = delta_gamma_es(delta, gamma, cov, [0.9, 0.99], theta=-0.4, df=df)
    assert r.factors == rank
    n = 400_000
    u = RNG.multivariate_normal(np.zeros(6), cov, n, method="svd")
    if df is not None:
        u *= np.sqrt((df - 2.0) / RNG.chisquare(df, n))[:, None]
    loss = u @ delta + 0.5 * np.einsum("ki,ij,kj->k", u, gamma, u) - 0.4
    for c, var, es in zip([0.9, 0.99], r.var, r.es, strict=True):
        assert np.mean(loss > var) == pytest.approx(1 - c, abs=5 * math.sqrt(c * (1 - c) / n))
        excess = np.maximum(loss - var, 0.0) / (1 - c)
        if df is None:  # else its variance is infinite, or nearly
            assert var + excess.mean() == pytest.approx(es, abs=5 * excess.std() / math.sqrt(n))


@pytest.mark.parametrize("df", [2.5, 3.0, 5.0, 30.0])
def test_t_factors_where_the_law_is_known(df: float) -> None:
    cov = np.array([[1.0, 0.3], [0.3, 2.0]])
    line = delta_gamma_es([1.0, 2.0], np.zeros((2, 2)), cov, LEVELS, df=df)
    known = distribution_es("student_t", LEVELS, df=df, standardised="unit_variance", scale=math.sqrt(10.2))
    np.testing.assert_allclose(line.es, known.es, rtol=1e-11)
    np.testing.assert_allclose(line.var, known.var, rtol=1e-11, atol=1e-11)
    # curvature alone: the sum of four squares is an F
    bowl = delta_gamma_es(np.zeros(4), np.eye(4), np.eye(4), LEVELS, df=df)
    np.testing.assert_allclose(bowl.var, 2.0 * stats.f(4, df).ppf(LEVELS) * (df - 2) / df, rtol=1e-9)


def test_far_tails_keep_their_precision() -> None:
    form = QuadraticForm(0.0, np.array([0.0, 0.0]), np.array([2.0, 2.0]))  # twice an exponential
    for level in (0.9, 1 - 1e-6, 1 - 1e-12):
        x, tail = quantile(form, level)
        assert x == pytest.approx(-2.0 * math.log(1.0 - level), rel=1e-12)
        assert tail.excess == pytest.approx(2.0, rel=1e-12)
        assert tail.error < 1e-12


def test_a_rotation_changes_nothing_and_many_factors_do_not_cancel() -> None:
    delta, gamma, cov = book(40, 40)
    turn = np.linalg.qr(RNG.normal(size=(40, 40)))[0]
    g = turn @ gamma @ turn.T
    a = delta_gamma_es(delta, gamma, cov, LEVELS)
    b = delta_gamma_es(turn @ delta, 0.5 * (g + g.T), turn @ cov @ turn.T, LEVELS)
    np.testing.assert_allclose(a.es, b.es, rtol=1e-10)
    assert float(delta_gamma_es(delta, gamma, cov, 0.9)) == pytest.approx(a.es[1], rel=1e-12)


def test_a_density_that_is_infinite_at_the_quantile() -> None:
    # (z² − y²)/2 is symmetric with a density of K₀(|x|)/π: ES at the median is 2/π
    r = delta_gamma_es(np.zeros(2), np.diag([1.0, -1.0]), np.eye(2), [0.5, 0.99])
    assert r.var[0] == pytest.approx(0.0, abs=1e-12)
    assert r.es[0] == pytest.approx(2.0 / math.pi, rel=1e-12)
    above = integrate.quad(lambda x: special.k0(x) / math.pi, r.var[1], np.inf, epsabs=0, epsrel=1e-12)[0]
    assert above == pytest.approx(0.01, rel=1e-10)
    assert np.all(r.error < 1e-11)


@pytest.mark.parametrize(
    ("slope", "curve"),
    [
        ([77.73, -1.18, 78.17], [-36.6, 1.86e-3, 131.7]),  # of the second factor little is bent, and far out all is
        ([-206.7, 27146.2], [-1.125, 22488.6]),
        ([0.9, 30.0], [-4e-4, 25.0]),
    ],
)
def test_a_factor_that_hardly_bends_spoils_no_path(slope: list[float], curve: list[float]) -> None:
    r = delta_gamma_es(slope, np.diag(curve), np.eye(len(slope)), LEVELS)
    assert np.all(r.error <= 1e-9 * np.abs(r.es - r.var))
    n = 1_000_000
    z = np.random.default_rng(3).normal(size=(n, len(slope)))
    loss = z @ slope + 0.5 * z**2 @ curve
    for c, var, es in zip(LEVELS, r.var, r.es, strict=True):
        assert np.mean(loss > var) == pytest.approx(1 - c, abs=5 * math.sqrt(c * (1 - c) / n))
        excess = np.maximum(loss - var, 0.0) / (1 - c)
        assert var + excess.mean() == pytest.approx(es, abs=5 * excess.std() / math.sqrt(n))


@pytest.mark.parametrize(
    ("slope", "curve", "df"),
    [
        ([-0.6117], [-0.04402], 2.05), ([-196.0, 68.0, -7.7, 0.97], [-46869.0, -9483.0, -1.5, -0.018], None),
        ([0.142, 0.0153, 1e-6], [-5.88, -0.206, -5.7e-10], 1e4), ([-3e3], [-2e4], None),
    ],
)  # fmt: skip
def test_far_levels_of_a_bounded_loss_end_at_its_bound(
    slope: list[float], curve: list[float], df: float | None
) -> None:
    top = float(np.sum(-0.5 * np.array(slope) ** 2 / np.array(curve)))
    r = delta_gamma_es(slope, np.diag(curve), np.eye(len(slope)) * (1 if df is None else df / (df - 2)),
                       [0.99, 0.99999, 1 - 1e-10], df=df)  # fmt: skip
    assert (np.diff(r.var) > 0).all()
    assert (r.var <= r.es + r.error).all()
    assert (r.es <= top * (1 + 1e-12)).all()
    assert np.all(r.error < 1e-9 * top)


def test_what_lies_beyond_the_bound_is_refused() -> None:
    form = QuadraticForm(0.0, np.array([-0.6117]), np.array([-0.04402]), 2.05)
    with pytest.raises(QflibError, match="no path of integration converges"):
        form.tail(form.supremum())


@pytest.mark.parametrize("df", [None, 3.5])
def test_units_do_not_matter(df: float | None) -> None:
    delta, gamma, cov = book(5, 5)
    a = delta_gamma_es(delta, gamma, cov, LEVELS, df=df)
    for money, move in ((1e8, 1.0), (1e-9, 1.0), (1.0, 1e4)):
        b = delta_gamma_es(delta * money * move, gamma * money * move**2, cov / move**2, LEVELS, df=df)
        np.testing.assert_allclose(b.es, a.es * money, rtol=1e-11)
    far = delta_gamma_es(delta, gamma, cov, LEVELS, theta=1e9, df=df)
    np.testing.assert_allclose(far.es - 1e9, a.es, atol=5e-7)


def test_a_delta_gamma_shows_itself() -> None:
    r = delta_gamma_es(1.0, 0.5, 1.0, [0.9, 0.99], theta=0.25)
    still = delta_gamma_es(1.0, 0.5, 1.0, [0.9, 0.99])
    np.testing.assert_allclose(r.es - still.es, 0.25, rtol=1e-12)
    assert r.to_frame().index.tolist() == [0.9, 0.99]
    assert "<table" in r._repr_html_()
    assert r.plot() is not None
    assert expected_shortfall([1.0, 2.0], 0.5, kind="pnl").es < 0  # gains, where nothing is lost


@pytest.mark.parametrize(
    ("delta", "gamma", "cov", "more", "said"),
    [
        (0.0, 0.0, 1.0, {}, "moves"),
        (1.0, 0.0, 0.0, {}, "one above 0"),
        ([1.0, 1.0], np.eye(3), np.eye(2), {}, "shape"),
        ([1.0, 1.0], [[1.0, 2.0], [0.0, 1.0]], np.eye(2), {}, "not symmetric"),
        ([1.0, 1.0], np.eye(2), [[1.0, 2.0], [2.0, 1.0]], {}, "eigenvalues"),
        ([1.0, -1.0], np.zeros((2, 2)), np.ones((2, 2)), {}, "every direction"),
        ([1.0, np.nan], np.eye(2), np.eye(2), {}, "NaN"),
        (1.0, 0.5, 1.0, {"df": 2.0}, "df is 2.0"),
        (1.0, 0.5, 1.0, {"level": 0.3}, "level"),
    ],
)
def test_bad_input_is_named(delta: object, gamma: object, cov: object, more: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        delta_gamma_es(delta, gamma, cov, **more)  # type: ignore[arg-type]
