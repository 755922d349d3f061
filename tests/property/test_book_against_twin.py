"""Random event streams: the kernel and the slow twin agree on everything a book shows."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.kernels.book import find_order, next_price, qty_ahead
from qflib.kernels.book_state import NO_PRICE, new_state
from qflib.orderbook.books import Books
from qflib.records import MARKET_EVENTS

_spec = importlib.util.spec_from_file_location("slow_book", Path(__file__).parents[1] / "reference" / "slow_book.py")
slow_book = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(slow_book)

N = 3
IDS = st.one_of(st.integers(0, 12), st.sampled_from([2**64 - 1, 2**63, 1 << 43, 3 << 60, 5 << 60, 7 << 60]))
PRICES = st.one_of(
    st.integers(95, 105),
    st.integers(-130, 130),
    st.sampled_from([2**63 - 1, -(2**63) + 1, -(2**63), 10**13, 10**13 + 64, -(10**13)]),
    st.integers(-(2**63), 2**63 - 1),
)
QTYS = st.one_of(st.integers(0, 9), st.sampled_from([-1, 2**60, 2**60 - 3, 2**60 + 1]))
EVENT = st.tuples(
    st.sampled_from([1, 1, 1, 1, 2, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 0]),
    st.integers(0, 3),
    st.sampled_from([0, 0, 0, 1, 2, 3]),
    st.sampled_from([1, 2, 1, 2, 1, 2, 0, 7]),
    IDS,
    PRICES,
    QTYS,
    st.integers(0, 1000),
)
STREAM = st.lists(EVENT, max_size=120)
BOUNDS = st.sampled_from([0, 5, 1 << 20])  # ids below them are found by an array
NAMES = ("kind", "flags", "instrument", "side", "order_id", "price_ticks", "qty", "receipt_ns")


def columns(rows):
    arrays = list(zip(*rows, strict=True)) or [()] * 8
    types = (np.uint32,) * 4 + (np.uint64, np.int64, np.int64, np.int64)
    return MARKET_EVENTS.make(**{n: np.array(a, t) for n, a, t in zip(NAMES, arrays, types, strict=True)})


def small(ids=0):
    """Books that must grow at once."""
    books = Books(N)
    books.state = new_state(N, 1, 1, 1, ids)
    books.state = books.state._replace(rows_by_id=books.state.rows_by_id[:2].copy())
    return books


def replayed(rows):
    twin = slow_book.SlowBook(N)
    for row in rows:
        twin.apply(*row)
    return twin


def assert_same(books, twin):
    tops = books.tops()
    for i in range(N):
        got = books.levels_of(i)
        sides, prices, qtys = (got[n].tolist() for n in ("side", "price_ticks", "qty"))
        want = [(s, p) for s in (1, 2) for p in twin.prices(i, s)]
        assert list(zip(sides, prices, strict=True)) == want
        assert qtys == [twin.qty((i, s, p)) for s, p in want]
        assert got["orders"].tolist() == [len(twin.levels[i, s, p][1]) for s, p in want]
        queue = books.orders_of(i)
        flat = [(s, p, o, q) for s, p in want for o, q in twin.levels[i, s, p][1]]
        names = ("side", "price_ticks", "order_id", "qty")
        assert list(zip(*(queue[n].tolist() for n in names), strict=True)) == flat
        for _, _, oid, _ in flat:
            row = find_order(books.state, i, np.uint64(oid))
            assert qty_ahead(books.state, row) == twin.ahead(i, oid)
        for s, name in ((1, "bid"), (2, "ask")):
            held = twin.prices(i, s)
            qty = [twin.qty((i, s, p)) for p in held[:5]]
            assert getattr(tops, f"{name}_qty")[i] == (qty[0] if held else 0)
            assert getattr(tops, f"{name}_ticks")[i] == (held[0] if held else 0)
            assert getattr(tops, f"{name}_depth")[i] == sum(qty)
            assert [next_price(books.state, i, s, p) for p in held] == [*held[1:], NO_PRICE][: len(held)]
        assert (tops.last_ticks[i], tops.last_qty[i]) == twin.last[i]
        assert tops.status[i] == twin.status[i] % 2**32
        assert tops.time_ns[i] == twin.time[i]
        info = books.state.info[i]
        assert (int(info["settlement_ticks"]) if info["settled"] else None) == twin.settlement[i]


@settings(max_examples=300, deadline=None)
@given(STREAM, BOUNDS)
def test_twin(rows, ids):
    books, twin = small(ids), replayed(rows)
    counters = books.apply(columns(rows))
    assert_same(books, twin)
    refused = [twin.counts[-k] for k in range(1, 8)]
    assert counters.overdrawn == twin.counts["overdrawn"]
    assert [counters.events, *refused, counters.crossed, counters.locked] == [
        len(rows), counters.unknown_ids, counters.duplicate_ids, counters.bad_quantities, counters.bad_sides,
        counters.bad_prices, counters.bad_instruments, counters.unknown_kinds,
        twin.counts["crossed"], twin.counts["locked"],
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(STREAM, st.lists(st.integers(0, 120), max_size=4), st.integers(0, 120), BOUNDS)
def test_cuts_and_restore_change_nothing(rows, cuts, restore_at, ids):
    whole = Books(N)
    whole.apply(columns(rows))
    parts = small(ids)
    edges = sorted({0, len(rows), min(restore_at, len(rows)), *(min(c, len(rows)) for c in cuts)})
    for a, b in itertools.pairwise(edges):
        parts.apply(MARKET_EVENTS.slice(columns(rows), a, b))
        if b == restore_at:
            before = parts.digest()
            restored = small(ids)
            restored.load(parts.save())
            parts = restored
            assert parts.digest() == before
    assert parts.digest() == whole.digest()
    for i in range(N):
        assert parts.digest_of(i) == whole.digest_of(i)
    assert {n: a.tolist() for n, a in parts.save().items()} == {n: a.tolist() for n, a in whole.save().items()}
    assert_same(parts, replayed(rows))
