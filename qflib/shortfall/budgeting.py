"""Portfolios whose assets have given shares of the expected shortfall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError
from qflib.kernels.expected_shortfall import es_var, tail_mass, tail_weights
from qflib.shortfall.budget_dual import tail_of_budget
from qflib.shortfall.elliptical import fit_df, unit_tail
from qflib.shortfall.inputs import Kind, level_of, names_of, pnl_of
from qflib.shortfall.optimal import least_tail

F8 = NDArray[np.float64]

METHODS = ("historical", "gaussian", "student_t")
_STEPS = 100


@dataclass(frozen=True, eq=False)
class ESBudget:
    """Long-only weights that sum to one, and what each asset contributes to their ES.

    Parameters
    ----------
    weights
        (m,).
    es
        Of the portfolio, a positive loss.
    contribution
        (m,): Euler contributions, which sum to es.
    budget
        (m,): the shares asked for.
    level, names, method, df
        As asked; df as fitted.
    error
        By how much a share, or the sum of all, misses what it should be, at most.
    tail
        (n,): scenario weights that contributions are of; empty where they are of a law. Of scenarios, up to m tie at
        the VaR of the best portfolio, and the budget holds for one way to share the tail's last mass among them:
        `component_es`, which takes them in their own order, tells other contributions of the same ES.
    """

    weights: F8
    es: float
    contribution: F8
    budget: F8
    level: float
    names: tuple[str, ...]
    method: str
    error: float
    tail: F8
    df: float | None = None

    @property
    def share(self) -> F8:
        """(m,): contributions in units of ES."""
        return np.asarray(self.contribution / self.es)

    def to_frame(self) -> pd.DataFrame:
        """One row an asset: weight, contribution, share, budget."""
        columns = {"weight": self.weights, "contribution": self.contribution, "share": self.share}
        return pd.DataFrame({**columns, "budget": self.budget}, index=pd.Index(self.names, name="asset"))

    def plot(self) -> Any:
        """Weights beside shares of ES."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        frame = self.to_frame()[["weight", "share"]]
        return frame.hvplot.bar(rot=60, title=f"ES {self.level:.1%}: {self.es:,.6g}", width=900, height=380)

    def _repr_html_(self) -> str:
        law = f"Student t, {self.df:.4g} degrees of freedom" if self.df is not None else self.method
        said = f"ES {self.level:.1%}: {self.es:,.6g} ({law}); shares are within {self.error:.1e} of their budget"
        return f"<p>{said}</p>" + str(self.to_frame().to_html())


def es_budget(
    x: ArrayLike | pd.DataFrame,
    level: float = 0.975,
    *,
    kind: Kind,
    budget: ArrayLike | None = None,
    method: str = "historical",
    df: float | None = None,
    names: Sequence[str] | None = None,
    tolerance: float = 1e-9,
) -> ESBudget:
    """Long-only weights, summing to one, whose Euler contributions to ES have given shares.

    The least ES(w) − Σ bⱼ log wⱼ over w > 0, scaled (Roncalli 2013, Introduction to risk parity and budgeting, chapter
    2; Boudt, Carl and Peterson 2013, Asset allocation with conditional value-at-risk budgets). It is unique where every
    long-only portfolio has a positive ES, and does not exist otherwise.

    Parameters
    ----------
    x
        (n, m) a scenario and asset.
    level, kind
        As in `expected_shortfall`.
    budget
        (m,) above 0, scaled to sum to one; None: equal.
    method
        "historical", of the scenarios themselves; "gaussian" or "student_t", of their mean and covariance (n − 1).
    df
        Of "student_t", as in `component_es`.
    names
        (m,); a DataFrame's columns by default.
    tolerance
        Of shares.

    Returns
    -------
    ESBudget

    Raises
    ------
    InputError
        If x, budget, method or df are not as asked; if a long-only portfolio has an ES of 0 or below, so that there is
        no risk to budget; or if the tolerance is not reached.

    Notes
    -----
    Scenarios: the dual by an interior point method, some 20 to 50 steps of O(n m²), after a linear programme where the
    tail of a simple portfolio does not lose in every asset. Laws: Newton's method, O(m³) a step.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import es_budget
    >>> x = np.random.default_rng(1).normal(size=(2000, 2)) * [1.0, 2.0]
    >>> r = es_budget(x, kind="return", budget=[0.25, 0.75])
    >>> r.share.round(6), r.weights.sum().round(12)
    (array([0.25, 0.75]), np.float64(1.0))
    """
    pnl, c = pnl_of(x, kind, ndim=2), level_of(level)
    m = pnl.shape[1]
    labels = names_of(x, m, names)
    b = np.full(m, 1.0) if budget is None else np.asarray(budget, np.float64)
    if b.shape != (m,) or not np.isfinite(b).all() or not (b > 0).all():
        raise InputError(
            f"budget is {b.tolist()}; expected {m} shares above 0 (leave out an asset that is to have none)"
        )
    b = b / float(np.sum(b))
    if method not in METHODS:
        raise InputError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    if df is not None and method != "student_t":
        raise InputError(f"df is {df} and method {method!r}; degrees of freedom are for 'student_t'")
    if not 0.0 < tolerance < 1.0:
        raise InputError(f"tolerance is {tolerance}; expected a small number above 0")
    tail = np.empty(0)
    if method == "historical":
        weights, es, contribution, tail = _of_scenarios(pnl, c, b, labels, tolerance)
    else:
        df = fit_df(pnl) if method == "student_t" and df is None else df
        weights, es, contribution = _of_a_law(pnl, c, b, df, tolerance)
    share = contribution / es
    error = max(float(np.max(np.abs(share - b))), abs(float(np.sum(share)) - 1.0))
    if not error <= tolerance:
        raise InputError(
            f"shares are {error:.1e} from their budget, not within {tolerance}; give a higher tolerance, or make one "
            f"asset of those that hedge each other nearly wholly"
        )
    return ESBudget(weights, es, contribution, b, c, labels, method, error, tail, df)


def _of_scenarios(
    pnl: F8, level: float, budget: F8, names: tuple[str, ...], tolerance: float
) -> tuple[F8, float, F8, F8]:
    n, m = pnl.shape
    alone = np.array([_es(pnl[:, j], level) for j in range(m)])
    if not (alone > 0.0).all():
        j = int(np.argmin(alone))
        raise InputError(f"{names[j]} alone has an ES of {alone[j]:.6g}; budgets need losses in every asset's own tail")
    loss = np.ascontiguousarray(-pnl / alone)
    cap = 1.0 / tail_mass(n, level)
    found = tail_of_budget(loss, budget, cap, _start(loss, level), 0.1 * tolerance)
    weights = found.weights / alone
    weights = weights / float(np.sum(weights))
    return weights, _es(pnl @ weights, level), weights * (-(found.tail @ pnl)), found.tail


def _es(values: F8, level: float) -> float:
    pnl, out, levels = np.ascontiguousarray(values), np.empty((1, 2)), np.array([level])
    for a in (pnl, levels):
        a.setflags(write=False)
    es_var(pnl, levels, out, np.empty(len(pnl)))
    return float(out[0, 0])


def _start(loss: F8, level: float) -> F8:
    """Scenario weights inside their bounds, under which every asset loses on average."""
    n, m = loss.shape
    even, tail, total = np.full(n, 1.0 / n), np.empty(n), np.ascontiguousarray(-np.sum(loss, axis=1))
    total.setflags(write=False)
    tail_weights(total, level, tail, np.empty(n))
    made = 0.9 * tail + 0.1 * even
    if float(np.min(loss.T @ made)) > 1e-3:
        return made
    weights, es, tail = least_tail(-loss, level, np.zeros(m), np.full(m, np.inf))
    if not es > 0.0:
        raise InputError(
            f"long-only weights proportional to {np.round(weights, 4).tolist()} (in units of each asset's own ES) have "
            f"an ES of {es:.6g}; budgets need a positive one of every long-only portfolio"
        )
    # under the tail of least ES every asset loses that much; evenly weighted it gains so much at most
    most = max(float(np.max(-np.mean(loss, axis=0))), 0.0)
    mixed = min(0.1, 0.5 * es / (es + most))
    return (1.0 - mixed) * tail + mixed * even


def _of_a_law(pnl: F8, level: float, budget: F8, df: float | None, tolerance: float) -> tuple[F8, float, F8]:
    if len(pnl) < 2:
        raise InputError(f"{len(pnl)} scenario gives no covariance; give 2 at least")
    k, _ = unit_tail(level, df)
    mean, covariance = pnl.mean(axis=0), np.atleast_2d(np.cov(pnl, rowvar=False))
    alone = k * np.sqrt(np.diag(covariance)) - mean
    if not (alone > 0.0).all():
        raise InputError(f"an asset alone has an ES of {float(np.min(alone)):.6g}; budgets need a positive one of each")
    w = budget / alone

    def parts(w: F8) -> tuple[float, float, F8, F8]:
        pull = covariance @ w
        sd = math.sqrt(max(float(w @ pull), 0.0))
        es = k * sd - float(w @ mean)
        if not (es > 0.0 and sd > 0.0):
            raise InputError(
                f"long-only weights {np.round(w / np.sum(w), 4).tolist()} have an ES of {es / float(np.sum(w)):.6g}; "
                f"budgets need a positive one of every long-only portfolio"
            )
        return es, sd, pull, k * pull / sd - mean

    for _ in range(_STEPS):
        es, sd, pull, slope = parts(w)
        residual = w * slope - budget
        if float(np.max(np.abs(residual))) <= 0.1 * min(tolerance, 1e-12):
            break
        value = es - float(budget @ np.log(w))
        # in units of w, so that the diagonal is the budget
        hessian = k * (covariance / sd - np.outer(pull, pull) / sd**3) * np.outer(w, w) + np.diag(budget)
        move = np.linalg.solve(hessian, -residual)
        fall, length = float(residual @ move), min(1.0, 0.99 / max(float(np.max(-move)), 1e-300))
        for _ in range(60):
            ahead = w * (1.0 + length * move)
            if parts(ahead)[0] - float(budget @ np.log(ahead)) <= value + 1e-4 * length * fall + 1e-15 * abs(value):
                break
            length *= 0.5
        w = ahead
    es, _, _, slope = parts(w)
    scale = float(np.sum(w))
    contribution = w * slope / scale
    return w / scale, es / scale, contribution
