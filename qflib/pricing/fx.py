"""Rates of exchange: what a currency or a coin is worth in another, and what an instrument settles in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from qflib.errors import DataError, InputError

if TYPE_CHECKING:
    from qflib.records.instrument import Instrument


def settlement_of(r: Instrument) -> str:
    """The currency an instrument's P&L is paid in: an inverse one's is its coin, by default its underlying.

    Examples
    --------
    >>> from qflib.records import Instrument
    >>> settlement_of(Instrument("COIN.P", kind="perpetual", underlying="COIN", inverse=True, contract_value=10.0))
    'COIN'
    """
    if r.inverse and r.settlement_currency == r.quote_currency:
        return r.underlying
    return r.settlement_currency


def coins(instruments: Iterable[Instrument]) -> dict[str, tuple[str, str]]:
    """Coin -> the underlying whose price it is, and what that is quoted in: of the inverse instruments, first first."""
    found: dict[str, tuple[str, str]] = {}
    for r in instruments:
        if r.inverse and settlement_of(r) != r.quote_currency:
            found.setdefault(settlement_of(r), (r.underlying, r.quote_currency))
    return found


def checked_fx(fx: Mapping[str, float], base: str) -> dict[str, float]:
    """Rates as floats.

    Raises
    ------
    InputError
        If a rate is not finite and positive, the base is empty, or its own rate is not 1.
    """
    if not base:
        raise InputError("base is empty; give the currency that rates of exchange are in, as 'USD'")
    made = {}
    for currency, rate in fx.items():
        try:
            value = float(rate)
        except (TypeError, ValueError):
            value = float("nan")
        if not (np.isfinite(value) and value > 0.0):
            raise InputError(f"fx of {currency!r} is {rate!r}; give what one {currency} is worth in {base}, above 0")
        made[str(currency)] = value
    if made.get(base, 1.0) != 1.0:
        raise InputError(f"fx of the base {base!r} is {made[base]}; it is 1: leave it out")
    return made


def worth(
    currency: str,
    base: str,
    fx: Mapping[str, float],
    of: Mapping[str, tuple[str, str]],
    forwards: Mapping[str, float],
    asked: frozenset[str] = frozenset(),
) -> float:
    """What one unit of a currency is worth in the base.

    Parameters
    ----------
    currency, base
        Names.
    fx
        Currency -> its worth in the base.
    of
        As `coins` gives.
    forwards
        Underlying -> forward, in its quote currency.
    asked
        Coins on the way here, against circles.

    Raises
    ------
    DataError
        If nothing tells it.
    """
    if currency == base:
        return 1.0
    if currency in fx:
        return fx[currency]
    underlying, quote = of.get(currency, ("", ""))
    price = forwards.get(underlying, float("nan"))
    if not underlying or not np.isfinite(price) or currency in asked:
        raise DataError(f"no rate of exchange for {currency!r}; give the market fx with its worth in {base}")
    return price * worth(quote, base, fx, of, forwards, asked | {currency})
