"""Stylised facts of a seeded run against published ranges.

Cont 2001, "Empirical properties of asset returns"; Bouchaud, Mezard, Potters 2002, "Statistical properties of stock
order books"; Gould et al. 2013, "Limit order books"; Lillo, Farmer 2004, "The long memory of the efficient market".
"""

import numpy as np
import pytest

from qflib.market import SimulatedMarket
from qflib.records import MARKET_EVENTS, EventFlag, EventKind


@pytest.fixture(scope="module")
def run(replayed):
    """Ten minutes of two futures: per future the events and the samples of a second."""
    market = SimulatedMarket(7, "10min", rate=1_800, underlyings=3)
    events = MARKET_EVENTS.concat(list(market.events(1_000_000_000)))
    made = []
    # ACME and GAMA: in a second BETA moves half a tick, too coarse for a tail.
    for row in (0, 58):
        mine = MARKET_EVENTS.take(events, events.instrument == row)
        made.append((mine, replayed(mine, 1_000_000_000)[1]))
    return made


def returns(samples):
    return np.diff([0.5 * (bid + ask) for _, bid, ask, _ in samples])


def autocorrelation(x, lag):
    return float(np.corrcoef(x[:-lag], x[lag:])[0, 1])


def test_the_spread_is_mostly_one_to_three_ticks(run):
    for _, samples in run:
        spread = np.array([ask - bid for _, bid, ask, _ in samples])
        assert (spread <= 3).mean() > 0.9  # a large-tick book, Gould et al. section 4
        assert spread.max() <= 12


def test_depth_has_a_hump_behind_the_touch_and_decays(run):
    for _, samples in run:
        depth = np.mean([d for *_, d in samples], axis=0)
        hump = depth.argmax()
        assert 1 <= hump <= 5  # Bouchaud et al. figure 2: the maximum lies behind the best price
        assert depth[hump] > depth[0]
        assert (np.diff([depth[5:8].mean(), depth[8:12].mean(), depth[12:].mean()]) < 0).all()
        assert 20 < depth[:3].mean() < 200  # lots: a hedge of 10 to 200 lots trades near the touch


def test_returns_are_uncorrelated_beyond_a_second(run):
    for _, samples in run:
        r = returns(samples)
        # Cont 2001 fact 1; 600 returns whose variance clusters have a standard error of about 0.06.
        assert abs(np.mean([autocorrelation(r, lag) for lag in range(2, 12)])) < 0.1
        assert abs(autocorrelation(r, 1)) < 0.25


def test_absolute_returns_are_correlated_and_tails_are_heavy(run):
    clustering, kurtosis, hill = [], [], []
    for _, samples in run:
        r = returns(samples)
        size = np.sort(np.abs(r))[::-1]
        clustering.append(np.mean([autocorrelation(np.abs(r), lag) for lag in range(1, 21)]))
        kurtosis.append(((r - r.mean()) ** 4).mean() / r.var() ** 2 - 3.0)
        hill.append(1.0 / np.log(size[:30] / size[30]).mean())
    assert min(clustering) > 0.0  # Cont 2001 fact 6
    assert np.mean(clustering) > 0.03
    assert min(kurtosis) > 0.5  # fact 2; 16 for 5-minute S&P 500 futures returns
    assert all(1.5 < h < 6.0 for h in hill)  # fact 2: a tail index of 2 to 5


def test_signs_of_trades_persist(run):
    for events, _ in run:
        sign = 1.0 * (events.side[events.kind == EventKind.TRADE] == 1)
        assert autocorrelation(sign, 1) > 0.1  # Lillo and Farmer 2004
        assert autocorrelation(sign, 10) > 0.0


def test_arrivals_are_clustered_in_time(run):
    for events, _ in run:
        times = events.venue_ns[(events.flags & EventFlag.LAST) != 0]
        counts = np.bincount((times - times[0]) // 1_000_000_000)[1:-1]
        assert counts.var() / counts.mean() > 2.0  # 1 for Poisson arrivals


def test_daily_history_has_the_facts_of_daily_returns():
    spots = SimulatedMarket(7).history.xs("spot", axis=1, level=1)
    vols = SimulatedMarket(7).history.xs("atm_vol", axis=1, level=1)
    r = np.log(spots).diff().dropna()
    for name in r:
        x = r[name].to_numpy()
        size = np.sort(np.abs(x))[::-1]
        assert all(abs(autocorrelation(x, lag)) < 0.1 for lag in range(1, 6))
        assert np.mean([autocorrelation(np.abs(x), lag) for lag in range(1, 21)]) > 0.03
        assert 1.0 < r[name].kurt() < 60.0
        assert 2.0 < 1.0 / np.log(size[:75] / size[75]).mean() < 6.0
        assert np.corrcoef(x, vols[name].diff().dropna())[0, 1] < -0.2  # the leverage effect
    assert (r.corr().to_numpy() > 0.2).all()
