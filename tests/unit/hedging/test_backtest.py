"""Hedging along recorded prices: a plain twin, real closes, and nothing that looks ahead."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from qflib.errors import DataError, InputError
from qflib.hedging import backtest_hedges, rules

DAYS = 400


def _closes(seed: int = 1, n: int = DAYS) -> pd.Series:
    days = pd.date_range("2021-01-01", periods=n, freq="B", tz="UTC")
    return pd.Series(50 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.012, n))), days)


def _plain(path: np.ndarray, sign: int, strike: float, years: float, rate: float, vol: float, cost: float) -> float:
    """P&L at expiry of one short option, daily delta, as one would write it down."""
    looks = len(path) - 1
    grown = math.exp(rate * years / looks)

    def delta(spot: float, left: float) -> float:
        d1 = (math.log(spot / strike) + (rate + vol * vol / 2) * left) / (vol * math.sqrt(left))
        return sign * norm.cdf(sign * d1)

    d1 = (math.log(path[0] / strike) + (rate + vol * vol / 2) * years) / (vol * math.sqrt(years))
    d2 = d1 - vol * math.sqrt(years)
    cash = sign * (path[0] * norm.cdf(sign * d1) - strike * math.exp(-rate * years) * norm.cdf(sign * d2))
    held = 0.0
    for k in range(looks):
        wanted = delta(path[k], years - k * years / looks)
        cash -= (wanted - held) * path[k] + cost * abs(wanted - held) * path[k]
        held, cash = wanted, cash * grown
    return cash + held * path[-1] - cost * abs(held) * path[-1] - max(sign * (path[-1] - strike), 0.0)


@pytest.mark.parametrize("right", ["call", "put"])
def test_each_sale_is_the_plain_ones(right: str) -> None:
    closes, looks, window = _closes(), 15, 40
    made = backtest_hedges([rules.Delta()], closes, right=right, moneyness=1.02, looks=looks, window=window, every=7,
                           cost=0.001, rate=0.03)  # fmt: skip
    told = made.by_path()["Delta()"]
    assert len(told) == len(range(window, DAYS - looks, 7))
    prices, moves = closes.to_numpy(), np.diff(np.log(closes.to_numpy()))
    for at, value in zip(range(window, DAYS - looks, 7), told, strict=True):
        vol = math.sqrt(np.mean(moves[at - window : at] ** 2) * 252)
        path = prices[at : at + looks + 1] / prices[at] * 100
        sign = 1 if right == "call" else -1
        assert value == pytest.approx(_plain(path, sign, 102.0, looks / 252, 0.03, vol, 0.001), abs=1e-9)
    assert list(told.index) == list(closes.index[window : DAYS - looks : 7])


def test_a_series_of_vols_is_read_at_or_before_the_sale() -> None:
    closes = _closes()
    vols = pd.Series(np.linspace(0.1, 0.3, 40), closes.index[::10]).shift(freq="-1h")
    by_series = backtest_hedges([rules.Delta()], closes, vol=vols, every=30).by_path()
    for k, at in enumerate(range(0, DAYS - 21, 30)):
        one = backtest_hedges([rules.Delta()], closes.iloc[at : at + 22], vol=float(vols.iloc[at // 10])).by_path()
        assert by_series.iloc[k, 0] == one.iloc[0, 0]


def test_what_comes_after_a_sale_has_no_say_in_its_premium() -> None:
    """With prices that stand still from the sale on, a vol that looked ahead would be lower."""
    closes = _closes()
    still = closes.copy()
    still.iloc[63:] = still.iloc[63]
    found = backtest_hedges([rules.Delta()], still.iloc[: 63 + 22], cost=0.0, rate=0.0).by_path().iloc[0, 0]
    vol = math.sqrt(np.mean(np.diff(np.log(closes.to_numpy()[:64])) ** 2) * 252)
    root = vol * math.sqrt(21 / 252)
    assert found == pytest.approx(100 * (2 * norm.cdf(root / 2) - 1), rel=1e-9)  # the whole premium is kept


def test_closes_of_the_index(test_data: Path) -> None:
    """Nineteen years of the S&P 500: a band pays less than the daily delta."""
    frame = pd.read_csv(test_data / "returns" / "arch_sp500.csv.gz", index_col=0)
    closes = pd.Series(frame["Adj Close"].to_numpy(), pd.to_datetime(frame.index, utc=True))
    made = backtest_hedges([rules.Delta(), rules.STEADY], closes, cost=0.002).to_frame()
    assert made["mean_cost"].iloc[1] < 0.9 * made["mean_cost"].iloc[0]
    assert (made["es"] > 0).all()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"prices": [1.0, 2.0]}, InputError, "give a Series"),
        ({"prices": _closes().iloc[::-1]}, InputError, "order of their index"),
        ({"prices": _closes().replace(_closes().iloc[5], np.nan)}, InputError, "is nan"),
        ({"prices": _closes(n=30)}, DataError, "30 prices are too few"),
        ({"vol": 0.0}, DataError, "expected a positive number"),
        ({"vol": pd.Series([0.2], [_closes().index[50]])}, DataError, "is nan"),
        ({"looks": 0}, InputError, "looks 0"),
        ({"moneyness": -1.0}, InputError, "moneyness -1.0"),
        ({"rules": []}, InputError, "empty one"),
        ({"rules": rules.Delta()}, InputError, "no list of rules"),
    ],
)
def test_what_is_refused(change: dict, error: type[Exception], said: str) -> None:
    asked = {"rules": [rules.Delta()], "prices": _closes()} | change
    with pytest.raises(error, match=said):
        backtest_hedges(asked.pop("rules"), asked.pop("prices"), **asked)
