"""Portfolios of least expected shortfall."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from qflib.errors import InputError
from qflib.shortfall.inputs import Kind, levels_of, pnl_of

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeastES:
    """Weights (m,) and the ES they have."""

    weights: F8
    es: float


def min_cvar(x: ArrayLike, level: float = 0.975, *, kind: Kind) -> LeastES:
    """Long-only weights, summing to one, of least historical ES.

    The linear programme of Rockafellar and Uryasev (2000), Optimization of conditional value-at-risk, equation 17, in
    its dual form with m constraints, which HiGHS solves several times faster: least θ over scenario weights
    0 ≤ q ≤ 1/(n(1 − c)), Σq = 1, is the greatest of −θ with Σ qᵢ xᵢⱼ ≤ θ; the weights are its shadow prices.

    Parameters
    ----------
    x
        (n, m) a scenario and asset.
    level, kind
        As in `expected_shortfall`.

    Raises
    ------
    InputError
        If x is not as asked, or the programme has no solution.

    Examples
    --------
    >>> from qflib.shortfall.optimal import min_cvar
    >>> min_cvar([[-2.0, 0.0], [0.0, -1.0], [1.0, 1.0]], level=0.5, kind="pnl").es.__round__(6)
    0.666667
    """
    pnl, c = pnl_of(x, kind, ndim=2), float(levels_of(level)[0])
    n, m = pnl.shape
    cap = 1.0 / (n * (1.0 - c))
    bounds: list[tuple[float | None, float | None]] = [*[(0.0, cap)] * n, (None, None)]
    solved = optimize.linprog(
        np.r_[np.zeros(n), 1.0],
        A_ub=np.c_[pnl.T, -np.ones(m)],
        b_ub=np.zeros(m),
        A_eq=np.r_[np.ones(n), 0.0][None],
        b_eq=[1.0],
        bounds=bounds,
        method="highs",
    )
    if not solved.success or solved.fun is None:
        raise InputError(f"no portfolio of least ES was found ({solved.message}); check the scenarios")
    weights = np.maximum(-np.asarray(solved.ineqlin.marginals), 0.0)
    return LeastES(weights / float(np.sum(weights)), -float(solved.fun))


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
