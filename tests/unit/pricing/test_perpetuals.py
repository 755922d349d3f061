"""Futures and perpetuals: P&L in their settlement currency, venues' funding rates, payments through time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.hedging import Portfolio
from qflib.pricing import (
    Market,
    average_premium,
    binance_funding_rate,
    deribit_funding_rate,
    funding_payments,
    futures_pnl,
    perpetual_fair_price,
    premium_index,
)
from qflib.records import Instrument, Instruments
from qflib.shortfall import ScenarioSet

BTC = Instrument(
    "BTC.P", kind="perpetual", underlying="BTC", inverse=True, contract_value=10.0, settlement_currency="BTC"
)
USDT = Instrument(
    "BTCUSDT",
    kind="perpetual",
    underlying="BTCUSDT",
    multiplier=0.001,
    quote_currency="USDT",
    settlement_currency="USDT",
)
START = pd.Timestamp("2026-02-01T00:00Z")


def series(values: list[float], step: str = "8h", start: pd.Timestamp = START) -> pd.Series:  # type: ignore[type-arg]
    return pd.Series(values, pd.date_range(start, periods=len(values), freq=step))


def test_pnl_of_futures_is_the_scenarios() -> None:
    moves = np.array([-0.3, 0.0, 0.25])
    scen = ScenarioSet(("BTC", "BTCUSDT"), np.column_stack([moves, moves]), np.zeros((3, 2)), 10**9).with_fx(
        {"USDT": 0.0}
    )
    m = Market(START, Instruments((BTC, USDT)), {"BTC": 50_000.0, "BTCUSDT": 50_010.0}, {}, {}, fx={"USDT": 1.0})
    paid = Portfolio("P", "USD", ("BTC.P", "BTCUSDT"), np.array([700.0, -30.0]), np.zeros(2)).scenario_pnl(
        m, scen, currency="settlement"
    )
    np.testing.assert_allclose(paid["BTC"], futures_pnl(BTC, 700, 50_000.0, 50_000.0 * (1 + moves)), atol=1e-14)
    np.testing.assert_allclose(paid["USDT"], futures_pnl(USDT, -30, 50_010.0, 50_010.0 * (1 + moves)), atol=1e-9)
    assert futures_pnl(BTC, 700, 50_000.0, 40_000.0) == pytest.approx(7_000 * (1 / 50_000 - 1 / 40_000))


@pytest.mark.parametrize(
    ("mark", "rate"),
    [
        (10_002.5, 0.0),  # within the damper
        (9_998.0, 0.0),
        (10_010.0, 0.00075),  # ten over ten thousand less the damper
        (9_990.0, -0.00075),
        (10_100.0, 0.005),  # capped
        (9_000.0, -0.005),
    ],
)
def test_deribits_rate(mark: float, rate: float) -> None:
    assert deribit_funding_rate(mark, 10_000.0) == pytest.approx(rate, abs=1e-15)
    assert deribit_funding_rate([mark], 10_000.0).shape == (1,)


@pytest.mark.parametrize(
    ("premium", "rate"),
    [(0.0, 0.0001), (0.0006, 0.0001), (0.0007, 0.0002), (-0.0004, 0.0001), (-0.0009, -0.0004), (0.003, 0.0025)],
)
def test_binances_rate(premium: float, rate: float) -> None:
    assert binance_funding_rate(premium) == pytest.approx(rate, abs=1e-15)
    assert binance_funding_rate(premium, hours=4) == pytest.approx(rate / 2, abs=1e-15)
    assert binance_funding_rate([premium], cap=0.0001).item() == pytest.approx(np.clip(rate, -1e-4, 1e-4))


def test_binances_premium() -> None:
    assert premium_index(100.3, 100.4, 100.0) == pytest.approx(0.003)
    assert premium_index(99.5, 99.8, 100.0) == pytest.approx(-0.002)
    np.testing.assert_array_equal(premium_index([99.0, 100.0], [101.0, 100.0], 100.0), [0.0, 0.0])
    assert average_premium([3.0, 0.0, 0.0]) == pytest.approx(0.5)
    assert average_premium([0.0, 0.0, 3.0]) == pytest.approx(1.5)


def test_discrete_payments_are_of_the_position_then() -> None:
    """Rate times mark times size at each of Binance's times, by hand."""
    rates = series([0.0001, -0.0002, 0.0003])
    marks = pd.concat([series([50_000.0, 51_000.0], "8h"), series([52_000.0], start=START + pd.Timedelta("15h"))])
    held = pd.Series([40.0, -10.0], [START + pd.Timedelta("1h"), START + pd.Timedelta("8h")])
    got = funding_payments(USDT, held, rates, marks)
    assert got["payment"].tolist() == pytest.approx([0.0, 0.0002 * -0.01 * 51_000, -0.0003 * -0.01 * 52_000])
    assert got["position"].tolist() == [0.0, -10.0, -10.0]
    assert got.index.equals(rates.index)
    inverse = funding_payments(BTC, series([100.0]), rates, series([50_000.0]))
    assert inverse["payment"].tolist() == pytest.approx([-x * 1_000 / 50_000 for x in rates])


@pytest.mark.parametrize("every", ["17min", "7min", "50s"])
def test_continuous_payments_add_up_however_they_are_cut(every: str) -> None:
    """Against a sum over every second in plain Python."""
    rng = np.random.default_rng(4)
    rates = series(rng.normal(0, 3e-4, 7).tolist(), "17min")
    held = pd.Series([500.0, -200.0, 0.0, 90.0], START + pd.to_timedelta([0, 20, 41, 70], "min"))
    marks = series((50_000 + rng.normal(0, 100, 400).cumsum()).tolist(), every)
    got = funding_payments(BTC, held, rates, marks, accrual="continuous")
    total = 0.0
    for second in range(6 * 17 * 60):
        now = START + pd.Timedelta(second, "s")
        rate, qty, price = (float(s[:now].iloc[-1]) for s in (rates, held, marks))
        total -= rate * qty * 10.0 / price / (8 * 3_600)
    assert got["payment"].sum() == pytest.approx(total, rel=1e-9)
    assert got["share"].sum() == pytest.approx(6 * 17 / (8 * 60))
    short = funding_payments(BTC, -held, rates, marks, accrual="continuous")
    np.testing.assert_allclose(short["payment"], -got["payment"])
    hourly = funding_payments(BTC, held, rates / 8, marks, accrual="continuous", rate_hours=1.0)
    np.testing.assert_allclose(hourly["payment"], got["payment"])


@pytest.mark.parametrize("accrual", ["discrete", "continuous"])
def test_a_price_is_needed_where_a_position_is_held(accrual: Any) -> None:
    rates = series([1e-4, 2e-4, 3e-4, 4e-4])
    late = START + pd.Timedelta("9h")
    held, marks = series([100.0], start=late), series([50_000.0], start=late)
    got = funding_payments(BTC, held, rates, marks, accrual=accrual)
    assert got["payment"].notna().all()
    assert got["payment"].iloc[:2].tolist() == [0.0, 0.0]
    assert got["payment"].sum() < 0
    with pytest.raises(InputError, match=r"no price at or before 2026-02-01 \d\d:00.*from the first position on"):
        funding_payments(BTC, series([100.0]), rates, marks, accrual=accrual)


@pytest.mark.parametrize("inverse", [False, True])
def test_the_fair_price_gains_nothing(inverse: bool) -> None:
    """Spot that grows by its carry: what the perpetual gains is what its funding costs, in its own currency."""
    rate, coin_rate, often = 0.08, 0.01, 3 * 365
    now = 50_000.0
    later = now * math.exp((rate - coin_rate) * 1e-7)
    one, two = (perpetual_fair_price(s, rate, coin_rate, inverse=inverse) for s in (now, later))
    # in coin the perpetual is a short position in the coin's own unit of dollars
    gain = two - one if not inverse else 1 / two - 1 / one
    premium = one - now if not inverse else 1 / one - 1 / now
    assert gain == pytest.approx(premium * often * 1e-7, rel=1e-5)
    assert one > now


def test_bad_input_is_one_sentence() -> None:
    good = series([0.0001])
    option = Instrument("C", kind="option", right="call", style="european", strike=1.0, underlying="BTC", expiry=START)
    with pytest.raises(InputError, match="'C' is an option"):
        futures_pnl(option, 1, 1.0, 2.0)
    with pytest.raises(InputError, match=r"price 0.0 of inverse 'BTC.P' is not positive"):
        futures_pnl(BTC, 1, 1.0, 0.0)
    with pytest.raises(InputError, match="'F' is a future, which pays no funding"):
        funding_payments(Instrument("F", kind="future", underlying="BTC", expiry=START), good, good, good)
    with pytest.raises(InputError, match="accrual is 'hourly'"):
        funding_payments(BTC, good, good, good, accrual="hourly")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no price at or before 2026-02-01"):
        funding_payments(BTC, good, good, series([5e4], start=START + pd.Timedelta("1h")))
    with pytest.raises(InputError, match="rates are no Series by time"):
        funding_payments(BTC, good, [0.0001], good)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="positions are empty or not in order"):
        funding_payments(BTC, pd.concat([good, good]), good, good)
    with pytest.raises(InputError, match="prices hold nan"):
        funding_payments(BTC, good, good, good * np.nan)
    with pytest.raises(InputError, match=r"index 0.0 is not positive"):
        deribit_funding_rate(1.0, 0.0)
    with pytest.raises(InputError, match="hours 0 are not positive"):
        binance_funding_rate(0.0, hours=0)
    with pytest.raises(InputError, match="0 premiums"):
        average_premium([])
    with pytest.raises(InputError, match="outruns"):
        perpetual_fair_price(1.0, 2_000.0, 0.0)
    with pytest.raises(InputError, match="rate_hours 0"):
        funding_payments(BTC, good, good, good, rate_hours=0)
