"""Peaks over a threshold: a generalised Pareto tail fitted by maximum likelihood, and how sure its figures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from qflib.errors import InputError
from qflib.kernels.expected_shortfall import tail_mass
from qflib.shortfall import gpd
from qflib.shortfall.closed_forms import pot_es
from qflib.shortfall.gpd_intervals import figure_intervals, shape_interval
from qflib.shortfall.inputs import Kind, levels_of, pnl_of, share_of

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PeaksOverThreshold:
    """A fitted tail.

    Standard errors are the delta method's, with the expected information and the binomial error of the share beyond
    the threshold (unless `fixed_rate`); NaN for a shape of −1/2 or below, where maximum likelihood is not regular.
    Intervals are of the profile likelihood, taken when first asked for.

    Parameters
    ----------
    threshold
        u, a loss.
    shape, scale
        ξ and β of the excesses.
    shape_se, scale_se
        Their standard errors.
    nll
        Negative log-likelihood of the excesses.
    n, n_exceed
        Losses, and those beyond the threshold.
    level
        (n_levels,) confidences.
    var, es, var_se, es_se
        (n_levels,) positive losses, and their standard errors.
    confidence
        Of the intervals.
    fixed_rate
        Whether n_exceed/n is taken as known.
    """

    threshold: float
    shape: float
    scale: float
    shape_se: float
    scale_se: float
    nll: float
    n: int
    n_exceed: int
    level: F8
    var: F8
    es: F8
    var_se: F8
    es_se: F8
    confidence: float
    fixed_rate: bool
    excess: F8 = field(repr=False)

    @cached_property
    def shape_interval(self) -> tuple[float, float]:
        """Low and high end of the shape."""
        return shape_interval(self.excess, self._law, self.confidence)

    @cached_property
    def intervals(self) -> F8:
        """(n_levels, 4): low and high VaR, low and high ES.

        ES has an infinite high end where a shape of 1 is likely enough. Levels at or below the threshold have NaN:
        there the law is a continuation that the likelihood says nothing about.
        """
        made = np.full((len(self.level), 4), np.nan)
        for i, level in enumerate(self.level.tolist()):
            if tail_mass(self.n, level) < self.n_exceed:
                figures = float(self.var[i]), float(self.es[i])
                of_var, of_es = figure_intervals(
                    self.excess, self._law, self.n, self.threshold, level, figures, self.confidence, self.fixed_rate
                )
                made[i] = (*of_var, *of_es)
        return made

    @property
    def var_low(self) -> F8:
        """(n_levels,) low end of VaR."""
        return self.intervals[:, 0]

    @property
    def var_high(self) -> F8:
        """(n_levels,) high end of VaR."""
        return self.intervals[:, 1]

    @property
    def es_low(self) -> F8:
        """(n_levels,) low end of ES."""
        return self.intervals[:, 2]

    @property
    def es_high(self) -> F8:
        """(n_levels,) high end of ES."""
        return self.intervals[:, 3]

    @cached_property
    def goodness_of_fit(self) -> gpd.GoodnessOfFit:
        """Cramér–von Mises and Anderson–Darling statistics, after Choulakian and Stephens (2001)."""
        return gpd.goodness_of_fit(self.excess, self._law)

    @property
    def _law(self) -> gpd.ExcessLaw:
        return gpd.ExcessLaw(self.shape, self.scale, self.nll, self.n_exceed)

    def to_frame(self) -> pd.DataFrame:
        """One row a level: VaR and ES, standard errors and intervals."""
        names = ("es", "es_se", "es_low", "es_high", "var", "var_se", "var_low", "var_high")
        frame = pd.DataFrame({name: getattr(self, name) for name in names}, index=pd.Index(self.level, name="level"))
        return frame.assign(n_exceed=self.n_exceed, n=self.n)

    def plot(self) -> Any:
        """Losses beyond the threshold against the share above them, on two logarithmic axes, and the fitted tail."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        k = self.n_exceed
        share = (k - np.arange(k) - 0.5) / self.n
        seen = pd.DataFrame({"loss": self.threshold + self.excess, "share": share})
        grid = k / self.n * np.geomspace(1.0, 0.1 / k, 200)
        law = pot_es(self.threshold, self.shape, self.scale, self.n, k, level=(1.0 - grid[grid <= 0.5]).tolist())
        fitted = pd.DataFrame({"loss": law.var, "share": grid[grid <= 0.5]})
        both = seen.hvplot.scatter("loss", "share", label="losses") * fitted.hvplot.line("loss", "share", label="fit")
        for es in self.es.tolist():
            both = both * hv.VLine(es).opts(color="red", line_width=1)
        return both.opts(logx=bool(self.threshold > 0), logy=True, title=f"Tail beyond {self.threshold:g}", width=800)

    def _repr_html_(self) -> str:
        low, high = self.shape_interval
        fit = self.goodness_of_fit
        return (
            f"<p>threshold {self.threshold:g}, shape {self.shape:.4g} ({low:.4g} to {high:.4g}), "
            f"scale {self.scale:.4g}; Anderson–Darling p {fit.anderson_darling_p:.3g}</p>"
            + str(self.to_frame().to_html())
        )


def fit_pot(
    x: ArrayLike,
    threshold: float,
    level: float | Sequence[float] = 0.99,
    *,
    kind: Kind,
    confidence: float = 0.95,
    fixed_rate: bool = False,
) -> PeaksOverThreshold:
    """Fit a generalised Pareto law to the losses beyond a threshold.

    Maximum likelihood in one dimension: with θ = ξ/β the likelihood is greatest at ξ(θ) = mean log(1 + θy)
    (Grimshaw 1993, Computing maximum likelihood estimates for the generalized Pareto distribution), so only θ is
    searched, on a grid and then by Brent's method. VaR and ES are `pot_es`; their intervals, and the shape's, are of
    the profile likelihood (McNeil, Frey and Embrechts 2015, section 5.2.4).

    Parameters
    ----------
    x
        (n,) as in `expected_shortfall`.
    threshold
        A loss; `threshold_diagnostics` helps to choose it.
    level
        Confidence, or several.
    kind
        As in `expected_shortfall`.
    confidence
        Of the intervals.
    fixed_rate
        Take the share of losses beyond the threshold as known, as the book does: intervals are then too short near the
        threshold. Else it is estimated too, with the binomial likelihood.

    Returns
    -------
    PeaksOverThreshold

    Raises
    ------
    InputError
        If fewer than 10 losses exceed the threshold, `confidence` is not between 0 and 1, the fitted shape is 1 or
        above, where the mean beyond VaR does not exist, or below −1, where the likelihood has no greatest value.

    Notes
    -----
    The fit is O(n log n), a few ms. Intervals of a level take 0.05 s with a fixed rate and some 0.3 s without.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import fit_pot
    >>> loss = np.random.default_rng(1).pareto(3.0, 5000)
    >>> tail = fit_pot(loss, threshold=1.0, level=[0.99, 0.999], kind="loss")
    >>> round(tail.shape, 3), tail.es.round(2).tolist()
    (0.352, [6.18, 15.05])
    >>> tail.es_low.round(2).tolist(), tail.es_high.round(2).tolist()
    ([5.2, 10.84], [7.88, 23.84])
    """
    confidence = share_of(confidence, "confidence", 0.95)
    loss = -pnl_of(x, kind)
    y = excesses(loss, threshold)
    law = gpd.fit(y)
    if law.shape >= 1.0:
        raise InputError(
            f"the shape of the {len(y)} losses beyond {threshold:g} is {law.shape:.3g}: from 1 on there is no ES; look "
            f"at the largest losses, or choose another threshold"
        )
    if law.shape < -1.0:
        raise InputError(
            f"the {len(y)} losses beyond {threshold:g} crowd at the largest: the shape goes below -1, where no fit is "
            f"likeliest; use method='historical', or another threshold"
        )
    levels = levels_of(level)
    tail = pot_es(threshold, law.shape, law.scale, len(loss), len(y), level=levels.tolist())
    covariance = law.covariance()
    share = len(y) / len(loss)
    var_se, es_se = _standard_errors(law, covariance, share, 0.0 if fixed_rate else len(loss), 1.0 - levels)
    shape_se, scale_se = np.sqrt(np.diag(covariance)).tolist()
    return PeaksOverThreshold(
        float(threshold), law.shape, law.scale, shape_se, scale_se, law.nll, len(loss), len(y), levels, tail.var,
        tail.es, var_se, es_se, confidence, fixed_rate, y,
    )  # fmt: skip


def excesses(loss: F8, threshold: float) -> F8:
    """Sorted losses beyond the threshold, less it."""
    y = np.sort(loss[loss > threshold]) - threshold
    if len(y) < 10:
        raise InputError(f"{len(y)} losses exceed the threshold {threshold}; a fit needs 10 at least: lower it")
    return y


def _standard_errors(law: gpd.ExcessLaw, covariance: F8, share: float, n: float, tail: F8) -> tuple[F8, F8]:
    """Of VaR and ES, by the delta method; n of 0: the share is known."""
    log = np.log(share / tail)
    x, b = law.shape, law.scale
    if abs(x) < 1e-6:
        growth, slope = log, 0.5 * log * log
    else:
        growth = np.expm1(x * log) / x
        slope = (log * np.exp(x * log) - growth) / x
    rate = np.exp(x * log) * b  # derivative of VaR in the logarithm of the share
    binomial = (1.0 - share) / (share * n) if n else 0.0
    of_var = np.stack([b * slope, growth])
    of_es = np.stack([b * slope / (1.0 - x) + b * (growth + 1.0) / (1.0 - x) ** 2, (growth + 1.0) / (1.0 - x)])
    var_se = np.sqrt(np.einsum("il,ij,jl->l", of_var, covariance, of_var) + rate**2 * binomial)
    es_se = np.sqrt(np.einsum("il,ij,jl->l", of_es, covariance, of_es) + (rate / (1.0 - x)) ** 2 * binomial)
    return var_se, es_se


def normal_quantile(confidence: float) -> float:
    """Half-width of a two-sided normal interval, in standard errors."""
    return float(special.ndtri(0.5 + 0.5 * confidence))
