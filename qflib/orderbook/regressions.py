"""Two measures that are a slope: Kyle's lambda, and how fast the spread comes back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.kernels import line_fit as L
from qflib.orderbook.columns import F8, numbers
from qflib.orderbook.result import Result


@dataclass(frozen=True, eq=False)
class Slope(Result):
    """Points and the least-squares line through them.

    Attributes
    ----------
    x, y
        The points.
    names
        What x, y and the slope are.
    slope, intercept
        Of y = intercept + slope x.
    error
        The slope's standard error.
    r2
        The part of y's variance explained.
    n
        Points without a NaN.
    """

    x: F8
    y: F8
    names: tuple[str, str, str]
    slope: float
    intercept: float
    error: float
    r2: float
    n: int

    @property
    def t_value(self) -> float:
        """Slope over its standard error."""
        return self.slope / self.error if self.error > 0 else math.copysign(math.inf, self.slope)

    def to_frame(self) -> pd.DataFrame:
        """One row: the slope by its name, its standard error and t, intercept, r2, n."""
        return pd.DataFrame(
            [
                {
                    self.names[2]: self.slope,
                    "standard_error": self.error,
                    "t_value": self.t_value,
                    "intercept": self.intercept,
                    "r2": self.r2,
                    "n": self.n,
                }
            ]
        )

    def plot(self) -> Any:
        """The points and the line."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401

        kept = np.isfinite(self.x) & np.isfinite(self.y)
        x, y, z = *self.names[:2], f"{self.names[2]} {self.slope:.4g}, R2 {self.r2:.2f}"
        ends = np.array([self.x[kept].min(), self.x[kept].max()])
        points = hv.Scatter((self.x[kept], self.y[kept]), x, y).opts(color="#888888", size=3)
        line = hv.Curve((ends, self.intercept + self.slope * ends), x, y).opts(color="#c1272d")
        return (points * line).opts(title=z, width=600, height=360, show_grid=True)


def kyle_lambda(frame: pd.DataFrame, price: str = "mid", flow: str = "signed_volume") -> Slope:
    """Price change a unit of signed volume.

    Parameters
    ----------
    frame
        A row a bar, in time order: the price at its end, and the volume bought less the volume sold in it. Of
        `.qf.bars`, with ``price="close"``.
    price, flow
        The columns. With "ofi" as flow the slope is the price-impact coefficient of Cont, Kukanov and Stoikov (2014).

    Returns
    -------
    Slope
        Of the change of price from the row before on the row's flow. O(rows).

    Raises
    ------
    InputError
        If a column is missing or holds no numbers.
    DataError
        If fewer than three rows have both, or the flow does not vary.

    Notes
    -----
    Kyle, "Continuous auctions and insider trading", Econometrica 53 (1985), theorem 1: p = p_0 + lambda (x + u);
    estimated as in Hasbrouck, "Trading costs and returns for US equities", Journal of Finance 64 (2009), by regressing
    price changes on signed volume. Folded row by row (`qflib.kernels.line_fit`).

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import kyle_lambda
    >>> bars = pd.DataFrame({"mid": [100.0, 101.0, 100.5, 102.5], "signed_volume": [0.0, 2.0, -1.0, 4.0]})
    >>> kyle_lambda(bars).slope
    0.5
    """
    change = np.diff(numbers(frame, price), prepend=np.nan)
    return _slope(numbers(frame, flow), change, (flow, f"change of {price}", "lambda"))


@dataclass(frozen=True, eq=False)
class Resiliency(Result):
    """How fast a measure of liquidity comes back to its mean.

    Attributes
    ----------
    line
        Of the change from a row to the next on the row's value.
    """

    line: Slope

    @property
    def speed(self) -> float:
        """kappa: the part of a deviation gone a row later; 1 is at once, 0 never."""
        return -self.line.slope

    @property
    def mean(self) -> float:
        """Where it comes back to; NaN where it does not."""
        return self.line.intercept / self.speed if self.speed > 0 else math.nan

    @property
    def half_life(self) -> float:
        """Rows until half of a deviation is gone; 0 at a speed of 1 or more, infinite at 0 or less."""
        if not 0 < self.speed < 1:
            return 0.0 if self.speed >= 1 else math.inf
        return math.log(0.5) / math.log1p(-self.speed)

    def to_frame(self) -> pd.DataFrame:
        """One row: speed, standard_error, half_life, mean, r2, n."""
        return pd.DataFrame(
            [
                {
                    "speed": self.speed,
                    "standard_error": self.line.error,
                    "half_life": self.half_life,
                    "mean": self.mean,
                    "r2": self.line.r2,
                    "n": self.line.n,
                }
            ]
        )

    def plot(self) -> Any:
        """Changes against values, and the line."""
        return self.line.plot()


def resiliency(frame: pd.DataFrame, measure: str = "spread") -> Resiliency:
    """Speed at which the spread, or depth, comes back after a shock.

    Parameters
    ----------
    frame
        Rows at equal times, as `OrderBook.replay` gives.
    measure
        The column: "spread", or a depth such as "bid_qty".

    Returns
    -------
    Resiliency
        O(rows).

    Raises
    ------
    InputError
        If the column is missing or holds no numbers.
    DataError
        If fewer than three rows have neighbours, or nothing varies.

    Notes
    -----
    Kempf, Mayston, Gehde-Trapp and Yadav, "Resiliency: a dynamic view of liquidity", CFR working paper 15-04 (2015),
    who define it as the rate of mean reversion of liquidity: L_t - L_t-1 = alpha - kappa L_t-1 + e_t, here without
    lagged changes. Folded row by row (`qflib.kernels.line_fit`).

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import resiliency
    >>> made = resiliency(pd.DataFrame({"spread": [9.0, 5.0, 3.0, 2.0, 1.5]}))
    >>> made.speed, made.mean, made.half_life
    (0.5, 1.0, 1.0)
    """
    level = numbers(frame, measure)
    return Resiliency(_slope(level[:-1], np.diff(level), (measure, f"change of {measure}", "minus kappa")))


def _slope(x: F8, y: F8, names: tuple[str, str, str]) -> Slope:
    infinite = np.isinf(x) | np.isinf(y)
    if infinite.any():
        raise InputError(f"row {int(np.argmax(infinite))} is infinite; give finite numbers, or NaN where there is none")
    memory = np.zeros(L.N_MEMORY)
    L.fold_line(np.ascontiguousarray(x), np.ascontiguousarray(y), memory)
    slope, intercept, error, r2 = L.line_of(memory)
    if memory[L.N] < 3 or math.isnan(slope):
        raise DataError(f"{int(memory[L.N])} points, or all at one {names[0]}, make no line; give a longer recording")
    return Slope(x, y, names, slope, intercept, error, r2, int(memory[L.N]))
