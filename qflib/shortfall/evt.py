"""Peaks over a threshold: a generalised Pareto tail fitted by maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from qflib.errors import InputError
from qflib.shortfall.closed_forms import pot_es
from qflib.shortfall.inputs import Kind, levels_of, pnl_of

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PeaksOverThreshold:
    """The fit: shape ξ, scale β, negative log-likelihood, and ES and VaR (n_levels,)."""

    threshold: float
    shape: float
    scale: float
    nll: float
    n: int
    n_exceed: int
    level: F8
    var: F8
    es: F8


def fit_pot(x: ArrayLike, threshold: float, level: float | list[float] = 0.99, *, kind: Kind) -> PeaksOverThreshold:
    """Fit a generalised Pareto law to the losses beyond a threshold.

    Maximum likelihood in one dimension: with θ = ξ/β the likelihood is greatest at ξ(θ) = mean log(1 + θy)
    (Grimshaw 1993, Computing maximum likelihood estimates for the generalized Pareto distribution), so only θ is
    searched, on a grid and then by Brent's method.

    Parameters
    ----------
    x
        (n,) as in `expected_shortfall`.
    threshold
        A loss.
    level
        Confidence, or several.
    kind
        As in `expected_shortfall`.

    Raises
    ------
    InputError
        If fewer than 10 losses exceed the threshold.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.evt import fit_pot
    >>> loss = np.random.default_rng(1).pareto(3.0, 5000)
    >>> 0.2 < fit_pot(loss, threshold=1.0, kind="loss").shape < 0.5
    True
    """
    loss = -pnl_of(x, kind)
    y = np.sort(loss[loss > threshold]) - threshold
    if len(y) < 10:
        raise InputError(f"{len(y)} losses exceed the threshold {threshold}; a fit needs 10 at least: lower it")

    def nll(theta: float) -> float:
        if abs(theta * y[-1]) < 1e-9:  # the exponential law
            return len(y) * (1.0 + float(np.log(np.mean(y))))
        shape = float(np.mean(np.log1p(theta * y)))
        return len(y) * (float(np.log(shape / theta)) + shape + 1.0)

    # θ > −1/max(y); a logarithmic grid brackets the least value, which may lie near either end. Below −0.99/max(y) the
    # likelihood grows without bound and says nothing.
    far = np.geomspace(1e-4, 1e3, 120) / float(np.mean(y))
    grid = np.r_[-np.linspace(0.99, 0.01, 60) / y[-1], far]
    at = int(np.argmin([nll(float(t)) for t in grid]))
    lo, hi = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(nll, bounds=(lo, hi), method="bounded", options={"xatol": 1e-12 * abs(hi - lo)})
    theta = float(found.x)
    shape = float(np.mean(np.log1p(theta * y)))
    scale = shape / theta if abs(theta * y[-1]) >= 1e-9 else float(np.mean(y))
    levels = levels_of(level)
    tail = pot_es(threshold, shape, scale, len(loss), len(y), level=levels.tolist())
    return PeaksOverThreshold(threshold, shape, scale, nll(theta), len(loss), len(y), levels, tail.var, tail.es)
