"""Elliptical P&L: the ES of one unit of standard deviation, normal or Student t, and the degrees of freedom it has."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from qflib.errors import InputError
from qflib.shortfall.closed_forms import distribution_es

F8 = NDArray[np.float64]

#: Degrees of freedom are sought between these; beyond the second the law is the normal one for all purposes.
_DF = (2.05, 200.0)


def unit_tail(level: float, df: float | None = None) -> tuple[float, float]:
    """ES and VaR of the law of mean zero and variance one: normal, or Student t of `df` degrees of freedom.

    Every portfolio w of elliptical components has ES = −w'μ + ES₁ √(w'Σw) (McNeil, Frey and Embrechts 2015,
    Quantitative Risk Management, section 8.3).

    Raises
    ------
    InputError
        If df is 2 or below: there is no variance.

    Examples
    --------
    >>> from qflib.shortfall.elliptical import unit_tail
    >>> [round(x, 6) for x in (*unit_tail(0.975), *unit_tail(0.975, df=4.0))]
    [2.337803, 1.959964, 2.823871, 1.963243]
    """
    if df is None:
        r = distribution_es("normal", level)
    else:
        r = distribution_es("student_t", level, df=df, standardised="unit_variance")
    return float(r.es), float(r.var)


def fit_df(pnl: F8) -> float:
    """Degrees of freedom of a multivariate Student t, given the sample's mean and covariance.

    The greatest likelihood over ν alone, of the distances d² = (x − μ)'Σ⁻¹(x − μ) (n − 1 in Σ), where components that
    others explain wholly count once: with r the rank,
    n (ln Γ((ν + r)/2) − ln Γ(ν/2) − r/2 ln(ν − 2)) − (ν + r)/2 Σ ln(1 + d²/(ν − 2)). Sizes of components do not matter.

    Parameters
    ----------
    pnl
        (n, m), more rows than components that differ by two at least.

    Returns
    -------
    float
        Within 2.05 and 200.

    Raises
    ------
    InputError
        If there are too few rows, or nothing varies.

    Notes
    -----
    O(n m² + m³).

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.elliptical import fit_df
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(20_000, 3)) / np.sqrt(rng.chisquare(5, 20_000) / 5)[:, None]
    >>> abs(fit_df(x) - 5) < 0.3
    True
    """
    n = len(pnl)
    centred = pnl - pnl.mean(axis=0)
    scale = np.sqrt(np.sum(centred * centred, axis=0) / max(n - 1, 1))
    varies = scale > 1e-14 * np.max(np.abs(pnl), axis=0)
    y = centred[:, varies] / scale[varies]
    values, vectors = np.linalg.eigh(y.T @ y / max(n - 1, 1)) if varies.any() else (np.empty(0), np.empty((0, 0)))
    held = values > 1e-10 * len(values)
    rank = int(np.count_nonzero(held))
    if rank == 0 or n < rank + 2:
        raise InputError(f"{n} scenarios of rank {rank} tell no degrees of freedom; give df, or more scenarios")
    distance = np.sum((y @ vectors[:, held]) ** 2 / values[held], axis=1)

    def unlikely(df: float) -> float:
        constant = special.gammaln(0.5 * (df + rank)) - special.gammaln(0.5 * df) - 0.5 * rank * math.log(df - 2.0)
        return float(0.5 * (df + rank) * np.sum(np.log1p(distance / (df - 2.0))) - n * constant)

    found = optimize.minimize_scalar(
        lambda s: unlikely(2.0 + math.exp(s)),
        bounds=(math.log(_DF[0] - 2.0), math.log(_DF[1] - 2.0)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return 2.0 + math.exp(float(found.x))
