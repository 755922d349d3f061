"""Backtests by regression: what quantile and expected shortfall of P&L are, given their forecasts.

Both are fitted at once by the loss of Fissler and Ziegel with G1 = 0 and G2(z) = -1/z, of P&L less its greatest value,
so that expected shortfalls are negative (Dimitriadis and Bayer 2019, A joint quantile and expected shortfall regression
framework, Electronic Journal of Statistics 13, equation 2.4).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special
from scipy.sparse import csc_matrix, eye, hstack

from qflib.errors import DataError
from qflib.shortfall.coverage import Outcome

F8 = NDArray[np.float64]

#: Fewer exceedances do not tell a slope from an intercept.
LEAST_HITS = 10

#: The loss has kinks: it is looked for again so often, from a place near the best so far.
_AGAIN = 8


def strict_esr(x: F8, var: F8, es: F8, alpha: float) -> Outcome:
    """Whether the expected shortfall given its forecast is the forecast: intercept 0 and slope 1, χ²(2).

    Bayer and Dimitriadis (2022), Regression-based expected shortfall backtesting, Journal of Financial Econometrics 20,
    section 2.2. Only the forecast of ES is needed.
    """
    given = _with_one(-es)
    return _wald(x, given, given, x < -var, alpha, np.array([0.0, 1.0]))


def auxiliary_esr(x: F8, var: F8, es: F8, alpha: float) -> Outcome:
    """As `strict_esr`, with the quantile given the forecast of VaR; section 2.3."""
    return _wald(x, _with_one(-var), _with_one(-es), x < -var, alpha, np.array([0.0, 1.0]))


def intercept_esr(x: F8, var: F8, es: F8, alpha: float) -> Outcome:
    """Whether what P&L leaves of the forecast has an expected shortfall of 0; one-sided: ES too small. Section 2.4."""
    constant = np.ones((len(x), 1))
    given = _with_one(-es) if np.ptp(es) > 0.0 else constant
    return _wald(x + es, given, constant, x < -var, alpha, np.zeros(1))


def fit_es_regression(y: F8, xq: F8, xe: F8, alpha: float) -> tuple[F8, F8]:
    """Coefficients of quantile and expected shortfall at alpha, in one fit.

    Parameters
    ----------
    y
        (n,) P&L.
    xq, xe
        (n, k) and (n, m): what quantile and expected shortfall are linear in.
    alpha
        Of the tail.

    Returns
    -------
    quantile, shortfall
        (k,) and (m,).

    Notes
    -----
    From the quantile regression (a linear programme) and the mean beyond it, by Nelder and Mead's search, which is
    begun again from near its best; the same inputs give the same figures. O(n) an evaluation, some thousands of them.
    """
    start = quantile_regression(y, xq, alpha)
    beyond = y <= xq @ start
    best = np.r_[start, np.linalg.lstsq(xe[beyond], y[beyond], rcond=None)[0]]
    k, top = len(start), float(y.max())

    def loss(b: F8) -> float:
        q, e = xq @ b[:k] - top, xe @ b[k:] - top
        if (e >= 0.0).any():
            return math.inf
        z = y - top
        return float(np.mean((q - e - (q - z) * (z <= q) / alpha) / e + np.log(-e)))

    rng, least, step = np.random.default_rng(1), math.inf, 0.05 * np.abs(best) + 0.005 * float(np.std(y))
    at = best
    for _ in range(_AGAIN):
        found = optimize.minimize(
            loss, at, method="Nelder-Mead", options={"maxiter": 5_000, "xatol": 1e-9, "fatol": 1e-12, "adaptive": True}
        )
        if found.fun < least:
            best, least = np.asarray(found.x, np.float64), float(found.fun)
        at = best + step * rng.normal(size=len(best))
    return best[:k], best[k:]


def quantile_regression(y: F8, x: F8, alpha: float) -> F8:
    """Coefficients of the conditional quantile, (k,), exact.

    Koenker and Bassett (1978), Regression quantiles; the linear programme of its section 3, by HiGHS.

    Raises
    ------
    DataError
        If the programme does not end.
    """
    n, k = x.shape
    cost = np.concatenate([np.zeros(k), np.full(n, alpha), np.full(n, 1.0 - alpha)])
    one = eye(n, format="csc")
    bounds: Any = [(None, None)] * k + [(0.0, None)] * (2 * n)
    a: Any = hstack([csc_matrix(x), one, -one])
    told: Any = optimize.linprog(cost, A_eq=a, b_eq=y, bounds=bounds, method="highs")
    if told.x is None:
        raise DataError(f"the quantile regression did not end: {told.message}")
    return np.asarray(told.x[:k], np.float64)


def _wald(y: F8, xq: F8, xe: F8, hits: NDArray[np.bool_], alpha: float, wanted: F8) -> Outcome:
    count = int(np.count_nonzero(hits))
    if count < LEAST_HITS:
        return Outcome(math.nan, math.nan, f"{count} exceedances; {LEAST_HITS} are needed for a regression")
    if any(np.linalg.matrix_rank(x) < x.shape[1] for x in (xq, xe)):
        return Outcome(math.nan, math.nan, "the forecasts do not vary: a slope cannot be seen")
    try:
        quantile, shortfall = fit_es_regression(y, xq, xe, alpha)
    except DataError as e:
        return Outcome(math.nan, math.nan, str(e))
    off = shortfall - wanted
    spread = _covariance(y, xq, xe, quantile, shortfall, alpha)
    if len(off) == 1:
        t = float(off[0] / math.sqrt(spread[0, 0]))
        return Outcome(t, float(special.ndtr(t)))
    statistic = float(off @ np.linalg.solve(spread, off))
    return Outcome(statistic, float(special.chdtrc(len(off), statistic)))


def _covariance(y: F8, xq: F8, xe: F8, quantile: F8, shortfall: F8, alpha: float) -> F8:
    """Of the expected shortfall's coefficients: theorem 2.6 of Dimitriadis and Bayer, in which no density appears."""
    q, e, top = xq @ quantile, xe @ shortfall, float(y.max())
    slope = 1.0 / (e - top) ** 2
    of_each = _tail_variance(y - q, xq) / alpha + (1.0 - alpha) / alpha * (q - e) ** 2
    bread = np.linalg.inv((xe * slope[:, None]).T @ xe)
    return np.asarray(bread @ ((xe * (slope**2 * of_each)[:, None]).T @ xe) @ bread, np.float64)


def _tail_variance(u: F8, x: F8) -> F8:
    """Variance of each residual u given that it is negative, where location and scale are linear in x.

    Location and scale by normal likelihood; below, the residuals' own distribution (section 3.2, "scl-sp").
    """
    k = x.shape[1]
    mean = np.linalg.lstsq(x, u, rcond=None)[0]
    scale = np.linalg.lstsq(x, np.abs(u - x @ mean), rcond=None)[0]
    scale[0] -= min(0.0, float((x @ scale).min()) - 1e-3 * float(np.std(u)))

    def loss(b: F8) -> float:
        s = x @ b[k:]
        return math.inf if (s <= 0.0).any() else float(np.sum(np.log(s) + 0.5 * ((u - x @ b[:k]) / s) ** 2))

    start: F8 = np.concatenate([mean, scale])
    options: Any = {"maxiter": 4_000, "xatol": 1e-8, "fatol": 1e-8}
    found = optimize.minimize(loss, start, method="Nelder-Mead", options=options).x
    place, width = x @ found[:k], x @ found[k:]
    z = np.sort((u - place) / width)
    below = np.maximum(np.searchsorted(z, -place / width, side="right"), 2)
    first, second = np.cumsum(z)[below - 1] / below, np.cumsum(z * z)[below - 1] / below
    return np.asarray(width**2 * (second - first**2), np.float64)


def _with_one(x: F8) -> F8:
    return np.column_stack([np.ones(len(x)), x])
