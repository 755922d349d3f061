"""How to split an order: the schedules of Almgren and Chriss, and their efficient frontier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels import trading_trajectory as K
from qflib.orderbook.columns import F8, positive
from qflib.orderbook.result import Result


@dataclass(frozen=True, eq=False)
class AlmgrenChriss(Result):
    """An optimal schedule to sell (or buy: negative) a quantity.

    Attributes
    ----------
    holdings
        (N + 1,) what is left at each time.
    horizon
        From the first to the last.
    kappa
        The urgency: 1 / kappa is the time in which a position shrinks by e.
    cost, variance
        Expected cost against the first price, and its variance.
    model
        The arguments of `almgren_chriss`, for `frontier`.
    """

    holdings: F8
    horizon: float
    kappa: float
    cost: float
    variance: float
    model: dict[str, float]

    @property
    def trades(self) -> F8:
        """(N,) what is sold in each interval."""
        return -np.diff(self.holdings)

    def to_frame(self) -> pd.DataFrame:
        """Index `time`; columns holdings, trade (of the interval that ends there)."""
        times = pd.Index(np.linspace(0, self.horizon, len(self.holdings)), name="time")
        return pd.DataFrame({"holdings": self.holdings, "trade": [0.0, *self.trades]}, index=times)

    def frontier(self, risk_aversions: Any = None) -> pd.DataFrame:
        """The efficient frontier: a row a risk aversion, with cost, variance, deviation and kappa.

        Parameters
        ----------
        risk_aversions
            Rising, 0 or more; by default 0 and those at which kappa * horizon goes from 0.1 to 20.
        """
        if risk_aversions is None:
            scale = (self.model["eta"] - self.model["gamma"] * self.horizon / (len(self.trades)) / 2) / (
                self.model["volatility"] * self.horizon
            ) ** 2
            risk_aversions = [0.0, *(np.geomspace(0.1, 20, 40) ** 2 * scale)]
        made = [almgren_chriss(**(self.model | {"risk_aversion": float(a)})) for a in risk_aversions]  # type: ignore[arg-type]
        return pd.DataFrame(
            {
                "risk_aversion": risk_aversions,
                "cost": [m.cost for m in made],
                "variance": [m.variance for m in made],
                "deviation": [math.sqrt(m.variance) for m in made],
                "kappa": [m.kappa for m in made],
            }
        )

    def plot(self) -> Any:
        """Holdings over time, and the efficient frontier with this schedule on it."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401

        path = self.to_frame().reset_index().hvplot.line(
            x="time", y="holdings", grid=True, width=450, height=360, title="Holdings"
        )  # fmt: skip
        line = self.frontier().hvplot.line(
            x="variance", y="cost", grid=True, width=450, height=360, title="Efficient frontier"
        )
        here = hv.Scatter([(self.variance, self.cost)], "variance", "cost").opts(color="#c1272d", size=8)
        return hv.Layout([path, line * here]).cols(2)


def almgren_chriss(
    qty: float,
    horizon: float,
    volatility: float,
    eta: float,
    *,
    gamma: float = 0.0,
    epsilon: float = 0.0,
    risk_aversion: float = 0.0,
    intervals: int = 50,
) -> AlmgrenChriss:
    """Sell a quantity at the least cost + risk_aversion * variance.

    Parameters
    ----------
    qty
        To sell; negative to buy.
    horizon
        In the unit of time that volatility, eta and risk aversion speak of, such as days.
    volatility
        Of the price, in quote currency a square root of time.
    eta
        Temporary impact: quote currency a unit of rate of trading.
    gamma
        Permanent impact: quote currency a unit traded.
    epsilon
        Fixed cost a unit: half the spread and fees.
    risk_aversion
        lambda; 0 trades at a constant rate (TWAP).
    intervals
        Of equal length.

    Returns
    -------
    AlmgrenChriss
        O(intervals).

    Raises
    ------
    InputError
        If an argument is out of its range, or gamma so large that eta <= gamma * horizon / intervals / 2.

    Notes
    -----
    Almgren and Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3(2), 2000, equations 4 and
    5, and the optimal trajectories of section 2.2: x_j = X sinh(kappa (T - t_j)) / sinh(kappa T).

    Examples
    --------
    >>> from qflib.orderbook import almgren_chriss
    >>> almgren_chriss(100, horizon=1.0, volatility=1.0, eta=0.1, intervals=4).holdings.tolist()
    [100.0, 75.0, 50.0, 25.0, 0.0]
    >>> averse = almgren_chriss(100, horizon=1.0, volatility=1.0, eta=0.1, risk_aversion=1.0, intervals=4)
    >>> averse.holdings.round(1).tolist()
    [100.0, 45.9, 20.4, 7.8, 0.0]
    """
    horizon, eta = positive(horizon, "horizon"), positive(eta, "eta")
    for name, value in (("volatility", volatility), ("gamma", gamma), ("epsilon", epsilon), ("lambda", risk_aversion)):
        if not 0 <= value < math.inf:
            raise InputError(f"{name} is {value}; give a finite number, 0 or more")
    if not (math.isfinite(qty) and qty != 0):
        raise InputError(f"qty is {qty}; give a finite quantity that is not 0")
    if intervals < 1:
        raise InputError(f"intervals is {intervals}; give 1 or more")
    tau = horizon / intervals
    if eta <= gamma * tau / 2:
        raise InputError(f"eta {eta} must be above gamma * tau / 2 = {gamma * tau / 2}; give more intervals")
    kappa = K.urgency(float(risk_aversion), float(volatility), eta - gamma * tau / 2, tau)
    holdings = np.empty(intervals + 1)
    K.trajectory(float(qty), kappa, tau, holdings)
    cost, variance = K.cost_of(holdings, tau, float(volatility), float(gamma), eta, float(epsilon))
    model = {
        "qty": qty, "horizon": horizon, "volatility": volatility, "eta": eta, "gamma": gamma, "epsilon": epsilon,
        "risk_aversion": risk_aversion, "intervals": intervals,
    }  # fmt: skip
    return AlmgrenChriss(holdings, horizon, kappa, cost, variance, model)
