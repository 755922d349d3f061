"""Expected shortfall of known distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from qflib.errors import InputError
from qflib.shortfall.inputs import levels_of

F8 = NDArray[np.float64]
DISTRIBUTIONS = ("normal", "student_t", "gpd", "lognormal")


@dataclass(frozen=True, eq=False)
class DistributionES:
    """ES and VaR of a distribution of losses; floats, or arrays where several levels were asked."""

    es: Any
    var: Any
    level: Any
    name: str

    def to_frame(self) -> pd.DataFrame:
        """One row a level."""
        index = pd.Index(np.atleast_1d(self.level), name="level")
        return pd.DataFrame({"es": np.atleast_1d(self.es), "var": np.atleast_1d(self.var)}, index)

    def plot(self) -> Any:
        """ES and VaR over the levels."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        return self.to_frame().hvplot.line(x="level", y=["es", "var"], title=self.name)

    def _repr_html_(self) -> str:
        return f"<p>{self.name}</p>" + str(self.to_frame().to_html())


def distribution_es(
    dist: str,
    level: float | Sequence[float] = 0.975,
    *,
    loc: float = 0.0,
    scale: float = 1.0,
    df: float | None = None,
    standardised: str = "none",
    shape: float | None = None,
    mu: float = 0.0,
    sigma: float = 1.0,
) -> DistributionES:
    """ES and VaR of a loss loc + scale X in closed form.

    With c the level and q the quantile of X (McNeil, Frey and Embrechts 2015, Quantitative Risk Management):

    - normal: φ(q) / (1 − c) (example 2.14)
    - student_t: g(q) (ν + q²) / ((ν − 1)(1 − c)), g the density of t with ν = `df` (example 2.15); at least thirty
      papers carry a wrong form (Dobrev, Nesmith and Oh 2017). standardised="unit_variance" scales by √((ν − 2)/ν)
    - gpd: (q + 1) / (1 − ξ), ξ = `shape` < 1 (section 5.2.3, with β the scale)
    - lognormal: exp(mu + sigma²/2) Φ(sigma − z) / (1 − c), z the normal quantile

    Parameters
    ----------
    dist
        "normal", "student_t", "gpd" or "lognormal".
    level
        Confidence, or several.
    loc, scale
        Of the loss; scale is above 0.

    Returns
    -------
    DistributionES

    Raises
    ------
    InputError
        If the name is unknown, a parameter is missing, or the mean does not exist (df ≤ 1, shape ≥ 1).

    Examples
    --------
    >>> from qflib.shortfall import distribution_es
    >>> round(distribution_es("normal", 0.975).es, 6)
    2.337803
    """
    c = levels_of(level)
    if not (scale > 0 and math.isfinite(scale) and math.isfinite(loc)):
        raise InputError(f"loc is {loc} and scale {scale}; expected finite numbers, scale above 0")
    if dist == "normal":
        q, es = _normal(c)
    elif dist == "student_t":
        q, es = _student_t(c, df, standardised)
    elif dist == "gpd":
        q, es = _gpd(c, shape)
    elif dist == "lognormal":
        if not (sigma >= 0 and math.isfinite(sigma) and math.isfinite(mu)):
            raise InputError(f"mu is {mu} and sigma {sigma}; expected finite numbers, sigma 0 or above")
        z = special.ndtri(c)
        q = np.exp(mu + sigma * z)
        es = math.exp(mu + 0.5 * sigma * sigma) * special.ndtr(sigma - z) / (1.0 - c)
    else:
        raise InputError(f"dist is {dist!r}; expected one of {', '.join(DISTRIBUTIONS)}")
    return _made(loc + scale * es, loc + scale * q, c, np.ndim(level), dist)


def pot_es(
    threshold: float, shape: float, scale: float, n: int, n_exceed: int, *, level: float | Sequence[float] = 0.975
) -> DistributionES:
    """ES and VaR by peaks over a threshold u: a generalised Pareto tail beyond it.

    VaR = u + (β/ξ) ((n (1 − c) / n_u)^−ξ − 1), ES = (VaR + β − ξu) / (1 − ξ)
    (McNeil, Frey and Embrechts 2015, equations 5.18 and 5.19).

    Parameters
    ----------
    threshold, shape, scale
        u, ξ below 1, β.
    n, n_exceed
        Observations, and those beyond u.
    level
        Confidence, or several. Where n (1 − level) exceeds n_exceed the VaR lies below u and the law is continued
        there, as evir does: a lower threshold serves such a level better.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Examples
    --------
    >>> from qflib.shortfall import pot_es
    >>> round(pot_es(160, 0.436, 32.532, 500, 22, level=0.99).es, 1)
    337.8
    """
    c = levels_of(level)
    if not (math.isfinite(threshold) and 0 < scale < math.inf and shape < 1 and 0 < n_exceed <= n):
        raise InputError(
            f"threshold is {threshold}, shape {shape}, scale {scale}, n_exceed {n_exceed} of n {n}; expected a finite "
            f"threshold, shape below 1, scale above 0 and 1 to n exceedances"
        )
    left = n * (1.0 - c) / n_exceed
    q = -np.log(left) if shape == 0.0 else np.expm1(-shape * np.log(left)) / shape
    var = threshold + scale * q
    return _made((var + scale - shape * threshold) / (1.0 - shape), var, c, np.ndim(level), "peaks over threshold")


def _made(es: F8, var: F8, level: F8, ndim: int, name: str) -> DistributionES:
    if ndim:
        return DistributionES(es, var, level, name)
    return DistributionES(float(es[0]), float(var[0]), float(level[0]), name)


def _normal(c: F8) -> tuple[F8, F8]:
    z = special.ndtri(c)
    es: F8 = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / (1.0 - c)
    return z, es


def _student_t(c: F8, df: float | None, standardised: str) -> tuple[F8, F8]:
    if standardised not in ("none", "unit_variance"):
        raise InputError(f"standardised is {standardised!r}; expected 'none' or 'unit_variance'")
    least = 2.0 if standardised == "unit_variance" else 1.0
    if df is None or not df > least:
        raise InputError(f"df is {df}; expected degrees of freedom above {least:g}, or the figure does not exist")
    t = np.asarray(special.stdtrit(df, c), np.float64)
    es: F8 = stats.t.pdf(t, df) / (1.0 - c) * (df + t * t) / (df - 1.0)
    factor = math.sqrt((df - 2.0) / df) if standardised == "unit_variance" else 1.0
    return t * factor, es * factor


def _gpd(c: F8, shape: float | None) -> tuple[F8, F8]:
    if shape is None or not shape < 1.0:
        raise InputError(f"shape is {shape}; expected a number below 1: from 1 on the mean does not exist")
    q = np.asarray(-np.log1p(-c) if shape == 0.0 else np.expm1(-shape * np.log1p(-c)) / shape, np.float64)
    return q, (q + 1.0) / (1.0 - shape)
