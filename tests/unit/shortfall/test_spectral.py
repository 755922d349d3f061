"""Spectral measures: ES as one of them, quadrature of the quantile, coherence, and what is no spectrum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from qflib.errors import InputError
from qflib.shortfall import expected_shortfall, spectral_risk

values = st.floats(-1e3, 1e3).map(lambda x: x + 0.0)
samples = st.lists(values | st.integers(-3, 3).map(float), min_size=1, max_size=60)


@given(samples, st.floats(0.5, 0.99))
def test_es_is_the_step(pnl: list[float], level: float) -> None:
    def step(u: np.ndarray) -> np.ndarray:
        return (u >= level) / (1 - level)

    es = expected_shortfall(pnl, level, kind="pnl")
    r = spectral_risk(pnl, step, points=[level], kind="pnl")
    assert r.risk == pytest.approx(es.es, rel=1e-9, abs=1e-9 * (1 + max(map(abs, pnl))))
    assert r.weights.sum() == pytest.approx(1.0)
    assert -(r.weights @ np.array(pnl)) == pytest.approx(r.risk, abs=1e-9 * (1 + max(map(abs, pnl))))


@pytest.mark.parametrize("k", [0.5, 5.0, 100.0, 2000.0])
def test_exponential_is_the_quantile_integrated(k: float) -> None:
    loss = np.sort(np.random.default_rng(1).standard_t(4, 41))
    area = sum(
        v * integrate.quad(lambda u: k * math.exp(-k * (1 - u)) / -math.expm1(-k), i / 41, (i + 1) / 41, epsabs=0)[0]
        for i, v in enumerate(loss)
    )
    assert spectral_risk(loss, kind="loss", risk_aversion=k).risk == pytest.approx(area, rel=1e-10)
    # at 2000 all weight is in the worst atom's last part, which the rule does not see unless it is named
    near = [1 - d / k for d in (20.0, 5.0, 1.0) if d < k]
    by_function = spectral_risk(loss, lambda u: k * np.exp(-k * (1 - u)) / -np.expm1(-k), points=near, kind="loss")
    assert by_function.risk == pytest.approx(area, rel=1e-6)


def test_risk_aversion_leads_from_the_mean_to_the_worst() -> None:
    loss = np.random.default_rng(2).normal(size=500)
    made = [float(spectral_risk(loss, kind="loss", risk_aversion=k)) for k in (1e-6, 1, 10, 100, 1e5)]
    assert made[0] == pytest.approx(loss.mean(), abs=1e-6)
    assert made == sorted(made)
    assert made[-1] == pytest.approx(loss.max())
    assert float(spectral_risk(loss, lambda u: 1.0, kind="loss")) == pytest.approx(loss.mean())


@given(st.lists(st.tuples(values, values), min_size=1, max_size=40), st.floats(-100, 100), st.floats(0.01, 50))
def test_it_is_coherent(pairs: list[tuple[float, float]], shift: float, scale: float) -> None:
    a, b = np.array(pairs).T

    def risk(pnl: np.ndarray) -> float:
        return float(spectral_risk(pnl, kind="pnl", risk_aversion=8.0))

    slack = 1e-8 * (1 + np.abs(pairs).max() * max(scale, 1) + abs(shift))
    assert risk(a + b) <= risk(a) + risk(b) + slack
    assert risk(a + shift) == pytest.approx(risk(a) - shift, abs=slack)
    assert risk(scale * a) == pytest.approx(scale * risk(a), abs=slack)
    assert risk(a - np.abs(b)) >= risk(a) - slack


def test_the_standard_error_is_the_spread_over_samples_and_that_of_es() -> None:
    x = np.random.default_rng(3).normal(size=(400, 800))
    made = [spectral_risk(v, kind="loss", risk_aversion=10.0) for v in x]
    assert np.mean([m.se for m in made]) == pytest.approx(np.std([m.risk for m in made]), rel=0.12)
    step = spectral_risk(x[0], lambda u: 10.0 * (u >= 0.9), points=[0.9], kind="loss")
    assert step.se == pytest.approx(expected_shortfall(x[0], 0.9, kind="loss").se, rel=0.05)


def test_it_shows_itself() -> None:
    r = spectral_risk([1.0, 2.0, -3.0], kind="pnl")
    assert r.to_frame().loc["exponential, risk aversion 25", "risk"] == r.risk
    assert "exponential" in r._repr_html_()
    assert "3 values" in repr(r)
    assert r.plot() is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spectrum": "es"}, "spectrum is 'es'"),
        ({"risk_aversion": 0.0}, "risk_aversion is 0.0"),
        ({"points": [0.5]}, "points belong to"),
        ({"spectrum": lambda u: 1.0 + 0.0 * u, "risk_aversion": 2.0}, "belongs to"),
        ({"spectrum": lambda u: 2.0 * (1.0 - u)}, "falls at rank"),
        ({"spectrum": lambda u: 4.0 * u - 1.0}, "is negative at rank"),
        ({"spectrum": lambda u: 3.0 * u}, "integrates to 1.5"),
        ({"spectrum": lambda u: 4.0 * (u > 0.76)}, "name the ranks where it jumps"),
        ({"spectrum": lambda u: np.ones(3)}, r"expected φ\(u\)"),
        ({"spectrum": lambda u: u * math.nan}, "not finite"),
        ({"spectrum": lambda u: 1.0, "points": [1.0]}, "points are"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"x": [math.nan]}, "NaN"),
    ],
)
def test_what_it_refuses(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        spectral_risk(**{"x": [1.0, 2.0, 3.0], "kind": "loss", **change})  # type: ignore[arg-type]
