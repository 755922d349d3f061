"""The flow against a plain twin, its seeds and its cuts."""

import numpy as np
import pytest

from qflib.market import SimulatedMarket
from qflib.records import MARKET_EVENTS, EventFlag, EventKind


def all_events(market, period_ns=100_000_000):
    return MARKET_EVENTS.concat(list(market.events(period_ns)))


def of(events, row):
    return MARKET_EVENTS.take(events, events.instrument == row)


@pytest.mark.parametrize(("seed", "rate"), [(7, 10_000), (1, 200_000), (2, 400)])
def test_a_plain_book_rebuilt_from_the_rows_never_disagrees(replayed, seed, rate):
    events = all_events(SimulatedMarket(seed, f"{min(200_000 / rate, 240):g}s", rate=rate, underlyings=2))
    for future in (0, 29):
        book, samples = replayed(of(events, future), 200_000_000)
        assert len(book.ever) > 1_000
        assert len(samples) > 3


def test_every_message_ends_and_execution_messages_tell_their_trade():
    events = of(all_events(SimulatedMarket(3, "10s", underlyings=1)), 0)
    last = (events.flags & EventFlag.LAST) != 0
    assert last[-1]
    assert ((events.kind == EventKind.TRADE) <= last).all()
    assert not last[events.kind == EventKind.EXECUTE].any()
    executed = traded = 0
    for kind, qty in zip(events.kind.tolist(), events.qty.tolist(), strict=True):
        if kind == EventKind.EXECUTE:
            executed += qty
        elif kind == EventKind.TRADE:
            traded = qty
            assert executed == traded > 0
            executed = 0
    assert traded


def test_receipt_times_rise_with_messages_and_lie_in_the_market():
    market = SimulatedMarket(5, "5s", underlyings=1)
    events = all_events(market)
    step = np.diff(events.receipt_ns)
    within = (events.flags[:-1] & EventFlag.LAST) == 0
    assert (step[within] == 0).all()
    # Statuses of the opening share one instant; after it a message never shares its time with another.
    assert (step[~within][len(market.instruments) :] > 0).all()
    assert (events.receipt_ns > events.venue_ns).all()
    assert market.start.value <= events.venue_ns[0]
    assert events.receipt_ns[-1] < market.end.value


def test_equal_seeds_give_equal_bytes_however_periods_cut():
    one = all_events(SimulatedMarket(11, "3s", underlyings=2))
    for period_ns in (70_000_001, 1_000_000_000, 10_000_000_000):
        other = all_events(SimulatedMarket(11, "3s", underlyings=2), period_ns)
        for row in (0, 29):
            for a, b in zip(of(one, row), of(other, row), strict=True):
                assert a.tobytes() == b.tobytes()


def test_a_longer_market_begins_as_a_shorter_one_and_one_underlying_as_all():
    short = of(all_events(SimulatedMarket(11, "2s", underlyings=1, rate=2_500)), 0)
    long = of(all_events(SimulatedMarket(11, "4s", underlyings=4, rate=10_000)), 0)
    for a, b in zip(short, long, strict=True):
        assert a.tobytes() == b[: len(a)].tobytes()


def test_different_seeds_differ():
    a, b = (all_events(SimulatedMarket(s, "1s", underlyings=1)) for s in (1, 2))
    assert a.price_ticks.tobytes() != b.price_ticks.tobytes()


@pytest.mark.parametrize("rate", [1_000, 10_000])
def test_the_rate_is_what_was_asked_for(rate):
    market = SimulatedMarket(4, "20s" if rate == 10_000 else "120s", rate=rate)
    rows = all_events(market)
    opening = (rows.flags & EventFlag.SNAPSHOT) != 0
    asked = rate * market.duration.total_seconds()
    assert 0.75 * asked < (~opening).sum() < 1.3 * asked
    quotes = (rows.kind == EventKind.QUOTE).sum()
    assert 0.2 < quotes / len(rows.kind) < 0.4
