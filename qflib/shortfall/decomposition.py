"""Who causes the expected shortfall: Euler contributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from qflib.errors import InputError
from qflib.kernels.expected_shortfall import es_var, tail_weights
from qflib.shortfall.cornish_fisher import modified_es, modified_es_slopes
from qflib.shortfall.inputs import Kind, levels_of, pnl_of

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ComponentES:
    """Contributions that sum to the portfolio's ES.

    Parameters
    ----------
    es, var
        Of the sum of the components, positive losses.
    contribution
        (m,): −E[component | the portfolio's tail], a negative one hedges.
    standalone
        (m,): ES of each component alone; never below its contribution.
    unit
        Of ES, for labels: a currency; empty where it is not known.
    """

    es: float
    var: float
    level: float
    names: tuple[str, ...]
    contribution: F8
    standalone: F8
    unit: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row a component, with its share of the whole."""
        share = self.contribution / self.es if self.es else np.full(len(self.names), np.nan)
        columns = {"contribution": self.contribution, "share": share, "standalone": self.standalone}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="component"))

    def plot(self) -> Any:
        """Bars of the contributions, the largest first; those that hedge are below zero."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)
        from bokeh.models import NumeralTickFormatter

        return (
            self.to_frame()
            .sort_values("contribution", ascending=False, kind="stable")
            .hvplot.bar(
                y="contribution",
                rot=60,
                title=f"Contributions to ES {self.level:.1%} of {self.es:,.6g} {self.unit}".strip(),
                ylabel=f"contribution, {self.unit or 'unit of the P&L'}",
                yformatter=NumeralTickFormatter(format="0,0.[0000]"),
                width=900,
                height=420,
            )
        )

    def _repr_html_(self) -> str:
        shown = {"contribution": "{:,.6g}".format, "share": "{:.1%}".format, "standalone": "{:,.6g}".format}
        return f"<p>ES {self.level:.1%}: {self.es:,.6g} {self.unit}</p>" + str(
            self.to_frame().to_html(formatters=shown)
        )


def component_es(
    x: ArrayLike | pd.DataFrame,
    level: float = 0.975,
    *,
    kind: Kind = "pnl",
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    method: str = "historical",
) -> ComponentES:
    """Euler contributions of components to the ES of their sum.

    The derivative of ES in the size of each component; by homogeneity they sum to ES (Tasche 1999, Risk contributions
    and performance measurement, section 3). Historical: −Σᵢ wᵢ cᵢⱼ with wᵢ the weight of scenario i in the portfolio's
    tail; scenarios that tie at the VaR are taken in their own order. Gaussian: wⱼ(−μⱼ + k (Σw)ⱼ / σ), k = φ(z)/(1 − c).

    Parameters
    ----------
    x
        (n, m): P&L (or returns) a scenario and component.
    level
        Confidence.
    kind
        As in `expected_shortfall`.
    weights
        (m,) sizes that multiply the columns; None: one each.
    names
        (m,); a DataFrame's columns by default.
    method
        "historical", "gaussian" (covariance with n − 1) or "modified" (the same covariance, higher moments with n;
        Boudt, Peterson and Croux 2008, section 3).

    Returns
    -------
    ComponentES

    Raises
    ------
    InputError
        As `expected_shortfall`; or if shapes differ or the method is unknown.

    Notes
    -----
    O(n m).

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import component_es
    >>> pnl = np.array([[-4.0, 1.0], [-1.0, -1.0], [2.0, -1.0], [3.0, 1.0]])
    >>> r = component_es(pnl, level=0.5)
    >>> r.es, r.contribution
    (2.5, array([2.5, 0. ]))
    """
    if names is None:
        labels = x.columns if isinstance(x, pd.DataFrame) else range(np.shape(x)[-1] if np.ndim(x) else 0)
        names = [str(c) for c in labels]
    pnl, c = pnl_of(x, kind, ndim=2), float(levels_of(level)[0])
    size = np.ones(pnl.shape[1]) if weights is None else np.asarray(weights, np.float64)
    if size.shape != (pnl.shape[1],) or len(names) != pnl.shape[1] or not np.isfinite(size).all():
        raise InputError(
            f"x has {pnl.shape[1]} components, weights have shape {size.shape} and names are {len(names)}; "
            f"give one finite weight and one name a component"
        )
    parts = pnl * size
    if method == "gaussian":
        es, var, contribution, standalone = _gaussian(parts, c)
    elif method == "historical":
        es, var, contribution, standalone = _historical(parts, c)
    elif method == "modified":
        es, var, contribution, standalone = _modified(parts, c)
    else:
        raise InputError(f"method is {method!r}; expected 'historical', 'gaussian' or 'modified'")
    return ComponentES(es, var, c, tuple(names), contribution, standalone)


def _historical(parts: F8, level: float) -> tuple[float, float, F8, F8]:
    n, m = parts.shape
    # One component after the other, so that the sum has the same bits however many threads there are.
    total = np.zeros(n)
    for j in range(m):
        total += parts[:, j]
    weight, work, levels, out = np.empty(n), np.empty(n), np.array([level]), np.empty((1, 2))
    for a in (total, levels):
        a.setflags(write=False)
    es_var(total, levels, out, work)
    tail_weights(total, level, weight, work)
    held = np.flatnonzero(weight)
    contribution = 0.0 - np.sum(parts[held] * weight[held, None], axis=0)
    alone, each = np.empty(m), np.empty((1, 2))
    for j in range(m):
        column = np.ascontiguousarray(parts[:, j])
        column.setflags(write=False)
        es_var(column, levels, each, work)
        alone[j] = each[0, 0]
    return float(out[0, 0]), float(out[0, 1]), contribution, alone


def _gaussian(parts: F8, level: float) -> tuple[float, float, F8, F8]:
    if len(parts) < 2:
        raise InputError(f"{len(parts)} scenario gives no covariance; give 2 at least")
    mean, covariance = parts.mean(axis=0), np.atleast_2d(np.cov(parts, rowvar=False))
    sd = math.sqrt(float(np.sum(covariance)))
    z = float(special.ndtri(level))
    k = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / (1.0 - level)
    pull = np.sum(covariance, axis=1) / sd if sd > 0 else np.zeros(len(mean))
    contribution = k * pull - mean
    return (
        float(np.sum(contribution)),
        z * sd - float(np.sum(mean)),
        contribution,
        k * np.sqrt(np.diag(covariance)) - mean,
    )


def _modified(parts: F8, level: float) -> tuple[float, float, F8, F8]:
    total = np.sum(parts, axis=1)
    es, var, contribution = _modified_euler(total, parts, level)
    alone = [_modified_euler(column, column[:, None], level)[0] for column in parts.T]
    return es, var, contribution, np.array(alone)


def _modified_euler(total: F8, parts: F8, level: float) -> tuple[float, float, F8]:
    """ES = −μ + σ m(S, K), and each part's derivative of it."""
    n = len(total)
    variance = float(np.var(total, ddof=1)) if n > 1 else 0.0
    if variance == 0.0:
        mean = parts.mean(axis=0)
        return -float(np.sum(mean)), -float(np.sum(mean)), 0.0 - mean
    y, each, sd = total - np.mean(total), parts - parts.mean(axis=0), math.sqrt(variance)
    skew = float(np.mean(y**3)) / sd**3
    excess = float(np.mean(y**4)) / sd**4 - 3.0
    es, var = modified_es(skew, excess, level)
    by_skew, by_excess = modified_es_slopes(skew, excess, level)
    d_sd = np.sum(y[:, None] * each, axis=0) / (n - 1) / sd
    d_skew = 3.0 * np.mean(y[:, None] ** 2 * each, axis=0) / sd**3 - 3.0 * skew * d_sd / sd
    d_excess = 4.0 * np.mean(y[:, None] ** 3 * each, axis=0) / sd**4 - 4.0 * (excess + 3.0) * d_sd / sd
    mean = float(np.mean(total))
    contribution = d_sd * es + sd * (by_skew * d_skew + by_excess * d_excess) - parts.mean(axis=0)
    return sd * es - mean, sd * var - mean, contribution
