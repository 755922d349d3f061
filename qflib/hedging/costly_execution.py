"""Hedging one large option where trading costs more the faster it is: Guéant and Pu's optimal speed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError
from qflib.kernels.execution_cost_hedge import solve

F8 = NDArray[np.float64]

_DEVIATIONS = 6.0  # of the grid of prices, either side


@dataclass(frozen=True)
class ExecutionCost:
    """What trading v shares a year costs a year: V L(v / V), L(x) = eta |x|^(1 + phi) + psi |x|.

    Parameters
    ----------
    eta
        In quote currency a share, at a speed of the whole market's.
    volume
        V, shares that the market trades a year.
    phi
        0 to 1: 1 is quadratic, as Almgren and Chriss' eta / V; near 0.6 where measured.
    psi
        Half the spread, in quote currency a share.

    Raises
    ------
    InputError
        If a figure is out of its range.

    Notes
    -----
    Source: Guéant and Pu 2017, section 2; phi near 0.6 after Almgren, Thum, Hauptmann and Li 2005, "Direct estimation
    of equity market impact", Risk 18.

    Examples
    --------
    >>> from qflib.hedging import ExecutionCost
    >>> round(float(ExecutionCost(eta=0.1, volume=1e9, phi=1.0).a_year(1e8)), 3)
    1000000.0
    """

    eta: float
    volume: float
    phi: float = 1.0
    psi: float = 0.0

    def __post_init__(self) -> None:
        for name in ("eta", "volume"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}; expected a positive number")
        if not (0 < self.phi <= 1 and math.isfinite(self.psi) and self.psi >= 0):
            raise InputError(f"phi is {self.phi}, psi {self.psi}; expected a power above 0 up to 1, and a cost from 0")

    def a_year(self, speed: ArrayLike) -> F8:
        """V L(v / V)."""
        r = np.abs(np.asarray(speed, np.float64)) / self.volume
        return np.asarray(self.volume * (self.eta * r ** (1.0 + self.phi) + self.psi * r))

    def liquidation(self, qty: ArrayLike, vol: float, risk_aversion: float) -> F8:
        """What selling a quantity without a deadline costs, risk in: the stationary solution of the model's equation.

        With phi of 1, sqrt(risk_aversion vol^2 eta / (2 V)) q^2.
        """
        q, power = np.abs(np.asarray(qty, np.float64)), self.phi / (1.0 + self.phi)
        pace = (risk_aversion * vol**2 / (2.0 * self.volume * self.phi * self.eta)) ** power
        whole = self.eta * (1.0 + self.phi) * pace * q ** (1.0 + 2.0 * power) / (1.0 + 2.0 * power)
        return np.asarray(whole + self.psi * q)


@dataclass(frozen=True, eq=False)
class ExecutionHedge:
    """The optimal speed on a grid of time, price and holding, and what the option is worth hedged so.

    Attributes
    ----------
    price
        Indifference price: what who sells the options and starts with `holding` shares must be paid.
    prices, holdings
        Of the grid.
    speeds
        (steps, prices, holdings): shares a year, positive to buy.
    theta
        (prices, holdings): today's value of the equation.
    years, terms
        To expiry; arguments of `execution_hedge`.
    """

    price: float
    prices: F8 = field(repr=False)
    holdings: F8 = field(repr=False)
    speeds: F8 = field(repr=False)
    theta: F8 = field(repr=False)
    owed: F8 = field(repr=False)
    years: float
    cost: ExecutionCost

    def speed(self, years: float, price: ArrayLike, holding: ArrayLike) -> F8:
        """Shares a year to trade `years` from today, linear between nodes of price and holding.

        Raises
        ------
        InputError
            If the time is not between today and expiry.
        """
        k = self._step(years)
        return _bilinear(self.speeds[k], self.prices, self.holdings, price, holding)

    def target(self, years: float = 0.0) -> pd.Series[float]:
        """By price, the holding at which nothing is to be traded, `years` from today: what plays the part of delta.

        Raises
        ------
        InputError
            If the time is not between today and expiry.
        """
        k = self._step(years)
        still = [float(np.interp(0.0, -row, self.holdings)) for row in self.speeds[k]]
        return pd.Series(still, pd.Index(self.prices, name="price"), name="holding")

    def run(self, paths: F8, holding: float = 0.0) -> tuple[F8, F8]:
        """P&L without the premium, and holdings, along price paths.

        Parameters
        ----------
        paths
            (steps + 1, n): prices at the grid's times.
        holding
            Shares at the start.

        Raises
        ------
        InputError
            If paths have another number of times.
        """
        steps = len(self.speeds)
        if paths.ndim != 2 or len(paths) != steps + 1:
            raise InputError(f"paths have shape {paths.shape}; expected ({steps + 1}, n)")
        dt, q = self.years / steps, np.full(paths.shape[1], float(holding))
        held, pnl = np.empty_like(paths), np.zeros(paths.shape[1])
        for k in range(steps):
            v = _bilinear(self.speeds[k], self.prices, self.holdings, paths[k], q)
            held[k] = q
            pnl += (q + 0.5 * v * dt) * (paths[k + 1] - paths[k]) - self.cost.a_year(v) * dt
            q = q + v * dt
        held[steps] = q
        return pnl - _bilinear(self.owed, self.prices, self.holdings, paths[steps], q), held

    def _step(self, years: float) -> int:
        if not 0 <= years < self.years:
            raise InputError(f"years is {years}; expected a time from 0 to before expiry in {self.years}")
        return min(int(years / self.years * len(self.speeds) + 1e-9), len(self.speeds) - 1)

    def to_frame(self) -> pd.DataFrame:
        """Today's speeds: a row a price, a column a holding."""
        return pd.DataFrame(
            self.speeds[0], pd.Index(self.prices, name="price"), pd.Index(self.holdings, name="holding")
        )

    def plot(self) -> Any:
        """The holding at rest by price, today, half-way and near expiry."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        at = {"today": 0.0, "half-way": 0.5 * self.years, "near expiry": 0.95 * self.years}
        lines = pd.DataFrame({name: self.target(t) for name, t in at.items()})
        return lines.hvplot.line(
            xlabel="price", ylabel="holding at rest", width=640, height=360, grid=True,
            title=f"indifference price {self.price:,.6g}",
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"ExecutionHedge(price {self.price:.6g}; {'×'.join(map(str, self.speeds.shape))} grid)"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>" + str(self.target().to_frame().T.round(1).to_html())


def execution_hedge(
    contracts: float,
    *,
    spot: float,
    strike: float,
    years: float,
    vol: float,
    cost: ExecutionCost,
    risk_aversion: float,
    right: Literal["call", "put"] = "call",
    settlement: Literal["cash", "physical"] = "cash",
    holding: float = 0.0,
    steps: int = 200,
    nodes: int = 81,
) -> ExecutionHedge:
    """Hedge options sold, so many that trading their delta costs more the faster it is done.

    Parameters
    ----------
    contracts
        Shares that the options sold are on, above 0.
    spot, strike, years
        Of the option; no interest.
    vol
        Of the price in quote currency a square root of a year (Bachelier's model): `vol_bs * spot`.
    cost
        Of execution.
    risk_aversion
        Absolute, per quote currency.
    right, settlement
        Cash: what is held at expiry is sold without a deadline (`ExecutionCost.liquidation`). Physical: the shares
        are delivered where the option is exercised, and what is left over or missing is traded so.
    holding
        Shares today.
    steps, nodes
        Of time, and of holdings between half the contracts beyond either end.

    Returns
    -------
    ExecutionHedge

    Raises
    ------
    InputError
        If a figure is out of its range.

    Notes
    -----
    O(steps^(3/2) nodes); 200 steps and 81 nodes take about 0.2 s. Without an option the error of theta falls with the
    square of the step (`qflib.kernels.execution_cost_hedge`); the price of the deal below, phi 0.75, is at 50, 100, 200
    and 400 steps 1.5, 0.7, 0.2 and 0.05 % below that at 800. `ExecutionHedge.run` plays the speeds in steps and attains
    less: utility of 40,000 paths asks for 15, 5.1, 1.9, 0.7 and 0.3 % more than that price at 50, 100, 200, 400 and 800
    steps (standard error 0.1 %).

    As costs vanish, price and target become Bachelier's; without an option the speed is Almgren and Chriss'; with a
    gamma that is constant it is linear in price and holding, as in Almgren and Li 2016, "Option hedging with smooth
    market impact", Market Microstructure and Liquidity 2(1). Source: Guéant and Pu 2017, "Option pricing and hedging
    with execution costs and market impact", Mathematical Finance 27(3).

    Examples
    --------
    >>> from qflib.hedging.costly_execution import ExecutionCost, execution_hedge
    >>> deal = dict(spot=45.0, strike=45.0, years=0.25, vol=9.5, risk_aversion=2e-7)
    >>> made = execution_hedge(2e7, cost=ExecutionCost(eta=0.1, volume=1e9), **deal)
    >>> free = execution_hedge(2e7, cost=ExecutionCost(eta=1e-6, volume=1e9), **deal)
    >>> round(made.price / 2e7, 2), round(free.price / 2e7, 2)  # a share
    (2.36, 1.92)
    """
    for name, value in (
        ("contracts", contracts), ("years", years), ("vol", vol), ("risk_aversion", risk_aversion),
    ):  # fmt: skip
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value}; expected a positive number")
    if right not in ("call", "put") or settlement not in ("cash", "physical"):
        raise InputError(f"right {right!r}, settlement {settlement!r}: expected 'call' or 'put', 'cash' or 'physical'")
    if not (math.isfinite(spot) and math.isfinite(strike) and steps >= 4 and nodes >= 9):
        raise InputError(
            f"spot {spot}, strike {strike}, steps {steps}, nodes {nodes}: expected numbers, 4 steps, 9 nodes"
        )
    sign = 1.0 if right == "call" else -1.0
    low, high = sorted((-0.5 * sign * contracts, 1.5 * sign * contracts))
    holdings: F8 = np.linspace(low, high, nodes, dtype=np.float64)
    if not low <= holding <= high:
        raise InputError(f"holding {holding} lies outside of [{low}, {high}], half the contracts beyond a full hedge")
    width = vol * math.sqrt(3.0 * years / steps)
    far = min(math.ceil(_DEVIATIONS * vol * math.sqrt(years) / width), steps)
    prices: F8 = spot + width * np.arange(-far, far + 1, dtype=np.float64)
    owed = _owed(sign, contracts, strike, prices, width, holdings, cost, vol, risk_aversion, settlement)
    speeds = np.empty((steps, len(prices), nodes))
    theta = solve(
        owed, holdings, width, steps, float(years), float(risk_aversion),
        float(cost.eta), float(cost.phi), float(cost.psi), float(cost.volume), speeds,
    )  # fmt: skip
    worth = float(np.interp(holding, holdings, theta[far]))
    return ExecutionHedge(worth, prices, holdings, speeds, theta, owed, years, cost)


def _owed(
    sign: float, contracts: float, strike: float, prices: F8, width: float, holdings: F8, cost: ExecutionCost,
    vol: float, risk_aversion: float, settlement: str,
) -> F8:  # fmt: skip
    """What is owed at expiry: the payoff, its mean over a cell of prices, and the liquidation."""
    upper, lower = sign * (prices - strike) + 0.5 * width, sign * (prices - strike) - 0.5 * width
    payoff = (np.maximum(upper, 0.0) ** 2 - np.maximum(lower, 0.0) ** 2) / (2.0 * width)
    exercised = np.clip(upper / width, 0.0, 1.0) if settlement == "physical" else np.zeros(len(prices))
    # in the strike's own cell part of the paths exercise
    delivered, kept = (cost.liquidation(holdings - q, vol, risk_aversion) for q in (sign * contracts, 0.0))
    left = exercised[:, None] * delivered + (1.0 - exercised[:, None]) * kept
    return np.ascontiguousarray(contracts * payoff[:, None] + left)


def _bilinear(table: F8, prices: F8, holdings: F8, price: ArrayLike, holding: ArrayLike) -> F8:
    """Linear between nodes, and beyond the grid along its last cells."""
    x = (np.asarray(price, np.float64) - prices[0]) / (prices[1] - prices[0])
    y = (np.asarray(holding, np.float64) - holdings[0]) / (holdings[1] - holdings[0])
    i = np.clip(np.floor(x).astype(np.int64), 0, len(prices) - 2)
    k = np.clip(np.floor(y).astype(np.int64), 0, len(holdings) - 2)
    u, w = x - i, y - k
    near = (1 - w) * table[i, k] + w * table[i, k + 1]
    far = (1 - w) * table[i + 1, k] + w * table[i + 1, k + 1]
    return np.asarray((1 - u) * near + u * far)
