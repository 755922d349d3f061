"""Simulated chains that settle in coin: what there is to study where no recording is at hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.desk.coin_chains import CoinChains
from qflib.errors import InputError
from qflib.pricing import inverse_black76
from qflib.pricing.surface import YEAR

_COINS = {"BTC": 80_000.0, "ETH": 2_400.0}
_START = pd.Timestamp("2026-02-01T04:00Z")
_PERIOD = pd.Timedelta(hours=6)
_EXPIRIES = ("6FEB26", "13FEB26", "20FEB26", "27FEB26", "27MAR26", "26JUN26")
_MONEYNESS = np.arange(0.6, 1.45, 0.05)
_BEFORE = 120  # snapshots of the futures alone: a history to make scenarios from
_BASIS = 0.03  # a year: forwards over the perpetual
_SKEW, _SMILE = -0.06, 0.05  # of vol, in ln(strike / forward) over root time


def simulated_chains(seed: int = 7, snapshots: int = 80) -> CoinChains:
    """BTC and ETH chains every six hours, from 1 February 2026 on, with their futures' marks.

    Parameters
    ----------
    seed
        The same seed gives the same chains.
    snapshots
        How many, from 2.

    Returns
    -------
    CoinChains
        Marks are Black-76 over the forward at a smile around a vol that moves; bids and asks lie around them.

    Raises
    ------
    InputError
        If there are fewer than 2 snapshots.

    Notes
    -----
    Returns are Student t with 4 degrees of freedom at a log vol that reverts to its mean in five days, correlated -0.6
    with them; ETH's have a correlation of 0.8 with BTC's. O(snapshots * contracts).

    Examples
    --------
    >>> simulated_chains(seed=7, snapshots=4).underlyings
    ('BTC', 'ETH')
    """
    if snapshots < 2:
        raise InputError(f"snapshots is {snapshots}; a contract moves from one to another, so give 2 at least")
    rng = np.random.default_rng(seed)
    n = _BEFORE + snapshots
    times = pd.date_range(_START - _BEFORE * _PERIOD, periods=n, freq=_PERIOD)
    spots, vols = _paths(rng, n)
    futures, rows = {}, []
    for i, (coin, level) in enumerate(_COINS.items()):
        spot = level * spots[:, i]
        futures[f"{coin}-PERPETUAL"] = pd.Series(spot, times)
        for name in _EXPIRIES:
            expiry = pd.to_datetime(f"{name} 08:00", format="%d%b%y %H:%M", utc=True)
            years = np.maximum(np.asarray((expiry - times) / YEAR, np.float64), 0.0)
            forward = spot * np.exp(_BASIS * years)
            futures[f"{coin}-{name}"] = pd.Series(forward, times).where(times < expiry)
            alive = np.flatnonzero(years[_BEFORE:] > 0.0) + _BEFORE
            rows += [
                _quotes(
                    coin,
                    name,
                    right,
                    _step(level * m),
                    times[alive],
                    expiry,
                    forward[alive],
                    vols[alive, i],
                    years[alive],
                )
                for m, right in itertools.product(_MONEYNESS, ("call", "put"))
            ]
    options = pd.concat(rows).sort_values(["time", "symbol"], kind="stable").reset_index(drop=True)
    return CoinChains(options, pd.DataFrame(futures))


def _paths(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spot over its first chain's one, and vol at the money; (n, coins) each."""
    common, own, noise = rng.standard_normal((3, n, len(_COINS)))
    fat = np.sqrt(2.0 / rng.chisquare(4, (n, 1)))  # a Student t of variance one
    z = fat * np.column_stack([common[:, 0], 0.8 * common[:, 0] + 0.6 * own[:, 1]])
    steps = np.sqrt(_PERIOD / YEAR)
    mean, reversion = np.log([0.55, 0.7]), 1.0 - np.exp(-_PERIOD / pd.Timedelta(days=5))
    log_vol = np.empty_like(z)
    log_vol[0] = mean
    for k in range(1, n):
        shock = -0.6 * z[k - 1] + 0.8 * noise[k]
        log_vol[k] = log_vol[k - 1] + reversion * (mean - log_vol[k - 1]) + 0.02 * shock
    vol = np.exp(log_vol)
    log_spot = np.cumsum(
        np.vstack([np.zeros(z.shape[1]), vol[:-1] * steps * z[:-1] - 0.5 * (vol[:-1] * steps) ** 2]), 0
    )
    return np.exp(log_spot - log_spot[_BEFORE]), vol


def _quotes(
    coin: str, name: str, right: str, strike: float, times: pd.DatetimeIndex, expiry: pd.Timestamp,
    forward: NDArray[np.float64], vol: NDArray[np.float64], years: NDArray[np.float64],
) -> pd.DataFrame:  # fmt: skip
    """One contract's rows."""
    x = np.log(strike / forward) / np.sqrt(years)
    sigma = np.clip(vol + _SKEW * x + _SMILE * x * x, 0.1, 3.0)
    mark = np.asarray(inverse_black76(right, forward, strike, years, sigma))
    half = 0.01 * mark + 0.0002
    bid, ask = _on_tick(mark - half, np.floor), _on_tick(mark + half, np.ceil)
    return pd.DataFrame(
        {
            "time": times, "symbol": f"{coin}-{name}-{strike:.0f}-{right[0].upper()}", "underlying": coin,
            "right": right, "strike": strike, "expiry": expiry, "forward": forward,
            "bid": np.where(bid > 0.0, bid, np.nan), "ask": ask, "mark": mark,
        }
    )  # fmt: skip


def _on_tick(price: NDArray[np.float64], rounded: np.ufunc) -> NDArray[np.float64]:
    tick = np.where(price < 0.005, 0.0001, 0.0005)
    made: NDArray[np.float64] = np.round(rounded(price / tick) * tick, 4)
    return made


def _step(strike: float) -> float:
    """A round strike."""
    step = 500.0 if strike > 10_000.0 else 25.0
    return round(strike / step) * step
