"""Tests and scores of forecasts of expected shortfall.

All take P&L x (gains positive), and forecasts var and es (positive losses) of the same periods, (n,) each, and
α = 1 − level. An exceedance is x < −var.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from qflib.shortfall.coverage import Outcome
from qflib.shortfall.scores import fz0, laplace, tick

F8 = NDArray[np.float64]

_LAW = "critical values depend on the law of outcomes"
# a ratio to an es below 0 tells the contrary of what it should
_NO_SCORE = Outcome(math.nan, math.nan, "needs es above 0 throughout")


def acerbi_szekely_z1(x: F8, var: F8, es: F8) -> Outcome:
    """Z₁ = mean over exceedances of x / es, plus 1: the size of losses given an exceedance.

    Acerbi and Szekely (2014), Backtesting expected shortfall, equation 5. 0 expected; negative: ES too small.
    """
    hits = x < -var
    if not hits.any():
        return Outcome(math.nan, math.nan, "no exceedance")
    if not (es > 0).all():
        return _NO_SCORE
    return Outcome(float(np.mean(x[hits] / es[hits])) + 1.0, math.nan, _LAW)


def acerbi_szekely_z2(x: F8, var: F8, es: F8, alpha: float) -> Outcome:
    """Z₂ = Σ over exceedances of x / (n α es), plus 1: frequency and size together.

    Acerbi and Szekely (2014), equation 6. 0 expected; at α = 0.025 and n = 250 values below −0.70 reject at 5 % for
    normal to −0.82 for t(3) tails. 1 where there is no exceedance.
    """
    if not (es > 0).all():
        return _NO_SCORE
    hits = x < -var
    z = float(np.sum(x[hits] / es[hits])) / (len(x) * alpha) + 1.0
    return Outcome(z, math.nan, _LAW)


def minimally_biased(x: F8, var: F8, es: F8, alpha: float, *, relative: bool) -> Outcome:
    """Mean of es − var − (x + var)₋ / α, divided by es where relative: negative where ES is too small.

    Acerbi and Szekely (2019), The minimally biased backtest for ES, equation 2; biased by the VaR's error to second
    order only.
    """
    if relative and not (es > 0).all():
        return _NO_SCORE
    gap = es - var - np.maximum(-var - x, 0.0) / alpha
    return Outcome(float(np.mean(gap / es if relative else gap)), math.nan, "0 expected; " + _LAW)


def fissler_ziegel(x: F8, var: F8, es: F8, alpha: float) -> Outcome:
    """Mean FZ0 loss, lower is better (`scores.fz0`)."""
    return _score(fz0(x, var, es, alpha)) if (es > 0).all() else _NO_SCORE


def asymmetric_laplace(x: F8, var: F8, es: F8, alpha: float) -> Outcome:
    """Mean asymmetric Laplace loss, lower is better (`scores.laplace`)."""
    return _score(laplace(x, var, es, alpha)) if (es > 0).all() else _NO_SCORE


def tick_loss(x: F8, var: F8, alpha: float) -> Outcome:
    """Mean quantile score of the VaR, lower is better (`scores.tick`)."""
    return _score(tick(x, var, alpha))


def _score(losses: F8) -> Outcome:
    return Outcome(float(np.mean(losses)), math.nan, "a score: lower is better")


def mcneil_frey(x: F8, var: F8, es: F8, sigma: F8 | None = None) -> Outcome:
    """Exceedance residuals x + es (over sigma, where given): mean zero, against a mean below zero.

    McNeil and Frey (2000), Estimation of tail-related risk measures, section 4.2; the normal p-value of the
    t-statistic, one-sided, as rugarch's ESTest (without its bootstrap).
    """
    hits = x < -var
    residual = (x + es)[hits]
    if sigma is not None:
        residual = residual / sigma[hits]
    spread = float(np.std(residual, ddof=1)) if len(residual) > 1 else 0.0
    if spread == 0.0:
        return Outcome(math.nan, math.nan, f"{len(residual)} exceedances: their spread cannot be seen")
    t = float(np.mean(residual)) / (spread / math.sqrt(len(residual)))
    return Outcome(t, float(special.ndtr(t)))


def mcneil_frey_bootstrap(
    x: F8, var: F8, es: F8, sigma: F8 | None = None, *, draws: int = 10_000, seed: int = 1
) -> Outcome:
    """As `mcneil_frey`, the p-value from resampled residuals: no law is assumed of them.

    McNeil and Frey (2000), section 4.2: how often the t-statistic of resampled residuals, less its mean, is below.
    """
    hits = x < -var
    residual = (x + es)[hits]
    if sigma is not None:
        residual = residual / sigma[hits]
    n = len(residual)
    if n < 3 or float(np.std(residual)) == 0.0:
        return Outcome(math.nan, math.nan, f"{n} exceedances: their spread cannot be seen")

    def t_of(sample: F8) -> F8:
        with np.errstate(divide="ignore", invalid="ignore"):
            told = np.sqrt(n) * sample.mean(axis=-1) / sample.std(axis=-1, ddof=1)
        return np.asarray(told, np.float64)

    seen = float(t_of(residual))
    rng = np.random.default_rng(seed)
    drawn = t_of(residual[rng.integers(0, n, (draws, n))])
    drawn = drawn[np.isfinite(drawn)]
    return Outcome(seen, float(np.mean(drawn - drawn.mean() <= seen)))


def nolde_ziegel(x: F8, var: F8, es: F8, alpha: float) -> Outcome:
    """Simple conditional calibration of (VaR, ES), two-sided, χ²(2).

    Nolde and Ziegel (2017), Elicitability and backtesting, section 2.3, with the identity as instruments.
    """
    return _calibrated(x < -var, _identified(x, var, es, alpha))


def nolde_ziegel_general(x: F8, var: F8, es: F8, alpha: float, sigma: F8) -> Outcome:
    """General conditional calibration, two-sided, χ²(1): the instrument is ((es − var) / (α σ), 1 / σ); section 2.3."""
    v = _identified(x, var, es, alpha)
    weighed = (v[:, 0] * (es - var) / alpha + v[:, 1]) / sigma
    return _calibrated(x < -var, weighed[:, None])


def nolde_ziegel_one_sided(x: F8, var: F8, es: F8, alpha: float, sigma: F8 | None = None) -> Outcome:
    """Conditional calibration, one-sided: no identified mean is above 0; general where sigma is given.

    It is rejected where ES is too small for its VaR, and where VaR is too great. Nolde and Ziegel (2017), section
    2.2.2: the least of the normal p-values of each instrument, after Hommel (1983) for tests that depend on each other.
    The statistic is the greatest.
    """
    hits, v = x < -var, _identified(x, var, es, alpha)
    if not hits.any():
        return Outcome(math.nan, math.nan, "too few exceedances")
    weighed = v if sigma is None else np.column_stack([v[:, 0], v[:, 0] * var, v[:, 1], v[:, 1] / sigma])
    t = math.sqrt(len(x)) * weighed.mean(axis=0) / np.sqrt(np.mean(weighed**2, axis=0))
    ranks = np.arange(1, len(t) + 1)
    least = float(np.min(np.sort(special.ndtr(-t)) / ranks))
    return Outcome(float(t.max()), min(1.0, len(t) * float(np.sum(1.0 / ranks)) * least))


def _identified(x: F8, var: F8, es: F8, alpha: float) -> F8:
    """(n, 2) of mean zero where VaR and ES are right; above it where VaR is too great, or ES too small for its VaR."""
    hits = x < -var
    return np.column_stack([alpha - hits, var - es + hits * (-var - x) / alpha])


def _calibrated(hits: NDArray[np.bool_], v: F8) -> Outcome:
    mean, spread, rank = v.mean(axis=0), v.T @ v / len(v), v.shape[1]
    if not hits.any() or np.linalg.matrix_rank(spread) < rank:
        return Outcome(math.nan, math.nan, "too few exceedances")
    statistic = len(v) * float(mean @ np.linalg.solve(spread, mean))
    return Outcome(statistic, float(special.chdtrc(rank, statistic)))
