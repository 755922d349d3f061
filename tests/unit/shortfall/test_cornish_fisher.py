"""Cornish and Fisher's law where it is one, and what happens where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from qflib.errors import InputError
from qflib.shortfall import expected_shortfall
from qflib.shortfall.cornish_fisher import cornish_fisher, cornish_fisher_figures, cornish_fisher_rises

Z = np.linspace(-6, 6, 4001)


@given(st.floats(-3, 3), st.floats(-2, 12))
def test_the_domain_is_where_the_quantile_rises(skew: float, excess: float) -> None:
    least = float(np.min(np.diff([cornish_fisher(float(z), skew, excess) for z in Z])))
    if abs(least) > 1e-5:
        assert cornish_fisher_rises(skew, excess) == (least > 0)


@given(st.floats(-2.4, 2.4), st.floats(0, 8))
def test_it_holds_all_of_maillards(skew: float, excess: float) -> None:
    a = excess / 8 - skew**2 / 6
    if a > 0 and skew**2 / 9 <= 4 * a * (1 - excess / 8 + 5 * skew**2 / 36):
        assert cornish_fisher_rises(skew, excess)


@pytest.mark.parametrize(("skew", "excess"), [(0.0, 0.0), (-0.5, 2.0), (0.8, 3.0), (-1.5, 5.0)])
def test_es_is_the_quantile_integrated(skew: float, excess: float) -> None:
    for level in (0.9, 0.975, 0.99):
        es, var = cornish_fisher_figures(skew, excess, level)
        alpha = 1 - level
        area, _ = integrate.quad(
            lambda z: cornish_fisher(z, skew, excess) * stats.norm.pdf(z),
            -12,
            float(special.ndtri(alpha)),
            epsabs=1e-14,
        )
        assert es[0] == pytest.approx(-area / alpha, rel=1e-9)
        assert var[0] == -cornish_fisher(float(special.ndtri(alpha)), skew, excess)
        assert es[0] > var[0]
        for h, k in ((np.array([1e-5, 0.0]), 1), (np.array([0.0, 1e-5]), 2)):
            up, down = (cornish_fisher_figures(skew + s * h[0], excess + s * h[1], level) for s in (1.0, -1.0))
            assert es[k] == pytest.approx((up[0][0] - down[0][0]) / 2e-5, rel=1e-6, abs=1e-9)
            assert var[k] == pytest.approx((up[1][0] - down[1][0]) / 2e-5, rel=1e-6, abs=1e-9)


def test_outside_the_sentence_names_the_moments_and_the_ways_out() -> None:
    x = np.r_[np.random.default_rng(1).normal(size=500), -25.0]
    skew, excess = stats.skew(x), stats.kurtosis(x)
    words = f"skewness {skew:.4g} and excess kurtosis {excess:.4g} .*skewed_t.*historical.*convention='modified'"
    with pytest.raises(InputError, match=words):
        expected_shortfall(x, kind="pnl", method="cornish_fisher")
    assert expected_shortfall(x, kind="pnl", convention="modified").es != 0


def test_the_method_is_the_law_of_the_samples_moments() -> None:
    x = np.random.default_rng(2).gumbel(size=3000) + np.random.default_rng(3).normal(size=3000)
    r = expected_shortfall(x, 0.99, kind="loss", method="cornish_fisher")
    es, var = cornish_fisher_figures(-float(stats.skew(x)), float(stats.kurtosis(x)), 0.99)
    assert r.es == pytest.approx(x.mean() + x.std() * es[0], rel=1e-12)
    assert r.var == pytest.approx(x.mean() + x.std() * var[0], rel=1e-12)
    assert r.parameters["skewness"] == pytest.approx(stats.skew(x))
    assert r.es == pytest.approx(expected_shortfall(x, 0.99, kind="loss", convention="modified").es, rel=0.05)
