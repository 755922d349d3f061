"""A minute of the market against a day of its own history: a session has 390 minutes.

Forecasts of the next minute are made from the daily history, so both must tell one volatility.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from qflib.kernels.efficient_price import M_RHO, M_SIGMA, P_TO, start_price, step_price
from qflib.kernels.jit import kernel
from qflib.market import SimulatedMarket
from qflib.market.instruments import UNDERLYINGS
from qflib.orderbook import Books
from qflib.pricing import implied_vol

MINUTE_NS = 60_000_000_000
MINUTES = 390
YEAR_NS = 365 * 86_400 * 1e9
SEEDS = range(1, 13)
NAMES = [u.name for u in UNDERLYINGS[:2]]


def a_days(moves):
    """A session's deviation, of a minute's moves of all seeds."""
    return float(np.sqrt(MINUTES * np.mean(np.square(moves))))


def minutes_of(seed):
    """Each minute's end: log mids of the futures, log implied volatilities of all options' mids."""
    market = SimulatedMarket(seed, "20min", rate=600, underlyings=len(NAMES))
    table = market.instruments
    options = [i for i, r in enumerate(table) if r.kind == "option"]
    futures = [table.id(f"{table[i].underlying}.F") for i in options]
    rights, strikes = [table[i].right for i in options], np.array([table[i].strike for i in options])
    books, mids, vols = Books(table), [], []
    for i, events in enumerate(market.events(MINUTE_NS)):
        books.apply(events)
        if i % len(NAMES) == len(NAMES) - 1:
            tops = books.tops()
            mid = 0.5 * (tops.bid_ticks + tops.ask_ticks) * table.tick_num / table.tick_den
            years = (table.expiry_ns[options] - market.start.value - len(mids) * MINUTE_NS - MINUTE_NS) / YEAR_NS
            mids.append(np.log([mid[table.id(f"{name}.F")] for name in NAMES]))
            vols.append(np.log(implied_vol(mid[options], rights, strikes, years, forward=mid[futures])[0]))
    return np.diff(mids, axis=0), np.diff(vols, axis=0)


@pytest.fixture(scope="module")
def moves():
    """By the minute, of all seeds, and each history's daily ones."""
    table = SimulatedMarket(underlyings=len(NAMES)).instruments
    spots, vols = (np.concatenate(x) for x in zip(*map(minutes_of, SEEDS), strict=True))
    daily = [np.log(SimulatedMarket(s, underlyings=len(NAMES)).history).diff().std() for s in SEEDS]
    options = [r for r in table if r.kind == "option"]
    return SimpleNamespace(options=options, spots=spots, vols=vols, daily=sum(daily) / len(SEEDS))


def test_a_minutes_returns_are_a_days(moves):
    ratios = [a_days(moves.spots[:, i]) / moves.daily[name, "spot"] for i, name in enumerate(NAMES)]
    # Twelve stretches of clustered variance have a standard error of about 0.07.
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("expiry", [0, 1])
def test_a_minutes_moves_of_at_the_money_volatility_are_a_days(moves, name, expiry):
    u = next(u for u in UNDERLYINGS if u.name == name)
    dates = sorted({r.expiry for r in moves.options})
    pair = [
        i for i, r in enumerate(moves.options) if (r.underlying, r.strike, r.expiry) == (name, u.start, dates[expiry])
    ]
    assert len(pair) == 2
    ratio = a_days(moves.vols[:, pair].mean(axis=1)) / moves.daily[name, "atm_vol"]
    assert 1 / 1.5 < ratio < 1.5


@pytest.mark.parametrize("name", NAMES)
def test_a_minutes_moves_of_fixed_strikes_are_a_days(moves, name):
    u = next(u for u in UNDERLYINGS if u.name == name)
    # A right out of the money: in the money a volatility is a small part of a price that lags the future.
    out = [
        i
        for i, r in enumerate(moves.options)
        if r.underlying == name and (r.strike >= u.start if r.right == "call" else r.strike <= u.start)
    ]
    ratios = [a_days(moves.vols[:, i]) / moves.daily[name, "atm_vol"] for i in out]
    assert len(ratios) == 16
    assert 1 / 1.5 < np.mean(ratios) < 1.5
    assert max(ratios) < 2.0


@kernel
def _session(x, rng, common, prices):
    for k in range(1, 600 * len(prices) + 1):
        step_price(x, rng, common, k)
        prices[(k - 1) // 600] = x[P_TO]


@pytest.mark.parametrize("u", UNDERLYINGS, ids=lambda u: u.name)
def test_the_efficient_price_has_its_annual_volatility(u):
    returns = []
    for seed in range(20):
        x, rng, common, prices = np.zeros(16), np.array([100 + seed]), np.uint64(seed), np.empty(MINUTES)
        x[[M_SIGMA, M_RHO]] = u.volatility, u.common
        start_price(x, rng, common, 10_000.0)
        _session(x, rng, common, prices)
        returns.append(np.diff(np.log(prices), prepend=np.log(10_000.0)))
    # Twenty sessions, 7,800 minutes: a standard error of about 0.02.
    assert np.sqrt(252) * a_days(returns) == pytest.approx(u.volatility, rel=0.05)
