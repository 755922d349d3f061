"""A row of the instrument table: what is traded, and how."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pandas as pd

from qflib.errors import InputError

InstrumentKind = Literal["spot", "future", "perpetual", "option"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One row of the instrument table.

    Parameters
    ----------
    symbol
        Our name, unique in the table.
    underlying
        The name that instruments of one risk share; it is the key of their records.
    strike
        In quote currency; NaN where there is none.
    expiry
        Instant of expiry, tz-aware; None where there is none.
    multiplier
        Units of the underlying a contract (linear), or 1.
    contract_value
        Quote currency a contract of an inverse future (10 USD, 100 USD); 0 otherwise.
    inverse
        Premium and P&L are in the underlying's coin.
    tick_schedule
        Pairs (from price, tick), rising, as decimal strings: ``(("0", "0.05"), ("3", "0.10"))``.
    lot
        Smallest quantity, as a decimal string.
    source
        The connection that carries its market data; its clock drives this instrument's time.
    levels
        True where the venue tells levels (L2) or quotes, not orders (L3).

    Raises
    ------
    InputError
        If a field is missing, of the wrong kind, or contradicts another: the symbol and the field are named.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.records import Instrument
    >>> call = Instrument("ACME-C", kind="option", right="call", style="european", strike=100.0, underlying="ACME",
    ...                   expiry=pd.Timestamp("2026-03-20T21:00Z"))
    >>> call.multiplier
    1.0
    """

    symbol: str
    kind: InstrumentKind = "spot"
    underlying: str = ""
    right: Literal["", "call", "put"] = ""
    style: Literal["", "european", "american"] = ""
    strike: float = float("nan")
    expiry: pd.Timestamp | None = None
    multiplier: float = 1.0
    contract_value: float = 0.0
    inverse: bool = False
    quote_currency: str = "USD"
    settlement_currency: str = "USD"
    settlement_type: Literal["", "cash", "physical"] = ""
    tick_schedule: tuple[tuple[str, str], ...] = (("0", "0.01"),)
    lot: str = "1"
    calendar: str = "24/7"
    day_count: str = "ACT/365"
    venue: str = ""
    venue_symbol: str = ""
    source: str = ""
    levels: bool = False

    def __post_init__(self) -> None:
        _check(self)


#: Ticks and lots are fractions of int64.
_GREATEST = (1 << 63) - 1
#: Characters of a tick or a lot, and its greatest exponent.
_LONGEST = 64
#: Trading time of a day, by calendar: the time a day's variance falls into.
_SESSIONS_NS = {"24/7": 86_400 * 10**9, "XNYS": 23_400 * 10**9, "CME": 82_800 * 10**9}
#: Trading calendars whose sessions are known.
CALENDARS = tuple(_SESSIONS_NS)


def session_ns(calendar: str) -> int:
    """Trading time of a day of a calendar; a whole day where it is not known."""
    return _SESSIONS_NS.get(calendar, 86_400 * 10**9)


def smallest_tick(instrument: Instrument) -> Fraction:
    """Prices are integers of this: the greatest common divisor of the schedule's ticks."""
    return _divisor([Fraction(t) for _, t in instrument.tick_schedule])


def _divisor(ticks: list[Fraction]) -> Fraction:
    den = math.lcm(*(t.denominator for t in ticks))
    return Fraction(math.gcd(*(int(t * den) for t in ticks)), den)


def _fraction(text: Any) -> Fraction:
    """A decimal or a fraction; an exponent that would fill the memory is none."""
    exponent = str(text).lower().partition("e")[2]
    if len(str(text)) > _LONGEST or (exponent and abs(int(exponent)) > _LONGEST):
        raise ValueError(f"{text!s:.20} is too long")
    return Fraction(text)


def _check(r: Instrument) -> None:
    def wrong(what: str) -> InputError:
        return InputError(f"instrument {r.symbol!r}: {what}")

    if not r.symbol or len(r.symbol.encode()) > 64:
        raise wrong("symbol must have 1 to 64 bytes")
    if r.kind not in ("spot", "future", "perpetual", "option"):
        raise wrong(f"kind {r.kind!r} is unknown; expected spot, future, perpetual or option")
    if r.kind == "option":
        if r.right not in ("call", "put"):
            raise wrong(f"right {r.right!r} must be call or put")
        if not (np.isfinite(r.strike) and r.strike > 0):
            raise wrong(f"strike {r.strike} must be a positive number")
        if r.style not in ("european", "american"):
            raise wrong(f"style {r.style!r} must be european or american")
    if r.kind in ("option", "future") and r.expiry is None:
        raise wrong("expiry is missing; give an instant with a time zone")
    expiry: Any = r.expiry  # a caller may have given anything
    if expiry is not None and (not isinstance(expiry, pd.Timestamp) or expiry.tzinfo is None):
        raise wrong(f"expiry {expiry} has no time zone; give an instant with one, as 2026-12-18T16:00Z")
    if not (np.isfinite(r.multiplier) and r.multiplier > 0):
        raise wrong(f"multiplier {r.multiplier} must be a positive number")
    if r.inverse and r.kind in ("future", "perpetual") and not r.contract_value > 0:
        raise wrong("an inverse future needs contract_value, the quote currency a contract stands for")
    try:
        steps = [(_fraction(a), _fraction(t)) for a, t in r.tick_schedule]
        lot = _fraction(r.lot)
    except (ValueError, ZeroDivisionError, TypeError):
        raise wrong(f"tick_schedule {r.tick_schedule!s:.80} and lot {r.lot!r:.40} must hold decimal strings") from None
    if not steps or any(t <= 0 for _, t in steps) or lot <= 0:
        raise wrong("ticks and lot must be positive")
    if any(n > _GREATEST for unit in (_divisor([t for _, t in steps]), lot) for n in unit.as_integer_ratio()):
        raise wrong(f"tick_schedule {r.tick_schedule!s:.80} and lot {r.lot!r:.40} need more than 18 digits")
    if any(a >= b for (a, _), (b, _) in itertools.pairwise(steps)):
        raise wrong(f"tick_schedule {r.tick_schedule} must rise by price")
    if not r.underlying:
        object.__setattr__(r, "underlying", r.symbol)
