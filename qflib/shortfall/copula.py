"""The t copula: dependence of factors apart from their margins, with extremes that come together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from qflib.errors import InputError
from qflib.shortfall.draws import cholesky, correlated

F8 = NDArray[np.float64]

#: Degrees of freedom searched; at the upper end the copula is taken as normal.
_LEAST, _MOST = 1.0, 200.0


@dataclass(frozen=True, eq=False)
class TCopula:
    """A t copula.

    Attributes
    ----------
    correlation
        (d, d) of the t law behind it, not of the factors.
    df
        Degrees of freedom ν; infinite: the Gaussian copula.
    loglik
        Of the fit; NaN of one that was not fitted.
    factors
        d names.
    """

    correlation: F8
    df: float
    loglik: float
    factors: tuple[str, ...]

    def draw(self, n: int, rng: np.random.Generator) -> F8:
        """Uniforms (n, d) within 0 and 1 that depend on each other as the copula says; O(n d²)."""
        x = correlated(cholesky(self.correlation), rng.standard_normal((n, len(self.correlation))))
        if math.isinf(self.df):
            return np.asarray(special.ndtr(x))
        return np.asarray(special.stdtr(self.df, x * np.sqrt(self.df / rng.chisquare(self.df, n))[:, None]))

    def tail_dependence(self) -> F8:
        """(d, d): how probable it is that one factor is extreme where another is; the same in both tails."""
        return np.asarray(tail_dependence(self.df, self.correlation))

    def to_frame(self) -> pd.DataFrame:
        """The correlation, by factor."""
        return pd.DataFrame(self.correlation, list(self.factors), list(self.factors))

    def plot(self) -> Any:
        """Heat map of the tail dependence."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        frame = pd.DataFrame(self.tail_dependence(), list(self.factors), list(self.factors))
        return frame.hvplot.heatmap(title=f"tail dependence, ν = {self.df:.3g}", clim=(0, 1), rot=60)

    def _repr_html_(self) -> str:
        return f"<p>t copula, ν = {self.df:.4g}, log-likelihood {self.loglik:.6g}</p>" + str(self.to_frame().to_html())


def tail_dependence(df: float, correlation: ArrayLike) -> F8 | float:
    """Of a t copula, in either tail: λ = 2 t_{ν+1}(−√((ν + 1)(1 − ρ)/(1 + ρ))); of a Gaussian one, 0.

    Demarta and McNeil (2005), The t copula and related copulas.

    Parameters
    ----------
    df
        ν, above 0.
    correlation
        ρ, from −1 to 1, of any shape.

    Raises
    ------
    InputError
        If either is out of range.

    Examples
    --------
    >>> from qflib.shortfall.copula import tail_dependence
    >>> round(tail_dependence(4.0, 0.5), 4)
    0.2532
    """
    rho = np.asarray(correlation, np.float64)
    if not df > 0.0 or not bool(np.all(np.abs(rho) <= 1.0)):
        raise InputError(f"df is {df}, correlation {correlation!r}; expected df above 0 and correlations from -1 to 1")
    if math.isinf(df):
        made = np.where(rho == 1.0, 1.0, 0.0)
    else:
        with np.errstate(divide="ignore"):
            at = -np.sqrt((df + 1.0) * (1.0 - rho) / (1.0 + rho))
        made = 2.0 * special.stdtr(df + 1.0, at)
    return float(made) if made.ndim == 0 else np.asarray(made)


def fit_t_copula(x: ArrayLike | pd.DataFrame, df: float | None = None) -> TCopula:
    """Fit a t copula to joint values, whatever their margins.

    The correlation is sin(π τ / 2) of Kendall's τ of each pair, mended to be positive semi-definite where it is not;
    ν then maximises the likelihood of the ranks over n + 1 (Demarta and McNeil 2005, The t copula and related copulas;
    McNeil, Frey and Embrechts 2015, Quantitative Risk Management, section 7.5).

    Parameters
    ----------
    x
        (n, d), n of 10 or more, d of 2 or more, no column constant.
    df
        ν, if it is known; infinite: the Gaussian copula.

    Returns
    -------
    TCopula

    Raises
    ------
    InputError
        If x has another shape, values that are not finite or a constant column, two columns have the same ranks or
        opposite ones, or df is not positive.

    Notes
    -----
    O(d² n log n), and O(n d²) for each of some 30 evaluations of the likelihood.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import fit_t_copula
    >>> rng = np.random.default_rng(1)
    >>> common = rng.standard_t(4, (2000, 1))
    >>> fit = fit_t_copula(common + rng.standard_t(4, (2000, 2)))
    >>> bool(0.4 < fit.correlation[0, 1] < 0.6), 2.0 < fit.df < 10.0
    (True, True)
    """
    names = tuple(str(c) for c in x.columns) if isinstance(x, pd.DataFrame) else ()
    a = np.asarray(x, np.float64)
    if (
        a.ndim != 2
        or a.shape[0] < 10
        or a.shape[1] < 2
        or not np.isfinite(a).all()
        or bool((np.ptp(a, axis=0) == 0.0).any())
    ):
        raise InputError(
            f"x has shape {a.shape}; expected finite values (n, d) of 10 rows and 2 columns at least, none constant"
        )
    if df is not None and not df > 0.0:
        raise InputError(f"df is {df}; expected a positive number, inf for the Gaussian copula, or None to fit it")
    labels = names or tuple(f"x{j}" for j in range(a.shape[1]))
    by_kendall = _by_kendall(a)
    one = np.argwhere(np.abs(np.tril(by_kendall, -1)) >= 1.0 - 1e-12)
    if len(one):  # no density: any likelihood would be that of what mends the correlation
        i, j = one[0].tolist()
        raise InputError(f"{labels[j]} and {labels[i]} move as one, or one against the other; leave one of them out")
    correlation = _mended(by_kendall)
    ranks = stats.rankdata(a, axis=0) / (len(a) + 1.0)
    if df is None:
        found = optimize.minimize_scalar(
            lambda p: -log_likelihood(ranks, correlation, math.exp(p)),
            bounds=(math.log(_LEAST), math.log(_MOST)),
            method="bounded",
            options={"xatol": 1e-6},
        )
        df = math.exp(float(found.x))
        df = math.inf if df > 0.99 * _MOST else df
    frozen = correlation.copy()
    frozen.setflags(write=False)
    loglik = log_likelihood(ranks, correlation, df)
    return TCopula(frozen, df, loglik, labels)


def log_likelihood(u: F8, correlation: F8, df: float) -> float:
    """Of uniforms (n, d) under a t copula; df infinite: the Gaussian one.

    Raises
    ------
    InputError
        If the correlation is singular: then there is no density.
    """
    n, d = u.shape
    root = cholesky(correlation)
    pivots = np.diag(root)
    if not bool((pivots > 0.0).all()):
        raise InputError("the factors' correlation is singular, one explains another wholly: leave one out")
    if math.isinf(df):
        normal = np.asarray(special.ndtri(u), np.float64)
        more = np.sum(normal**2, axis=1) - np.sum(_solved(root, normal) ** 2, axis=1)
        return float(0.5 * np.sum(more) - n * np.sum(np.log(pivots)))
    x = np.asarray(special.stdtrit(df, u), np.float64)
    square = np.sum(_solved(root, x) ** 2, axis=1)
    joint = -0.5 * (df + d) * np.log1p(square / df)
    alone = -0.5 * (df + 1.0) * np.sum(np.log1p(x**2 / df), axis=1)
    one = special.gammaln(0.5 * df)
    constant = special.gammaln(0.5 * (df + d)) + (d - 1) * one - d * special.gammaln(0.5 * (df + 1.0))
    return float(np.sum(joint - alone) + n * (constant - np.sum(np.log(pivots))))


def _solved(root: F8, x: F8) -> F8:
    """Rows y with root y = x: forward substitution."""
    y = np.empty_like(x)
    for i in range(len(root)):
        rest = x[:, i].copy()
        for k in range(i):
            rest -= root[i, k] * y[:, k]
        y[:, i] = rest / root[i, i]
    return y


def _by_kendall(a: F8) -> F8:
    d = a.shape[1]
    made: F8 = np.eye(d)
    for i in range(d):
        for j in range(i):
            tau = float(stats.kendalltau(a[:, i], a[:, j]).statistic)
            made[i, j] = made[j, i] = math.sin(0.5 * math.pi * tau)
    return made


def _mended(correlation: F8) -> F8:
    """The eigenvalue method: those below a small positive number are raised to it, and the diagonal is 1 again."""
    values, vectors = np.linalg.eigh(correlation)
    if values[0] >= 1e-8:
        return correlation
    raised = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(raised))
    # rounded: libraries of linear algebra differ in the last bits
    made: F8 = np.round(raised * scale[:, None] * scale[None, :], 12)
    np.fill_diagonal(made, 1.0)
    return made
