"""Filtered historical simulation: ES of the next period, given today's volatility."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, signal, special

from qflib.errors import InputError
from qflib.shortfall.closed_forms import distribution_es
from qflib.shortfall.estimate import expected_shortfall
from qflib.shortfall.inputs import Kind, levels_of, pnl_of

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FilteredES:
    """The GARCH fit and the next period's ES (n_levels,), by the fitted law and by the residuals that happened."""

    params: dict[str, float]
    loglik: float
    sigma_next: float
    level: F8
    es_parametric: F8
    es_fhs: F8


def fhs_es(x: ArrayLike, level: float | Sequence[float] = 0.975, *, kind: Kind, dist: str = "normal") -> FilteredES:
    """ES of the next period from a constant-mean GARCH(1,1) and its standardised residuals.

    Barone-Adesi, Giannopoulos and Vosper (1999), VaR without correlations: ES = −μ + σ_{n+1} ES(z), z the residuals
    over their volatility; parametric with ES of the unit-variance law instead. Bollerslev (1986), equation 4:
    σ²ₜ = ω + α e²ₜ₋₁ + β σ²ₜ₋₁, started at the exponentially weighted mean of the first 75 squares, as arch does.

    Parameters
    ----------
    x
        (n,), 100 values at least, newest last.
    level, kind
        As in `expected_shortfall`.
    dist
        Likelihood: "normal" or "student_t" (unit variance).

    Raises
    ------
    InputError
        If there are fewer than 100 values, they are constant, or the law is unknown.

    Notes
    -----
    Maximum likelihood by Nelder and Mead on the standardised series: some hundred passes over it.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.filtered import fhs_es
    >>> r = fhs_es(np.random.default_rng(1).normal(size=500), 0.975, kind="return")
    >>> 2.0 < float(r.es_fhs[0]) < 2.8
    True
    """
    pnl, levels = pnl_of(x, kind), levels_of(level)
    spread = float(np.std(pnl))
    if len(pnl) < 100 or spread == 0.0 or dist not in ("normal", "student_t"):
        raise InputError(
            f"x holds {len(pnl)} values of standard deviation {spread:g}, dist is {dist!r}; expected 100 values that "
            f"differ, and 'normal' or 'student_t'"
        )
    y = pnl / spread
    p, nll = _fit(y, dist)
    residual, variance = _filter(y, p)
    z = residual / np.sqrt(variance[:-1])
    mean, sigma = float(p[0]) * spread, math.sqrt(variance[-1]) * spread
    df = float(p[4]) if dist == "student_t" else None
    standardised = "unit_variance" if dist == "student_t" else "none"
    law = distribution_es(dist, levels.tolist(), df=df, standardised=standardised)
    params = {"mu": mean, "omega": float(p[1]) * spread**2, "alpha[1]": float(p[2]), "beta[1]": float(p[3])}
    return FilteredES(
        params if df is None else params | {"nu": df},
        -nll - len(y) * math.log(spread),
        sigma,
        levels,
        sigma * law.es - mean,
        sigma * expected_shortfall(z, levels.tolist(), kind="pnl").es - mean,
    )


def _fit(y: F8, dist: str) -> tuple[F8, float]:
    """(mu, omega, alpha, beta[, nu]) of greatest likelihood, and the negative log-likelihood."""
    score = _student_nll if dist == "student_t" else _normal_nll

    def nll(q: F8) -> float:
        p = _params(q)
        residual, variance = _filter(y, p)
        return score(residual, variance[:-1], p)

    # Logistic and logarithmic coordinates keep α, β ≥ 0, α + β < 1, ω > 0 and ν > 2 without bounds.
    # The likelihood has flat corners, so the start is the best of a grid, at the sample's own variance.
    tail = [math.log(6.0)] if dist == "student_t" else []
    starts = [
        np.array([float(np.mean(y)), 0.0, float(special.logit(persistence)), float(special.logit(split)), *tail])
        for persistence in (0.05, 0.5, 0.9, 0.98, 0.995)
        for split in (0.01, 0.05, 0.1, 0.3, 0.9)
    ]
    start = min(starts, key=nll)
    for _ in range(2):  # a second simplex, from where the first ended, goes on where it had collapsed
        found = optimize.minimize(
            nll, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000, "maxfev": 6000}
        )
        start = found.x
    return _params(found.x), float(found.fun)


def _params(q: F8) -> F8:
    """From free coordinates: persistence and its split into α and β are logistic, ω and ν − 2 logarithmic."""
    persistence, split = special.expit(q[2]), special.expit(q[3])
    p = [q[0], math.exp(q[1]) * (1.0 - persistence), persistence * split, persistence * (1.0 - split)]
    return np.array([*p, 2.0 + math.exp(q[4])] if len(q) > 4 else p)


def _filter(y: F8, p: F8) -> tuple[F8, F8]:
    """Residuals (n,) and variances (n + 1,), the last of them the next period's."""
    residual = y - p[0]
    first = (y - float(np.mean(y)))[:75] ** 2
    start = float(np.average(first, weights=0.94 ** np.arange(len(first))))
    shocks = p[1] + p[2] * np.r_[start, residual**2]
    variance, _ = signal.lfilter([1.0], [1.0, -p[3]], shocks, zi=[p[3] * start])
    return residual, variance


def _normal_nll(residual: F8, variance: F8, p: F8) -> float:
    return 0.5 * float(np.sum(math.log(2.0 * math.pi) + np.log(variance) + residual**2 / variance))


def _student_nll(residual: F8, variance: F8, p: F8) -> float:
    nu = float(p[4])
    constant = special.gammaln((nu + 1.0) / 2.0) - special.gammaln(nu / 2.0) - 0.5 * math.log(math.pi * (nu - 2.0))
    terms = 0.5 * np.log(variance) + 0.5 * (nu + 1.0) * np.log1p(residual**2 / (variance * (nu - 2.0)))
    return float(np.sum(terms)) - len(residual) * float(constant)
