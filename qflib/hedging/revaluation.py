"""Positions of one underlying as arrays, valued at a market: what Greeks and scenario P&L are made of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.hedging.early_exercise import Exercise, add_american_pnl, exercises
from qflib.kernels.scenario_pnl import linear_pnl, option_pnl
from qflib.pricing import black76
from qflib.pricing.american_forward import american_on_forward, carried_forward
from qflib.pricing.fx import settlement_of
from qflib.records.instrument import Instrument
from qflib.records.schema import frozen

if TYPE_CHECKING:
    from qflib.pricing import Market

F8 = NDArray[np.float64]

VOL_FLOOR = 0.01  # after a scenario's shift


@dataclass(frozen=True, slots=True)
class Moves:
    """Scenarios of one underlying: returns of the forward, shifts of volatility, and the time that passes.

    `weight` is what a scenario's P&L, made at today's rates of exchange, is worth at the scenario's; `carried` the
    relative move of the currency that value is held in, where its own move counts. None: one; not counted. `exercises`
    are the American options, with the tables made for these scenarios.
    """

    spot_return: F8
    vol_shift: F8
    log_growth: F8
    years: float
    weight: F8 | None = None
    carried: F8 | None = None
    exercises: tuple[Exercise, ...] | None = None

    @classmethod
    def of(cls, spot_return: F8, vol_shift: F8, years: float) -> Moves:
        """With the logarithm that every option needs, made once."""
        return cls(frozen(spot_return), frozen(vol_shift), frozen(np.log1p(spot_return)), years)

    def take(self, which: slice | NDArray[np.int64]) -> Moves:
        """Some scenarios."""
        weight, carried = (None if x is None else x[which] for x in (self.weight, self.carried))
        spot_return, vol_shift, log_growth = (
            frozen(x[which]) for x in (self.spot_return, self.vol_shift, self.log_growth)
        )
        return Moves(spot_return, vol_shift, log_growth, self.years, weight, carried, self.exercises)


@dataclass(frozen=True, slots=True)
class Valued:
    """Positions of one underlying, an entry a position, in the portfolio's order.

    `cash_qty` is P&L in reporting currency per 1.00 of the option's or future's price; `linear` that per 1.00 of
    relative move of what is linear in it. A premium held in coin moves with the coin, so inverse options have a linear
    part: minus their value. `held` is the value in reporting currency of what has one (options, spot), `quote` what it
    is quoted in, `coin` what an inverse one settles in, "" of others. `american` ones are exercised into the spot that
    carries to `own_forward`, that of their own expiry, at `rate` less `dividend_yield`; left out, it is `forward`.
    """

    underlying: str
    forward: float
    rate: float
    position: NDArray[np.int64]
    option: NDArray[np.bool_]
    spot: NDArray[np.bool_]
    right: F8
    strike: F8
    years: F8
    vol: F8
    price: F8
    cash_qty: F8
    linear: F8
    held: F8 = field(default_factory=lambda: np.zeros(0))
    quote: tuple[str, ...] = ()
    coin: tuple[str, ...] = ()
    american: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    dividend_yield: float = 0.0
    own_forward: F8 = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if len(self.american) != len(self.option):
            object.__setattr__(self, "american", np.zeros(len(self.option), bool))
        if len(self.held) != len(self.option):
            object.__setattr__(self, "held", np.zeros(len(self.option)))
        if len(self.own_forward) != len(self.option):
            object.__setattr__(self, "own_forward", np.full(len(self.option), self.forward))

    def prepared(self, moves: Moves) -> Moves:
        """The moves with what American options need of them, made once."""
        return replace(moves, exercises=exercises(self, moves, VOL_FLOOR)) if self.american.any() else moves

    def only(self, which: NDArray[np.bool_]) -> Valued:
        """Some of the positions."""
        some: dict[str, Any] = {}
        for name, x in ((f.name, getattr(self, f.name)) for f in fields(self)):
            if isinstance(x, np.ndarray):
                some[name] = x[which]
            elif isinstance(x, tuple):
                some[name] = tuple(itertools.compress(x, which))
        return replace(self, **some)

    def add_pnl(self, moves: Moves, out: F8, which: NDArray[np.bool_] | None = None) -> None:
        """Add the scenario P&L of (some of) the positions to `out`; O(options · scenarios)."""
        held = np.ones(len(self.option), bool) if which is None else which
        if moves.weight is None:
            self._add_at_todays_rates(moves, out, held)
        else:
            made = np.zeros(len(out))
            self._add_at_todays_rates(moves, made, held)
            out += moves.weight * made
        if moves.carried is not None:
            out += float(np.sum(self.held[held])) * moves.carried

    def _add_at_todays_rates(self, moves: Moves, out: F8, held: NDArray[np.bool_]) -> None:
        early = moves.exercises
        if early is None:
            early = exercises(self, moves, VOL_FLOOR) if self.american.any() else ()
        european = held & self.option & (self.cash_qty != 0)
        for e in early:
            european[e.at] = False
            add_american_pnl(self, moves, e, held, out, VOL_FLOOR)
        o = np.flatnonzero(european)
        if len(o):
            after = np.maximum(self.years[o] - moves.years, 0.0)
            option_pnl(
                self.forward,
                moves.log_growth,
                moves.spot_return,
                moves.vol_shift,
                frozen(self.strike[o]),
                frozen(after),
                frozen(self.vol[o]),
                frozen(self.right[o]),
                frozen(self.cash_qty[o]),
                frozen(np.exp(-self.rate * after)),
                frozen(self.price[o]),
                VOL_FLOOR,
                out,
            )
        linear = 0.0
        for x in self.linear[held].tolist():
            linear += x
        if linear:
            linear_pnl(linear, moves.spot_return, out)


def value(name: str, currency: str, symbols: Sequence[str], qty: F8, market: Market) -> tuple[Valued, ...]:
    """Positions valued by Black-76 on their underlyings' forwards, American ones by `american`; an entry an underlying.

    Parameters
    ----------
    name, currency
        Of the portfolio; what it reports.
    symbols, qty
        Positions, (n,).
    market
        Forwards, vols, rates of exchange, the instrument table.

    Raises
    ------
    UnknownInstrumentError
        If the market's table lacks an instrument.
    InputError
        If an option is American and inverse, or an instrument quotes a currency that the market cannot convert.
    DataError
        If the market has no positive forward, or no vol, for an instrument.
    """
    rows = [market.instruments[s] for s in symbols]
    for r in rows:
        _check(name, r)
    names = np.array([r.underlying for r in rows], object)
    return tuple(
        _valued(name, currency, u, np.flatnonzero(names == u), rows, qty, market) for u in dict.fromkeys(names.tolist())
    )


def _unit_quantity(r: Instrument, forward: float) -> float:
    """P&L in quote currency of one contract per 1.00 of the price."""
    if r.inverse and r.kind != "option":
        return r.contract_value / forward
    return r.multiplier


def _valued(
    name: str,
    currency: str,
    underlying: str,
    at: NDArray[np.int64],
    rows: list[Instrument],
    qty: F8,
    market: Market,
) -> Valued:
    forward = float(market.forwards.get(underlying, np.nan))
    if not (np.isfinite(forward) and forward > 0):
        raise DataError(f"underlying {underlying!r} has the forward {forward} at {market.at}; give a positive one")
    mine = [rows[i] for i in at]
    option = np.array([r.kind == "option" for r in mine], bool)
    spot = np.array([r.kind == "spot" for r in mine], bool)
    n = len(mine)
    right, strike, years, vol, price = np.ones(n), np.full(n, forward), np.zeros(n), np.full(n, VOL_FLOOR), np.zeros(n)
    for i in np.flatnonzero(option):
        r = mine[i]
        right[i] = 1.0 if r.right == "call" else -1.0
        strike[i], years[i] = r.strike, market.years(r.symbol)
        vol[i] = market.vol(r.symbol) if years[i] > 0 else VOL_FLOOR
        if not (np.isfinite(vol[i]) and vol[i] > 0):
            raise DataError(f"option {r.symbol!r} has the vol {vol[i]} at {market.at}; give a positive one")
    if option.any():
        o = option
        price[o] = black76(right[o], forward, strike[o], years[o], vol[o], market.rate)
    early, dividend_yield = np.array([r.style == "american" for r in mine], bool), market.dividend_yield(underlying)
    own = np.full(n, forward)
    if early.any():
        e, rate_and_yield = early, (market.rate, dividend_yield)
        own[e] = carried_forward(forward, market.forward_years(underlying), years[e], *rate_and_yield)
        price[e] = american_on_forward(right[e], own[e], strike[e], years[e], vol[e], *rate_and_yield)
    rate = np.array([_rate(name, r, currency, market, forward) for r in mine])
    cash_qty = qty[at] * np.array([_unit_quantity(r, forward) for r in mine]) * rate
    inverse = np.array([r.inverse for r in mine], bool)
    slope = np.where(option, np.where(inverse, -price, 0.0), forward)
    held = cash_qty * np.where(option, price, np.where(spot, forward, 0.0))
    return Valued(
        underlying, forward, market.rate, at, option, spot, right, strike, years, vol, price, cash_qty,
        cash_qty * slope, held,
        tuple(r.quote_currency for r in mine), tuple(settlement_of(r) if r.inverse else "" for r in mine),
        early, dividend_yield, own,
    )  # fmt: skip


def _rate(name: str, r: Instrument, currency: str, market: Market, forward: float) -> float:
    """Reporting currency a unit of what the P&L is made in: quote currency; a coin's at the market's rate for it."""
    try:
        if r.inverse and (settlement_of(r) == currency or settlement_of(r) in market.fx):
            return market.fx_rate(settlement_of(r), currency) / forward
        return market.fx_rate(r.quote_currency, currency)
    except DataError as e:
        raise InputError(
            f"instrument {r.symbol!r} quotes {r.quote_currency} and portfolio {name!r} reports {currency}: {e}"
        ) from None


def _check(name: str, r: Instrument) -> None:
    if r.style == "american" and r.inverse:
        raise InputError(f"option {r.symbol!r} is american and inverse, which no venue lists: leave it out of {name}")
