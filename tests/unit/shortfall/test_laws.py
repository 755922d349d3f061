"""Laws of losses against arch, SciPy and quadrature; the likelihood's slopes against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arch.univariate import SkewStudent
from scipy import integrate, stats

from qflib.errors import InputError
from qflib.shortfall.laws import NormalLaw, SkewedTLaw
from qflib.shortfall.student import _scores, fit_t

LEVELS = np.array([0.5, 0.6, 0.9, 0.975, 0.999])


@pytest.mark.parametrize("skew", [-0.8, -0.3, 0.0, 0.3, 0.8])
@pytest.mark.parametrize("df", [2.1, 4.0, 30.0])
def test_hansens_law_is_archs(df: float, skew: float) -> None:
    law, theirs = SkewedTLaw.hansen(df, skew), SkewStudent()
    es, var = law.figures(LEVELS)
    assert law.mean == pytest.approx(0.0, abs=1e-12)
    assert var == pytest.approx(theirs.ppf(LEVELS, [df, skew]), rel=1e-9, abs=1e-9)
    for c, e, v in zip(LEVELS, es, var, strict=True):
        assert e == pytest.approx(-theirs.partial_moment(1, float(v), [df, skew]) / (1 - c), rel=1e-6)


@pytest.mark.parametrize("law", [SkewedTLaw(0.5, 2.0, -0.6, 1.5), SkewedTLaw(-1.0, 0.5, 0.7, 3.0), NormalLaw(1.0, 2.0)])
def test_figures_are_the_density_integrated(law: SkewedTLaw | NormalLaw) -> None:
    es, var = law.figures(LEVELS)
    for c, v in zip(LEVELS, var, strict=True):
        cuts = [law.loc, v] if law.loc > v else []
        mass = sum(
            integrate.quad(law.pdf, a, b, epsabs=0, epsrel=1e-10, limit=500)[0]
            for a, b in zip([v, *cuts[:1]], [*cuts[:1], math.inf], strict=True)
        )
        assert mass == pytest.approx(1 - c, rel=1e-6)
    # ES is the quantile's mean above the level: its integral from one level to the next
    for i in (2, 3):
        a, b = LEVELS[i], LEVELS[i + 1]
        mean = integrate.quad(lambda u: law.figures(np.array([u]))[1][0], a, b, epsrel=1e-10)[0]
        assert es[i] * (1 - a) - es[i + 1] * (1 - b) == pytest.approx(mean, rel=1e-8)


def test_the_fit_is_scipys_where_there_is_no_skew() -> None:
    x = stats.t.rvs(4, loc=1.0, scale=2.0, size=3000, random_state=3)
    law = fit_t(x)
    df, loc, scale = stats.t.fit(x)
    assert (law.df, law.loc, law.scale) == pytest.approx((df, loc, scale), rel=2e-3)
    ours = float(np.sum(np.log(law.pdf(x))))
    assert ours >= float(np.sum(stats.t.logpdf(x, df, loc, scale))) - 1e-6
    assert float(np.sum(np.log(fit_t(x, skewed=True).pdf(x)))) >= ours - 1e-6


def test_the_fit_moves_with_its_sample() -> None:
    x = stats.t.rvs(4, size=500, random_state=4)
    one, other = fit_t(x, skewed=True), fit_t(1e6 * x - 3e5, skewed=True)
    assert (other.df, other.skew) == pytest.approx((one.df, one.skew), rel=1e-4)
    assert (other.loc, other.scale) == pytest.approx((1e6 * one.loc - 3e5, 1e6 * one.scale), rel=1e-4)
    with pytest.raises(InputError, match="20 at least"):
        fit_t(x[:19])


def test_the_likelihoods_slopes() -> None:
    score = _scores(np.random.default_rng(2).standard_t(4, 300))
    p = np.array([0.1, -0.2, 0.3, 0.25])
    for i, h in enumerate(np.diag(np.full(4, 1e-6))):
        slope = (score(p + h)[0] - score(p - h)[0]) / 2e-6
        assert score(p)[1][i] == pytest.approx(slope, rel=1e-6, abs=1e-8)
