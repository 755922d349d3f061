"""Where does a generalised Pareto tail begin? Diagnostics over many thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError
from qflib.shortfall import gpd
from qflib.shortfall.evt import excesses, normal_quantile
from qflib.shortfall.inputs import Kind, pnl_of, share_of, whole

F8 = NDArray[np.float64]

#: Exceedances of the highest threshold that is proposed, and the share of losses beyond the lowest.
_FEWEST, _WIDEST = 30, 0.2


@dataclass(frozen=True, eq=False)
class ThresholdDiagnostics:
    """What the losses say of each threshold.

    Parameters
    ----------
    table
        One row a threshold, lowest first: `n_exceed`; `mean_excess`, which is a straight line of slope ξ/(1 − ξ) above
        a good threshold; `shape` and `modified_scale` (β − ξu), which are level above one; each with low and high end
        by its standard error, at `confidence`; the goodness of fit `cramer_von_mises` and `anderson_darling`, each
        with a p-value; and `forward_stop`, the mean of −log(1 − p) of the Anderson–Darling p-values so far.
    chosen
        The lowest threshold after the last whose `forward_stop` is `alpha` or below; NaN where that is the highest:
        no threshold is good.
    alpha
        The rate of false discoveries that `chosen` allows.
    confidence
        Of the intervals.
    """

    table: pd.DataFrame
    chosen: float
    alpha: float
    confidence: float

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table."""
        return self.table.copy()

    def plot(self) -> Any:
        """Mean excess, shape, modified scale and p-values over the thresholds; the chosen one is marked."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        frame = self.table.reset_index()
        panels = []
        for name in ("mean_excess", "shape", "modified_scale"):
            band = frame.hvplot.area(x="threshold", y=f"{name}_low", y2=f"{name}_high", alpha=0.2)
            panels.append(band * frame.hvplot.line(x="threshold", y=name) * frame.hvplot.scatter(x="threshold", y=name))
        p = ["anderson_darling_p", "cramer_von_mises_p"]
        panels.append(frame.hvplot.line(x="threshold", y=p) * hv.HLine(self.alpha).opts(line_dash="dashed"))
        if np.isfinite(self.chosen):
            panels = [panel * hv.VLine(self.chosen).opts(color="red", line_width=1) for panel in panels]
        names = ("mean excess", "shape", "modified scale", "p-value of the fit")
        made = [panel.opts(title=name, width=460, height=280) for panel, name in zip(panels, names, strict=True)]
        return hv.Layout(made).cols(2)

    def _repr_html_(self) -> str:
        return f"<p>chosen threshold {self.chosen:g}</p>" + str(self.table.to_html())


def threshold_diagnostics(
    x: ArrayLike,
    thresholds: int | Sequence[float] | F8 = 20,
    *,
    kind: Kind,
    alpha: float = 0.05,
    confidence: float = 0.95,
) -> ThresholdDiagnostics:
    """Mean excess, parameter stability and goodness of fit over thresholds, and the one that a rule chooses.

    Mean excess and its plot: Davison and Smith (1990), Models for exceedances over high thresholds, section 5; the
    stability of shape and modified scale: Coles (2001), An introduction to statistical modeling of extreme values,
    section 4.3.4; goodness of fit: Choulakian and Stephens (2001), with p-values by the limit law's weights instead of
    their tables; the choice: Bader, Yan and Zhang (2018), Automated threshold selection for extreme value analysis via
    ordered goodness-of-fit tests, section 3, the Anderson–Darling test with ForwardStop (G'Sell and others 2016).

    Parameters
    ----------
    x
        (n,) as in `expected_shortfall`.
    thresholds
        Losses, rising; or how many, from the one that a fifth of the losses exceed to the one that 30 do, their
        exceedances in geometric steps.
    kind
        As in `expected_shortfall`.
    alpha
        Rate of false discoveries.
    confidence
        Of the intervals.

    Returns
    -------
    ThresholdDiagnostics

    Raises
    ------
    InputError
        If thresholds are not rising, fewer than 10 losses exceed the highest, or there are too few losses to propose
        any (150).

    Notes
    -----
    One fit and two p-values a threshold, some 30 ms. Where shapes lie at −1/2 or below, intervals of shape and modified
    scale are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import threshold_diagnostics
    >>> loss = np.random.default_rng(2).standard_t(4, 4000)
    >>> found = threshold_diagnostics(loss, [0.5, 1.0, 1.5, 2.0], kind="loss")
    >>> found.to_frame().n_exceed.tolist()
    [1310, 775, 437, 238]
    """
    loss = -pnl_of(x, kind)
    alpha, confidence = share_of(alpha, "alpha", 0.05), share_of(confidence, "confidence", 0.95)
    levels = _thresholds(loss, thresholds)
    z = normal_quantile(confidence)
    rows = []
    for u in levels.tolist():
        y = excesses(loss, u)
        law = gpd.fit(y)
        cov = law.covariance()
        fit = gpd.goodness_of_fit(y, law)
        figures = {
            "mean_excess": (float(y.mean()), float(y.std(ddof=1)) / len(y) ** 0.5),
            "shape": (law.shape, cov[0, 0] ** 0.5),
            "modified_scale": (law.scale - law.shape * u, (cov[1, 1] - 2 * u * cov[0, 1] + u * u * cov[0, 0]) ** 0.5),
        }
        row: dict[str, float] = {"threshold": u, "n_exceed": len(y)}
        for name, (value, se) in figures.items():
            row |= {name: value, f"{name}_low": value - z * se, f"{name}_high": value + z * se}
        row |= {"scale": law.scale}
        row |= {"cramer_von_mises": fit.cramer_von_mises, "cramer_von_mises_p": fit.cramer_von_mises_p}
        row |= {"anderson_darling": fit.anderson_darling, "anderson_darling_p": fit.anderson_darling_p}
        rows.append(row)
    table = pd.DataFrame(rows).set_index("threshold")
    p = np.minimum(table["anderson_darling_p"].to_numpy(), 1.0 - 1e-16)
    table["forward_stop"] = np.cumsum(-np.log1p(-p)) / np.arange(1, len(p) + 1)
    stopped = np.flatnonzero(table["forward_stop"].to_numpy() <= alpha)
    first = int(stopped[-1]) + 1 if len(stopped) else 0
    return ThresholdDiagnostics(table, float(levels[first]) if first < len(levels) else float("nan"), alpha, confidence)


def _thresholds(loss: F8, asked: int | Sequence[float] | F8) -> F8:
    if not np.ndim(asked):
        count = whole(asked, "thresholds")
        widest = int(_WIDEST * len(loss))
        if widest <= _FEWEST:
            raise InputError(
                f"there are {len(loss)} losses; to propose thresholds more than 150 are needed: name the thresholds"
            )
        exceed = np.unique(np.geomspace(_FEWEST, widest, count).round().astype(int))
        return np.unique(np.sort(loss)[len(loss) - 1 - exceed])
    made = np.asarray(asked, np.float64)
    if made.ndim != 1 or len(made) == 0 or not np.isfinite(made).all() or np.any(np.diff(made) <= 0.0):
        raise InputError(f"thresholds is {asked}; expected losses that rise, or how many")
    return made
