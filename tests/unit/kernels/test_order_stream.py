"""The benchmark's stream: every row fits the book, live orders are held, nothing crosses, the seed decides."""

from __future__ import annotations

import numpy as np
import pytest

from qflib.kernels.order_stream import new_stream, scrambled, take_rows
from qflib.orderbook.books import Books
from qflib.records import MARKET_EVENTS


@pytest.mark.parametrize(("live", "instruments"), [(300, 1), (900, 20)])
def test_live_orders_are_held_and_every_row_fits(live, instruments):
    stream, fill = take_rows(new_stream(live, instruments, seed=3), live, live)
    assert set(fill.kind.tolist()) == {1}
    books = Books(instruments)
    assert books.apply(MARKET_EVENTS.make(**fill._asdict())).refused == 0
    kinds = np.zeros(5, np.int64)
    for _ in range(10):
        stream, rows = take_rows(stream, 2_000, live)
        counters = books.apply(MARKET_EVENTS.make(**rows._asdict()))
        assert (counters.refused, counters.crossed, counters.locked) == (0, 0, 0)
        kinds += np.bincount(rows.kind, minlength=5)
        assert abs(len(books.save()["orders.id"]) - live) < 80
    assert kinds[1] / kinds.sum() == pytest.approx(0.48, abs=0.02)
    assert kinds[4] / kinds.sum() == pytest.approx(0.043, abs=0.01)


def test_the_seed_decides_and_scrambled_ids_are_distinct():
    def rows(seed):
        return take_rows(new_stream(50, 2, seed), 500, 50)[1]

    assert all(np.array_equal(a, b) for a, b in zip(rows(1), rows(1), strict=True))
    assert not np.array_equal(rows(1).price_ticks, rows(2).price_ticks)
    ids = np.arange(10_000, dtype=np.uint64)
    assert len(np.unique(scrambled(ids))) == len(ids)
    assert scrambled(ids).max() > 2**63


@pytest.mark.parametrize("live", [1, 5])
def test_a_market_that_runs_empty_goes_on(live):
    stream, fill = take_rows(new_stream(live, seed=3), live, live)
    books = Books(1)
    assert books.apply(MARKET_EVENTS.make(**fill._asdict())).refused == 0
    _, rows = take_rows(stream, 5_000, live)
    assert books.apply(MARKET_EVENTS.make(**rows._asdict())).refused == 0
