"""What a portfolio's positions in one underlying are worth, now and in every scenario."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.black_scholes_greeks import GREEKS, greeks_batch
from qflib.kernels.scenario_pnl import linear_pnl, option_pnl
from qflib.records import Instruments
from qflib.records.schema import frozen
from qflib.steps.exposures.ledger import is_inverse_future, lot_units
from qflib.steps.exposures.quotes import YEAR_NS, Quotes

F8 = NDArray[np.float64]
DAY_NS = 86_400 * 10**9
VOL_FLOOR = 0.01  # after a scenario's shift
SUMMED = ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga")


@dataclass(frozen=True, slots=True)
class Shocks:
    """One underlying's part of a scenario set, with what every revaluation needs of it made once."""

    set_id: str
    horizon_ns: int
    spot_return: F8
    vol_shift: F8
    log_growth: F8

    @classmethod
    def of(cls, set_id: str, horizon_ns: int, spot_return: F8, vol_shift: F8) -> Shocks:
        """From the columns of a control."""
        return cls(set_id, horizon_ns, frozen(spot_return), frozen(vol_shift), frozen(np.log1p(spot_return)))

    def over(self, outcome_ns: int, session_ns: int) -> Shocks:
        """The same shocks over a shorter horizon: spread over the session by the square root of time."""
        scale = math.sqrt(outcome_ns * DAY_NS / (self.horizon_ns * session_ns))
        return Shocks.of(self.set_id, outcome_ns, self.spot_return * scale, self.vol_shift * scale)


@dataclass(frozen=True, slots=True)
class Valued:
    """Valued positions: a value an entry, in ledger order; reporting currency where not said otherwise."""

    time_ns: int
    forward: float
    instrument: NDArray[np.int64]
    book: NDArray[np.int64]
    qty: NDArray[np.int64]
    is_option: NDArray[np.bool_]
    mark: F8  # as quoted: coin for inverse options
    price: F8  # quote currency
    vol: F8
    fx: F8  # reporting currency a unit of settlement currency
    lot_value: F8  # settlement currency
    value: F8
    unrealised: F8
    cash_qty: F8  # qty, in underlying, times the quote currency's rate
    linear: F8  # P&L a 1.00 of relative move, of what is linear in it
    forwards: F8  # of each option; a future's own price
    unpriced: int  # positions that nothing quoted prices: left out
    greeks: dict[str, F8]


class Revaluation:
    """Values entries of the ledger at the quotes known.

    Inverse contracts pay in coin, which is converted at the scenario's own spot: a coin premium held moves with the
    coin, so the delta is premium-adjusted.
    """

    def __init__(
        self, instruments: Instruments, quotes: Quotes, rate: float, fx: dict[str, float], currency: str = "USD"
    ) -> None:
        self._quotes = quotes
        self._rate = rate
        self._units = lot_units(instruments)
        self._is_inverse_future = np.array([is_inverse_future(r) for r in instruments], bool)
        # futures are worth what they have gained; spot and options what they would fetch
        self._is_valued = np.array([r.kind in ("option", "spot") for r in instruments], bool)
        rates = {currency: 1.0, **fx}
        self._fx = np.array([rates.get(r.quote_currency, np.nan) for r in instruments])
        # on a future, early exercise is worth nothing at a zero rate; else an American option is more than Black-76
        self._unpriced = np.array([r.style == "american" and rate != 0.0 for r in instruments], bool)

    def value(self, entries: NDArray[Any], underlying: int, time_ns: int) -> Valued | None:
        """Marks, values and Greeks of entries of one underlying; None while it has never been quoted.

        What cannot be priced counts as unpriced and weighs nothing. O(entries).
        """
        q = self._quotes
        forward = q.forward(underlying, time_ns)
        if not forward > 0:
            return None
        at, qty = entries["instrument"], entries["qty"]
        forwards = q.forwards(at, forward)
        option, inverse = q.is_option[at], q.inverse[at]
        years = q.years(at, time_ns)
        vol = q.vol[at]
        for k in np.flatnonzero(np.isnan(vol) & option).tolist():
            vol[k] = q.vol_of(int(at[k]))
        quote_fx = self._fx[at]
        unknown = (option & (years > 0) & np.isnan(vol)) | self._unpriced[at] | np.isnan(quote_fx)
        unpriced, quote_fx = unknown & (qty != 0), np.nan_to_num(quote_fx)
        weight = np.where(unpriced, 0.0, qty)
        unit_greeks = self._unit_greeks(at, forwards, years, np.where(np.isnan(vol), 0.0, vol))
        price = np.where(option, unit_greeks["price"], np.where(np.isfinite(q.mid[at]), q.mid[at], forward))
        forwards = np.where(option, forwards, price)
        mark = np.where(option & inverse, price / forwards, price)
        units = self._units[at]
        coins = self._is_inverse_future[at]
        lot_value = np.where(coins, -units / np.where(coins, price, 1.0), units * mark)
        fx = quote_fx * np.where(inverse, forward, 1.0)
        cash_qty = weight * quote_fx * np.where(self._is_inverse_future[at], units / forwards, units)
        unrealised = weight * (lot_value - entries["avg_value"]) * fx
        premium = np.where(option & inverse, price, 0.0)
        greeks = {name: cash_qty * np.where(option, unit_greeks[name], 0.0) for name in SUMMED}
        greeks["delta"] = cash_qty * np.where(option, unit_greeks["delta"] - premium / forwards, 1.0)
        return Valued(
            time_ns=time_ns,
            forward=forward,
            instrument=at,
            book=entries["book"],
            qty=qty,
            is_option=option,
            mark=mark,
            price=price,
            vol=vol,
            fx=fx,
            lot_value=lot_value,
            value=np.where(self._is_valued[at], weight * lot_value * fx, unrealised),
            unrealised=unrealised,
            cash_qty=cash_qty,
            linear=cash_qty * np.where(option, -premium, forwards),
            forwards=forwards,
            unpriced=int(unpriced.sum()),
            greeks=greeks,
        )

    def vector(self, v: Valued, book: int, shocks: Shocks) -> F8:
        """Scenario P&L of one book's positions, gains positive; O(options * scenarios)."""
        out = np.zeros(len(shocks.spot_return))
        held = (v.book == book) & (v.cash_qty != 0)
        for forward in np.unique(v.forwards[held & v.is_option]).tolist():
            options = np.flatnonzero(held & v.is_option & (v.forwards == forward))
            at = v.instrument[options]
            years_after = np.maximum(self._quotes.expiry_ns[at] - v.time_ns - shocks.horizon_ns, 0) / YEAR_NS
            option_pnl(
                forward,
                shocks.log_growth,
                shocks.spot_return,
                shocks.vol_shift,
                frozen(self._quotes.strike[at]),
                frozen(years_after),
                frozen(v.vol[options]),
                frozen(self._quotes.right[at]),
                frozen(v.cash_qty[options]),
                frozen(np.exp(-self._rate * years_after)),
                frozen(v.price[options]),
                VOL_FLOOR,
                out,
            )
        linear = 0.0
        for x in v.linear[held].tolist():
            linear += x
        if linear != 0.0:
            linear_pnl(linear, shocks.spot_return, out)
        return out

    def units(self, instruments: NDArray[np.int64]) -> F8:
        """What a lot stands for, in underlying (inverse futures: quote currency)."""
        return self._units[instruments]

    def is_inverse_future(self, instruments: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether P&L is in coin while the price is in quote currency."""
        return self._is_inverse_future[instruments]

    def unit_delta(self, instrument: int, forward: float) -> float:
        """Reporting-currency delta of one lot of a future."""
        unit = self._units[instrument] * self._fx[instrument]
        return float(unit / forward if self._is_inverse_future[instrument] else unit)

    def _unit_greeks(self, at: NDArray[np.int64], forward: F8, years: F8, vol: F8) -> dict[str, F8]:
        """Of one unit of the underlying, in quote currency."""
        n, q = len(at), self._quotes
        out = np.zeros((len(GREEKS), n))
        rate = np.full(n, self._rate)
        strike = np.where(q.is_option[at], q.strike[at], forward)
        # Black-76 is Black-Scholes-Merton on a forward that pays the rate
        greeks_batch(q.right[at], forward, strike, years, rate, rate, vol, out)
        made = dict(zip(GREEKS, out, strict=True))
        made["rho"] = made["rho"] + made["dividend_rho"]  # at a fixed forward only the discounting moves
        return made
