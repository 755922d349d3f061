"""Expectiles against SciPy, their own condition, coherence and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from qflib.errors import InputError
from qflib.shortfall import expected_shortfall, expectile, expectile_level

values = st.floats(-1e3, 1e3).map(lambda x: x + 0.0)
samples = st.lists(values | st.integers(-3, 3).map(float), min_size=1, max_size=60)
levels = st.sampled_from([0.5, 0.75, 0.9, 0.99, 0.99855])


@given(samples, levels)
@example([7.212305213913392e-13] * 4, 0.5)  # three times it, by three, is more
def test_it_is_scipys(loss: list[float], tau: float) -> None:
    assert expectile(loss, tau, kind="loss").expectile == pytest.approx(
        stats.expectile(loss, tau), rel=1e-6, abs=1e-6 * (1 + max(map(abs, loss)))
    )


@given(samples, levels)
def test_it_meets_its_condition_and_its_level_comes_back(loss: list[float], tau: float) -> None:
    x = np.array(loss)
    e = expectile(x, tau, kind="loss").expectile
    scale = 1e-10 * (1 + float(np.abs(x).sum()))
    assert tau * np.maximum(x - e, 0).sum() == pytest.approx((1 - tau) * np.maximum(e - x, 0).sum(), abs=scale)
    if min(loss) + 1e-3 < e < max(loss) - 1e-3:
        assert expectile_level(x, e, kind="loss") == pytest.approx(tau, abs=1e-6)


@given(samples, levels)
@example([7.212305213913392e-13] * 4, 0.5)
@example([0.3, 0.3, 0.7], 0.5)  # the mean is summed in another order
@example([1e3, 7.212305213913392e-13, 7.212305213913392e-13, 7.212305213913392e-13], 0.5)
def test_es_is_it_at_the_level_told(loss: list[float], tau: float) -> None:
    r = expectile(loss, tau, kind="loss")
    assert 0.0 <= r.es_level < 1.0
    mass = (1.0 - r.es_level) * len(loss)
    shares = np.clip(mass - np.arange(len(loss)), 0.0, 1.0)  # of the worst, from the worst on
    es = float(shares @ np.sort(loss)[::-1]) / mass
    assert es == pytest.approx(r.expectile, abs=1e-9 * (1 + max(map(abs, loss))))


@given(st.lists(st.tuples(values, values), min_size=1, max_size=40), st.floats(-100, 100), st.floats(0.01, 50), levels)
def test_it_is_coherent(pairs: list[tuple[float, float]], shift: float, scale: float, tau: float) -> None:
    a, b = np.array(pairs).T

    def risk(pnl: np.ndarray) -> float:
        return float(expectile(pnl, tau, kind="pnl"))

    slack = 1e-8 * (1 + np.abs(pairs).max() * max(scale, 1) + abs(shift))
    assert risk(a + b) <= risk(a) + risk(b) + slack
    assert risk(a + shift) == pytest.approx(risk(a) - shift, abs=slack)
    assert risk(scale * a) == pytest.approx(scale * risk(a), abs=slack)
    assert risk(a - np.abs(b)) >= risk(a) - slack


def test_its_words_in_var_and_es() -> None:
    x = np.random.default_rng(4).normal(size=20_001)
    r = expectile(x, [0.99855, 0.9], kind="loss")
    assert r.expectile[0] == pytest.approx(stats.norm.ppf(0.99), abs=0.05)
    assert r.var_level[0] == pytest.approx(0.99, abs=2e-3)
    assert r.var_level.tolist() == [np.mean(x <= e) for e in r.expectile]
    for e, c in zip(r.expectile, r.es_level, strict=True):
        assert expected_shortfall(x, c, kind="loss").es == pytest.approx(e, rel=1e-9)
    assert float(expectile(x, 0.5, kind="loss")) == pytest.approx(x.mean(), abs=1e-12)
    assert r.to_frame().index.tolist() == [0.99855, 0.9]
    assert "0.99855" in r._repr_html_()
    assert "20,001 values" in repr(r)
    assert r.plot() is not None


def test_the_standard_error_is_the_spread_over_samples() -> None:
    made = [expectile(x, 0.95, kind="loss") for x in np.random.default_rng(5).normal(size=(400, 500))]
    assert np.mean([m.se for m in made]) == pytest.approx(np.std([m.expectile for m in made]), rel=0.12)


def test_what_it_refuses() -> None:
    assert expectile([2.0] * 5, kind="loss").expectile == 2.0
    assert math.isnan(expectile([2.0], kind="loss").se)
    for bad in ({"x": []}, {"x": [math.nan]}, {"level": 0.3}, {"level": 1.0}, {"confidence": 2.0}, {"kind": "gain"}):
        with pytest.raises(InputError):
            expectile(**{"x": [1.0, 2.0], "kind": "loss", **bad})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="between the least and the largest, 1 and 2"):
        expectile_level([1.0, 2.0], 2.5, kind="loss")
