"""The GARCH filter against arch, and simulated critical values against Acerbi and Szekely's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arch import arch_model
from arch.univariate import EWMAVariance, Normal, SkewStudent, StudentsT

from qflib.errors import InputError
from qflib.shortfall import expected_shortfall
from qflib.shortfall.critical import z_critical
from qflib.shortfall.filtered import fhs_es


def garch_path(n: int = 2000, seed: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z, x, variance = rng.standard_t(7, n) * math.sqrt(5 / 7), np.empty(n), 1.0
    for i in range(n):
        x[i] = 0.03 + math.sqrt(variance) * z[i]
        variance = 0.05 + 0.08 * (x[i] - 0.03) ** 2 + 0.87 * variance
    return x


@pytest.mark.parametrize(("dist", "theirs"), [("normal", "normal"), ("student_t", "t")])
def test_the_fit_is_archs(dist: str, theirs: str) -> None:
    x = garch_path()
    fit = arch_model(x, mean="Constant", vol="GARCH", p=1, q=1, dist=theirs).fit(disp="off", options={"ftol": 1e-12})
    r = fhs_es(x, [0.975, 0.99], kind="return", dist=dist)
    assert r.loglik >= fit.loglikelihood - 1e-3
    assert r.loglik == pytest.approx(fit.loglikelihood, abs=0.05)
    sigma = math.sqrt(fit.forecast(horizon=1).variance.to_numpy()[-1, 0])
    assert r.sigma_next == pytest.approx(sigma, rel=5e-3)
    for name, value in r.params.items():
        assert value == pytest.approx(fit.params[name], rel=0.02, abs=2e-3)
    assert (r.es_fhs > 0).all()
    assert r.to_frame()["es"].tolist() == r.es_fhs.tolist()
    assert "sigma_next" in r._repr_html_()
    assert r.plot() is not None
    loss = fhs_es(-x, [0.975, 0.99], kind="loss", dist=dist)
    np.testing.assert_allclose(loss.es_fhs, r.es_fhs)


def test_it_scales_with_its_input() -> None:
    x = garch_path(500)
    one, hundred = fhs_es(x, kind="return"), fhs_es(100 * x, kind="return")
    assert hundred.es_fhs[0] == pytest.approx(100 * one.es_fhs[0], rel=1e-5)
    assert hundred.loglik == pytest.approx(one.loglik - 500 * math.log(100), abs=1e-4)


LAWS = {"normal": ("normal", Normal()), "student_t": ("t", StudentsT()), "skewed_t": ("skewt", SkewStudent())}


@pytest.mark.parametrize("dist", LAWS)
@pytest.mark.parametrize("model", ["garch", "gjr_garch", "ewma"])
def test_every_model_and_law_is_archs(model: str, dist: str) -> None:
    x = garch_path(1500, 4)
    name, law = LAWS[dist]
    theirs = arch_model(x, mean="Zero" if model == "ewma" else "Constant", o=int(model == "gjr_garch"), dist=name)
    if model == "ewma":
        theirs.volatility = EWMAVariance(0.97)
    fit = theirs.fit(disp="off", options={"ftol": 1e-12})
    r = fhs_es(x, [0.975], kind="return", model=model, dist=dist, decay=0.97 if model == "ewma" else None)
    assert r.loglik == pytest.approx(fit.loglikelihood, abs=0.02)
    ahead = fit.forecast(horizon=1)
    mean, sigma = float(ahead.mean.to_numpy()[-1, 0]), math.sqrt(ahead.variance.to_numpy()[-1, 0])
    assert r.sigma_next == pytest.approx(sigma, rel=5e-3)
    z = expected_shortfall(fit.std_resid, kind="return").es
    assert r.es_fhs[0] == pytest.approx(sigma * z - mean, rel=5e-3)
    shape = fit.params.to_numpy()[len(fit.params) - law.num_params :]
    q = float(np.atleast_1d(law.ppf(np.array([0.025]), shape))[0])
    assert r.es_parametric[0] == pytest.approx(-sigma * law.partial_moment(1, q, shape) / 0.025 - mean, rel=5e-3)
    one = expected_shortfall(
        x, 0.975, kind="return", method="filtered", model=model, dist=dist, decay=0.97 if model == "ewma" else None
    )
    assert (one.es, one.var, one.se) == (r.es_fhs[0], r.var_fhs[0], r.se[0])
    assert one.parameters["sigma_next"] == r.sigma_next
    assert 0.02 * one.es < one.se < 0.3 * one.es


def test_the_standard_error_has_the_fits_own_in_it() -> None:
    """(ES − truth) / se is about standard normal over paths, which the residuals' part alone is not."""
    tail = math.sqrt(5 / 7) * float(fhs_tail())
    scores = []
    for seed in range(70):
        x, sigma = garch_and_next(1200, seed)
        r = fhs_es(x, kind="return")
        scores.append((r.es_fhs[0] - (sigma * tail - 0.03)) / r.se[0])
    assert 0.8 < np.std(scores) < 1.35
    assert abs(np.mean(scores)) < 0.7


def fhs_tail() -> float:
    from qflib.shortfall import distribution_es

    return float(distribution_es("student_t", 0.975, df=7.0).es)


def garch_and_next(n: int, seed: int) -> tuple[np.ndarray, float]:
    """A path and the volatility of what would come next."""
    x = garch_path(n, seed)
    variance = 1.0
    for v in x:
        variance = 0.05 + 0.08 * (v - 0.03) ** 2 + 0.87 * variance
    return x, math.sqrt(variance)


def test_several_periods_are_paths_of_residuals() -> None:
    x = garch_path(1500, 6)
    one, four = (fhs_es(x, 0.95, kind="return", model="ewma", horizon=h, draws=40_000) for h in (1, 4))
    again = fhs_es(x, 0.95, kind="return", model="ewma", horizon=4, draws=40_000)
    other = fhs_es(x, 0.95, kind="return", model="ewma", horizon=4, draws=40_000, seed=1)
    assert four.es_fhs[0] == again.es_fhs[0] != other.es_fhs[0]
    assert other.es_fhs[0] == pytest.approx(four.es_fhs[0], rel=0.03)
    assert np.isnan([four.se[0], four.es_parametric[0]]).all()
    # a plain simulation of the same recursion
    rng = np.random.default_rng(3)
    variance, total = np.full(40_000, one.sigma_next**2), np.zeros(40_000)
    for _ in range(4):
        step = np.sqrt(variance) * rng.choice(one.residuals, 40_000)
        total += step
        variance = 0.94 * variance + 0.06 * step**2
    plain = expected_shortfall(total, 0.95, kind="pnl")
    assert four.es_fhs[0] == pytest.approx(plain.es, abs=6 * plain.se)


def test_a_fit_on_its_bound_has_no_standard_error() -> None:
    x = np.tile([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.1], 40)  # the same whatever came before
    r = fhs_es(x, 0.9, kind="return")
    assert math.isfinite(r.es_fhs[0])
    assert math.isnan(r.se[0])


def test_it_refuses_what_has_no_volatility() -> None:
    for bad in (np.ones(200), np.arange(50.0)):
        with pytest.raises(InputError, match="100 values that differ"):
            fhs_es(bad, kind="return")


@pytest.mark.parametrize(("df", "z2"), [(3.0, -0.815), (10.0, -0.710), (None, -0.699)])
def test_critical_values_of_z2(df: float | None, z2: float) -> None:
    r = z_critical(dist="normal" if df is None else "student_t", df=df, sims=200_000, z2=z2)
    assert r.z2_5pct == pytest.approx(z2, abs=0.02)
    assert r.z2_p == pytest.approx(0.05, abs=0.003)
    assert r.z2_1pct < r.z2_5pct
    with pytest.raises(InputError, match="dist is 'laplace'"):
        z_critical(dist="laplace")
