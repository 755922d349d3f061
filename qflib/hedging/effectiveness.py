"""How good a hedge was: what it took away, what it cost, and whether a regression agrees."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import DataError, InputError


@dataclass(frozen=True, eq=False)
class HedgeEffectiveness:
    """A hedge over past periods.

    Parameters
    ----------
    effectiveness
        1 - SSE of the hedged P&L / SSE of the unhedged: 1 is perfect, 0 none, below 0 harm (Ederington 1979, there with
        variances).
    es_before, es_after
        Expected shortfall of the P&L without and with the hedge, costs not in it.
    cost
        Of the hedge over all periods.
    slope, slope_se, r2
        Of the regression of the item's P&L on minus the hedge's: a slope of 1 within its error and a high r2 pass.
    n, level
        Periods; confidence of expected shortfall.
    """

    effectiveness: float
    es_before: float
    es_after: float
    cost: float
    slope: float
    slope_se: float
    r2: float
    n: int
    level: float
    item: NDArray[np.float64] = field(repr=False, default_factory=lambda: np.empty(0))
    hedge: NDArray[np.float64] = field(repr=False, default_factory=lambda: np.empty(0))

    @property
    def es_cut_per_cost(self) -> float:
        """Expected shortfall taken away a unit of cost; infinite where the hedge was free."""
        cut = self.es_before - self.es_after
        return cut / self.cost if self.cost else math.copysign(math.inf, cut)

    @property
    def passes(self) -> bool:
        """The 80-125 rule with r2 of 0.8 at least: slope within [0.8, 1.25] (IAS 39 AG105, still in common use)."""
        return bool(0.8 <= self.slope <= 1.25 and self.r2 >= 0.8)

    def to_frame(self) -> pd.DataFrame:
        """A row a figure."""
        names = ("effectiveness", "es_before", "es_after", "cost", "es_cut_per_cost", "slope", "slope_se", "r2", "n")
        return pd.DataFrame({"value": [float(getattr(self, n)) for n in names]}, index=pd.Index(names, name="figure"))

    def plot(self) -> Any:
        """The item's P&L over minus the hedge's, and the line of a perfect hedge."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        frame = pd.DataFrame({"hedge": -self.hedge, "item": self.item})
        title = f"{self.effectiveness:.1%} of squared P&L hedged, slope {self.slope:.3f}"
        dots = frame.hvplot.scatter(
            x="hedge", y="item", size=6, alpha=0.5, width=520, height=480, grid=True, title=title,
            xlabel="minus the hedge's P&L", ylabel="P&L of what is hedged",
        )  # fmt: skip
        return dots * hv.Slope(1.0, 0.0).opts(color="gray")

    def _repr_html_(self) -> str:
        return str(self.to_frame().round(4).to_html())


def hedge_effectiveness(
    item: ArrayLike, hedge: ArrayLike, *, cost: float = 0.0, level: float = 0.975
) -> HedgeEffectiveness:
    """Judge a hedge by its P&L beside that of what it hedged.

    Parameters
    ----------
    item, hedge
        P&L a period, gains positive, of one length.
    cost
        Of the hedge over all periods, 0 or more.
    level
        Confidence of expected shortfall.

    Returns
    -------
    HedgeEffectiveness

    Raises
    ------
    InputError
        If lengths differ, a figure is not finite, or cost or level is out of range.
    DataError
        If there are fewer than three periods, or the item or the hedge never moves.

    Notes
    -----
    O(n log n). Source: Ederington 1979, "The hedging performance of the new futures markets", Journal of Finance 34.

    Examples
    --------
    >>> made = hedge_effectiveness([1.0, -2.0, 3.0, -1.0], [-0.9, 1.9, -2.8, 1.0])
    >>> round(made.effectiveness, 4), made.passes
    (0.996, True)
    """
    x, h = np.asarray(item, np.float64), np.asarray(hedge, np.float64)
    if x.ndim != 1 or x.shape != h.shape:
        raise InputError(f"item has shape {x.shape}, hedge {h.shape}; give one P&L a period for both")
    if not (np.isfinite(x).all() and np.isfinite(h).all()):
        raise InputError("a P&L is not finite; drop the periods that have none")
    if not (cost >= 0.0 and 0.0 < level < 1.0):
        raise InputError(f"cost is {cost}, level {level}; expected a cost from 0 and a level between 0 and 1")
    left, against = x + h, h.mean() - h
    if len(x) < 3 or not np.ptp(x) > 0.0 or not float(against @ against) > 0.0:
        raise DataError(f"{len(x)} periods in which item and hedge move are too few; give three or more")
    slope = float(against @ (x - x.mean())) / float(against @ against)
    rest = x - x.mean() - slope * against
    total = float((x - x.mean()) @ (x - x.mean()))
    unexplained = float(rest @ rest)
    return HedgeEffectiveness(
        effectiveness=1.0 - float(left @ left) / float(x @ x),
        es_before=_es(x, level),
        es_after=_es(left, level),
        cost=float(cost),
        slope=slope,
        slope_se=math.sqrt(unexplained / (len(x) - 2) / float(against @ against)),
        r2=1.0 - unexplained / total,
        n=len(x),
        level=level,
        item=x,
        hedge=h,
    )


def _es(pnl: NDArray[np.float64], level: float) -> float:
    from qflib.shortfall import expected_shortfall

    return float(expected_shortfall(pnl, level=level, kind="pnl").es)
