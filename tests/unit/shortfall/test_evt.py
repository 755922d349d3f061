"""Peaks over a threshold: intervals, standard errors, goodness of fit and the choice of a threshold."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from qflib.errors import InputError
from qflib.shortfall import fit_pot, gpd, threshold_diagnostics
from qflib.shortfall.quadratic_form import QuadraticForm, quantile

F8 = NDArray[np.float64]


def sample(shape: float, n: int, seed: int) -> F8:
    return np.asarray(stats.genpareto(shape, scale=1.5).rvs(n, random_state=seed))


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.25, 0.8])
def test_the_likelihood_is_scipys(shape: float) -> None:
    y = np.sort(sample(shape, 200, 1))
    law = gpd.fit(y)
    assert law.nll == pytest.approx(-stats.genpareto.logpdf(y, law.shape, scale=law.scale).sum(), rel=1e-10)
    pairs = np.array([0.2, -0.1, 1e-13, 0.9]), np.array([1.0, 40.0, 2.0, 0.5])
    want = [-stats.genpareto.logpdf(y, x, scale=b).sum() for x, b in zip(*pairs, strict=True)]
    np.testing.assert_allclose(gpd.negative_log_likelihood(*pairs, y), want, rtol=1e-9)
    beyond = gpd.negative_log_likelihood(np.array([-0.5, 0.1]), np.array([0.4 * y[-1], -1.0]), y)
    assert np.isinf(beyond).all()


@pytest.mark.parametrize("fixed_rate", [True, False])
def test_at_the_ends_the_best_likelihood_is_just_likely_enough(fixed_rate: bool) -> None:
    loss = sample(0.2, 1500, 4)
    u = float(np.quantile(loss, 0.9))
    tail = fit_pot(loss, u, [0.99], kind="loss", fixed_rate=fixed_rate)
    y, n, k, alpha = tail.excess, len(loss), tail.n_exceed, 0.01

    def nll(shape: float, scale: float, rate: float) -> float:
        if not 0.0 < rate < 1.0 or scale <= 0.0:
            return math.inf
        return float(-stats.genpareto.logpdf(y, shape, scale=scale).sum() - stats.binom(n, rate).logpmf(k))

    def growth(p: F8) -> float:
        rate = k / n if fixed_rate else math.exp(p[1])
        return float(((rate / alpha) ** p[0] - 1.0) / p[0])

    def of_var(x: float) -> Callable[[F8], float]:
        return lambda p: (x - u) / growth(p)

    def of_es(x: float) -> Callable[[F8], float]:
        return lambda p: (x - u) * (1.0 - p[0]) / (growth(p) + 1.0)

    best = nll(tail.shape, tail.scale, k / n)
    ends = [(of_var, x) for x in (tail.var_low[0], tail.var_high[0])]
    ends += [(of_es, x) for x in (tail.es_low[0], tail.es_high[0])]
    for scale_of, x in ends:
        scale = scale_of(float(x))
        found = optimize.minimize(
            lambda p, scale=scale: nll(p[0], scale(p), k / n if fixed_rate else math.exp(p[1])),
            np.array([tail.shape, math.log(k / n)]), method="Nelder-Mead", options={"fatol": 1e-9, "xatol": 1e-7},
        )  # fmt: skip
        assert 2.0 * (found.fun - best) == pytest.approx(stats.chi2(1).ppf(0.95), abs=2e-3)
    for shape in tail.shape_interval:
        found = optimize.minimize_scalar(
            lambda b, shape=shape: nll(shape, b, k / n), bounds=(0.1, 20), method="bounded"
        )
        assert 2.0 * (found.fun - best) == pytest.approx(stats.chi2(1).ppf(0.95), abs=2e-3)


def test_standard_errors_are_the_delta_method_and_their_simulation() -> None:
    made = [fit_pot(sample(0.2, 2000, seed), 1.0, [0.99], kind="loss") for seed in range(150)]
    for name in ("shape", "scale"):
        spread = np.std([getattr(r, name) for r in made], ddof=1)
        assert np.mean([getattr(r, f"{name}_se") for r in made]) == pytest.approx(spread, rel=0.25)
    for name in ("var", "es"):
        spread = np.std([getattr(r, name)[0] for r in made], ddof=1)
        assert np.mean([getattr(r, f"{name}_se")[0] for r in made]) == pytest.approx(spread, rel=0.25)


def test_profile_intervals_cover_the_truth() -> None:
    law = stats.genpareto(0.3)
    var = law.ppf(0.99)
    es, runs = (var + 1.0) / 0.7, 80
    hits = np.zeros(3)
    rng = np.random.default_rng(12)
    for _ in range(runs):
        x = law.rvs(1000, random_state=rng)
        r = fit_pot(x, float(np.quantile(x, 0.9)), 0.99, kind="loss", confidence=0.9, fixed_rate=True)
        low, high = r.shape_interval
        hits += [low <= 0.3 <= high, r.var_low[0] <= var <= r.var_high[0], r.es_low[0] <= es <= r.es_high[0]]
    assert (hits / runs > 0.9 - 4 * math.sqrt(0.09 / runs)).all()
    assert hits.sum() < 3 * runs  # a wide interval would cover all


def test_an_infinite_mean_that_is_likely_gives_no_upper_end() -> None:
    tail = fit_pot(sample(0.8, 100, 3), 2.0, [0.9, 0.99], kind="loss")
    assert tail.shape < 1.0 < tail.shape_interval[1]
    assert np.isinf(tail.es_high[-1])
    assert np.isfinite(tail.es_low[-1])
    assert np.isfinite(tail.var_high[-1])


def test_below_the_threshold_there_are_no_intervals() -> None:
    tail = fit_pot(sample(0.2, 1000, 5), 3.0, [0.6, 0.99], kind="loss")
    assert np.isnan(tail.intervals[0]).all()
    assert (np.diff(tail.intervals[1].reshape(2, 2)) > 0).all()
    frame = tail.to_frame()
    assert frame.index.tolist() == [0.6, 0.99]
    assert (frame.es_low.iloc[1], frame.var_se.iloc[1]) == (tail.es_low[1], tail.var_se[1])
    assert "Anderson" in tail._repr_html_()
    assert tail.plot() is not None


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.4])
def test_the_fit_statistics_have_the_laws_they_claim(shape: float) -> None:
    rng, runs = np.random.default_rng(6), 400
    samples = [np.sort(stats.genpareto(shape).rvs(300, random_state=rng)) for _ in range(runs)]
    told = np.array([gpd.statistics(y, gpd.fit(y)) for y in samples])
    for level in (0.1, 0.5):
        points = [quantile(law, 1.0 - level)[0] for law in gpd.limits(shape)]
        got = (told > points).mean(axis=0)
        assert np.abs(got - level).max() < 4 * math.sqrt(level * (1 - level) / runs) + 0.01


def test_the_limits_are_the_known_ones_where_nothing_is_estimated() -> None:
    # Anderson and Darling (1952, 1954): 5 % points 0.46136 and 2.492
    j = np.arange(1, 81)
    for values, mean, point in ((1 / (np.pi * j) ** 2, 1 / 6, 0.46136), (1 / (j * (j + 1.0)), 1.0, 2.492)):
        law = QuadraticForm(mean - values.sum(), np.zeros(80), 2 * values)
        assert math.exp(law.tail(point).log_probability) == pytest.approx(0.05, abs=5e-5)


def test_statistics_are_scipys() -> None:
    y = np.sort(sample(0.2, 150, 9))
    law = gpd.fit(y)
    fitted = stats.genpareto(law.shape, scale=law.scale)
    got = gpd.goodness_of_fit(y, law)
    assert got.cramer_von_mises == pytest.approx(stats.cramervonmises(y, fitted.cdf).statistic, rel=1e-10)
    i = np.arange(1, 151)
    a2 = -150 - np.mean((2 * i - 1) * (fitted.logcdf(y) + fitted.logsf(y[::-1])))
    assert got.anderson_darling == pytest.approx(a2, rel=1e-10)


def test_a_threshold_is_found_where_the_tail_begins() -> None:
    rng = np.random.default_rng(9)
    body = rng.uniform(0.0, 5.0, 8000)  # no generalised Pareto law with what comes above 5
    tail = 5.0 + stats.genpareto(0.3, scale=3.0).rvs(2000, random_state=rng)
    found = threshold_diagnostics(np.r_[body, tail], np.arange(4.0, 9.1, 0.5), kind="loss")
    assert 5.0 <= found.chosen <= 6.0
    frame = found.to_frame()
    assert frame.anderson_darling_p[4.0] < 1e-4
    assert frame.shape_low[6.0] < 0.3 < frame.shape_high[6.0]
    # above the threshold the modified scale is level: β − ξu of the tail's own law
    true = 3.0 - 0.3 * 5.0
    assert frame.modified_scale_low[7.0] < true < frame.modified_scale_high[7.0]
    # and the mean excess is (β + ξ (u − 5)) / (1 − ξ)
    assert frame.mean_excess_low[7.0] < (3.0 + 0.3 * 2.0) / 0.7 < frame.mean_excess_high[7.0]
    assert found.plot() is not None
    assert "chosen threshold" in found._repr_html_()


def test_forward_stop_is_the_papers_rule() -> None:
    found = threshold_diagnostics(sample(0.2, 3000, 2), 12, kind="loss", alpha=0.1)
    p = found.table.anderson_darling_p.to_numpy()
    k = max((i + 1 for i in range(len(p)) if -np.log1p(-p[: i + 1]).sum() / (i + 1) <= 0.1), default=0)
    assert found.chosen == found.table.index[k]
    assert found.table.n_exceed.iloc[0] == 600
    assert found.table.n_exceed.iloc[-1] == 30


def test_no_threshold_is_chosen_where_none_fits() -> None:
    lumps = np.random.default_rng(1).integers(0, 4, 4000).astype(float)
    assert np.isnan(threshold_diagnostics(lumps, [0.5, 1.5], kind="loss").chosen)


def test_a_level_at_the_threshold_has_no_intervals_and_no_crash() -> None:
    x = np.random.default_rng(1).standard_t(4, 5000)  # 5000 (1 − 0.9) is 499.9999999999999
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tail = fit_pot(x, float(np.quantile(-x, 0.9)), [0.9, 0.975], kind="pnl")
        assert tail.n_exceed == 500
        assert np.isnan(tail.intervals[0]).all()
        assert np.isfinite(tail.intervals[1]).all()


def test_a_tail_that_ends_in_ties_has_no_fit() -> None:
    loss = np.r_[np.random.default_rng(2).normal(size=500), np.full(50, 5.0)]
    with pytest.raises(InputError, match="50 losses beyond 4 crowd at the largest: the shape goes below -1"):
        fit_pot(loss, 4.0, kind="loss")


def test_bad_input_is_named() -> None:
    x = sample(0.2, 100, 2)
    for asked, said in ((20, "more\n?.*than 150|than 150"), ([2.0, 1.0], "rise"), ([], "rise"), ([1e9], "10 at least")):
        with pytest.raises(InputError, match=said):
            threshold_diagnostics(x, asked, kind="loss")
    with pytest.raises(InputError, match="alpha is 2"):
        threshold_diagnostics(x, [1.0], kind="loss", alpha=2)
    with pytest.raises(InputError, match="confidence is 95"):
        fit_pot(x, 1.0, kind="loss", confidence=95)
