"""The simulated market's instruments: four underlyings, each a future and the options on it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from qflib.errors import InputError
from qflib.records import Instrument, Instruments

START = pd.Timestamp("2026-01-05T14:30Z")
FUTURE_EXPIRY = pd.Timestamp("2026-03-20T21:00Z")
OPTION_EXPIRIES = (pd.Timestamp("2026-01-16T21:00Z"), pd.Timestamp("2026-02-20T21:00Z"))
TICK = 0.01
# A cent is 0.0015 to 0.015 of volatility in the near options: rounding would outweigh a minute's true move.
OPTION_TICK = 0.001
MULTIPLIER = 100.0
CALENDAR = "XNYS"  # 14:30 to 21:00Z: the 390 minutes into which a day's variance falls


@dataclass(frozen=True, slots=True)
class Underlying:
    """One simulated underlying.

    Parameters
    ----------
    start
        Price at the market's start, quote currency.
    volatility
        Annual, of its efficient price in trading time.
    implied
        Annual at-the-money implied volatility at the start.
    common
        Correlation of its price with the common factor.
    strikes
        Quoted at every expiry, quote currency.
    """

    name: str
    start: float
    volatility: float
    implied: float
    common: float
    strikes: tuple[float, ...]


UNDERLYINGS = (
    Underlying("ACME", 100.0, 0.26, 0.28, 0.70, (90.0, 95.0, 97.5, 100.0, 102.5, 105.0, 110.0)),
    Underlying("BETA", 50.0, 0.34, 0.36, 0.60, (44.0, 46.0, 48.0, 50.0, 52.0, 54.0, 56.0)),
    Underlying("GAMA", 200.0, 0.20, 0.22, 0.80, (185.0, 190.0, 195.0, 200.0, 205.0, 210.0, 215.0)),
    Underlying("DELT", 80.0, 0.30, 0.32, 0.55, (72.0, 75.0, 77.5, 80.0, 82.5, 85.0, 88.0)),
)


def source_of(underlying: str) -> str:
    """The connection that carries an underlying's market data."""
    return f"sim:{underlying}"


def simulated_instruments(underlyings: int = len(UNDERLYINGS)) -> Instruments:
    """The instrument table of the first so many underlyings.

    Raises
    ------
    InputError
        If there are not so many.

    Examples
    --------
    >>> table = simulated_instruments(1)
    >>> len(table), table[0].symbol, table["ACME-20260220-97.5-P"].strike
    (29, 'ACME.F', 97.5)
    """
    if type(underlyings) is not int or not 1 <= underlyings <= len(UNDERLYINGS):
        raise InputError(
            f"underlyings={underlyings!r}: the simulated market has 1 to {len(UNDERLYINGS)}; "
            f"give a whole number in that range"
        )
    return Instruments(tuple(itertools.chain.from_iterable(_of(u) for u in UNDERLYINGS[:underlyings])))


def _of(u: Underlying) -> list[Instrument]:
    rights: tuple[tuple[Literal["call", "put"], str], ...] = (("call", "C"), ("put", "P"))
    future = Instrument(
        f"{u.name}.F",
        kind="future",
        underlying=u.name,
        expiry=FUTURE_EXPIRY,
        multiplier=MULTIPLIER,
        settlement_type="cash",
        calendar=CALENDAR,
        venue="sim",
        source=source_of(u.name),
    )
    options = [
        Instrument(
            f"{u.name}-{expiry:%Y%m%d}-{strike:g}-{letter}",
            kind="option",
            underlying=u.name,
            right=right,
            style="european",
            strike=strike,
            expiry=expiry,
            multiplier=MULTIPLIER,
            tick_schedule=(("0", str(OPTION_TICK)),),
            settlement_type="cash",
            calendar=CALENDAR,
            venue="sim",
            source=source_of(u.name),
            levels=True,
        )
        for expiry in OPTION_EXPIRIES
        for strike in u.strikes
        for right, letter in rights
    ]
    return [future, *options]
