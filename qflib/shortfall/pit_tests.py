"""Tests of expected shortfall by where each outcome lay in its forecast distribution.

All take u = F(x), the forecast's probability of P&L at or below the outcome, (n,) in [0, 1], which is uniform under
true forecasts, and α = 1 − level. What they look at is how far below α each u lies: H = (1 − u / α)₊, of mean α / 2.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from qflib.shortfall.coverage import Outcome

F8 = NDArray[np.float64]

#: So many exceedances are summed by Irwin and Hall's law; more by the normal one, whose error is then below 1e-3.
_EXACT = 16

#: Standard deviations beyond which a normal density is nothing.
_FAR = 12.0


def violations(u: F8, alpha: float) -> F8:
    """H = (1 − u / α)₊, (n,): 0 for outcomes above the VaR, 1 for one that could not be worse.

    Du and Escanciano (2017), Backtesting expected shortfall: accounting for tail risk, Management Science 63,
    equation 4.
    """
    return np.asarray(np.maximum(1.0 - u / alpha, 0.0), np.float64)


def du_escanciano(u: F8, alpha: float) -> Outcome:
    """Whether cumulative violations have their mean, two-sided, normal; positive: ES too small.

    Du and Escanciano (2017), equation 13 (the unconditional test).
    """
    n = len(u)
    z = math.sqrt(n) * (float(np.mean(violations(u, alpha))) - alpha / 2) / math.sqrt(alpha * (1 / 3 - alpha / 4))
    return Outcome(z, 2.0 * float(special.ndtr(-abs(z))))


def du_escanciano_conditional(u: F8, alpha: float, lags: int = 5) -> Outcome:
    """Whether cumulative violations follow one another: n times the sum of squared autocorrelations, χ²(lags).

    Du and Escanciano (2017), equation 11 (the conditional test, Box and Pierce's sum).
    """
    h, n = violations(u, alpha) - alpha / 2, len(u)
    if n <= lags or not (h > -alpha / 2).any():
        return Outcome(math.nan, math.nan, "no exceedance, or fewer outcomes than lags")
    own = float(h @ h) / n
    rho = np.array([float(h[j:] @ h[:-j]) / (n - j) / own for j in range(1, lags + 1)])
    statistic = n * float(rho @ rho)
    return Outcome(statistic, float(special.chdtrc(lags, statistic)))


def costanzino_curran(u: F8, alpha: float) -> Outcome:
    """The sum of violations beside its law, with a traffic light: green below 95 %, red from 99.99 %.

    Costanzino and Curran (2015), Backtesting general spectral risk measures with application to expected shortfall,
    Journal of Risk Model Validation 9, section 4; zones of their 2018 paper, A simple traffic light approach to
    backtesting expected shortfall, Risks 6. The law is a binomial mixture of sums of uniforms, taken exactly for few
    exceedances. The p-value is that of a sum as great: small where ES is too small.
    """
    n, total = len(u), float(np.sum(violations(u, alpha)))
    below = 0.0
    for k in range(_EXACT + 1):  # of k exceedances
        below += float(stats.binom.pmf(k, n, alpha)) * (float(stats.irwinhall.cdf(total, k)) if k else 1.0)
    more = np.arange(_EXACT + 1, n + 1)
    z = (total - more / 2) / np.sqrt(more / 12)
    below += float(np.sum(stats.binom.pmf(more, n, alpha) * special.ndtr(z)))
    zone = "red" if below >= 0.9999 else "yellow" if below >= 0.95 else "green"
    p = 1.0 if total == 0.0 else max(0.0, 1.0 - below)  # the law has no other atom
    return Outcome(total / n, p, f"{zone}; {alpha / 2:.4g} expected")


def acerbi_szekely_z3(u: F8, alpha: float) -> Outcome:
    """Z₃: expected shortfall of the ranks, taken through a normal law, beside what n uniform ranks give; 0 expected.

    Acerbi and Szekely (2014), Backtesting expected shortfall, equation 9, for forecasts of one shape, whose scales
    cancel; the shape is normal. Negative: ES too small. NaN with fewer than 1 / α outcomes, which have no tail, and
    where an outcome was impossible.
    """
    n = len(u)
    k = int(n * alpha + 1e-9)
    if k < 1:
        return Outcome(math.nan, math.nan, f"{n} outcomes have no tail of {alpha:.3g}")
    z = float(acerbi_szekely_z3_of(np.sort(u)[:k], n))
    if not math.isfinite(z):
        return Outcome(math.nan, math.nan, "an outcome had no probability in its forecast")
    return Outcome(z, math.nan, "0 expected")


def acerbi_szekely_z3_of(least: F8, n: int) -> F8:
    """Z₃ by the k least of n ranks, (..., k) in rising order."""
    return np.asarray(1.0 - special.ndtri(least).mean(axis=-1) / _of_ranks(n, least.shape[-1]), np.float64)


@lru_cache
def _of_ranks(n: int, k: int) -> float:
    """Mean of the k least of n normal draws: each rank has a beta law, whose first k sum to an incomplete beta."""
    nodes, weights = np.polynomial.legendre.leggauss(48)
    # the incomplete beta falls from 1 to 0 around k / n, the faster the greater k is
    step = special.ndtri(min(k, n - 0.5) / n)
    width = 12.0 / math.sqrt(k)
    near = step + width * np.array([-1.0, -1 / 3, 0.0, 1 / 3, 1.0])
    edges = np.unique(np.clip(np.concatenate([[-_FAR], near, [_FAR]]), -_FAR, _FAR))
    total = 0.0
    for low, high in pairwise(edges.tolist()):
        z = 0.5 * (low + high) + 0.5 * (high - low) * nodes
        density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        below = special.betainc(n - k, k, special.ndtr(-z)) if k < n else np.ones(len(z))
        total += 0.5 * (high - low) * float(np.sum(weights * below * z * density))
    return n / k * total
