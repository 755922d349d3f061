"""Expected shortfall split over components, an estimator a function: what each adds, and what the whole is without it.

Every function takes P&L (n, m) of components of size one, their sizes (m,) and a level, and gives a `Split`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels.expected_shortfall import es_var, tail_mass, tail_weights
from qflib.shortfall.cornish_fisher import cornish_fisher_figures, modified_es, modified_es_slopes
from qflib.shortfall.elliptical import unit_tail
from qflib.shortfall.parametric import moments_of_a_law

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """ES and VaR of the sum; arrays (m,) as in `ComponentES`."""

    es: float
    var: float
    contribution: F8
    standalone: F8
    marginal: F8
    incremental: F8
    se: F8 | None = None


def historical(pnl: F8, size: F8, level: float) -> Split:
    """By the tail of the sum; O(n m)."""
    parts = pnl * size
    n, m = parts.shape
    # One component after the other, so that the sum has the same bits however many threads there are.
    total = np.zeros(n)
    for j in range(m):
        total += parts[:, j]
    weight, work, levels = np.empty(n), np.empty(n), np.array([level])
    for a in (total, levels):
        a.setflags(write=False)
    es, var = _es_var(total, levels, work)
    tail_weights(total, level, weight, work)
    held = np.flatnonzero(weight)
    contribution = 0.0 - np.sum(parts[held] * weight[held, None], axis=0)
    marginal = 0.0 - np.sum(pnl[held] * weight[held, None], axis=0)
    alone, without = np.empty(m), np.empty(m)
    for j in range(m):
        alone[j] = _es_var(parts[:, j], levels, work)[0]
        without[j] = _es_var(total - parts[:, j], levels, work)[0] if m > 1 else 0.0
    return Split(es, var, contribution, alone, marginal, es - without)


def _es_var(values: F8, levels: F8, work: F8) -> tuple[float, float]:
    pnl, out = np.ascontiguousarray(values).view(), np.empty((1, 2))
    pnl.setflags(write=False)
    es_var(pnl, levels, out, work)
    return float(out[0, 0]), float(out[0, 1])


def monte_carlo(pnl: F8, size: F8, level: float) -> Split:
    """As `historical`, of independent draws, with the standard error of each contribution.

    With yⱼ the loss of component j, the contribution is the mean of yⱼ beyond the VaR q. Its influence function is
    (yⱼ − E[yⱼ | L = q]) 1{L ≥ q} / (1 − c), the conditional mean because q itself is estimated (Hong and Liu 2009,
    Simulating sensitivities of conditional value at risk). That mean is taken over the draws nearest in rank to q, √k
    on each side of k in the tail. Influences sum to that of ES.
    """
    s = historical(pnl, size, level)
    n, m = pnl.shape
    total = pnl @ size
    order = np.argsort(total, kind="stable")
    k = math.ceil(tail_mass(n, level))
    if k < 2:
        return Split(s.es, s.var, s.contribution, s.standalone, s.marginal, s.incremental, np.full(m, np.nan))
    aside = math.ceil(math.sqrt(k))
    near, tail = order[max(0, k - aside) : k + aside], order[:k]
    se = np.empty(m)
    for j in range(m):
        loss = 0.0 - size[j] * pnl[:, j]
        influence = np.zeros(n)
        influence[tail] = loss[tail] - np.mean(loss[near])
        se[j] = float(np.std(influence, ddof=1)) / ((1.0 - level) * math.sqrt(n))
    return Split(s.es, s.var, s.contribution, s.standalone, s.marginal, s.incremental, se)


def elliptical(pnl: F8, size: F8, level: float, df: float | None = None) -> Split:
    """By mean and covariance (n − 1), normal or Student t; O(n m² + m³)."""
    if len(pnl) < 2:
        raise InputError(f"{len(pnl)} scenario gives no covariance; give 2 at least")
    k, z = unit_tail(level, df)
    mean, covariance = pnl.mean(axis=0), np.atleast_2d(np.cov(pnl, rowvar=False))
    pull = covariance @ size
    sd = math.sqrt(max(float(size @ pull), 0.0))
    marginal = k * (pull / sd if sd > 0.0 else np.zeros(len(mean))) - mean
    contribution = size * marginal
    es = float(np.sum(contribution))
    alone = np.abs(size) * k * np.sqrt(np.diag(covariance)) - size * mean
    others = size * (1.0 - np.eye(len(size)))  # a row without each
    deviation = np.sqrt(np.maximum(np.sum((others @ covariance) * others, axis=1), 0.0))
    without = k * deviation - others @ mean
    return Split(es, z * sd - float(size @ mean), contribution, alone, marginal, es - without)


def modified(pnl: F8, size: F8, level: float) -> Split:
    """By four moments (covariance with n − 1, higher moments with n), Edgeworth's expansion; O(n m).

    Boudt, Peterson and Croux (2008), section 3.
    """
    parts = pnl * size
    total = np.sum(parts, axis=1)
    moments = _moments(total)
    es, var = _modified(moments, level)
    if moments[1] == 0.0:
        marginal = 0.0 - pnl.mean(axis=0)
    else:
        _, _, skew, excess = moments
        figure = (modified_es(skew, excess, level)[0], *modified_es_slopes(skew, excess, level))
        marginal = _slopes(pnl, total, moments, figure, len(total) - 1)
    m = len(size)
    alone = np.array([_modified(_moments(column), level)[0] for column in parts.T])
    without = np.array([_modified(_moments(total - column), level)[0] if m > 1 else 0.0 for column in parts.T])
    return Split(es, var, size * marginal, alone, marginal, es - without)


def cornish_fisher(pnl: F8, size: F8, level: float) -> Split:
    """By four moments (all with n), the law of Cornish and Fisher's quantile; O(n m).

    NaN for a component alone, and for what it adds, where its moments or those of the rest give no law.
    """
    parts = pnl * size
    total = np.sum(parts, axis=1)
    moments = moments_of_a_law(total)
    mean, sd, skew, excess = moments
    figure, (unit_var, _, _) = cornish_fisher_figures(skew, excess, level)
    es, m = sd * figure[0] - mean, len(size)
    marginal = _slopes(pnl, total, moments, figure, len(total))
    alone = np.array([_of_a_law(column, level) for column in parts.T])
    without = np.array([_of_a_law(total - column, level) if m > 1 else 0.0 for column in parts.T])
    return Split(es, sd * unit_var - mean, size * marginal, alone, marginal, es - without)


def _of_a_law(total: F8, level: float) -> float:
    try:
        mean, sd, skew, excess = moments_of_a_law(total)
    except InputError:
        return math.nan
    return sd * cornish_fisher_figures(skew, excess, level)[0][0] - mean


def _slopes(
    pnl: F8, total: F8, moments: tuple[float, float, float, float], figure: tuple[float, float, float], dof: int
) -> F8:
    """Of −mean + sd f(skew, excess), in each size: figure is f and its slopes, dof what the variance divides by."""
    mean, sd, skew, excess = moments
    one, by_skew, by_excess = figure
    y, each = total - mean, pnl - pnl.mean(axis=0)
    d_sd = np.sum(y[:, None] * each, axis=0) / dof / sd
    d_skew = 3.0 * np.mean(y[:, None] ** 2 * each, axis=0) / sd**3 - 3.0 * skew * d_sd / sd
    d_excess = 4.0 * np.mean(y[:, None] ** 3 * each, axis=0) / sd**4 - 4.0 * (excess + 3.0) * d_sd / sd
    made: F8 = d_sd * one + sd * (by_skew * d_skew + by_excess * d_excess) - pnl.mean(axis=0)
    return made


def _moments(total: F8) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness, excess kurtosis; the last three 0 where nothing but rounding varies."""
    mean = float(np.mean(total))
    sd = float(np.std(total, ddof=1)) if len(total) > 1 else 0.0
    if sd <= 1e-14 * float(np.max(np.abs(total))):
        return mean, 0.0, 0.0, 0.0
    y = (total - mean) / sd
    return mean, sd, float(np.mean(y**3)), float(np.mean(y**4)) - 3.0


def _modified(moments: tuple[float, float, float, float], level: float) -> tuple[float, float]:
    """ES = −μ + σ m(S, K), and VaR so."""
    mean, sd, skew, excess = moments
    if sd == 0.0:
        return -mean, -mean
    es, var = modified_es(skew, excess, level)
    return sd * es - mean, sd * var - mean
