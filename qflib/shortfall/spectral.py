"""Spectral risk measures: losses weighted by how bad they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from qflib.errors import InputError
from qflib.shortfall.inputs import Kind, pnl_of, share_of

F8 = NDArray[np.float64]
#: φ(u) of ranks u in (0, 1), 1 the worst.
Spectrum = Callable[[F8], ArrayLike]
_NODES = 8


@dataclass(frozen=True, eq=False, repr=False)
class SpectralRisk:
    """A spectral risk measure of a sample.

    Parameters
    ----------
    risk
        A positive loss, in the unit of the values.
    se, low, high
        Standard error for independent observations, and the interval at `confidence`.
    spectrum
        Its name.
    weights
        (n,) of the values in their order: risk = −Σ wᵢ pnlᵢ, Σ wᵢ = 1.
    """

    risk: float
    se: float
    low: float
    high: float
    confidence: float
    n: int
    spectrum: str
    weights: F8 = field(repr=False)
    pnl: F8 = field(repr=False)

    def __float__(self) -> float:
        return self.risk

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        columns = {c: [getattr(self, c)] for c in ("risk", "se", "low", "high", "n")}
        return pd.DataFrame(columns, index=pd.Index([self.spectrum], name="spectrum"))

    def plot(self) -> Any:
        """The weight of each value, over the values."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)
        from bokeh.models import NumeralTickFormatter

        frame = pd.DataFrame({"pnl": self.pnl, "weight": self.weights * self.n}).sort_values("pnl")
        return frame.hvplot.step(
            x="pnl", y="weight", title=f"Weight of each value, {self.spectrum}", xlabel="P&L", ylabel="times 1/n",
            xformatter=NumeralTickFormatter(format="0,0.[0000]"), width=800, height=340,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"SpectralRisk({self.risk:.6g} (se {self.se:.3g}); {self.spectrum}, {self.n:,} values)"

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format=lambda v: f"{v:,.6g}"))


def spectral_risk(
    x: ArrayLike | pd.Series[Any],
    spectrum: Spectrum | str = "exponential",
    *,
    kind: Kind,
    risk_aversion: float | None = None,
    points: Sequence[float] = (),
    confidence: float = 0.95,
) -> SpectralRisk:
    """∫ φ(u) VaR_u du: the mean of the losses, weighted by a spectrum φ of their rank.

    Acerbi (2002), Spectral measures of risk, definition 3.1: coherent where φ is not negative, does not fall and
    integrates to 1. ES at c is φ = 1{u ≥ c} / (1 − c). "exponential" is φ(u) = k exp(−k (1 − u)) / (1 − exp(−k)), k the
    `risk_aversion` (Cotter and Dowd 2006, Extreme spectral risk measures, equation 6).

    Parameters
    ----------
    x
        (n,) finite.
    spectrum
        "exponential", or a function of ranks (m,) in (0, 1), 1 the worst, that gives φ there.
    kind
        As in `expected_shortfall`.
    risk_aversion
        k above 0, of "exponential": 25 by default.
    points
        Ranks at which a function jumps or bends, as in `scipy.integrate.quad`.
    confidence
        Of the interval.

    Returns
    -------
    SpectralRisk
        With the standard error of an L-statistic.

    Raises
    ------
    InputError
        If the spectrum is negative, falls or does not integrate to 1; if a value is NaN or infinite, x is empty, or an
        argument is out of range.

    Notes
    -----
    Exact for a sample: VaR is constant over each atom of 1/n, so φ is integrated over each, "exponential" in closed
    form and a function by Gauss and Legendre's rule of 8 nodes between the points. O(n log n).

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import expected_shortfall, spectral_risk
    >>> x = [-4.0, -2.0, 1.0, 3.0, 5.0]
    >>> round(spectral_risk(x, lambda u: 4.0 * (u >= 0.75), points=[0.75], kind="pnl").risk, 12)
    3.6
    >>> expected_shortfall(x, 0.75, kind="pnl").es
    3.6
    """
    pnl = pnl_of(x, kind)
    confidence = share_of(confidence, "confidence", 0.95)
    n = len(pnl)
    edges = np.arange(n + 1) / n
    if isinstance(spectrum, str):
        k = _aversion(spectrum, risk_aversion, points)
        name = f"exponential, risk aversion {k:g}"
        mass, slope = np.diff(_exponential(edges, k)), k * np.exp(-k * (1.0 - edges[1:-1])) / -math.expm1(-k)
    else:
        if risk_aversion is not None:
            raise InputError("risk_aversion belongs to spectrum='exponential'; leave it out")
        name = getattr(spectrum, "__name__", type(spectrum).__name__)
        mass, slope = _integrated(spectrum, edges, points), _values(spectrum, edges[1:-1])
    order = np.argsort(-pnl, kind="stable")
    ordered = -pnl[order]
    weights = np.empty(n)
    weights[order] = mass
    # The influence of a loss rises by φ where it passes another: Serfling (1980), section 8.2.
    influence = np.r_[0.0, np.cumsum(slope * np.diff(ordered))]
    se = float(np.std(influence, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    risk, half = float(mass @ ordered), float(special.ndtri(0.5 + 0.5 * confidence)) * se
    return SpectralRisk(risk, se, risk - half, risk + half, confidence, n, name, weights, pnl)


def _aversion(spectrum: str, risk_aversion: float | None, points: Sequence[float]) -> float:
    k = 25.0 if risk_aversion is None else risk_aversion
    if spectrum != "exponential":
        raise InputError(f"spectrum is {spectrum!r}; expected 'exponential' or a function of ranks")
    if not (k > 0.0 and math.isfinite(k)):
        raise InputError(f"risk_aversion is {k}; expected a number above 0, such as 25")
    if len(points):
        raise InputError("points belong to a spectrum that is a function; leave them out")
    return k


def _exponential(u: F8, k: float) -> F8:
    """The integral of the spectrum from 0 to u."""
    return np.asarray(np.exp(-k * (1.0 - u)) * np.expm1(-k * u) / math.expm1(-k), np.float64)


def _integrated(spectrum: Spectrum, edges: F8, points: Sequence[float]) -> F8:
    """The spectrum's mass of each atom (n,), checked."""
    jumps = np.asarray(points, np.float64)
    if jumps.ndim != 1 or not ((jumps > 0.0) & (jumps < 1.0)).all():
        raise InputError(f"points are {points!r}; expected ranks between 0 and 1, such as [0.975]")
    cuts = np.unique(np.r_[edges, jumps])
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    width = 0.5 * np.diff(cuts)
    at = (cuts[:-1] + width)[:, None] + width[:, None] * nodes
    phi = _values(spectrum, at.ravel())
    fall = np.diff(phi) < -1e-9 * (1.0 + np.abs(phi[1:]))
    if (phi < 0.0).any() or fall.any():
        wrong = at.ravel()[np.argmax(phi < 0.0)] if (phi < 0.0).any() else at.ravel()[np.argmax(fall)]
        what = "is negative" if (phi < 0.0).any() else "falls"
        raise InputError(f"the spectrum {what} at rank {wrong:.6g}; expected weights that never fall towards the worst")
    parts = width * (phi.reshape(at.shape) @ weights)
    total = float(np.sum(parts))
    if not abs(total - 1.0) < 1e-6:
        raise InputError(
            f"the spectrum integrates to {total:.9g}; expected 1: scale it, or name the ranks where it jumps in points"
        )
    return np.add.reduceat(parts, np.searchsorted(cuts, edges[:-1])) / total


def _values(spectrum: Spectrum, u: F8) -> F8:
    phi = np.asarray(spectrum(u), np.float64)
    if phi.shape not in (u.shape, ()) or not np.isfinite(phi).all():
        raise InputError(f"the spectrum gives {phi.shape} values of {u.shape} ranks, or some not finite; expected φ(u)")
    return np.broadcast_to(phi, u.shape)
