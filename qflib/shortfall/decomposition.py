"""Who causes the expected shortfall: Euler contributions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError
from qflib.shortfall import euler
from qflib.shortfall.elliptical import fit_df
from qflib.shortfall.inputs import Kind, level_of, pnl_of

F8 = NDArray[np.float64]
Method = Callable[[F8, F8, float], euler.Split]

_METHODS: dict[str, Method] = {
    "cornish_fisher": euler.cornish_fisher,
    "gaussian": euler.elliptical,
    "historical": euler.historical,
    "modified": euler.modified,
    "monte_carlo": euler.monte_carlo,
}


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
    marginal
        (m,): what ES rises by if a component's size rises by one; contribution = size · marginal. None: not asked.
    incremental
        (m,): ES of the whole less ES of all but the component. None: not asked. By Cornish and Fisher it is NaN where
        the rest's moments give no law, as `standalone` is where the component's own give none.
    se
        (m,): Monte Carlo standard errors of the contributions. None: not of simulated scenarios.
    df
        Degrees of freedom, of a Student t.
    """

    es: float
    var: float
    level: float
    names: tuple[str, ...]
    contribution: F8
    standalone: F8
    unit: str = ""
    marginal: F8 | None = None
    incremental: F8 | None = None
    se: F8 | None = None
    df: float | None = None

    def to_frame(self) -> pd.DataFrame:
        """One row a component, with its share of the whole."""
        share = self.contribution / self.es if self.es else np.full(len(self.names), np.nan)
        columns = {"contribution": self.contribution, "share": share, "standalone": self.standalone}
        for name in ("marginal", "incremental", "se"):
            figures = getattr(self, name)
            if figures is not None:
                columns[name] = figures
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
        frame = self.to_frame()
        shown = {name: ("{:.1%}" if name == "share" else "{:,.6g}").format for name in frame.columns}
        law = f", Student t of {self.df:.4g} degrees of freedom" if self.df is not None else ""
        return f"<p>ES {self.level:.1%}: {self.es:,.6g} {self.unit}{law}</p>" + str(frame.to_html(formatters=shown))


def component_es(
    x: ArrayLike | pd.DataFrame,
    level: float = 0.975,
    *,
    kind: Kind = "pnl",
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    method: str = "historical",
    df: float | None = None,
) -> ComponentES:
    """Euler contributions of components to the ES of their sum.

    The derivative of ES in the size of each component; by homogeneity they sum to ES (Tasche 1999, Risk contributions
    and performance measurement, section 3). Historical: −Σᵢ wᵢ cᵢⱼ with wᵢ the weight of scenario i in the portfolio's
    tail; scenarios that tie at the VaR are taken in their own order. Gaussian and Student t: wⱼ(−μⱼ + k (Σw)ⱼ / σ), k
    the ES of the law of mean zero and variance one.

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
        "historical"; "monte_carlo", the same of independent draws, with standard errors; "gaussian" (covariance with
        n − 1); "student_t", with the same covariance; "cornish_fisher", the estimator of that name: where
        the moments of a component, or of the rest without it, are of no law, it alone or what it adds is NaN; or
        "modified": Edgeworth's expansion beyond Cornish and Fisher's quantile, the convention of that name but for
        n − 1 in the standard deviation (Boudt, Peterson and Croux 2008, section 3).
    df
        Degrees of freedom above 2, of "student_t"; None: of the greatest likelihood, see
        `qflib.shortfall.elliptical.fit_df`.

    Returns
    -------
    ComponentES
        With marginal and incremental figures.

    Raises
    ------
    InputError
        As `expected_shortfall`; or if shapes differ, the method is unknown, or df is not for it.

    Notes
    -----
    O(n m), of which each incremental figure is one more ES of n values; Gaussian and t O(n m² + m³).

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import component_es
    >>> pnl = np.array([[-4.0, 1.0], [-1.0, -1.0], [2.0, -1.0], [3.0, 1.0]])
    >>> r = component_es(pnl, level=0.5)
    >>> r.es, r.contribution, r.incremental
    (2.5, array([2.5, 0. ]), array([1.5, 0. ]))
    """
    if names is None:
        labels = x.columns if isinstance(x, pd.DataFrame) else range(np.shape(x)[-1] if np.ndim(x) else 0)
        names = [str(c) for c in labels]
    pnl, c = pnl_of(x, kind, ndim=2), level_of(level)
    size = np.ones(pnl.shape[1]) if weights is None else np.asarray(weights, np.float64)
    if size.shape != (pnl.shape[1],) or len(names) != pnl.shape[1] or not np.isfinite(size).all():
        raise InputError(
            f"x has {pnl.shape[1]} components, weights have shape {size.shape} and names are {len(names)}; "
            f"give one finite weight and one name a component"
        )
    if df is not None and method != "student_t":
        raise InputError(f"df is {df} and method {method!r}; degrees of freedom are for 'student_t'")
    if method == "student_t":
        df = fit_df(pnl) if df is None else df
        split = euler.elliptical(pnl, size, c, df)
    elif method in _METHODS:
        split = _METHODS[method](pnl, size, c)
    else:
        raise InputError(f"method is {method!r}; expected one of {', '.join([*_METHODS, 'student_t'])}")
    return ComponentES(
        split.es, split.var, c, tuple(names), split.contribution, split.standalone,
        marginal=split.marginal, incremental=split.incremental, se=split.se, df=df,
    )  # fmt: skip
