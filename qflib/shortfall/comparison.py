"""Which of two forecasters is better: scores of VaR and expected shortfall beside each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from qflib.errors import InputError
from qflib.shortfall.inputs import Kind, level_of, pnl_of
from qflib.shortfall.scores import fz0, laplace, tick

F8 = NDArray[np.float64]

SCORES = ("fz0", "asymmetric_laplace", "tick")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Mean scores of two forecasters (lower is better) and whether they differ.

    Parameters
    ----------
    table
        Index `score`; columns first, second, difference (first less second), statistic, p_value (two-sided).
    n, lags
        Outcomes, and autocovariances in the error.
    """

    table: pd.DataFrame
    n: int
    lags: int

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def plot(self) -> Any:
        """Mean difference of each score with its 95 % interval, in units of its error."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        t = self.table.reset_index()
        dots = t.hvplot.scatter(x="score", y="statistic", size=80, width=560, height=320, grid=True,
                                ylabel="difference / error", title="below -1.96 the first is better")  # fmt: skip
        return dots * t.assign(error=1.96).hvplot.errorbars(x="score", y="statistic", yerr1="error")

    def __repr__(self) -> str:
        said = ", ".join(f"{i}: {r.statistic:.2f} (p {r.p_value:.3f})" for i, r in self.table.iterrows())
        return f"Comparison({self.n:,} outcomes; {said})"

    def _repr_html_(self) -> str:
        return str(self.table.to_html())


def compare_forecasts(
    x: ArrayLike,
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    level: float = 0.975,
    *,
    kind: Kind,
    lags: int | None = None,
) -> Comparison:
    """Scores of two forecasters of VaR and ES for the same outcomes, after Diebold and Mariano.

    Parameters
    ----------
    x
        (n,) outcomes.
    first, second
        VaR and ES of each, (n,), positive losses, ES above 0.
    level
        Confidence of both.
    kind
        Of x, as in `expected_shortfall`.
    lags
        Autocovariances of the differences that count, in Bartlett's weights; n^(1/3) by default, 0 for one-step
        forecasts that are trusted to leave none.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If lengths differ, a figure is NaN or infinite, an ES is not above 0 or below its VaR, or lags are too many.

    Notes
    -----
    The scores FZ0, asymmetric Laplace and tick loss are those of `backtest`; the first two are consistent for (VaR, ES)
    (Fissler and Ziegel 2016), the third for VaR alone. O(n lags). Source: Diebold and Mariano 1995, Comparing
    predictive accuracy, Journal of Business and Economic Statistics 13; Newey and West 1987 for the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import compare_forecasts
    >>> x, one = np.random.default_rng(1).normal(size=2_000), np.ones(2_000)
    >>> told = compare_forecasts(x, (1.96 * one, 2.338 * one), (1.3 * one, 1.5 * one), kind="pnl")
    >>> bool(told.table.loc["fz0", "statistic"] < -1.96)
    True
    """
    pnl = pnl_of(x, kind)
    n, alpha = len(pnl), 1.0 - level_of(level)
    counted = int(n ** (1 / 3)) if lags is None else lags
    if int(counted) != counted or not 0 <= counted < n:
        raise InputError(f"lags is {lags}; expected a whole number from 0, below the {n} outcomes")
    scores = [_scores(pnl, *_forecast(f, n, name), alpha) for f, name in ((first, "first"), (second, "second"))]
    rows = []
    for name in SCORES:
        one, two = scores[0][name], scores[1][name]
        t, p = _difference(one - two, counted)
        rows.append((float(one.mean()), float(two.mean()), float((one - two).mean()), t, p))
    columns = ["first", "second", "difference", "statistic", "p_value"]
    return Comparison(pd.DataFrame(rows, index=pd.Index(SCORES, name="score"), columns=columns), n, counted)


def _forecast(given: tuple[ArrayLike, ArrayLike], n: int, name: str) -> tuple[F8, F8]:
    var, es = (np.asarray(a, np.float64) for a in given)
    if var.shape != (n,) or es.shape != (n,):
        raise InputError(f"the {name} VaR and ES have shapes {var.shape} and {es.shape}; expected ({n},) each")
    bad = np.flatnonzero(~(np.isfinite(var) & np.isfinite(es) & (es > 0) & (es >= var)))
    if len(bad):
        at = int(bad[0])
        raise InputError(f"the {name} forecast {at} is VaR {var[at]}, ES {es[at]}; give an ES above 0, not below VaR")
    return var, es


def _scores(x: F8, var: F8, es: F8, alpha: float) -> dict[str, F8]:
    return {
        "fz0": fz0(x, var, es, alpha),
        "asymmetric_laplace": laplace(x, var, es, alpha),
        "tick": tick(x, var, alpha),
    }


def _difference(d: F8, lags: int) -> tuple[float, float]:
    """Mean over its error, and the two-sided normal p-value; NaN where the forecasts score alike throughout."""
    n, off = len(d), d - d.mean()
    long_run = float(off @ off) / n
    for j in range(1, lags + 1):
        long_run += 2.0 * (1.0 - j / (lags + 1)) * float(off[j:] @ off[:-j]) / n
    if not long_run > 0.0:
        return math.nan, math.nan
    t = float(d.mean()) / math.sqrt(long_run / n)
    return t, 2.0 * float(special.ndtr(-abs(t)))
