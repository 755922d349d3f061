"""Rules that hedge one option under proportional costs: deltas at every look, at another vol, or inside a band.

Each is a small frozen object; `table` gives what `qflib.kernels.hedge_paths` takes, a row a look.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels.hedge_paths import NOTHING, RULE_COLUMNS


@dataclass(frozen=True)
class Terms:
    """What a rule may look at: the times left at its looks (years), rate, vol, and the one-way cost as a share."""

    left: NDArray[np.float64]
    rate: float
    vol: float
    cost: float


class Rule(ABC):
    """How far the holding may be from the delta, and at which vol that is taken."""

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""
        return repr(self)

    @abstractmethod
    def table(self, terms: Terms) -> NDArray[np.float64]:
        """(looks, 8): the columns `RULE_COLUMNS`."""


def _table(looks: int, **columns: float | NDArray[np.float64]) -> NDArray[np.float64]:
    made = np.zeros((looks, len(RULE_COLUMNS)))
    made[:, RULE_COLUMNS.index("vol_factor")] = 1.0
    for name in ("vol_level", "band_level"):
        made[:, RULE_COLUMNS.index(name)] = NOTHING
    for name, value in columns.items():
        made[:, RULE_COLUMNS.index(name)] = value
    return made


def _positive(what: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{what} is {value}; expected a positive number")


def leland_vol(vol: float, cost: float, interval: float, short: bool = True) -> float:
    """Leland's vol: that at which the premium pays for hedging at intervals, costs included.

    vol sqrt(1 + A), A = 2 cost sqrt(2 / pi) / (vol sqrt(interval)); minus for who is long.

    Parameters
    ----------
    vol
        Annual.
    cost
        One way, as a share of what is traded.
    interval
        Years between hedges.
    short
        Whether the option is sold.

    Raises
    ------
    InputError
        If a figure is not positive, or costs of a long option leave no vol.

    Notes
    -----
    Source: Leland 1985, "Option pricing and replication with transactions costs", Journal of Finance 40, equation 5
    (there with the round-trip cost, 2 cost).

    Examples
    --------
    >>> round(leland_vol(0.2, 0.005, 1 / 252), 6)
    0.255601
    """
    for what, value in (("vol", vol), ("interval", interval)):
        _positive(what, value)
    if not 0 <= cost < 1:
        raise InputError(f"cost is {cost}; expected a share from 0 to 1")
    a = 2.0 * cost * math.sqrt(2.0 / math.pi) / (vol * math.sqrt(interval))
    if not short and a >= 1.0:
        raise InputError(f"hedging a long option every {interval} years at cost {cost} leaves no vol; hedge less often")
    return vol * math.sqrt(1.0 + a if short else 1.0 - a)


@dataclass(frozen=True)
class Delta(Rule):
    """The Black-Scholes delta at every look.

    Notes
    -----
    Source: Black and Scholes 1973.

    Examples
    --------
    >>> from qflib.hedging import rules, simulate_hedges
    >>> made = simulate_hedges([rules.Delta()], paths=8_192, cost=0.0)
    >>> bool(made.to_frame()["std"].iloc[0] < 1.0)  # of a premium of 7.5
    True
    """

    def table(self, terms: Terms) -> NDArray[np.float64]:
        """No band, no other vol."""
        return _table(len(terms.left))


@dataclass(frozen=True)
class Leland(Rule):
    """The delta at `leland_vol`, at every look.

    Notes
    -----
    Source: Leland 1985, Journal of Finance 40.

    Examples
    --------
    >>> from qflib.hedging import rules, simulate_hedges
    >>> made = simulate_hedges([rules.Delta(), rules.Leland()], paths=8_192, cost=0.005)
    >>> bool(made.to_frame()["mean_cost"].is_monotonic_decreasing)
    True
    """

    def table(self, terms: Terms) -> NDArray[np.float64]:
        """Another vol, the same at every look."""
        interval = float(terms.left[0]) / len(terms.left)
        return _table(len(terms.left), vol_factor=leland_vol(terms.vol, terms.cost, interval) / terms.vol)


@dataclass(frozen=True)
class FixedBand(Rule):
    """The delta left alone within a fixed width either side.

    Notes
    -----
    Source: Martellini and Priaulet 2002, Journal of Derivatives 9 (move-based rules).

    Examples
    --------
    >>> from qflib.hedging import rules, simulate_hedges
    >>> made = simulate_hedges([rules.Delta(), rules.FixedBand(0.05)], paths=8_192, cost=0.005)
    >>> bool(made.to_frame()["mean_cost"].is_monotonic_decreasing)
    True
    """

    width: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.width) and self.width >= 0):
            raise InputError(f"width is {self.width}; expected a delta from 0")

    def table(self, terms: Terms) -> NDArray[np.float64]:
        """A flat band."""
        return _table(len(terms.left), width=self.width)


@dataclass(frozen=True)
class WhalleyWilmott(Rule):
    """The band (3/2 e^-rT cost S gamma^2 / risk_aversion)^(1/3), times `scale` T^`time_power`, T the years left.

    Deltas are taken at vol times `vol_factor`.

    Notes
    -----
    Source: Whalley and Wilmott 1997, Mathematical Finance 7(3), equation 4.10; scale and vol_factor 1 and time_power 0
    are theirs.

    Examples
    --------
    >>> from qflib.hedging import rules, simulate_hedges
    >>> made = simulate_hedges([rules.Delta(), rules.WhalleyWilmott(1.0)], paths=8_192, cost=0.005)
    >>> bool(made.to_frame()["mean_cost"].is_monotonic_decreasing)
    True
    """

    risk_aversion: float = 1.0
    scale: float = 1.0
    vol_factor: float = 1.0
    time_power: float = 0.0

    def __post_init__(self) -> None:
        for what in ("risk_aversion", "scale", "vol_factor"):
            _positive(what, getattr(self, what))
        if not math.isfinite(self.time_power):
            raise InputError(f"time_power is {self.time_power}; expected a number, 0 for none")

    def table(self, terms: Terms) -> NDArray[np.float64]:
        """A band by gamma and price."""
        if terms.cost == 0.0:
            return _table(len(terms.left), vol_factor=self.vol_factor)
        level = (math.log(1.5 * terms.cost / self.risk_aversion) - terms.rate * terms.left) / 3.0
        level = level + math.log(self.scale) + self.time_power * np.log(terms.left)
        return _table(
            len(terms.left), vol_factor=self.vol_factor, band_level=level, band_gamma=2.0 / 3.0,
            band_spot=1.0 / 3.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Zakamouline(Rule):
    """A band of two parts around the delta at a vol raised by costs.

    With the risk aversion a: H0 = cost / (a S vol^2 T), H1 = 1.12 cost^0.31 T^0.05 (e^-rT / vol)^0.25 sqrt(gamma / a).
    The delta of an option sold is at variance vol^2 (1 + K), K = 4.76 cost^0.78 / T^0.02 (e^-rT / vol)^0.25 (a S^2
    gamma)^0.15.

    Notes
    -----
    Source: Zakamouline 2006, "Efficient analytic approximation of the optimal hedging strategy for a European call
    option with transaction costs", Quantitative Finance 6(5), equations 17 to 19.

    Examples
    --------
    >>> from qflib.hedging import rules, simulate_hedges
    >>> made = simulate_hedges([rules.Delta(), rules.Zakamouline(1.0)], paths=8_192, cost=0.005)
    >>> bool(made.to_frame()["mean_cost"].is_monotonic_decreasing)
    True
    """

    risk_aversion: float = 1.0

    def __post_init__(self) -> None:
        _positive("risk_aversion", self.risk_aversion)

    def table(self, terms: Terms) -> NDArray[np.float64]:
        """A band by gamma and one by price; a vol by gamma and price."""
        if terms.cost == 0.0:
            return _table(len(terms.left))
        left, log_cost, log_a = terms.left, math.log(terms.cost), math.log(self.risk_aversion)
        quarter = 0.25 * (-terms.rate * left - math.log(terms.vol))
        return _table(
            len(left),
            vol_level=math.log(4.76) + 0.78 * log_cost - 0.02 * np.log(left) + quarter + 0.15 * log_a,
            vol_power=0.15,
            band_level=math.log(1.12) + 0.31 * log_cost + 0.05 * np.log(left) + quarter - 0.5 * log_a,
            band_gamma=0.5,
            band_flat=terms.cost / (self.risk_aversion * terms.vol**2 * left),
        )


#: Never tuned to the cell it is used in: a band as Whalley and Wilmott's that narrows towards expiry.
STEADY = WhalleyWilmott(risk_aversion=1.0, scale=0.43, vol_factor=1.03, time_power=0.2)
#: For half a year at the money at 25 %, costs of 20 to 50 basis points: deltas at 1.2 times the vol.
TUNED = WhalleyWilmott(risk_aversion=1.0, scale=0.44, vol_factor=1.2)
