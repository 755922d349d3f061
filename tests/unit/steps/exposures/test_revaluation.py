"""Values, Greeks and scenario P&L of linear and inverse positions, against finite differences and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.kernels.position_values import YEAR_NS
from qflib.pricing import black76
from qflib.records import DEPTH, EXECUTIONS, TOPS, ExecType, Instrument, Instruments
from qflib.steps.exposures.ledger import Ledger
from qflib.steps.exposures.quotes import Quotes
from qflib.steps.exposures.revaluation import Revaluation, Shocks, Valued

NOW = pd.Timestamp("2026-01-05T14:30Z").value
EXPIRY = pd.Timestamp("2026-03-20T21:00Z")
TICKS = (("0", "0.0001"),)


def option(symbol: str, right: Any, strike: float, *, inverse: bool) -> Instrument:
    return Instrument(
        symbol, kind="option", right=right, style="european", strike=strike, underlying="U", expiry=EXPIRY,
        multiplier=1.0 if inverse else 100.0, inverse=inverse, tick_schedule=TICKS,
        settlement_currency="BTC" if inverse else "USD",
    )  # fmt: skip


def table(*, inverse: bool) -> Instruments:
    value = {"contract_value": 10.0} if inverse else {"multiplier": 100.0}
    future = Instrument(
        "U.F", kind="future", underlying="U", expiry=EXPIRY, inverse=inverse, tick_schedule=TICKS,
        settlement_currency="BTC" if inverse else "USD", **value,
    )  # fmt: skip
    return Instruments(
        (future, option("U-C", "call", 105.0, inverse=inverse), option("U-P", "put", 95.0, inverse=inverse))
    )


def scene(*, inverse: bool, qty: dict[int, int]) -> tuple[Revaluation, Valued, float]:
    t = table(inverse=inverse)
    forward, vol, years = 100.0, 0.4, (EXPIRY.value - NOW) / YEAR_NS
    prices = [
        forward,
        float(black76("call", forward, 105.0, years, vol)),
        float(black76("put", forward, 95.0, years, vol)),
    ]
    if inverse:
        prices[1:] = [p / forward for p in prices[1:]]
    quotes = Quotes(t, rate=0.0)
    ticks = [round(p * 10_000) for p in prices]
    quotes.update(
        TOPS.make(
            instrument=[0, 1, 2], bid_ticks=[x - 1 for x in ticks], bid_qty=[1] * 3, ask_ticks=[x + 1 for x in ticks],
            ask_qty=[1] * 3, time_ns=[NOW] * 3,
        ),
        DEPTH.empty,
    )  # fmt: skip
    ledger = Ledger(t)
    for i, q in qty.items():
        ledger.apply(
            EXECUTIONS.make(
                exec_type=[int(ExecType.BOOKING)], instrument=[i], qty=[q], price=[prices[i]], portfolio=["P"], book=[1]
            ),
            0,
        )
    revaluation = Revaluation(t, quotes, rate=0.0, fx={})
    valued = revaluation.value(ledger.of(0, 0), 0, NOW)
    assert valued is not None
    return revaluation, valued, vol


def bumped(revaluation: Revaluation, v: Valued, ret: float, dvol: float = 0.0) -> float:
    """P&L of an instant shock."""
    return float(revaluation.vector(v, 1, Shocks.of("s", 0, np.array([ret]), np.array([dvol])))[0])


@pytest.mark.parametrize("inverse", [False, True])
def test_greeks_are_the_slopes_of_scenario_pnl(inverse: bool) -> None:
    revaluation, v, _ = scene(inverse=inverse, qty={0: 30, 1: -20, 2: 15})
    h = 1e-4
    up, down = bumped(revaluation, v, h), bumped(revaluation, v, -h)
    slope = (up - down) / (2 * h * v.forward)
    curve = (up + down) / (h * v.forward) ** 2
    assert v.delta.sum() == pytest.approx(slope, rel=1e-6)
    assert v.gamma.sum() == pytest.approx(curve, rel=1e-4)
    vega = (bumped(revaluation, v, 0.0, h) - bumped(revaluation, v, 0.0, -h)) / (2 * h)
    assert v.vega.sum() == pytest.approx(vega, rel=1e-6)


def test_an_unshocked_scenario_without_decay_gains_nothing() -> None:
    for inverse in (False, True):
        revaluation, v, _ = scene(inverse=inverse, qty={0: 30, 1: -20, 2: 15})
        assert bumped(revaluation, v, 0.0) == pytest.approx(0.0, abs=1e-9)


def test_an_inverse_option_has_the_premium_adjusted_delta() -> None:
    _, v, vol = scene(inverse=True, qty={1: 1})
    years = (EXPIRY.value - NOW) / YEAR_NS
    h = 1e-3
    black = (
        float(black76("call", 100 + h, 105.0, years, vol)) - float(black76("call", 100 - h, 105.0, years, vol))
    ) / (2 * h)
    assert v.delta[0] == pytest.approx(black - v.mark[0], rel=1e-3)
    assert v.mark[0] == pytest.approx(float(black76("call", 100.0, 105.0, years, vol)) / 100.0, rel=1e-3)


def test_coin_pnl_is_converted_at_the_scenarios_spot() -> None:
    """100 contracts of 10 USD long: coin P&L 1000 (1/F - 1/F'), at F' it is 1000 (F'/F - 1)."""
    revaluation, v, _ = scene(inverse=True, qty={0: 100})
    assert bumped(revaluation, v, 0.1) == pytest.approx(100.0)
    assert v.fx[0] == pytest.approx(100.0)


def test_expired_at_the_horizon_is_worth_its_intrinsic_value() -> None:
    revaluation, v, _ = scene(inverse=False, qty={1: 1})
    horizon = EXPIRY.value - NOW + 1
    pnl = revaluation.vector(v, 1, Shocks.of("s", horizon, np.array([0.0, 0.2]), np.zeros(2)))
    np.testing.assert_allclose(pnl, [-100 * v.price[0], 100 * (15.0 - v.price[0])], rtol=1e-12)


def test_the_volatility_of_an_unquoted_strike_is_its_neighbours() -> None:
    t = table(inverse=False)
    quotes = Quotes(t, rate=0.0)
    quotes.vol[1] = 0.37
    assert quotes.vols_of(np.array([2]))[0] == 0.37
    assert np.isnan(Quotes(t, rate=0.0).vols_of(np.array([2]))).all()


def test_an_unquoted_option_borrows_from_the_nearest_as_quotes_come_in() -> None:
    rows = [
        Instrument(f"{u}-{k}-{d}", kind="option", right="call", style="european", strike=float(k), underlying=u,
                   expiry=EXPIRY + pd.Timedelta(days=d), tick_schedule=TICKS)
        for u in "UV" for d in (0, 30, 60) for k in range(90, 111, 5)
    ]  # fmt: skip
    futures = [
        Instrument(f"{u}.F", kind="future", underlying=u, expiry=EXPIRY + pd.Timedelta(days=90), tick_schedule=TICKS)
        for u in "UV"
    ]
    t = Instruments((*rows, *futures))
    quotes, rng = Quotes(t, rate=0.0), np.random.default_rng(1)

    def quoted(at: list[int], mids: list[float]) -> None:
        ticks = [round(m * 10_000) for m in mids]
        n = len(at)
        tops = TOPS.make(instrument=at, bid_ticks=[x - 1 for x in ticks], bid_qty=[1] * n,
                         ask_ticks=[x + 1 for x in ticks], ask_qty=[1] * n, time_ns=[NOW] * n)  # fmt: skip
        quotes.update(tops, DEPTH.empty)

    for k in (0, 1):
        quoted([len(rows) + k], [100.0])
    borrowed = 0
    for i in rng.permutation(len(rows)).tolist():
        years = (rows[i].expiry.value - NOW) / YEAR_NS
        quoted([i], [float(black76("call", 100.0, rows[i].strike, years, float(rng.uniform(0.2, 0.6))))])
        for j in range(len(rows)):
            if np.isnan(quotes.vol[j]):
                lender = quotes._nearest(j)
                [told] = quotes.vols_of(np.array([j]))
                assert np.isnan(told) if lender < 0 else told == quotes.vol[lender]
                borrowed += lender >= 0
    assert borrowed > 300
