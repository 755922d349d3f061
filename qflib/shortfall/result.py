"""What an estimate of expected shortfall gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.shortfall.estimated import Law

_COLUMNS = ("es", "var", "n_tail", "se", "low", "high", "var_se", "var_low", "var_high")


@dataclass(frozen=True, eq=False, repr=False)
class ESResult:
    """Expected shortfall and value at risk, with how sure they are.

    Estimated are floats where `level` was one number, arrays (n_levels,) where it was a sequence.

    Parameters
    ----------
    es, var
        Positive losses, in the unit of the values.
    level
        Confidence.
    n
        Observations.
    n_tail
        Observations with weight in the tail; of a fitted law, those at or beyond its VaR; of "filtered", residuals in
        the tail of one period.
    se
        Standard error of `es`; NaN where fewer than two observations are in the tail or the convention has none.
    low, high
        Confidence interval of `es`, at `confidence`.
    convention
        The rule by which the figures are taken from a sample; the method's name where they are a law's.
    method
        The estimator.
    interval
        "analytic", "profile" or "bootstrap".
    var_se, var_low, var_high
        The same of `var`; a bound is NaN where the sample does not reach it.
    parameters
        What was fitted, given or chosen: of the losses, but for "filtered"'s, which are of the gains.
    law
        The fitted law of losses, where there is one: `figures(levels)`, `pdf(loss)`, `mean`.

    Examples
    --------
    >>> import qflib as qf
    >>> es = qf.expected_shortfall([-4.0, -2.0, 1.0, 3.0], level=0.5, kind="pnl")
    >>> es.es, es.var, es.n_tail
    (3.0, 2.0, 2)
    >>> es
    ESResult(50%: ES 3 (se 1), VaR 2, 2 in the tail; historical, rockafellar_uryasev, 4 values)
    """

    es: Any
    var: Any
    level: Any
    n: int
    n_tail: Any
    se: Any
    low: Any
    high: Any
    confidence: float
    convention: str
    pnl: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    method: str = "historical"
    interval: str = "analytic"
    var_se: Any = float("nan")
    var_low: Any = float("nan")
    var_high: Any = float("nan")
    parameters: Mapping[str, float] = field(default_factory=dict)
    law: Law | None = None

    def __float__(self) -> float:
        return float(self.es)

    def to_frame(self) -> pd.DataFrame:
        """One row a level."""
        levels = np.atleast_1d(self.level)
        columns = {c: np.broadcast_to(getattr(self, c), levels.shape) for c in _COLUMNS}
        frame = pd.DataFrame(columns, index=pd.Index(levels, name="level"))
        return frame.assign(n=self.n, method=self.method, convention=self.convention)

    def plot(self, bins: int = 100) -> Any:
        """Histogram of the P&L with VaR, ES and its interval marked, and the fitted law where there is one."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (registers .hvplot)
        from bokeh.models import NumeralTickFormatter

        drawn = pd.DataFrame({"pnl": self.pnl}).hvplot.hist("pnl", bins=bins, color="lightgray", legend=False)
        for low, high in zip(np.atleast_1d(self.low), np.atleast_1d(self.high), strict=True):
            if np.isfinite([low, high]).all():
                drawn = drawn * hv.VSpan(-high, -low).opts(color="red", alpha=0.12)
        if self.law is not None:
            at = np.linspace(float(self.pnl.min()), float(self.pnl.max()), 400)
            width = (at[-1] - at[0]) / bins
            drawn = drawn * hv.Curve((at, self.law.pdf(-at) * len(self.pnl) * width)).opts(color="#1f77b4")
        for figures, colour, dash in ((self.var, "orange", "dashed"), (self.es, "red", "solid")):
            for figure in np.atleast_1d(figures):
                drawn = drawn * hv.VLine(-figure).opts(color=colour, line_dash=dash)
        law = f", {self.method} law" if self.law is not None else ""
        return drawn.opts(
            title=f"P&L{law}, VaR (dashed) and ES (full)", xlabel="P&L", ylabel="observations",
            xformatter=NumeralTickFormatter(format="0,0.[0000]"), width=800, height=340,
        )  # fmt: skip

    def __repr__(self) -> str:
        rows = [
            f"{100 * level:.6g}%: ES {es:.6g}"
            + (f" (se {se:.3g})" if np.isfinite(se) else "")
            + f", VaR {var:.6g}, {tail:,} in the tail"
            for level, es, se, var, tail in self.to_frame()[["es", "se", "var", "n_tail"]].itertuples()
        ]
        return f"ESResult({'; '.join(rows)}; {self._how()})"

    def _how(self) -> str:
        rule = f", {self.convention}" if self.convention != self.method else ""
        return f"{self.method}{rule}, {self.n:,} values"

    def _repr_html_(self) -> str:
        frame = self.to_frame()[list(_COLUMNS)].dropna(axis=1, how="all")
        told = f"{self._how()}; {self.interval} intervals at {100 * self.confidence:.6g}%"
        fitted = ", ".join(f"{k} {v:.5g}" for k, v in self.parameters.items())
        return f"<p>{told}{f'<br>{fitted}' if fitted else ''}</p>" + str(
            frame.to_html(float_format=lambda v: f"{v:,.6g}")
        )
