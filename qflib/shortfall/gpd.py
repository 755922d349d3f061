"""The generalised Pareto law of excesses: its fit, how sure its parameters are, and whether it fits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from qflib.figures import Figures
from qflib.shortfall.quadratic_form import QuadraticForm

F8 = NDArray[np.float64]

#: Below so little |ξ y/β| the law is exponential to rounding.
_EXPONENTIAL = 1e-9
#: At or below this shape maximum likelihood is not regular, and no standard error is given (Smith 1985).
IRREGULAR = -0.5
#: Eigenvalues of the statistics' limits that are kept; the mean of the others is.
_KEPT = 80


@dataclass(frozen=True, slots=True)
class ExcessLaw:
    """Shape ξ and scale β of excesses, and their negative log-likelihood."""

    shape: float
    scale: float
    nll: float
    n: int

    def covariance(self) -> F8:
        """(2, 2) of shape and scale by the expected information (Smith 1987); NaN for a shape of −1/2 or below."""
        x, b = self.shape, self.scale
        if x <= IRREGULAR:
            return np.full((2, 2), np.nan)
        return (1.0 + x) / self.n * np.array([[1.0 + x, -b], [-b, 2.0 * b * b]])


def fit(y: F8) -> ExcessLaw:
    """Maximum likelihood of sorted excesses, in one dimension: ξ(θ) = mean log(1 + θy), θ = ξ/β (Grimshaw 1993)."""

    def nll(theta: float) -> float:
        if abs(theta * y[-1]) < _EXPONENTIAL:
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
    scale = shape / theta if abs(theta * y[-1]) >= _EXPONENTIAL else float(np.mean(y))
    return ExcessLaw(shape, scale, nll(theta), len(y))


def negative_log_likelihood(shape: F8, scale: F8, y: F8) -> F8:
    """(k,) of k pairs of parameters; infinite where an excess lies beyond the law's end or the scale is 0 or less."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = 1.0 + (shape / scale)[:, None] * y
        logs = np.log(inside).sum(axis=1)
        tiny = np.abs(shape) * y[-1] < _EXPONENTIAL * scale
        whole = len(y) * np.log(scale) + np.where(tiny, y.sum() / scale, (1.0 + 1.0 / shape) * logs)
    bad = ~(scale > 0.0) | (inside[:, -1] <= 0.0) | ~np.isfinite(whole)
    made: F8 = np.where(bad, np.inf, whole)
    return made


@dataclass(frozen=True, slots=True)
class GoodnessOfFit(Figures):
    """Cramér–von Mises W² and Anderson–Darling A² of a fitted law, with asymptotic p-values."""

    cramer_von_mises: float
    cramer_von_mises_p: float
    anderson_darling: float
    anderson_darling_p: float


def statistics(y: F8, law: ExcessLaw) -> tuple[float, float]:
    """W² and A² of sorted excesses."""
    n = len(y)
    if abs(law.shape * y[-1] / law.scale) < _EXPONENTIAL:
        log_left = -y / law.scale
    else:
        log_left = -np.log1p(law.shape * y / law.scale) / law.shape
    z = -np.expm1(log_left)
    i = np.arange(1, n + 1)
    w2 = float(np.sum((z - (2 * i - 1) / (2 * n)) ** 2) + 1.0 / (12 * n))
    a2 = float(-n - np.sum((2 * i - 1) * (np.log(np.maximum(z, 1e-300)) + log_left[::-1])) / n)
    return w2, a2


def goodness_of_fit(y: F8, law: ExcessLaw) -> GoodnessOfFit:
    """Choulakian and Stephens (2001), Goodness-of-fit tests for the generalized Pareto distribution.

    Both statistics tend to Σ λᵢ zᵢ², λ the eigenvalues of the empirical process with shape and scale estimated; their
    tables are these weights' tail, here computed for the shape itself. Shapes are taken to lie within −1/2 and 2.
    """
    w2, a2 = statistics(y, law)
    of_w2, of_a2 = limits(round(min(max(law.shape, IRREGULAR), 2.0), 2))
    return GoodnessOfFit(w2, _beyond(of_w2, w2), a2, _beyond(of_a2, a2))


def _beyond(law: QuadraticForm, x: float) -> float:
    return 1.0 if x <= law.shift else math.exp(min(law.tail(x).log_probability, 0.0))


@lru_cache(maxsize=512)
def limits(shape: float) -> tuple[QuadraticForm, QuadraticForm]:
    """The laws that W² and A² tend to.

    In the eigenfunctions of the process with known parameters, sines and derivatives of Legendre's polynomials
    (Anderson and Darling 1952), estimation takes away a matrix of rank two, g I⁻¹ gᵀ, g the slopes of the law's
    distribution function in its parameters.
    """
    s, sines, derived = _eigenfunctions()
    left = 1.0 - s
    logs = np.log(left)
    if abs(shape) < 1e-6:
        slopes = np.stack([-0.5 * left * logs * logs, left * logs])
    else:
        power = -np.expm1(shape * logs) / shape
        slopes = np.stack([left * (logs + power) / shape, -left * power])
    inverse = (1.0 + shape) * np.array([[1.0 + shape, -1.0], [-1.0, 2.0]])
    j = np.arange(1, _KEPT + 1)
    made = []
    for functions, known, whole in ((sines, 1.0 / (np.pi * j) ** 2, 1.0 / 6.0), (derived, 1.0 / (j * (j + 1.0)), 1.0)):
        g = functions @ slopes.T
        values = np.linalg.eigvalsh(np.diag(known) - g @ inverse @ g.T)
        made.append(QuadraticForm(whole - float(np.sum(known)), np.zeros(_KEPT), 2.0 * np.maximum(values, 0.0)))
    return made[0], made[1]


@lru_cache(maxsize=1)
def _eigenfunctions() -> tuple[F8, F8, F8]:
    """Nodes of an integral over (0, 1), and both processes' eigenfunctions there, times the weights."""
    nodes, weights = np.polynomial.legendre.leggauss(600)
    j = np.arange(1, _KEPT + 1)
    sines = math.sqrt(2.0) * np.sin(np.pi * np.outer(j, 0.5 * (nodes + 1.0)))
    slopes = np.stack([np.polynomial.Legendre.basis(int(k)).deriv()(nodes) for k in j])
    derived = 2.0 * np.sqrt((2 * j + 1) / (j * (j + 1)))[:, None] * slopes
    return 0.5 * (nodes + 1.0), sines * (0.5 * weights), derived * (0.5 * weights)
