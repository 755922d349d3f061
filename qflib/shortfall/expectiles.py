"""Expectiles: the coherent risk measure that can be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from qflib.errors import InputError
from qflib.shortfall.inputs import Kind, levels_of, pnl_of, share_of

F8 = NDArray[np.float64]
_COLUMNS = ("expectile", "se", "low", "high", "var_level", "es_level")


@dataclass(frozen=True, eq=False, repr=False)
class ExpectileResult:
    """Expectiles of the losses, and what they say in the words of VaR and ES.

    Figures are floats where `level` was one number, arrays (n_levels,) where it was a sequence.

    Parameters
    ----------
    expectile
        Positive losses, in the unit of the values.
    level
        Weight of the losses beyond it, as a share of both sides.
    se, low, high
        Standard error for independent observations, and the interval at `confidence`.
    var_level
        Share of the losses at or below it: the level at which VaR is the expectile.
    es_level
        The level at which ES is the expectile; NaN below the mean's.
    """

    expectile: Any
    level: Any
    se: Any
    low: Any
    high: Any
    var_level: Any
    es_level: Any
    confidence: float
    n: int
    pnl: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __float__(self) -> float:
        return float(self.expectile)

    def to_frame(self) -> pd.DataFrame:
        """One row a level."""
        index = pd.Index(np.atleast_1d(self.level), name="level")
        return pd.DataFrame({c: np.atleast_1d(getattr(self, c)) for c in _COLUMNS}, index)

    def plot(self, bins: int = 100) -> Any:
        """Histogram of the P&L with the expectiles marked."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (registers .hvplot)
        from bokeh.models import NumeralTickFormatter

        drawn = pd.DataFrame({"pnl": self.pnl}).hvplot.hist("pnl", bins=bins, color="lightgray", legend=False)
        for e in np.atleast_1d(self.expectile):
            drawn = drawn * hv.VLine(-e).opts(color="red")
        return drawn.opts(
            title="P&L and expectiles", xlabel="P&L", ylabel="observations",
            xformatter=NumeralTickFormatter(format="0,0.[0000]"), width=800, height=340,
        )  # fmt: skip

    def __repr__(self) -> str:
        rows = zip(*(np.atleast_1d(a).tolist() for a in (self.level, self.expectile, self.se)), strict=True)
        return f"ExpectileResult({'; '.join(f'{t:g}: {e:.6g} (se {s:.3g})' for t, e, s in rows)}; {self.n:,} values)"

    def _repr_html_(self) -> str:
        return f"<p>expectiles of {self.n:,} values</p>" + str(
            self.to_frame().to_html(float_format=lambda v: f"{v:,.6g}")
        )


def expectile(
    x: ArrayLike | pd.Series[Any],
    level: float | Sequence[float] = 0.99855,
    *,
    kind: Kind,
    confidence: float = 0.95,
) -> ExpectileResult:
    """Expectiles of the losses: τ E(L − e)₊ = (1 − τ) E(e − L)₊.

    Newey and Powell (1987), Asymmetric least squares estimation and testing, equation 2.7; coherent for τ ≥ 1/2 and,
    alone with the mean among coherent measures, elicitable (Ziegel 2016; Bellini, Klar, Müller and Rosazza Gianin 2014,
    Generalized quantiles as risk measures). For a normal law τ = 0.99855 gives VaR at 0.99 (Bellini and Di Bernardino
    2017, Risk management with expectiles, table 1), hence the default; 0.975 is not VaR's.

    Parameters
    ----------
    x
        (n,) finite.
    level
        τ, or several, from 0.5 (the mean) to below 1.
    kind
        As in `expected_shortfall`.
    confidence
        Of the interval.

    Returns
    -------
    ExpectileResult
        With the asymptotic standard error of an M-estimate.

    Raises
    ------
    InputError
        If a value is NaN or infinite, x is empty, or a level or confidence is none.

    Notes
    -----
    O(n log n), exact: the condition is linear between two losses. Of a constant it is the constant.

    Examples
    --------
    >>> from qflib.shortfall import expectile
    >>> r = expectile([0.0, 1.0, 2.0, 3.0, 4.0], 0.8, kind="loss")
    >>> round(r.expectile, 6)  # 0.8 (3 - e + 4 - e) = 0.2 (e + e - 1 + e - 2)
    2.818182
    """
    pnl, levels = pnl_of(x, kind), levels_of(level)
    confidence = share_of(confidence, "confidence", 0.95)
    loss = np.sort(-pnl)
    found = np.array([_expectile(loss, t) for t in levels.tolist()])
    se = np.array([_error(loss, t, e) for t, e in zip(levels.tolist(), found.tolist(), strict=True)])
    half = float(special.ndtri(0.5 + 0.5 * confidence)) * se
    below = np.searchsorted(loss, found, side="right") / len(loss)
    equal = np.array([_es_level(loss, e) for e in found.tolist()])
    figures = {"expectile": found, "se": se, "low": found - half, "high": found + half}
    figures |= {"level": levels, "var_level": below, "es_level": equal}
    shown: dict[str, Any] = figures if np.ndim(level) else {k: v[0].item() for k, v in figures.items()}
    return ExpectileResult(**shown, confidence=confidence, n=len(loss), pnl=pnl)


def expectile_level(x: ArrayLike | pd.Series[Any], figure: float, *, kind: Kind) -> float:
    """The level τ at which the expectile is a figure, such as a VaR or an ES, so that the two can be compared.

    Parameters
    ----------
    x, kind
        As in `expectile`.
    figure
        A loss between the least and the largest of x.

    Raises
    ------
    InputError
        If no expectile is the figure.

    Notes
    -----
    τ = E(f − L)₊ / (E(f − L)₊ + E(L − f)₊), O(n).

    Examples
    --------
    >>> from qflib.shortfall import expectile, expectile_level
    >>> expectile_level([0.0, 1.0, 2.0, 3.0, 4.0], 3.0, kind="loss")
    0.8571428571428571
    """
    loss = -pnl_of(x, kind)
    below, beyond = float(np.sum(np.maximum(figure - loss, 0.0))), float(np.sum(np.maximum(loss - figure, 0.0)))
    if not (below > 0.0 and beyond > 0.0):
        raise InputError(
            f"figure is {figure}; expected a loss between the least and the largest, {np.min(loss):g} and "
            f"{np.max(loss):g}"
        )
    return below / (below + beyond)


def _expectile(loss: F8, tau: float) -> float:
    """The root, from losses in rising order."""
    n = len(loss)
    below, total = np.cumsum(loss), float(np.sum(loss))
    count = np.arange(1, n + 1)
    # The condition at each loss, which rises: the root lies above the last where it is not above 0.
    at = (1.0 - tau) * (count * loss - below) - tau * (total - below - (n - count) * loss)
    k = max(int(np.searchsorted(at, 0.0, side="right")), 1)
    head, weight = float(below[k - 1]), (1.0 - tau) * k + tau * (n - k)
    return min(max(((1.0 - tau) * head + tau * (total - head)) / weight, float(loss[0])), float(loss[-1]))


def _error(loss: F8, tau: float, e: float) -> float:
    if len(loss) < 2:
        return float("nan")
    moved = tau * np.maximum(loss - e, 0.0) - (1.0 - tau) * np.maximum(e - loss, 0.0)
    slope = tau * np.count_nonzero(loss > e) + (1.0 - tau) * np.count_nonzero(loss <= e)
    return float(np.std(moved, ddof=1)) * float(np.sqrt(len(loss))) / slope


def _es_level(loss: F8, e: float) -> float:
    """The level at which ES is e: the mean of the worst, which rises as they grow fewer, is linear in 1/mass."""
    n = len(loss)
    worst = loss[::-1]
    sums = np.cumsum(worst)
    # Rounding must not make the mean of equal losses another than each is, or a mean rise.
    means = np.minimum.accumulate(np.maximum(sums / np.arange(1, n + 1), worst))
    e = min(max(e, float(means[-1])), float(means[0]))  # an expectile lies between; its sum may round below the mean
    k = int(np.count_nonzero(means >= e))  # ES is e at a mass from k to k + 1
    if k == n or means[k - 1] == e:
        return 1.0 - k / n
    mass = (sums[k - 1] - k * worst[k]) / (e - worst[k])
    return 1.0 - min(max(float(mass), k), k + 1) / n
