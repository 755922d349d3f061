"""Greeks of single-barrier options: the closed forms of `qflib.kernels.barrier`, differentiated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.barrier import BEYOND, barrier_batch
from qflib.pricing.barriers import BarrierKind, barrier_arguments
from qflib.pricing.greek_table import check_units, named, table
from qflib.pricing.inputs import Floats, NumberLike, RightLike
from qflib.pricing.jets import Jet, black, exp, log, select, sqrt, variables, weighted_cdf
from qflib.pricing.sensitivities import Units

_VARIABLES = ("spot", "strike", "years", "rate", "dividend_yield", "vol")
_NODES, _MASSES = np.polynomial.legendre.leggauss(16)
_NEAR_SINGULAR = 0.05  # of the root in the rebate's exponents times the total vol: below, derivatives would cancel


def barrier_greeks(
    kind: BarrierKind,
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    barrier: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    rebate: NumberLike = 0.0,
    interval: float = 0.0,
    units: Units = "natural",
) -> Any:
    """Price and Greeks of European options with one barrier under Black-Scholes-Merton.

    Parameters
    ----------
    kind, right, spot, strike, barrier, years, rate, dividend_yield, vol, rebate, interval
        As in `barrier_option`.
    units
        As in `greeks`.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, one row an option, columns price,
        delta, gamma, vega, theta, rho, dividend_rho, vanna, volga, charm, veta, dual_delta, dual_gamma, elasticity.
        Beyond the barrier they are the vanilla's of an in option and 0 of an out option. Without time or vol there are
        none: NaN beside the price.

    Raises
    ------
    InputError
        If a value is out of range, the kind or units are unknown, or shapes do not fit.

    Notes
    -----
    O(n). The formulas of `barrier_option`, differentiated exactly (second-order forward mode): first derivatives err
    by some 1e-12 of the spot, second ones by 1e-12 of what they are in units of spot and total vol. On the barrier
    it has been hit: they are those beyond it.
    Sources: Reiner and Rubinstein 1991; Haug 2007, section 4.17; Griewank and Walther 2008, ch. 13.

    Examples
    --------
    >>> from qflib.pricing import barrier_greeks
    >>> g = barrier_greeks("down_out", "call", 100, 90, 95, 0.5, 0.08, 0.04, 0.25, rebate=3)
    >>> round(g["delta"], 6), round(g["vega"], 4)
    (1.171336, -4.521)
    """
    check_units(units)
    a = barrier_arguments(
        kind, right, spot, strike, barrier, years, rate, dividend_yield, vol, rebate=rebate, interval=interval
    )
    up, knock_in = kind.startswith("up"), kind.endswith("in")
    sign, price, strikes, times, rates, yields, vols, levels, rebates = a.values
    priced = np.empty(a.size)
    barrier_batch(
        sign, up, knock_in, price, strikes, levels, rebates, times, rates, yields, vols, float(interval), priced
    )
    with np.errstate(all="ignore"):
        hit = levels <= price if up else levels >= price
        alive = np.isfinite(price) & np.isfinite(vols) & (times > 0.0) & (vols > 0.0)
        total = vols * np.sqrt(times)
        root = np.sqrt(((rates - yields) / vols**2 - 0.5) ** 2 + 2.0 * rates / vols**2)
        parts = (rebates != 0.0) & (not knock_in) & ~(root * total > _NEAR_SINGULAR)
        found = {name: np.full(a.size, np.nan) for name in named(Jet(priced, *_nothing(1)), _VARIABLES)}
        for rows, by_parts in ((alive & ~hit & ~parts, False), (alive & ~hit & parts, True)):
            if rows.any():
                jet = _Terms(up, knock_in, interval, [x[rows] for x in a.values]).value(by_parts)
                _put(found, rows, jet)
        if (alive & hit).any():
            _put(found, alive & hit, _after(knock_in, [x[alive & hit] for x in a.values]))
    found["price"] = priced
    return table(a, found, price, units)


def _nothing(n: int) -> tuple[Floats, Floats]:
    m = len(_VARIABLES)
    return np.zeros((m, n)), np.zeros((m, m, n))


def _put(found: dict[str, Floats], rows: NDArray[np.bool_], jet: Jet) -> None:
    for name, column in named(jet, _VARIABLES).items():
        found[name][rows] = column


def _after(knock_in: bool, values: list[Floats]) -> Jet:
    """Once the barrier has been hit: the vanilla, or a rebate that is paid."""
    sign, n = values[0], values[0].size
    if not knock_in:
        return Jet(values[-1], *_nothing(n))
    spot, strike, years, rate, dividend_yield, vol = variables(*values[1:7])
    forward = spot * exp((rate - dividend_yield) * years)
    return exp(-rate * years) * black(sign, forward, strike, vol * sqrt(years))


class _Terms:
    """The formula's variables as jets, and its parts: see `qflib.kernels.barrier.barrier_price`."""

    def __init__(self, up: bool, knock_in: bool, interval: float, values: list[Floats]) -> None:
        self.sign, level, self.rebate = values[0], values[7], values[8]
        spot, strike, self.years, self.rate, self.dividend_yield, self.vol = variables(*values[1:7])
        self.up, self.knock_in, self.tail = up, knock_in, -1.0 if up else 1.0
        moved = exp(self.vol * ((1.0 if up else -1.0) * BEYOND * float(np.sqrt(interval)))) * level
        self.total = self.vol * sqrt(self.years)
        self.mu = (self.rate - self.dividend_yield) / (self.vol * self.vol) - 0.5
        self.distance, self.moneyness = log(moved / spot), log(spot / strike)
        self.asset = log(spot) - self.dividend_yield * self.years
        self.cash = log(strike) - self.rate * self.years
        self.beyond = self.sign * (values[2] - moved.value) > 0.0

    def leg(self, tail: Any, z: Jet, power: float) -> Jet:
        """A call's or put's two terms, each times its power of barrier over spot."""
        s, z = self.total, z + (self.mu + 1.0) * self.total
        raised = self.distance * (2.0 * power)
        first = weighted_cdf(self.asset + (self.mu + 1.0) * raised, z * tail)
        return (first - weighted_cdf(self.cash + self.mu * raised, (z - s) * tail)) * self.sign

    def hit(self, total: Jet) -> Jet:
        """Probability that the barrier is hit within a time of this total vol."""
        away, drift = self.distance / total, self.mu * total
        never = self.distance * 0.0
        first = weighted_cdf(never, (away - drift) * self.tail)
        return first + weighted_cdf(self.mu * self.distance * 2.0, (away + drift) * self.tail)

    def at_hit(self, by_parts: bool) -> Jet:
        """1 paid when the barrier is hit."""
        if not by_parts:
            root = sqrt(self.mu * self.mu + self.rate * 2.0 / (self.vol * self.vol))
            z = self.distance / self.total + root * self.total
            first = weighted_cdf((self.mu + root) * self.distance, z * self.tail)
            return first + weighted_cdf((self.mu - root) * self.distance, (z - root * self.total * 2.0) * self.tail)
        paid = exp(-self.rate * self.years) * self.hit(self.total)
        for x, mass in self.places():  # rate int e^(-rate t) P(hit before t) dt, t = years x^2
            t = self.years * (x * x)
            paid = paid + self.rate * self.years * exp(-self.rate * t) * self.hit(self.total * x) * (2.0 * x * mass)
        return paid

    def places(self) -> Iterator[tuple[float, float]]:
        """Places in (0, 1) and masses: pieces that double from where the probability of any row wakes."""
        away = float(np.min(np.abs(self.distance.value) / self.total.value)) / 6.0
        near = max(away, 1e-9)
        most = max(1.0 / (1.0 + float(np.max(np.abs(self.mu.value * self.total.value)))), 1e-2)
        start = 0.0
        while start < 1.0:
            step = min(max(start, near), most, 1.0 - start)
            for node, mass in zip(0.5 * _NODES + 0.5, 0.5 * _MASSES, strict=True):
                yield start + step * float(node), step * float(mass)
            start = 1.0 if start + step > 1.0 - 1e-12 else start + step

    def value(self, by_parts: bool) -> Jet:
        """The price."""
        s, d, m = self.total, self.distance, self.moneyness
        a, b = self.leg(self.sign, m / s, 0.0), self.leg(self.sign, -d / s, 0.0)
        c, e = self.leg(self.tail, (d * 2.0 + m) / s, 1.0), self.leg(self.tail, d / s, 1.0)
        worthless = (self.sign > 0.0) != self.up  # the barrier lies where the vanilla is worth little
        if self.knock_in:
            missed = weighted_cdf(-self.rate * self.years, (self.mu * s - d / s) * self.tail)
            back = weighted_cdf(self.mu * d * 2.0 - self.rate * self.years, (self.mu * s + d / s) * self.tail)
            near, far = select(self.beyond, c, a - b + e), select(self.beyond, a, b - c + e)
            return select(worthless, near, far) + (missed - back) * self.rebate
        near, far = select(self.beyond, a - c, b - e), select(self.beyond, a * 0.0, a - b + c - e)
        out = select(worthless, near, far)
        if not self.rebate.any():
            return out
        # without a rebate its exponents may be imaginary: NaN that no 0 takes away
        return select(self.rebate != 0.0, out + self.at_hit(by_parts) * self.rebate, out)
