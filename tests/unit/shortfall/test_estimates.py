"""Estimates, closed forms, tails and decomposition against SciPy, known figures and bad input."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from qflib.errors import InputError
from qflib.shortfall import (
    ESResult,
    component_es,
    cornish_fisher_var,
    delta_gamma_es,
    distribution_es,
    expected_shortfall,
    pot_es,
    rolling_es,
)
from qflib.shortfall.conventions import RULES
from qflib.shortfall.evt import fit_pot
from qflib.shortfall.optimal import min_cvar, min_cvar_normal

RNG = np.random.default_rng(11)
PNL = RNG.standard_t(4, 2000)


def test_the_sign_of_a_sample_must_be_told() -> None:
    with pytest.raises(InputError, match=r'kind is missing; give kind="pnl", "return" .* or "loss"'):
        expected_shortfall(PNL, level=0.975)


def test_the_result_shows_itself() -> None:
    r = expected_shortfall(PNL, [0.975, 0.99], kind="pnl")
    assert isinstance(r, ESResult)
    assert r.to_frame().loc[0.975, "es"] == r.es[0]
    assert (r.low < r.es).all()
    assert (r.es < r.high).all()
    assert r.n_tail.tolist() == [50, 20]
    assert "0.975" in r._repr_html_()
    assert r.plot() is not None
    assert float(expected_shortfall(PNL, kind="pnl")) == r.es[0]


def test_the_standard_error_is_the_spread_over_samples() -> None:
    made = [expected_shortfall(x, 0.95, kind="pnl") for x in RNG.normal(size=(600, 1000))]
    spread = np.std([m.es for m in made])
    assert np.mean([m.se for m in made]) == pytest.approx(spread, rel=0.12)
    truth = distribution_es("normal", 0.95).es
    assert 0.88 < np.mean([m.low < truth < m.high for m in made]) < 0.98


def test_kinds_differ_in_sign_alone() -> None:
    a, b = expected_shortfall(PNL, kind="return"), expected_shortfall(-PNL, kind="loss")
    assert (a.es, a.var) == (b.es, b.var)


def test_few_observations_are_the_worst_loss() -> None:
    r = expected_shortfall([1.0, -3.0, 2.0], 0.975, kind="pnl")
    assert (r.es, r.var, r.n_tail) == (3.0, 3.0, 1)
    assert math.isnan(r.se)


def test_conventions_on_a_hand_made_sample() -> None:
    loss = np.arange(1.0, 11.0)  # 10 worst; at 0.75 the tail holds 2.5

    def es(convention: str, **more: float) -> tuple[float, float]:
        r = expected_shortfall(loss, 0.75, kind="loss", convention=convention, **more)
        return round(r.es, 12), round(r.var, 12)

    assert es("rockafellar_uryasev") == ((10 + 9 + 0.5 * 8) / 2.5, 8.0)
    assert es("ceil") == (9.0, 8.0)
    assert es("quantlib") == (9.5, 8.0)
    assert es("hull") == (10.0, 9.0)
    assert es("type7") == (9.0, 7.75)
    assert es("type7_strict") == (9.0, 7.75)
    z = stats.norm.ppf(0.75)
    assert es("gaussian")[1] == pytest.approx(5.5 + z * loss.std(ddof=1))
    assert es("gaussian_ddof0")[0] == pytest.approx(5.5 + loss.std() * stats.norm.pdf(z) / 0.25)


def test_modified_is_normal_where_the_sample_is() -> None:
    x = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    r = expected_shortfall(x, 0.975, kind="pnl", convention="modified")
    assert r.es == pytest.approx(distribution_es("normal", 0.975).es, abs=2e-3)


def test_age_weights() -> None:
    r = expected_shortfall([-9.0, *[1.0] * 99], 0.95, kind="pnl", decay=0.9)
    plain = expected_shortfall([-9.0, *[1.0] * 99], 0.95, kind="pnl")
    assert r.es < plain.es  # the loss is the oldest value
    assert expected_shortfall(PNL, kind="pnl", decay=1.0).es == pytest.approx(expected_shortfall(PNL, kind="pnl").es)


def test_the_worst_of_n_suffice() -> None:
    worst = np.sort(PNL)[:60]
    for convention in ("rockafellar_uryasev", "hull", "ceil", "quantlib"):
        part = expected_shortfall(worst, 0.975, kind="pnl", n=2000, convention=convention)
        assert part.es == expected_shortfall(PNL, 0.975, kind="pnl", convention=convention).es
    with pytest.raises(InputError, match="more of the worst"):
        expected_shortfall(worst, 0.9, kind="pnl", n=2000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": []}, "empty"),
        ({"x": [1.0, np.nan]}, r"1 values that are NaN or infinite, the first at \(1,\)"),
        ({"x": [1.0, np.inf]}, "NaN or infinite"),
        ({"x": [[1.0]]}, "2-dimensional"),
        ({"x": ["a"]}, "no numbers"),
        ({"level": 97.5}, "level is 97.5"),
        ({"level": 0.025}, "not the tail"),
        ({"level": [0.975, 1.0]}, "below 1"),
        ({"level": math.nan}, "level is nan"),
        ({"kind": "gain"}, "kind is 'gain'"),
        ({"convention": "mean"}, "convention is 'mean'"),
        ({"convention": "age_quarks"}, "needs decay"),
        ({"convention": "ceil", "decay": 0.9}, "takes no decay"),
        ({"weights": [1.0]}, "weights have shape"),
        ({"convention": "ceil", "weights": [1.0]}, "takes no weights"),
        ({"decay": 1.5}, "decay is 1.5"),
        ({"n": 1}, "n counts all"),
        ({"confidence": 95}, "confidence is 95"),
    ],
)
def test_bad_input_gets_a_sentence(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        expected_shortfall(**{"x": [1.0, -2.0], "kind": "pnl", **change})  # type: ignore[arg-type]


def test_empty_tails_get_a_sentence_or_the_rule() -> None:
    constant = np.full(50, 2.0)
    assert expected_shortfall(constant, kind="loss").es == 2.0
    assert expected_shortfall(constant, kind="loss", convention="modified").es == 2.0
    for convention in ("type7_strict", "hull", "quantlib"):
        with pytest.raises(InputError, match=r"beyond the VaR|needs a loss"):
            expected_shortfall(constant[:20], 0.975, kind="loss", convention=convention)
    assert set(RULES) >= {"hull", "ceil", "quantlib", "type7", "gaussian", "modified", "ewma_volatility", "age_quarks"}


@pytest.mark.parametrize(
    ("name", "law", "args"),
    [
        ("normal", stats.norm(1, 2), {"loc": 1, "scale": 2}),
        ("student_t", stats.t(2.5), {"df": 2.5}),
        ("student_t", stats.t(5, scale=math.sqrt(3 / 5)), {"df": 5, "standardised": "unit_variance"}),
        ("gpd", stats.genpareto(0.3, scale=2), {"shape": 0.3, "scale": 2}),
        ("gpd", stats.genpareto(-0.2), {"shape": -0.2}),
        ("gpd", stats.expon(), {"shape": 0.0}),
        ("lognormal", stats.lognorm(0.5), {"mu": 0.0, "sigma": 0.5}),
    ],
)
def test_closed_forms_are_the_integral_of_the_quantile(name: str, law: object, args: dict[str, float]) -> None:
    got = distribution_es(name, [0.9, 0.99], **args)
    for c, es, var in zip((0.9, 0.99), got.es, got.var, strict=True):
        assert var == pytest.approx(law.ppf(c), rel=1e-12)  # type: ignore[attr-defined]
        tail = law.expect(lambda x: x, lb=law.ppf(c), epsabs=0, epsrel=1e-10, limit=400)  # type: ignore[attr-defined]
        assert es == pytest.approx(tail / (1 - c), rel=1e-6)


def test_closed_forms_refuse_what_does_not_exist() -> None:
    for bad in (
        {"dist": "cauchy"},
        {"dist": "student_t", "df": 1.0},
        {"dist": "gpd", "shape": 1.0},
        {"dist": "student_t"},
    ):
        with pytest.raises(InputError):
            distribution_es(**bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="shape below 1"):
        pot_es(1.0, 1.2, 1.0, 100, 10)


def test_peaks_over_threshold_find_the_law_and_beat_scipy() -> None:
    loss = stats.genpareto(0.25, scale=1.5).rvs(4000, random_state=3)
    r = fit_pot(loss, 1.0, [0.99, 0.999], kind="loss")
    y = loss[loss > 1.0] - 1.0
    shape, _, scale = stats.genpareto.fit(y, floc=0)
    assert r.nll <= -stats.genpareto.logpdf(y, shape, scale=scale).sum() + 1e-7
    assert r.shape == pytest.approx(shape, abs=1e-3)
    assert r.es[0] == pytest.approx(stats.genpareto(0.25, scale=1.5).ppf(0.99) * 1.5, rel=0.2)
    with pytest.raises(InputError, match="10 at least"):
        fit_pot(loss, 1e9, kind="loss")


def test_delta_gamma_by_quadrature_and_simulation() -> None:
    z = np.random.default_rng(5).normal(size=2_000_000) * 1.5
    for delta, gamma in ((1.0, 0.0), (1.0, 0.8), (1.0, -0.3), (-2.0, 3.0), (0.0, -1.0)):
        r = delta_gamma_es(delta, gamma, 2.25, 0.975)
        sample = expected_shortfall(delta * z + gamma * z * z / 2, 0.975, kind="loss")
        assert r.es == pytest.approx(sample.es, abs=5 * sample.se)
        assert r.var == pytest.approx(sample.var, abs=10 * sample.se + 1e-3)
    assert cornish_fisher_var(3.0, 0.0, 4.0, 0.99) == pytest.approx(6 * stats.norm.ppf(0.99))


def test_least_es_beats_every_other_portfolio() -> None:
    x = RNG.standard_t(4, (300, 4)) * [1.0, 0.6, 1.5, 0.9] + 0.01
    best = min_cvar(x, 0.95, kind="return")
    assert best.weights.sum() == pytest.approx(1)
    assert expected_shortfall(x @ best.weights, 0.95, kind="return").es == pytest.approx(best.es, rel=1e-9)
    for w in RNG.dirichlet(np.ones(4), 200):
        assert expected_shortfall(x @ w, 0.95, kind="return").es >= best.es - 1e-12
    normal = min_cvar_normal([0.0, 0.1, 0.2], np.eye(3), 0.1)
    np.testing.assert_allclose(normal.weights, 1 / 3)
    with pytest.raises(InputError, match="means that differ"):
        min_cvar_normal([0.1, 0.1], np.eye(2), 0.2)


@pytest.mark.parametrize("method", ["gaussian", "modified"])
def test_contributions_are_derivatives(method: str) -> None:
    x = pd.DataFrame(RNG.normal(size=(400, 3)) * [1, 2, 3], columns=list("abc"))
    w = np.array([1.0, -0.5, 2.0])
    r = component_es(x, 0.95, kind="return", weights=w, method=method)
    assert r.to_frame().index.tolist() == ["a", "b", "c"]
    assert r.contribution.sum() == pytest.approx(r.es, rel=1e-12)
    for j in range(3):
        up, down = w.copy(), w.copy()
        up[j] += 1e-5
        down[j] -= 1e-5
        slope = (
            component_es(x, 0.95, kind="return", weights=up, method=method).es
            - component_es(x, 0.95, kind="return", weights=down, method=method).es
        ) / 2e-5
        assert r.contribution[j] == pytest.approx(w[j] * slope, rel=1e-6)
    with pytest.raises(InputError, match="one name a component"):
        component_es(x, kind="return", weights=[1.0])


def test_rolling_refuses_bad_windows() -> None:
    for bad in (0, -1, 2.5):
        with pytest.raises(InputError, match="window"):
            rolling_es(PNL, bad, kind="pnl")  # type: ignore[arg-type]
    assert rolling_es(pd.Series(PNL[:5], list("abcde")), 2, kind="pnl", min_periods=1).es.notna().all()


def test_the_default_matches_quadrature_of_the_empirical_quantile() -> None:
    x = np.sort(PNL[:37])
    c = 0.9
    area, _ = integrate.quad(lambda u: x[min(int(u * 37), 36)], 0, 1 - c, points=[1 / 37, 2 / 37, 3 / 37], limit=200)
    assert expected_shortfall(x, c, kind="pnl").es == pytest.approx(-area / (1 - c), rel=1e-9)
