"""Scenario P&L of a portfolio: in many digits, by name under stress, and with its error told."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from qflib.hedging import Portfolio
from qflib.pricing import Market
from qflib.shortfall import ScenarioSet, scenarios

DAY_NS = 86_400_000_000_000
HELD = {"ACME-M-100-C": 10, "ACME-M-100-P": -7, "ACME-J-120-C": 25, "ACME-N-101-P": 4, "BETA-J-40-P": -12, "ACME.F": 3}


@pytest.fixture(scope="module")
def portfolio() -> Portfolio:
    rows = pd.DataFrame({"instrument": list(HELD), "qty": list(HELD.values()), "avg_price": 0.0})
    return Portfolio.from_frame(rows)


def joint(n: int) -> ScenarioSet:
    rng = np.random.default_rng(2)
    spot, vol = np.expm1(0.02 * rng.standard_t(4, (n, 2))), rng.normal(0, 0.02, (n, 2))
    return ScenarioSet(("ACME", "BETA"), spot, vol, DAY_NS)


def black(right: str, forward: mp.mpf, strike: float, years: mp.mpf, vol: mp.mpf, rate: float) -> mp.mpf:
    sign = 1 if right == "call" else -1
    if years <= 0:
        return max(sign * (forward - strike), mp.mpf(0))
    s = vol * mp.sqrt(years)
    d1 = mp.log(forward / strike) / s + s / 2
    return mp.exp(-rate * years) * sign * (forward * mp.ncdf(sign * d1) - strike * mp.ncdf(sign * (d1 - s)))


def test_full_revaluation_in_thirty_digits(market: Market, portfolio: Portfolio) -> None:
    scen = joint(40)
    got = portfolio.scenario_pnl(market, scen)
    passed = mp.mpf(DAY_NS) / (365 * DAY_NS)
    with mp.workdps(30):
        for j in range(scen.n):
            total, size = mp.mpf(0), mp.mpf(0)
            for symbol, qty in HELD.items():
                r = market.instruments[symbol]
                u = scen.underlyings.index(r.underlying)
                now = mp.mpf(market.forwards[r.underlying])
                then = now * (1 + mp.mpf(float(scen.spot_return[j, u])))
                if r.kind == "future":
                    made = then - now
                else:
                    years, vol = mp.mpf(market.years(symbol)), mp.mpf(market.vol(symbol))
                    shifted = max(vol + mp.mpf(float(scen.vol_shift[j, u])), mp.mpf("0.01"))
                    left = max(years - passed, mp.mpf(0))
                    made = black(r.right, then, r.strike, left, shifted, market.rate)
                    made -= black(r.right, now, r.strike, years, vol, market.rate)
                total += qty * r.multiplier * made
                size += abs(qty * r.multiplier) * now
            assert abs(got.iloc[j] - float(total)) <= 1e-14 * float(size)
            assert got.iloc[j] == pytest.approx(float(total), rel=1e-10)


def test_stress_is_told_by_name(market: Market, portfolio: Portfolio) -> None:
    table = {"calm": (0.0, 0.0), "crash": (-0.2, 0.15), "only BETA": {"BETA": (-0.2, 0.15)}}
    told = portfolio.scenario_pnl(market, scenarios.stress(table, ["ACME", "BETA"]), decay=False)
    assert list(told.index) == ["calm", "crash", "only BETA"]
    assert told.index.name == "scenario"
    assert told["calm"] == pytest.approx(0.0, abs=1e-9)
    alone = Portfolio.from_frame(portfolio.to_frame().query("instrument == 'BETA-J-40-P'"))
    plain = ScenarioSet(("BETA",), [[-0.2]], [[0.15]], DAY_NS)
    assert told["only BETA"] == pytest.approx(alone.scenario_pnl(market, plain, decay=False)[0], rel=1e-12)
    assert told["crash"] < told["calm"]


def test_the_error_is_told_with_the_pnl(market: Market, portfolio: Portfolio) -> None:
    scen, portfolio = joint(60_000), Portfolio.from_frame(pd.concat([portfolio.to_frame()] * 8))
    full, fast = (portfolio.scenario_pnl(market, scen, accuracy=a) for a in ("full", "fast"))  # type: ignore[call-overload]
    assert full.attrs == {"max_error": 0.0}
    bound = fast.attrs["max_error"]
    assert 0.0 < np.abs(fast - full).max() <= bound <= 1e-6 * np.abs(full).max()
    settled = portfolio.scenario_pnl(market, scen, accuracy="fast", currency="settlement")
    assert settled.attrs == {"max_error": {"USD": bound}}


@pytest.mark.parametrize("currency", ["USD", "COIN"])
@pytest.mark.parametrize("converted", ["pnl", "value"])
def test_coin_settled_books_are_within_their_bound(market: Market, currency: str, converted: str) -> None:
    held = {"COIN-J-80K-C": 3.0, "COIN-J-80K-P": -2.0, "COIN.P": 40.0, "COIN": 0.5}
    rows = pd.DataFrame({"instrument": list(held), "qty": list(held.values()), "avg_price": 0.0})
    portfolio = Portfolio.from_frame(pd.concat([rows] * 12), currency=currency)
    rng = np.random.default_rng(4)
    spot = np.expm1(np.r_[-3.0, 1.5, 0.04 * rng.standard_t(3, 20_000)])
    scen = ScenarioSet(("COIN",), spot[:, None], rng.normal(0, 0.05, (20_002, 1)), DAY_NS)
    full, fast = (
        portfolio.scenario_pnl(market, scen, accuracy=a, converted=converted)  # type: ignore[call-overload]
        for a in ("full", "fast")
    )
    bound = fast.attrs["max_error"]
    assert 0.0 < np.abs(fast - full).max() <= bound <= 1e-6 * np.abs(full).max()
