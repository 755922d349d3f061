"""Every estimator through the one function: its law's truth, its errors, its keywords, and what it refuses."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from qflib.errors import InputError
from qflib.shortfall import distribution_es, expected_shortfall, pot_es
from qflib.shortfall.evt import fit_pot
from qflib.shortfall.laws import SkewedTLaw
from qflib.shortfall.methods import METHODS

T5 = np.random.default_rng(21).standard_t(5, 4000)
T5 = T5[np.abs(T5) < 6.5]  # within the domain of Cornish and Fisher
LEVELS = [0.975, 0.99]
TRUTH = distribution_es("student_t", LEVELS, df=5)
SAMPLED = ("historical", "age_weighted", "volatility_weighted", "filtered")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_in_one_form(method: str) -> None:
    # without volatility of volatility a fit ends on its bound, where it has no standard error
    swings = 1.0 + 0.5 * np.sin(np.arange(len(T5)) / 80) if method == "filtered" else 1.0
    both = expected_shortfall(T5 * swings, LEVELS, kind="pnl", method=method)
    one = expected_shortfall(T5 * swings, 0.99, kind="pnl", method=method)
    assert both.method == method
    assert both.convention == ("rockafellar_uryasev" if method in SAMPLED else method)
    assert one.es == pytest.approx(both.es[1], rel=1e-12)
    assert one.var == pytest.approx(both.var[1], rel=1e-12)
    assert (both.es > both.var).all()
    assert (both.low < both.es).all()
    assert (both.es < both.high).all()
    assert both.es == pytest.approx(TRUTH.es, rel=0.6 if method == "filtered" else 0.35)
    frame = both.to_frame()
    assert frame.index.tolist() == LEVELS
    assert frame["se"].tolist() == both.se.tolist()
    assert method in repr(both)
    assert method in both._repr_html_()
    assert both.plot() is not None
    if method not in SAMPLED:
        assert both.parameters
        assert (both.var_low < both.var).all()
        assert (both.var < both.var_high).all()


@pytest.mark.parametrize("method", [m for m in METHODS if m != "filtered"])
def test_losses_are_pnl_turned_around(method: str) -> None:
    a = expected_shortfall(T5, kind="pnl", method=method)
    b = expected_shortfall(-T5, kind="loss", method=method)
    assert (a.es, a.se, a.var) == (b.es, b.se, b.var)


@pytest.mark.parametrize(
    ("method", "law", "truth"),
    [
        ("gaussian", lambda rng, n: rng.normal(size=n), distribution_es("normal", LEVELS)),
        ("student_t", lambda rng, n: rng.standard_t(5, n), TRUTH),
        ("cornish_fisher", lambda rng, n: rng.laplace(size=n) + rng.normal(size=n), None),
        ("evt", lambda rng, n: rng.standard_t(5, n), None),
        ("age_weighted", lambda rng, n: rng.standard_t(5, n), None),
    ],
)
def test_the_standard_errors_are_the_spread_over_samples(method: str, law: Any, truth: Any) -> None:
    rng = np.random.default_rng(31)
    given = {"decay": 0.9995} if method == "age_weighted" else {}
    n = 1000 if truth is not None else 4000  # at 1,000 heavy tails are further from their limit
    made = [expected_shortfall(law(rng, n), LEVELS, kind="pnl", method=method, **given) for _ in range(250)]
    assert np.mean([m.se for m in made], axis=0) == pytest.approx(np.std([m.es for m in made], axis=0), rel=0.2)
    if method != "age_weighted":
        assert np.mean([m.var_se for m in made], axis=0) == pytest.approx(
            np.std([m.var for m in made], axis=0), rel=0.2
        )
    if truth is not None:
        covered = np.mean([(m.low < truth.es) & (truth.es < m.high) for m in made], axis=0)
        assert (covered > 0.88).all()


def test_a_fitted_law_finds_its_own() -> None:
    rng = np.random.default_rng(32)
    sign = np.where(rng.random(100_000) < 0.65, 1.3, -0.7)
    loss = 0.1 + 0.8 * sign * np.abs(rng.standard_t(6, 100_000))
    r = expected_shortfall(loss, LEVELS, kind="loss", method="skewed_t")
    es, var = SkewedTLaw(0.1, 0.8, 0.3, 6.0).figures(np.array(LEVELS))
    assert r.es == pytest.approx(es, abs=4 * r.se.max())
    assert r.var == pytest.approx(var, abs=4 * r.var_se.max())
    assert r.parameters["skew"] == pytest.approx(0.3, abs=0.02)
    assert r.parameters["df"] == pytest.approx(6.0, rel=0.08)
    assert r.se[0] < 0.03


def test_thin_tails_lead_to_the_normal_law() -> None:
    rng = np.random.default_rng(33)
    x = rng.normal(size=20_000)
    normal = expected_shortfall(x, kind="pnl", method="gaussian")
    for method in ("student_t", "skewed_t"):
        r = expected_shortfall(x, kind="pnl", method=method)
        assert r.es == pytest.approx(normal.es, rel=0.03)
        assert math.isfinite(r.se)


def test_the_gaussian_error_is_the_known_formula() -> None:
    r = expected_shortfall(T5, kind="pnl", method="gaussian")
    plain = expected_shortfall(T5, kind="pnl", convention="gaussian")
    assert (r.es, r.var) == pytest.approx((plain.es, plain.var), rel=1e-13)
    k = distribution_es("normal", 0.975).es
    assert r.se == pytest.approx(T5.std(ddof=1) * math.sqrt((1 + k * k / 2) / len(T5)))


def test_evt_is_peaks_over_the_quantile() -> None:
    u = float(np.quantile(-T5, 0.95))
    r, fit = expected_shortfall(T5, 0.99, kind="pnl", method="evt", threshold=0.95), fit_pot(T5, u, 0.99, kind="pnl")
    assert r.es == fit.es[0] == pot_es(u, fit.shape, fit.scale, len(T5), fit.n_exceed, level=0.99).es
    assert r.parameters["n_exceed"] == fit.n_exceed == 200


def test_evt_has_the_errors_and_the_intervals_of_the_fit() -> None:
    u = float(np.quantile(-T5, 0.9))
    fit = fit_pot(T5, u, LEVELS, kind="pnl", confidence=0.9)
    delta = expected_shortfall(T5, LEVELS, kind="pnl", method="evt", confidence=0.9)
    profile = expected_shortfall(T5, LEVELS, kind="pnl", method="evt", confidence=0.9, interval="profile")
    for r in (delta, profile):
        assert (r.se.tolist(), r.var_se.tolist()) == (fit.es_se.tolist(), fit.var_se.tolist())
    assert delta.high - delta.es == pytest.approx(delta.es - delta.low)
    assert (profile.low.tolist(), profile.high.tolist()) == (fit.es_low.tolist(), fit.es_high.tolist())
    assert (profile.var_low.tolist(), profile.var_high.tolist()) == (fit.var_low.tolist(), fit.var_high.tolist())
    assert (profile.high - profile.es > profile.es - profile.low).all()
    assert "profile intervals at 90%" in profile._repr_html_()
    with pytest.raises(InputError, match=r"'gaussian' has no interval='profile'; .* or evt"):
        expected_shortfall(T5, kind="pnl", method="gaussian", interval="profile")


def test_ties_do_not_carry_evt_below_its_threshold() -> None:
    loss = np.r_[np.zeros(800), np.ones(160), 1.0 + np.random.default_rng(4).exponential(size=40)]
    assert expected_shortfall(loss, 0.97, kind="loss", method="evt").var > 1.0
    with pytest.raises(InputError, match=r"40 of 1000 losses exceed the threshold 1, for others tie .* level 0.95"):
        expected_shortfall(loss, [0.95, 0.99], kind="loss", method="evt")


def test_a_series_drawn_that_has_no_es_is_told() -> None:
    x = np.random.default_rng(0).pareto(1.6, 400)
    with pytest.raises(InputError, match=r"a series that the bootstrap drew has no ES.*from 1 on there is no ES"):
        expected_shortfall(x, 0.99, kind="loss", method="evt", interval="bootstrap", seed=1)


def test_the_bootstrap_shows_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    told = expected_shortfall(T5, kind="pnl", interval="bootstrap", draws=30, progress=True)
    assert "30/30" in capsys.readouterr().err
    quiet = expected_shortfall(T5, kind="pnl", interval="bootstrap", draws=30)
    assert capsys.readouterr().err == ""
    assert told.se == quiet.se


def test_volatility_weighting_follows_the_volatility() -> None:
    rng = np.random.default_rng(34)
    calm, wild = rng.normal(size=500), 5.0 * rng.normal(size=100)
    plain, rising = (
        expected_shortfall(np.r_[calm, wild], kind="pnl", method=m) for m in ("historical", "volatility_weighted")
    )
    falling = expected_shortfall(np.r_[wild, calm], kind="pnl", method="volatility_weighted")
    assert falling.es < plain.es < rising.es
    # by hand: σ² of a decay of 0.5 after three values, from the sample's variance
    x = np.array([1.0, -2.0, 3.0])
    variance = [float(np.var(x, ddof=1))]
    for v in x:
        variance.append(0.5 * variance[-1] + 0.5 * v * v)
    scaled = x * np.sqrt(variance[-1] / np.array(variance[:-1]))
    r = expected_shortfall(x, 0.5, kind="pnl", method="volatility_weighted", decay=0.5)
    assert r.es == pytest.approx(expected_shortfall(scaled, 0.5, kind="pnl").es)
    hull = expected_shortfall(T5, kind="pnl", method="volatility_weighted", convention="hull")
    assert hull.convention == "hull"
    assert math.isnan(hull.se)


def test_age_weighting_is_the_weighted_sample() -> None:
    r = expected_shortfall(T5, kind="pnl", method="age_weighted", decay=0.995)
    w = 0.995 ** np.arange(len(T5) - 1, -1, -1.0)
    assert r.es == pytest.approx(expected_shortfall(T5, kind="pnl", weights=w).es, rel=1e-12)
    assert r.es == expected_shortfall(T5, kind="pnl", decay=0.995).es
    assert r.parameters == {"decay": 0.995}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "garch"}, "method is 'garch'; expected one of historical"),
        (
            {"method": "gaussian", "decay": 0.9},
            "'gaussian' takes no decay; leave it out, or use historical, age_weighted",
        ),
        ({"method": "student_t", "convention": "hull"}, "takes no convention"),
        ({"method": "evt", "weights": T5}, "takes no weights"),
        ({"method": "volatility_weighted", "convention": "quarks_age", "decay": 0.9}, "for method 'historical' alone"),
        ({"method": "age_weighted", "n": 5000}, "takes no n"),
        ({"model": "garch"}, "'historical' takes no model; leave it out, or use filtered"),
        ({"method": "skewed_t", "dist": "normal"}, "takes no dist"),
        ({"method": "evt", "horizon": 2}, "takes no horizon"),
        ({"threshold": 0.9}, "takes no threshold; leave it out, or use evt"),
        ({"draws": 100}, "takes no draws; leave it out, or use filtered, interval='bootstrap'"),
        ({"block": 5}, "block is given and interval is 'analytic'"),
        ({"interval": "jackknife"}, "interval is 'jackknife'"),
        ({"interval": "bootstrap", "block": 0.5}, "block is 0.5"),
        ({"interval": "bootstrap", "draws": 2}, "draws is 2"),
        ({"interval": "bootstrap", "draws": 0}, "draws is 0; expected a whole number of 20 or more"),
        ({"interval": "bootstrap", "draws": 50.5}, "draws is 50.5"),
        ({"interval": "bootstrap", "seed": -1}, "seed is -1"),
        ({"interval": "profile", "block": 5}, "block is given and interval is 'profile'"),
        ({"confidence": "0.9"}, "confidence is 0.9; expected a number"),
        ({"n": 4000.5}, "n is 4000.5"),
        ({"weights": ["a"] * len(T5)}, "weights are no numbers"),
        ({"method": "gaussian", "x": 1e305 * T5}, "overflows; give them in a larger unit"),
        ({"x": T5 + 1j}, "x holds values that are no numbers"),
        ({"x": np.arange(5).astype("M8[ns]")}, "x holds values that are no numbers"),
        ({"interval": "bootstrap", "decay": 0.9}, "exclude each other"),
        ({"interval": "bootstrap", "method": "filtered"}, "'filtered' and interval='bootstrap' exclude each other"),
        ({"method": "evt", "threshold": 97}, "threshold is 97"),
        ({"method": "evt", "threshold": 0.98}, "level 0.975 lies below the threshold quantile 0.98"),
        ({"method": "evt", "threshold": 0.999, "level": 0.9995}, "10 at least"),
        ({"method": "volatility_weighted", "decay": 1.0}, "decay is 1.0"),
        ({"method": "filtered", "model": "egarch"}, "model is 'egarch'"),
        ({"method": "filtered", "dist": "laplace"}, "dist is 'laplace'"),
        ({"method": "filtered", "decay": 0.9}, "is fitted and takes no decay"),
        ({"method": "filtered", "model": "ewma", "decay": 2.0}, "decay is 2.0"),
        ({"method": "filtered", "horizon": 0}, "horizon is 0"),
        ({"method": "filtered", "horizon": "a"}, "horizon is .a."),
        ({"method": "filtered", "draws": 2.5, "horizon": 2}, "draws is 2.5"),
        ({"method": "filtered", "seed": -1, "horizon": 2}, "seed is -1"),
        ({"method": "filtered", "draws": 0, "horizon": 2}, "draws is 0"),
    ],
)
def test_a_wrong_combination_gets_a_sentence(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        expected_shortfall(**{"x": T5, "kind": "pnl", **given})


@pytest.mark.parametrize("method", METHODS)
def test_bad_values_and_levels_are_refused_by_all(method: str) -> None:
    holed = T5.copy()
    holed[7] = math.nan
    for x, level, words in (
        (holed, 0.975, r"NaN or infinite, the first at \(7,\)"),
        (np.r_[T5, math.inf], 0.975, "NaN or infinite"),
        ([], 0.975, "empty"),
        (T5, 97.5, "level is 97.5"),
        (T5, 0.025, "not the tail"),
        (T5, 1.0, "below 1"),
    ):
        with pytest.raises(InputError, match=words):
            expected_shortfall(x, level, kind="pnl", method=method)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_is_itself_or_refused(method: str) -> None:
    constant = np.full(300, 2.5)
    if method in ("historical", "age_weighted", "gaussian"):
        r = expected_shortfall(constant, kind="loss", method=method)
        assert (r.es, r.var) == pytest.approx((2.5, 2.5), abs=1e-12)
        assert r.se == pytest.approx(0.0, abs=1e-12)
    else:
        with pytest.raises(InputError):
            expected_shortfall(constant, kind="loss", method=method)


@pytest.mark.parametrize("method", METHODS)
def test_few_values_are_the_worst_a_law_or_refused(method: str) -> None:
    """30 are fewer than 1 / (1 − 0.99)."""
    rng = np.random.default_rng(35)
    x = rng.normal(size=30)
    if method in ("filtered", "evt"):
        with pytest.raises(InputError, match=r"expected 100 values|10 at least"):
            expected_shortfall(x, 0.99, kind="pnl", method=method)
        return
    if method == "cornish_fisher":
        x = np.sinh(np.linspace(-3.0, 3.0, 30))
    r = expected_shortfall(x, 0.99, kind="pnl", method=method)
    assert math.isfinite(r.es)
    if method == "historical":
        assert (r.es, r.var, r.n_tail) == (pytest.approx(-x.min(), rel=1e-15), -x.min(), 1)
    if method in ("gaussian", "student_t", "skewed_t", "cornish_fisher"):
        assert math.isfinite(r.se)
        with pytest.raises(InputError, match=r"at least|need 20"):
            expected_shortfall(x[:1], 0.99, kind="pnl", method=method)
    else:
        assert math.isnan(r.se)


def test_laws_that_do_not_exist_are_refused() -> None:
    rng = np.random.default_rng(36)
    ties = np.r_[np.zeros(60), rng.normal(size=40)]
    for method in ("student_t", "skewed_t"):
        with pytest.raises(InputError, match="more than half of the 100 values are 0"):
            expected_shortfall(ties, kind="pnl", method=method)
        with pytest.raises(InputError, match="degrees of freedom"):
            expected_shortfall(rng.standard_t(0.5, 3000), kind="pnl", method=method)
    with pytest.raises(InputError, match=r"from 1 on there is no ES|shape below 1"):
        expected_shortfall(rng.pareto(0.5, 3000), kind="loss", method="evt")


def test_arch_is_loaded_where_it_is_used() -> None:
    code = (
        "import sys, qflib as qf; qf.expected_shortfall([1.0, -2.0], kind='pnl', method='gaussian'); "
        "print('arch' in sys.modules, 'statsmodels' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]
