"""Volatilities against arch's own, and paths against a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arch import arch_model

from qflib.errors import InputError
from qflib.shortfall.volatility_filter import VolatilityFilter, fit_volatility


def moves(n: int = 1_500, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    x, variance = np.empty(n), 1.0
    for i in range(n):
        x[i] = np.sqrt(variance) * rng.standard_normal()
        variance = 0.03 + 0.08 * x[i] ** 2 + 0.05 * x[i] ** 2 * (x[i] < 0) + 0.87 * variance
    return 0.01 * x


@pytest.mark.parametrize(("law", "o"), [("garch", 0), ("gjr", 1)])
def test_the_fit_and_its_forecast_are_archs(law: Any, o: int) -> None:
    x = np.column_stack([moves(), moves(seed=2)])
    f = fit_volatility(x, law)
    for j in range(2):
        theirs = arch_model(100 * x[:, j], p=1, o=o, q=1, rescale=False).fit(disp="off")
        assert f.next[j] == pytest.approx(np.sqrt(theirs.forecast(horizon=1).variance.iloc[-1, 0]) / 100, rel=2e-3)
        np.testing.assert_allclose(f.sigma[-500:, j], theirs.conditional_volatility[-500:] / 100, rtol=5e-3)
        assert f.alpha[j] == pytest.approx(theirs.params["alpha[1]"], abs=5e-3)
        assert f.gamma[j] == pytest.approx(theirs.params.get("gamma[1]", 0.0), abs=5e-3)
    z = f.innovations(x)
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=0.02)


def test_ewma_is_its_recursion() -> None:
    x = moves(200)
    f = fit_volatility(x[:, None], "ewma", 0.9)
    variance = float(np.mean(x**2))
    for i in range(200):
        assert f.sigma[i, 0] == pytest.approx(np.sqrt(variance), rel=1e-12)
        variance = 0.9 * variance + 0.1 * x[i] ** 2
    assert f.next[0] == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_paths_are_a_loops() -> None:
    f = fit_volatility(np.column_stack([moves(), moves(seed=2)]), "gjr")
    z = np.random.default_rng(3).normal(size=(7, 5, 2))
    for i in range(7):
        for j in range(2):
            variance, total = f.next[j] ** 2, 0.0
            for k in range(5):
                e = np.sqrt(variance) * z[i, k, j]
                total += e
                leverage = f.gamma[j] if e < 0 else 0.0
                variance = f.omega[j] + (f.alpha[j] + leverage) * e * e + f.beta[j] * variance
            assert f.paths(z)[i, j] == pytest.approx(total, rel=1e-12)


def test_paths_have_the_variance_that_garch_forecasts() -> None:
    f = fit_volatility(moves()[:, None], "garch")
    z = np.random.default_rng(4).normal(size=(200_000, 10, 1))
    variance, expected = f.next[0] ** 2, 0.0
    for _ in range(10):
        expected += variance
        variance = f.omega[0] + (f.alpha[0] + f.beta[0]) * variance
    assert f.paths(z).var() == pytest.approx(expected, rel=0.02)


def test_what_never_moves_stays() -> None:
    f = fit_volatility(np.column_stack([moves(), np.zeros(1_500)]), "garch")
    assert not f.innovations(np.column_stack([moves(), np.zeros(1_500)]))[:, 1].any()
    assert not f.paths(np.zeros((3, 2, 2))).any()
    assert isinstance(f, VolatilityFilter)


def test_bad_arguments() -> None:
    x = moves()[:, None]
    with pytest.raises(InputError, match="volatility is 'egarch'"):
        fit_volatility(x, "egarch")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="decay is 0"):
        fit_volatility(x, "ewma", 0)
    with pytest.raises(InputError, match="history of 101 rows"):
        fit_volatility(x[:99], "garch")
