"""A hedge too large for one order, in slices of whole lots."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.decaying_impact import DecayingImpact

F8 = NDArray[np.float64]


def slices(
    qty: Mapping[str, float],
    lots: Mapping[str, float],
    horizon: float,
    intervals: int = 10,
    *,
    volatility: float | Mapping[str, float] = 0.0,
    eta: float | Mapping[str, float] | None = None,
    risk_aversion: float = 0.0,
    impact: Mapping[str, DecayingImpact] | None = None,
) -> pd.DataFrame:
    """Trades over time: Almgren and Chriss' where impact is temporary, at least cost where it decays.

    Parameters
    ----------
    qty, lots
        By instrument: contracts to trade, signed, and contracts of a lot.
    horizon
        From the first slice to the last, in the unit of time of volatility and eta; seconds where impact decays.
    intervals
        Of equal length. Almgren and Chriss trade in each; where impact decays there is a trade at either end of each.
    volatility, eta
        Of the price, a square root of time, and temporary impact a unit of rate of trading; one for all or by symbol.
    risk_aversion
        Of Almgren and Chriss: 0 trades evenly.
    impact
        By symbol: its trades are `DecayingImpact.schedule`'s.

    Returns
    -------
    DataFrame
        Index `time`, a column an instrument: signed contracts, whole lots, that sum to `qty`. What is traded by a time
        is within half a lot of the schedule.

    Raises
    ------
    InputError
        If intervals or horizon is out of range, an instrument has neither impact nor eta, or as `almgren_chriss`.

    Notes
    -----
    O(intervals), or O(intervals^3) where impact decays. Sources: `qflib.orderbook.almgren_chriss`,
    `qflib.hedging.decaying_impact`.

    Examples
    --------
    >>> from qflib.hedging.slicing import slices
    >>> made = slices({"ACME.F": 10.0}, {"ACME.F": 1.0}, 1.0, 4, volatility=1.0, eta=0.1, risk_aversion=1.0)
    >>> made["ACME.F"].tolist()
    [0.0, 5.0, 3.0, 1.0, 1.0]
    """
    from qflib.orderbook import almgren_chriss

    if not (horizon > 0 and intervals >= 1):
        raise InputError(f"horizon {horizon}, intervals {intervals}: expected a positive time and 1 or more")
    times = np.linspace(0.0, horizon, intervals + 1)
    made: dict[str, F8] = {}
    for symbol, wanted in qty.items():
        if impact and symbol in impact:
            done = np.cumsum(impact[symbol].schedule(times, wanted))
        else:
            rate, sigma = _of(eta, symbol), _of(volatility, symbol)
            if rate is None or sigma is None:
                raise InputError(f"{symbol!r} has neither impact that decays nor eta; give one of them")
            plan = almgren_chriss(wanted, horizon, sigma, rate, risk_aversion=risk_aversion, intervals=intervals)
            done = wanted - plan.holdings
        lot = lots[symbol]
        made[symbol] = np.diff(np.rint(done / lot), prepend=0.0) * lot
    return pd.DataFrame(made, index=pd.Index(times, name="time"))


def _of(value: float | Mapping[str, float] | None, symbol: str) -> float | None:
    return value.get(symbol) if isinstance(value, Mapping) else value
