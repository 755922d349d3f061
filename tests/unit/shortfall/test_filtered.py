"""The GARCH filter against arch, and simulated critical values against Acerbi and Szekely's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arch import arch_model

from qflib.errors import InputError
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
    loss = fhs_es(-x, [0.975, 0.99], kind="loss", dist=dist)
    np.testing.assert_allclose(loss.es_fhs, r.es_fhs)


def test_it_scales_with_its_input() -> None:
    x = garch_path(500)
    one, hundred = fhs_es(x, kind="return"), fhs_es(100 * x, kind="return")
    assert hundred.es_fhs[0] == pytest.approx(100 * one.es_fhs[0], rel=1e-5)
    assert hundred.loglik == pytest.approx(one.loglik - 500 * math.log(100), abs=1e-4)


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
