"""The options' quotes: against an oracle, and free of static arbitrage."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from qflib.kernels.quoted_surface import black76, total_variance
from qflib.market import SimulatedMarket
from qflib.market.instruments import OPTION_TICK, TICK
from qflib.records import MARKET_EVENTS, EventKind, Side

BEHIND = 3 * TICK / OPTION_TICK  # a quote may lag three ticks of the future


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("strike", [60.0, 95.0, 100.0, 104.0, 180.0])
def test_black76_against_scipy(strike, is_call):
    price, slope = black76(100.0, strike, 0.09, is_call)
    d1 = np.log(100.0 / strike) / 0.3 + 0.15
    w = 1 if is_call else -1
    assert price == pytest.approx(w * (100.0 * norm.cdf(w * d1) - strike * norm.cdf(w * (d1 - 0.3))), abs=1e-12)
    assert slope == pytest.approx(100.0 * norm.pdf(d1), rel=1e-13)


def test_total_variance_has_no_butterfly_and_no_calendar_arbitrage():
    k = np.linspace(-0.6, 0.6, 2_001)
    for theta in (0.0005, 0.005, 0.05):
        w = np.array([total_variance(x, theta) for x in k])
        wider = np.array([total_variance(x, 1.5 * theta) for x in k])
        assert (wider > w).all()
        first, second = np.gradient(w, k), np.gradient(np.gradient(w, k), k)
        # Durrleman's condition: Gatheral and Jacquier 2014, equation 2.1.
        g = (1 - k * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + 0.25) + second / 2
        assert g[5:-5].min() >= -1e-3


@pytest.fixture(scope="module")
def quotes():
    """The last quote of each option and the future's, at the end of a calm run."""
    market = SimulatedMarket(7, "20s", underlyings=2)
    rows = MARKET_EVENTS.concat(list(market.events()))
    told = rows.kind == EventKind.QUOTE
    book = {}
    for who, side, price, qty in zip(
        *(c[told].tolist() for c in (rows.instrument, rows.side, rows.price_ticks, rows.qty)), strict=True
    ):
        assert qty > 0
        book[who, side] = price
    return market.instruments, book


def test_every_option_is_quoted_and_never_crossed(quotes):
    table, book = quotes
    options = [i for i, r in enumerate(table) if r.kind == "option"]
    assert {i for i, _ in book} == set(options)
    for i in options:
        assert 1 <= book[i, Side.BID] < book[i, Side.ASK]


def test_put_call_parity_holds_within_the_spread(quotes):
    table, book = quotes
    for name in table.underlyings:
        implied = []
        for i, r in enumerate(table):
            if r.underlying == name and r.right == "call":
                put = table.id(r.symbol[:-1] + "P")
                low = book[i, Side.BID] - book[put, Side.ASK] + r.strike / OPTION_TICK
                high = book[i, Side.ASK] - book[put, Side.BID] + r.strike / OPTION_TICK
                implied.append((low, high))
        # One forward within every pair's spread, but for the lag.
        assert max(low for low, _ in implied) <= min(high for _, high in implied) + BEHIND


def test_mids_are_convex_and_monotone_within_the_spread(quotes):
    table, book = quotes
    for name, right in itertools.product(table.underlyings, ("call", "put")):
        for expiry in sorted({r.expiry for r in table if r.right}):
            chain = [
                (r.strike, book[i, Side.BID], book[i, Side.ASK])
                for i, r in enumerate(table)
                if (r.underlying, r.right, r.expiry) == (name, right, expiry)
            ]
            for (_, bid_1, ask_1), (_, bid_2, ask_2) in itertools.pairwise(chain):
                # Buying the dearer right at its ask and selling the cheaper at its bid costs something.
                assert (ask_1 - bid_2 if right == "call" else ask_2 - bid_1) > -BEHIND
            for (k1, _, a1), (k2, b2, _), (k3, _, a3) in zip(chain, chain[1:], chain[2:], strict=False):
                weight = (k3 - k2) / (k3 - k1)
                assert weight * a1 + (1 - weight) * a3 >= b2 - BEHIND


def test_a_move_of_the_future_moves_the_quotes():
    market = SimulatedMarket(2, "60s", underlyings=1)
    rows = MARKET_EVENTS.concat(list(market.events()))
    deep = market.instruments.id("ACME-20260220-90-C")
    trades = TICK * rows.price_ticks[rows.kind == EventKind.TRADE]
    asks = OPTION_TICK * rows.price_ticks[(rows.instrument == deep) & (rows.side == Side.ASK)]
    assert np.ptp(trades) > 5 * TICK
    # A call deep in the money moves nearly as the future does.
    assert 0.5 * np.ptp(trades) < np.ptp(asks) < 1.3 * np.ptp(trades) + 4 * TICK
