"""Hedging on what really happened: an option sold again and again along a recorded series, by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.hedging.rules import Rule, Terms
from qflib.hedging.simulation import HedgeSimulation
from qflib.kernels.hedge_paths import hedge_along
from qflib.pricing.inputs import arguments
from qflib.progress import bar
from qflib.shortfall.inputs import levels_of

Floats = NDArray[np.float64]

SPOT = 100.0  # what the underlying is scaled to at every sale


def backtest_hedges(
    rules: Sequence[Rule],
    prices: pd.Series[float],
    *,
    right: str = "call",
    moneyness: float = 1.0,
    looks: int = 21,
    bars_a_year: float = 252.0,
    rate: float = 0.02,
    vol: float | pd.Series[float] | None = None,
    window: int = 63,
    every: int | None = None,
    cost: float = 0.002,
    level: float = 0.975,
    progress: bool = False,
) -> HedgeSimulation:
    """Sell an option at its Black-Scholes premium every so often along recorded prices, and hedge each to its expiry.

    Parameters
    ----------
    rules
        Of `qflib.hedging.rules`; all see the same prices.
    prices
        Of the underlying, even in time, in the order of a time index: closes, or bars of minutes.
    right, moneyness, rate
        The option: "call" or "put", strike as a share of the price at the sale, and the interest rate a year.
    looks
        Bars from sale to expiry; the hedge is looked at on each, the first at the sale.
    bars_a_year
        252 for daily closes.
    vol
        What premium and deltas are from: a number; a series, whose last value at or before the sale counts; None: that
        of the `window` moves before the sale (their mean square, no mean taken off).
    window
        Moves; of use where `vol` is None.
    every
        Bars between sales; None: `looks`, so that no two share a move and errors are those of independent sales.
    cost
        One way, as a share of what is traded; the unwind at expiry is charged too.
    level
        Confidence of expected shortfall.
    progress
        Show a bar.

    Returns
    -------
    HedgeSimulation
        A path a sale, P&L and costs as a share of the price at the sale, in percent; `by_path()` has them by time.

    Raises
    ------
    InputError
        If there is no rule, or a figure or the series is not as it must be.
    DataError
        If the series is too short for one sale, or a vol is missing or not positive at a sale.

    Notes
    -----
    Nothing is known at a sale but what lies before it. O(sales * looks * rules).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.hedging import backtest_hedges, rules
    >>> days = pd.date_range("2020-01-01", periods=600, freq="B", tz="UTC")
    >>> closes = pd.Series(100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 600))), days)
    >>> made = backtest_hedges([rules.Delta(), rules.WhalleyWilmott(30.0)], closes)
    >>> made.by_path().shape, bool(made.to_frame()["mean_cost"].is_monotonic_decreasing)
    ((25, 2), True)
    """
    if isinstance(rules, Rule) or not rules:
        raise InputError("rules is no list of rules, or an empty one; give such as [qflib.hedging.rules.Delta()]")
    levels_of(level)
    closes = _closes(prices)
    step = looks if every is None else every
    if not (0 <= cost < 1 and all(int(n) == n >= 1 for n in (looks, step, window)) and moneyness > 0 < bars_a_year):
        raise InputError(
            f"cost {cost}, looks {looks}, every {every}, window {window}, moneyness {moneyness}, bars_a_year "
            f"{bars_a_year}: a cost is a share from 0 to 1, bars are whole numbers from 1, the rest is positive"
        )
    first = window if vol is None else 0
    sales = np.arange(first, len(closes) - looks, step)
    if not len(sales):
        raise DataError(f"{len(closes)} prices are too few; a sale needs {first} before it and {looks} after")
    vols = _vols(vol, prices, closes, sales, window, bars_a_year)
    years = looks / bars_a_year
    left = np.asarray(years - years / looks * np.arange(looks), np.float64)
    pnl, costs = np.empty((len(rules), len(sales))), np.empty((len(rules), len(sales)))
    for k, at in enumerate(_shown(sales.tolist(), progress)):
        path = np.ascontiguousarray((closes[at : at + looks + 1] * (SPOT / closes[at]))[:, None])
        sigma, strike = float(vols[k]), moneyness * SPOT
        a = arguments(right, spot=SPOT, strike=strike, years=years, rate=rate, vol=sigma)
        for i, rule in enumerate(rules):
            table = np.ascontiguousarray(rule.table(Terms(left, rate, sigma, cost)))
            one = slice(k, k + 1)
            sign = float(a.values[0][0])
            hedge_along(path, sign, strike, years, rate, sigma, table, cost, pnl[i, one], costs[i, one])
    return HedgeSimulation(tuple(r.name for r in rules), pnl, costs, level, prices.index[sales])


def _shown(sales: list[int], progress: bool) -> Iterator[int]:
    with bar(total=len(sales), desc="hedging", disable=not progress) as shown:
        for at in sales:
            yield at
            shown.update(1)


def _closes(prices: Any) -> Floats:
    if not isinstance(prices, pd.Series):
        raise InputError(f"prices are {type(prices).__name__}; give a Series, indexed by time")
    if not prices.index.is_monotonic_increasing or not prices.index.is_unique:
        raise InputError("prices are not in the order of their index, or a time stands twice; sort them, each once")
    closes: Floats = prices.to_numpy(np.float64)
    bad = np.flatnonzero(~(np.isfinite(closes) & (closes > 0)))
    if len(bad):
        raise InputError(f"the price at {prices.index[bad[0]]} is {closes[bad[0]]}; drop or fill what is no price")
    return closes


def _vols(vol: Any, prices: Any, closes: Floats, sales: NDArray[np.intp], window: int, bars_a_year: float) -> Floats:
    if vol is None:
        squares = np.concatenate([[0.0], np.cumsum(np.diff(np.log(closes)) ** 2)])
        found = np.sqrt((squares[sales] - squares[sales - window]) / window * bars_a_year)
    elif isinstance(vol, pd.Series):
        if not vol.index.is_monotonic_increasing:
            raise InputError("vol is not in the order of its index; sort it")
        known: Any = vol.asof(prices.index[sales])
        found = known.to_numpy(np.float64)
    else:
        found = np.full(len(sales), float(vol))
    bad = np.flatnonzero(~(np.isfinite(found) & (found > 0)))
    if len(bad):
        raise DataError(f"the vol at {prices.index[sales[bad[0]]]} is {found[bad[0]]}; expected a positive number")
    return np.asarray(found, np.float64)
