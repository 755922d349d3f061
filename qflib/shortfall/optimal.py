"""Portfolios of least expected shortfall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from qflib.errors import InputError
from qflib.shortfall.inputs import Kind, level_of, levels_of, names_of, pnl_of

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeastES:
    """Weights (m,), the ES they have, and their mean P&L."""

    weights: F8
    es: float
    mean: float = math.nan
    names: tuple[str, ...] = ()
    level: float = math.nan

    def to_frame(self) -> pd.DataFrame:
        """One row an asset."""
        return pd.DataFrame({"weight": self.weights}, index=pd.Index(self.names, name="asset"))

    def plot(self) -> Any:
        """Bars of the weights."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        return self.to_frame().hvplot.bar(y="weight", rot=60, title=self._title(), width=900, height=360)

    def _title(self) -> str:
        return f"ES {self.level:.1%} {self.es:,.6g}, mean {self.mean:,.6g}"

    def _repr_html_(self) -> str:
        return f"<p>{self._title()}</p>" + str(self.to_frame().to_html())


def min_cvar(
    x: ArrayLike | pd.DataFrame,
    level: float = 0.975,
    *,
    kind: Kind,
    bounds: tuple[ArrayLike | None, ArrayLike | None] = (0.0, None),
    target_return: float | None = None,
    names: Sequence[str] | None = None,
) -> LeastES:
    """Weights that sum to one, of least historical ES.

    The linear programme of Rockafellar and Uryasev (2000), Optimization of conditional value-at-risk, equation 17, in
    its dual form with m constraints, which HiGHS solves several times faster: over scenario weights
    0 ≤ q ≤ 1/(n(1 − c)), Σq = 1, and prices a, b, λ ≥ 0 of the lower and upper bounds l, u and of the target r, the
    greatest a·l − b·u + λr − θ with Σ qᵢ xᵢⱼ + aⱼ − bⱼ + λ μⱼ = θ; the weights are its shadow prices.

    Parameters
    ----------
    x
        (n, m) a scenario and asset.
    level, kind
        As in `expected_shortfall`.
    bounds
        Least and greatest weight: numbers, (m,), or None for no bound. By default long only.
    target_return
        Mean P&L of the portfolio, at least; None: any.
    names
        (m,); a DataFrame's columns by default.

    Raises
    ------
    InputError
        If x is not as asked, no weights keep the bounds and the target, or ES falls without end for want of bounds.

    Notes
    -----
    Seconds for 10⁴ scenarios of 20 assets, tens of milliseconds for 10³.

    Examples
    --------
    >>> from qflib.shortfall.optimal import min_cvar
    >>> min_cvar([[-2.0, 0.0], [0.0, -1.0], [1.0, 1.0]], level=0.5, kind="pnl").es.__round__(6)
    0.666667
    """
    pnl, c = pnl_of(x, kind, ndim=2), level_of(level)
    m = pnl.shape[1]
    labels = names_of(x, m, names)
    low, high = (_bound(b, m, fallback) for b, fallback in zip(bounds, (-np.inf, np.inf), strict=True))
    mean = pnl.mean(axis=0)
    _check_feasible(low, high, mean, target_return)
    weights, es, _ = least_tail(pnl, c, low, high, target_return)
    return LeastES(weights, es, float(weights @ mean), labels, c)


def least_tail(pnl: F8, level: float, low: F8, high: F8, target_return: float | None = None) -> tuple[F8, float, F8]:
    """Weights (m,) between bounds, of least ES; that ES; and the tail's scenario weights (n,): see `min_cvar`.

    Raises
    ------
    InputError
        As `min_cvar`, of the programme.
    """
    n, m = pnl.shape
    mean = pnl.mean(axis=0)
    below, above = np.flatnonzero(np.isfinite(low)), np.flatnonzero(np.isfinite(high))
    one, target = np.eye(m), [] if target_return is None else [target_return]
    rows = np.hstack([pnl.T, -np.ones((m, 1)), one[:, below], -one[:, above], np.outer(mean, np.ones(len(target)))])
    priced = rows.shape[1] - n - 1
    solved = optimize.linprog(
        np.r_[np.zeros(n), 1.0, -low[below], high[above], [-r for r in target]],
        A_eq=np.vstack([rows, np.r_[np.ones(n), np.zeros(1 + priced)]]),
        b_eq=np.r_[np.zeros(m), 1.0],
        bounds=[*[(0.0, 1.0 / (n * (1.0 - level)))] * n, (None, None), *[(0.0, None)] * priced],
        method="highs",
    )
    if solved.status in (2, 3, 4) or solved.fun is None:
        raise InputError(f"ES of these weights has no least value ({solved.message}); give finite bounds")
    if not solved.success:
        raise InputError(f"no portfolio of least ES was found ({solved.message}); check the scenarios")
    weights = np.clip(-np.asarray(solved.eqlin.marginals)[:m], low, high)
    if float(np.min(low)) >= 0.0:
        weights = weights / float(np.sum(weights))
    return weights, -float(solved.fun), np.asarray(solved.x, np.float64)[:n]


def _bound(b: ArrayLike | None, m: int, fallback: float) -> F8:
    made = np.full(m, fallback) if b is None else np.array(b, np.float64)
    if made.shape not in ((), (1,), (m,)) or np.isnan(made).any():
        raise InputError(
            f"bounds have shape {made.shape} or hold NaN; expected a number, or one for each of {m} assets"
        )
    return np.broadcast_to(made, (m,)).astype(np.float64)


def _check_feasible(low: F8, high: F8, mean: F8, target: float | None) -> None:
    if (low > high).any() or not float(np.sum(low)) <= 1.0 + 1e-12 or not float(np.sum(high)) >= 1.0 - 1e-12:
        raise InputError(
            f"no weights between {low.tolist()} and {high.tolist()} sum to one; lower the least or raise the greatest"
        )
    if target is None or not (np.isfinite(low).all() and np.isfinite(target)):
        if target is not None and not np.isfinite(target):
            raise InputError(f"target_return is {target}; expected a finite mean")
        return
    left, most = 1.0 - float(np.sum(low)), float(low @ mean)
    for j in np.argsort(-mean, kind="stable"):
        taken = min(left, float(high[j] - low[j]))
        most += taken * float(mean[j])
        left -= taken
    if target > most + 1e-12 * max(abs(most), abs(target)):
        raise InputError(f"target_return is {target} and no weights within the bounds have a mean above {most:.6g}")


@dataclass(frozen=True, eq=False)
class LeastNormalES:
    """Weights (m,), the variance they have, and ES and VaR (n_levels,)."""

    weights: F8
    variance: float
    es: F8
    var: F8


def min_cvar_normal(
    mean: ArrayLike, cov: ArrayLike, target_return: float, level: float | list[float] = 0.975
) -> LeastNormalES:
    """Weights of least ES among those of a given mean, for normal returns: those of least variance.

    Rockafellar and Uryasev (2000), Proposition 4.1. Short positions are allowed; the weights sum to one.

    Raises
    ------
    InputError
        If shapes differ, or the means are all equal so that the target cannot be met.

    Examples
    --------
    >>> from qflib.shortfall.optimal import min_cvar_normal
    >>> min_cvar_normal([0.0, 0.1], [[1, 0], [0, 1]], 0.05).weights
    array([0.5, 0.5])
    """
    m, s, c = np.asarray(mean, np.float64), np.asarray(cov, np.float64), levels_of(level)
    if m.ndim != 1 or s.shape != (len(m), len(m)):
        raise InputError(f"mean has shape {m.shape} and cov {s.shape}; expected (m,) and (m, m)")
    ties = np.column_stack([m, np.ones(len(m))])
    system = np.block([[s, ties], [ties.T, np.zeros((2, 2))]])
    if np.linalg.matrix_rank(system) < len(system):
        raise InputError(f"no unique weights have a mean of {target_return}; give means that differ and a full cov")
    w = np.linalg.solve(system, np.r_[np.zeros(len(m)), target_return, 1.0])[: len(m)]
    variance = float(w @ s @ w)
    z, sd, gain = special.ndtri(c), math.sqrt(variance), float(w @ m)
    es = sd * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / (1.0 - c) - gain
    return LeastNormalES(w, variance, np.asarray(es), np.asarray(sd * z - gain))
