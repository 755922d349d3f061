"""What an estimate of expected shortfall gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ESResult:
    """Expected shortfall and value at risk, with how sure they are.

    Figures are floats where `level` was one number, arrays (n_levels,) where it was a sequence.

    Parameters
    ----------
    es, var
        Positive losses, in the unit of the values.
    level
        Confidence.
    n
        Observations.
    n_tail
        Observations with weight in the tail.
    se
        Standard error of `es`; NaN where fewer than two observations are in the tail or the convention has none.
    low, high
        Confidence interval of `es`, at `confidence`.
    convention
        The rule by which the figures are taken.

    Examples
    --------
    >>> import qflib as qf
    >>> es = qf.expected_shortfall([-4.0, -2.0, 1.0, 3.0], level=0.5, kind="pnl")
    >>> es.es, es.var, es.n_tail
    (3.0, 2.0, 2)
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
    pnl: NDArray[np.float64] = field(repr=False, default_factory=lambda: np.empty(0))

    def __float__(self) -> float:
        return float(self.es)

    def to_frame(self) -> pd.DataFrame:
        """One row a level."""
        columns = {c: np.atleast_1d(getattr(self, c)) for c in ("es", "var", "n_tail", "se", "low", "high")}
        frame = pd.DataFrame(columns, index=pd.Index(np.atleast_1d(self.level), name="level"))
        return frame.assign(n=self.n, convention=self.convention)

    def plot(self, bins: int = 100) -> Any:
        """Histogram of the P&L with VaR and ES marked."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (registers .hvplot)
        from bokeh.models import NumeralTickFormatter

        histogram = pd.DataFrame({"pnl": self.pnl}).hvplot.hist("pnl", bins=bins, color="lightgray", legend=False)
        lines = [hv.VLine(-v).opts(color="orange", line_dash="dashed") for v in np.atleast_1d(self.var)]
        lines += [hv.VLine(-e).opts(color="red") for e in np.atleast_1d(self.es)]
        for line in lines:
            histogram = histogram * line
        return histogram.opts(
            title="P&L, VaR (dashed) and ES (full)", xlabel="P&L", ylabel="observations",
            xformatter=NumeralTickFormatter(format="0,0.[0000]"), width=800, height=340,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html())
