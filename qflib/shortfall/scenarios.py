"""Scenario sets: moves that happened, stress, simulated ones; and the desk's default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.shortfall.horizon import horizon_ns
from qflib.shortfall.inputs import whole
from qflib.shortfall.moves import FactorName, Factors, MoveKind
from qflib.shortfall.scenario_set import ScenarioSet
from qflib.shortfall.simulated_scenarios import simulated
from qflib.shortfall.stress_scenarios import grid, stress, worst
from qflib.shortfall.volatility_filter import volatility_ratios

__all__ = ["ScenarioSet", "default", "grid", "historical", "simulated", "stress", "worst"]


def historical(
    history: pd.DataFrame,
    horizon: str | pd.Timedelta = "1D",
    n: int | None = 1000,
    *,
    moves: Mapping[FactorName, MoveKind] | None = None,
    rescaled: float | None = None,
    fx: Sequence[str] = (),
) -> ScenarioSet:
    """The last n moves that happened, jointly over all underlyings, as they would be from the newest levels.

    Parameters
    ----------
    history
        UTC index; columns (underlying, "spot" | "atm_vol"), one row a period (a trading day).
    horizon
        A multiple of the period: overlapping moves over so many rows. Below the period: moves of one row, scaled by
        √(horizon / period).
    n
        How many, the newest; None: all.
    moves
        How a factor moves, of "relative" (b/a − 1), "absolute" (b − a) and "log" (log b/a): by factor
        (("ACME", "atm_vol")), by underlying ("ACME": its spot), or of all ("spot", "atm_vol"); the closest name counts.
        Left out: spot relative, atm_vol absolute. Absolute moves of spot and relative ones of vol are of the newest
        level, so that the set holds returns and shifts all the same.
    rescaled
        Decay of an exponentially weighted volatility, such as 0.94: each move is multiplied by the volatility of now
        over that of its own start (Hull and White 1998). None: as they were.
    fx
        Underlyings that are rates of exchange without options ("EUR/USD"): they need no atm_vol, their vols stay.

    Returns
    -------
    ScenarioSet

    Raises
    ------
    InputError
        If the history lacks columns or rows, has a naive index, or values that are NaN or not positive; if fx or moves
        name what it does not have; or if a move from the newest level would leave a spot at 0 or below.

    Notes
    -----
    Historical simulation: McNeil, Frey and Embrechts (2015), Quantitative Risk Management, section 9.2.3. Rescaled:
    Hull and White (1998), Incorporating volatility updating into the historical simulation method for value-at-risk.
    A vol may be shifted to 0 or below by absolute moves; revaluation has its own floor. Log moves differ from relative
    ones where they are scaled: rescaled, or below the period. O(rows × underlyings).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.shortfall import scenarios
    >>> days = pd.date_range("2025-01-01", periods=6, tz="UTC")
    >>> history = pd.DataFrame({("ACME", "spot"): [100, 101, 99, 100, 102, 101.0], ("ACME", "atm_vol"): 0.2}, days)
    >>> scenarios.historical(history, horizon="1D", n=3).spot_return.ravel().round(4)
    array([ 0.0101,  0.02  , -0.0098])
    >>> scenarios.historical(history, n=3, moves={"ACME": "absolute"}).spot_return.ravel().round(4)
    array([ 0.0099,  0.0198, -0.0099])
    """
    factors, length = Factors.of(history, fx, moves), horizon_ns(horizon)
    x = factors.moves(length)
    have = len(x)
    if n is not None and not whole(n, "n") <= have:
        raise InputError(
            f"n is {n} and the history gives {have} moves over the horizon; give n of 1 to {have}, None for all, "
            f"or a longer history"
        )
    if rescaled is not None:
        x = x * volatility_ratios(factors, length, rescaled)
    spot, vol = factors.shocks(x[have - (have if n is None else n) :])
    return ScenarioSet(factors.underlyings, spot, vol, length, len(spot))


def default(
    history: pd.DataFrame,
    horizon: str | pd.Timedelta = "1D",
    n_historical: int | None = 1000,
    n_simulated: int = 9000,
    seed: int = 7,
    *,
    fx: Sequence[str] = (),
) -> ScenarioSet:
    """Historical scenarios followed by simulated ones of the same joint law.

    The simulated moves are draws of a multivariate Student t with the mean zero, covariance and tail thickness of all
    the moves in `history` (log returns of spot, absolute changes of vol): see `qflib.shortfall.draws`.

    Parameters
    ----------
    history, horizon, fx
        As in `historical`.
    n_historical, n_simulated
        How many of each; n_historical None: all.
    seed
        Of NumPy's PCG64: the same history and seed give the same set, and the same `set_id`.

    Returns
    -------
    ScenarioSet

    Raises
    ------
    InputError
        As in `historical`; or if n_simulated is negative.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.shortfall import scenarios
    >>> rng = np.random.default_rng(1)
    >>> days = pd.date_range("2020-01-01", periods=300, tz="UTC")
    >>> spot, vol = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 300))), 0.2 + rng.normal(0, 0.002, 300)
    >>> history = pd.DataFrame({("ACME", "spot"): spot, ("ACME", "atm_vol"): vol}, days)
    >>> s = scenarios.default(history, n_historical=250, n_simulated=750)
    >>> s.n, s.n_historical
    (1000, 250)
    """
    n_simulated = whole(n_simulated, "n_simulated", least=0)
    past = historical(history, horizon, n_historical, fx=fx)
    if n_simulated == 0:
        return past
    more = simulated(history, horizon, n_simulated, seed, law="student_t", fx=fx)
    return ScenarioSet(
        past.underlyings,
        np.vstack([past.spot_return, more.spot_return]),
        np.vstack([past.vol_shift, more.vol_shift]),
        past.horizon_ns,
        past.n,
    )
