"""The impact of orders: the square-root law, fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError
from qflib.kernels import power_law as P
from qflib.orderbook.columns import F8, numbers, positive, refuse
from qflib.orderbook.result import Result


@dataclass(frozen=True, eq=False)
class ImpactFit(Result):
    """impact = y * volatility * (qty / volume)^delta, the square-root law where delta is 1 / 2.

    Attributes
    ----------
    y, delta
        Coefficient and exponent.
    errors
        Their standard errors; the exponent's is 0 where it was given.
    r2
        The part of the impact's variance explained.
    participation, scaled
        qty / volume and impact / volatility of the orders fitted.
    """

    y: float
    delta: float
    errors: tuple[float, float]
    r2: float
    participation: F8
    scaled: F8

    def impact(self, qty: Any, volume: Any, volatility: Any) -> Any:
        """Expected impact of an order, in the volatility's unit."""
        return self.y * np.asarray(volatility) * (np.asarray(qty) / np.asarray(volume)) ** self.delta

    def to_frame(self) -> pd.DataFrame:
        """A row a parameter: value, standard error."""
        index = pd.Index(["y", "delta"], name="parameter")
        return pd.DataFrame({"value": [self.y, self.delta], "standard_error": self.errors}, index=index)

    def plot(self) -> Any:
        """Mean impact by size of order, in twenty groups of as many, and the law."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401

        order = np.argsort(self.participation, kind="stable")
        groups = [g for g in np.array_split(order, 20) if len(g)]
        x = np.array([self.participation[g].mean() for g in groups])
        means = np.array([self.scaled[g].mean() for g in groups])
        axes = ("qty / volume", "impact / volatility")
        line = hv.Curve((x, self.y * x**self.delta), *axes).opts(color="#c1272d")
        title = f"Impact: {self.y:.3g} (qty / volume)^{self.delta:.2f}"
        options = {"title": title, "logx": True, "width": 600, "height": 360, "show_grid": True}
        return (hv.Scatter((x, means), *axes).opts(size=5) * line).opts(**options)


def fit_impact(orders: pd.DataFrame, delta: float | None = 0.5) -> ImpactFit:
    """Fit the impact of orders by least squares.

    Parameters
    ----------
    orders
        A row an order: qty, volume (traded in the period that volatility is of), volatility, and impact: the price's
        change in the order's direction, in the volatility's unit.
    delta
        The exponent: 0.5 is the square-root law; None fits it.

    Returns
    -------
    ImpactFit

    Raises
    ------
    InputError
        If a column is missing or not finite, or qty, volume or volatility is not above 0.
    DataError
        If there are fewer than three orders.

    Notes
    -----
    Almgren, Thum, Hauptmann and Li, "Direct estimation of equity market impact", Risk 18 (2005); Toth et
    al., "Anomalous price impact and the critical nature of liquidity in financial markets", Physical Review X 1 (2011),
    whose introduction states the law Y sigma sqrt(Q / V). Almgren et al. find 3/5 for the exponent of temporary impact.

    A given exponent leaves one coefficient, folded order by order (`qflib.kernels.power_law`): O(orders), and the same
    to the bit wherever batches are cut. An exponent that is fitted needs nonlinear least squares over all the orders at
    once: O(orders) an evaluation, and no fold.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import fit_impact
    >>> orders = pd.DataFrame({"qty": [1.0, 4.0, 9.0], "volume": 100.0, "volatility": 0.02,
    ...                        "impact": [0.001, 0.002, 0.003]})
    >>> made = fit_impact(orders)
    >>> round(made.y, 6), round(float(made.impact(16, 100, 0.02)), 6)
    (0.5, 0.004)
    """
    columns = {name: numbers(orders, name) for name in ("qty", "volume", "volatility", "impact")}
    for name, values in columns.items():
        bad = ~np.isfinite(values) | ((values <= 0) if name != "impact" else False)
        refuse(bad, values, name, "a finite number" if name == "impact" else "a finite number above 0")
    x, z = columns["qty"] / columns["volume"], columns["impact"] / columns["volatility"]
    if len(x) < 3:
        raise DataError(f"{len(x)} orders are too few to fit; give three or more")
    memory = np.zeros(P.N_MEMORY)
    if delta is not None:
        exponent = positive(delta, "delta")
        P.fold_power_law(x, z, exponent, memory)
        made, rest = (float(memory[P.COEFFICIENT]), exponent), float(memory[P.REST])
        errors = (math.sqrt(rest / (len(x) - 1) / memory[P.POWERS]), 0.0)
    else:
        made, slopes = _exponent(x, z)
        P.fold_power_law(x, z, made[1], memory)  # for the spread of z
        rest = float(((z - made[0] * x ** made[1]) ** 2).sum())
        variance = np.diag(np.linalg.pinv(slopes.T @ slopes)) * rest / (len(x) - 2)
        errors = (math.sqrt(variance[0]), math.sqrt(variance[1]))
    spread = float(memory[P.SPREAD])
    return ImpactFit(*made, errors, 1 - rest / spread if spread > 0 else math.nan, x, z)


def _exponent(x: F8, z: F8) -> tuple[tuple[float, float], F8]:
    """Coefficient and exponent by least squares, and the derivatives by both there."""
    from scipy.optimize import least_squares

    power = np.sqrt(x)
    start = float(power @ z / (power @ power))

    def slopes(theta: F8) -> F8:
        return np.column_stack([x ** theta[1], theta[0] * x ** theta[1] * np.log(x)])

    def rest(theta: F8) -> F8:
        return np.asarray(theta[0] * x ** theta[1] - z)

    found = least_squares(rest, [start, 0.5], slopes, x_scale="jac")
    return (float(found.x[0]), float(found.x[1])), slopes(found.x)
