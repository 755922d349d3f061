"""Student's t and its skewed form, fitted to a sample by maximum likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from qflib.errors import InputError
from qflib.kernels.student_likelihood import student_sums
from qflib.shortfall.estimated import Estimated, Settings, beyond
from qflib.shortfall.laws import SkewedTLaw

F8 = NDArray[np.float64]

#: Bounds of 1/df: below the first a sample does not tell the law from the normal one, above the last ES is not there.
_THIN, _THICK = 1e-3, 0.98
_SKEW = 0.95
LEAST = 20


def student_t(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """Location, scale and degrees of freedom by maximum likelihood; errors by the observed information."""
    return _fitted(pnl, levels, skewed=False)


def skewed_t(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """As `student_t`, with the skewness of `SkewedTLaw`."""
    return _fitted(pnl, levels, skewed=True)


def fit_t(loss: F8, skewed: bool = False) -> SkewedTLaw:
    """The law of greatest likelihood of losses (n,).

    Raises
    ------
    InputError
        If there are fewer than 20 losses, more than half of them are equal (the likelihood has then no greatest
        value), or the fit's mean does not exist.

    Notes
    -----
    Some fifty passes over the losses: truncated Newton with the exact gradient, in the location, the logarithm of the
    scale, 1/df, which is regular towards the normal law, and the skewness.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.student import fit_t
    >>> law = fit_t(np.random.default_rng(1).standard_t(4.0, 5000))
    >>> 3.5 < law.df < 4.5
    True
    """
    return _law(_fit(loss, skewed)[0])


def _fitted(pnl: F8, levels: F8, skewed: bool) -> Estimated:
    loss = -pnl
    theta, information = _fit(loss, skewed)
    law = _law(theta)
    es, var = law.figures(levels)
    # What lies on its bound is taken as given: there the likelihood does not bend as the information says.
    free = np.array([True, True, theta[2] > 1.001 * _THIN, *(abs(t) < 0.999 * _SKEW for t in theta[3:])])
    cov = _inverse(information[np.ix_(free, free)])
    slopes = [_slopes(theta, int(i), levels) for i in np.flatnonzero(free)]
    se, var_se = (np.sqrt(np.einsum("il,ij,jl->l", j, cov, j)) for j in map(np.array, zip(*slopes, strict=True)))
    parameters = {"loc": law.loc, "scale": law.scale, "df": law.df} | ({"skew": law.skew} if skewed else {})
    return Estimated(es, var, beyond(pnl, var), se, var_se, parameters=parameters, law=law)


def _law(theta: F8) -> SkewedTLaw:
    skew = float(theta[3]) if len(theta) > 3 else 0.0
    return SkewedTLaw(float(theta[0]), math.exp(theta[1]), skew, 1.0 / float(theta[2]))


def _fit(loss: F8, skewed: bool) -> tuple[F8, F8]:
    """(location, log scale, 1/df[, skew]) and the observed information there."""
    if len(loss) < LEAST:
        raise InputError(f"x holds {len(loss)} values; a fit of Student's t needs {LEAST} at least: use 'historical'")
    ordered = np.sort(loss)
    middle = float(ordered[len(loss) // 2])
    if np.count_nonzero(loss == middle) > len(loss) // 2:
        raise InputError(
            f"more than half of the {len(loss)} values are {-middle:g}: no Student's t is likeliest; use 'historical'"
        )
    width = float(np.quantile(ordered, 0.75) - np.quantile(ordered, 0.25)) / 1.35 or float(np.std(loss))
    y = (loss - middle) / width
    tail = [0.0] * skewed
    score = _scores(y)
    start = min((np.array([0.0, 0.0, inverse, *tail]) for inverse in (0.02, 0.1, 0.25, 0.5)), key=lambda p: score(p)[0])
    bounds = [(None, None), (-30.0, 30.0), (_THIN, _THICK), *[(-_SKEW, _SKEW)] * skewed]
    # Not L-BFGS-B: it calls a threaded LAPACK on matrices of 4, which waits a hundred times longer on a busy machine.
    found = optimize.minimize(
        score, start, jac=True, method="TNC", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-8, "maxfun": 500}
    )
    p = np.asarray(found.x, np.float64)
    if p[2] >= 0.999 * _THICK:
        raise InputError(
            f"the likeliest Student's t has {1.0 / p[2]:.3g} degrees of freedom: its tail is so heavy that it has no "
            f"ES to speak of; use 'historical' or 'evt', and look at the largest losses"
        )
    information = len(loss) * _derivative(lambda q: score(q)[1], p)
    # To the units of the losses: only the location has one.
    scale = np.array([width, *[1.0] * (len(p) - 1)])
    p = np.array([middle + width * p[0], p[1] + math.log(width), *p[2:]])
    return p, information / np.outer(scale, scale)


def _scores(y: F8) -> Callable[[F8], tuple[float, F8]]:
    """The mean negative log-likelihood and its gradient."""
    means = np.empty(4)

    def score(p: F8) -> tuple[float, F8]:
        df, scale = 1.0 / float(p[2]), math.exp(p[1])
        student_sums(y, float(p[0]), scale, float(p[3]) if len(p) > 3 else 0.0, df, means)
        logs, moves, squares, sides = means.tolist()
        constant = special.gammaln((df + 1.0) / 2.0) - special.gammaln(df / 2.0) - 0.5 * math.log(math.pi * df)
        value = p[1] - constant + 0.5 * (df + 1.0) * logs
        in_df = special.digamma((df + 1.0) / 2.0) - special.digamma(df / 2.0) - 1.0 / df - logs + squares / df
        return float(value), np.array([-moves / scale, 1.0 - squares, 0.5 * df * df * in_df, -sides][: len(p)])

    return score


def _derivative(f: Callable[[F8], F8], p: F8) -> F8:
    """Symmetric (k, k), by central differences."""
    step = 1e-5 * np.maximum(np.abs(p), np.array([1.0, 1.0, 0.02, 0.1])[: len(p)])
    rows = np.array([(f(p + h) - f(p - h)) / (2.0 * h.sum()) for h in np.diag(step)])
    symmetric: F8 = 0.5 * (rows + rows.T)
    return symmetric


def _slopes(theta: F8, i: int, levels: F8) -> tuple[F8, F8]:
    h = np.zeros(len(theta))
    h[i] = 1e-6 * (1.0 if i == 3 else math.exp(theta[1]) if i == 0 else max(abs(theta[i]), 1e-3))
    up, down = _law(theta + h).figures(levels), _law(theta - h).figures(levels)
    return (up[0] - down[0]) / (2.0 * h[i]), (up[1] - down[1]) / (2.0 * h[i])


def _inverse(information: F8) -> F8:
    """The covariance, or NaN where the likelihood is flat."""
    if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0.0:
        return np.full_like(information, np.nan)
    return np.asarray(np.linalg.inv(information), np.float64)
