"""What must hold of every estimator of ES: it moves and scales with its sample, and ES is never below VaR."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import InputError
from qflib.shortfall import expected_shortfall

LEVELS = [0.9, 0.975, 0.99]
METHODS = ("historical", "age_weighted", "gaussian", "student_t", "skewed_t", "cornish_fisher", "evt")
seeds = st.integers(0, 10_000)


def sample(seed: int, n: int) -> np.ndarray:
    """Tails from Laplace's to a skewed one."""
    rng = np.random.default_rng(seed)
    return rng.laplace(size=n) + rng.uniform(0, 1) * rng.gamma(3.0, size=n)


def figures(x: np.ndarray, method: str, **given: Any) -> np.ndarray | None:
    try:
        r = expected_shortfall(x, LEVELS, kind="pnl", method=method, **given)
    except InputError:
        assert method in ("cornish_fisher", "student_t", "skewed_t", "evt")
        return None
    return np.array([r.es, r.var, r.se])


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=20)
@given(seed=seeds, n=st.integers(120, 500), shift=st.floats(-100, 100), scale=st.floats(1e-3, 1e3))
def test_it_moves_and_scales_with_its_sample(method: str, seed: int, n: int, shift: float, scale: float) -> None:
    x = sample(seed, n)
    base, moved = figures(x, method), figures(scale * x + shift, method)
    if base is None or moved is None:
        return
    slack = 2e-4 if method in ("student_t", "skewed_t") else 1e-6  # a fit ends where its slope is flat enough
    size = scale * float(np.abs(base[:2]).max()) + 1e-6 * abs(shift)
    assert moved[:2] + shift == pytest.approx(scale * base[:2], abs=slack * size)
    assert moved[2] == pytest.approx(scale * base[2], rel=50 * slack, nan_ok=True)


@pytest.mark.parametrize("method", [*METHODS, "volatility_weighted"])
@settings(deadline=None, max_examples=20)
@given(seed=seeds, n=st.integers(120, 500))
def test_es_is_not_below_var_and_both_rise_with_the_level(method: str, seed: int, n: int) -> None:
    got = figures(sample(seed, n), method)
    if got is not None:
        es, var, _ = got
        assert (es >= var - 1e-12).all()
        assert (np.diff(es) >= -1e-12).all()
        assert (np.diff(var) >= -1e-12).all()


@settings(deadline=None, max_examples=20)
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_volatility_weighting_scales_and_forgets_where_zero_is_not(seed: int, scale: float) -> None:
    x = sample(seed, 200)
    base, scaled = figures(x, "volatility_weighted"), figures(scale * x, "volatility_weighted")
    assert base is not None
    assert scaled == pytest.approx(scale * base, rel=1e-9)
