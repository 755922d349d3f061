"""Microstructure kernels: the same to the bit wherever batches are cut, and equal to plain twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.kernels import hawkes as H
from qflib.kernels import line_fit as L
from qflib.kernels import micro_price_chain as M
from qflib.kernels import realised_variance as R
from qflib.kernels import signed_trades as S
from qflib.kernels import trade_bars as B
from qflib.kernels.level_flow import fold_level_flow
from tests.reference import plain_microstructure as plain

SEED = st.integers(0, 2**32 - 1)
CUTS = st.lists(st.floats(0, 1), max_size=5)


def spans(n: int, cuts: list[float]) -> list[slice]:
    edges = sorted(int(c * n) for c in cuts)
    return [slice(a, b) for a, b in zip([0, *edges], [*edges, n], strict=True)]


def times(rng: Any, n: int) -> Any:
    """Nanoseconds that do not fall, some equal."""
    return 10**18 + np.cumsum(rng.integers(0, 4, n)) * 100


def same(left: Any, right: Any) -> None:
    np.testing.assert_array_equal(left, right)


@given(SEED, st.integers(1, 30), st.integers(1, 4), CUTS)
def test_level_flow(seed: int, n: int, levels: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    bid, ask = rng.integers(95, 99, (n, levels)) * 1.0, rng.integers(100, 104, (n, levels)) * 1.0
    bid_qty, ask_qty = rng.integers(0, 4, (n, levels)) * 1.0, rng.integers(0, 4, (n, levels)) * 1.0

    def run(parts: list[slice]) -> Any:
        memory, out = np.full((4, levels), np.nan), np.empty((n, levels))
        for p in parts:
            fold_level_flow(bid[p], bid_qty[p], ask[p], ask_qty[p], memory, out[p])
        return out

    whole = run([slice(0, n)])
    same(whole, run(spans(n, cuts)))
    rows = [[(bid[i, m], bid_qty[i, m], ask[i, m], ask_qty[i, m]) for m in range(levels)] for i in range(n)]
    same(whole, plain.level_flows(rows))


@given(SEED, st.integers(1, 40), st.integers(1, 600), CUTS)
def test_signed_trades(seed: int, n: int, delay: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    time, is_trade = times(rng, n), rng.random(n) < 0.5
    price = rng.integers(98, 102, n) * 1.0
    price[~is_trade & (rng.random(n) < 0.1)] = np.nan
    side = np.where(is_trade & (rng.random(n) < 0.3), rng.choice([-1, 1], n), 0)

    def run(parts: list[slice], ring: int) -> Any:
        memory, places, due = np.array([np.nan, np.nan, 0.0]), np.zeros(2, np.int64), np.empty(ring, np.int64)
        outs: list[list[Any]] = [[], [], []]
        for p in parts:
            out = [np.empty(n) for _ in range(3)]
            m, past = S.fold_trades(is_trade[p], time[p], price[p], side[p], delay, memory, places, due, *out)
            for kept, values, k in zip(outs, out, (m, m, past), strict=True):
                kept.extend(values[:k].tolist())
        return outs

    whole = run([slice(0, n)], n)
    for a, b in zip(whole, run(spans(n, cuts), n + 3), strict=True):
        same(a, b)
    rows = list(zip(is_trade.tolist(), time.tolist(), price.tolist(), side.tolist(), strict=True))
    for a, b in zip(whole, plain.trade_rows(rows, delay), strict=True):
        same(a, b)


@given(SEED, st.integers(1, 40), st.booleans(), CUTS)
def test_bars(seed: int, n: int, by_time: bool, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    time, price, qty = times(rng, n), np.round(rng.uniform(90, 110, n), 2), rng.integers(1, 9, n) * 1.0
    sign = rng.choice([-1.0, 0.0, 1.0], n)
    period, size = (500, 0.0) if by_time else (0, 12.0)

    def run(parts: list[slice]) -> Any:
        memory, places = np.zeros(B.N_MEMORY), np.zeros(B.N_SPAN, np.int64)
        bars, spans_ = np.empty((n + 1, B.N_BAR)), np.empty((n + 1, B.N_SPAN), np.int64)
        k = 0
        for p in parts:
            k += B.fold_bars(time[p], price[p], qty[p], sign[p], period, size, memory, places, bars[k:], spans_[k:])
        if places[B.TRADES]:
            B.close_bar(period, memory, places, bars, spans_, k)
            k += 1
        return bars[:k], spans_[:k]

    whole = run([slice(0, n)])
    for a, b in zip(whole, run(spans(n, cuts)), strict=True):
        same(a, b)
    bars, told = whole
    rows = list(zip(time.tolist(), price.tolist(), qty.tolist(), sign.tolist(), strict=True))
    want = plain.bars(rows, period, size)
    span = bars[:, B.SPAN]
    got = {
        "open": bars[:, B.OPEN], "high": bars[:, B.HIGH], "low": bars[:, B.LOW], "close": bars[:, B.CLOSE],
        "volume": bars[:, B.VOLUME], "vwap": bars[:, B.TURNOVER] / bars[:, B.VOLUME], "trades": told[:, B.TRADES],
        "signed_volume": bars[:, B.SIGNED],
        "twap": np.where(span > 0, bars[:, B.AREA] / np.where(span > 0, span, 1), bars[:, B.CLOSE]),
        "realised_variance": bars[:, B.VARIANCE], "bipower_variation": bars[:, B.BIPOWER],
    }  # fmt: skip
    for name, values in got.items():
        np.testing.assert_allclose(values, [w[name] for w in want], rtol=1e-9, atol=1e-15, err_msg=name)


@given(SEED, st.integers(2, 60), CUTS)
def test_realised_variance(seed: int, n: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    time, price = times(rng, n), rng.uniform(90, 110, n)

    def run(parts: list[slice]) -> Any:
        memory, due = np.zeros(R.N_MEMORY), np.zeros(1, np.int64)
        for p in parts:
            R.fold_realised(time[p], price[p], 300, memory, due)
        return memory

    whole = run([slice(0, n)])
    same(whole, run(spans(n, cuts)))
    want = plain.realised(list(zip(time.tolist(), price.tolist(), strict=True)), 300)
    assert whole[[R.VARIANCE, R.BIPOWER, R.RETURNS]].tolist() == pytest.approx([max(w, 0) for w in want], rel=1e-12)


@given(SEED, st.integers(3, 60), CUTS)
def test_line(seed: int, n: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(1e3, 1, n), rng.normal(size=n)
    memory, other = np.zeros(L.N_MEMORY), np.zeros(L.N_MEMORY)
    L.fold_line(x, y, memory)
    for p in spans(n, cuts):
        L.fold_line(x[p], y[p], other)
    same(memory, other)
    slope, intercept, error, r2 = L.line_of(memory)
    from scipy.stats import linregress

    want = linregress(x, y)
    assert [slope, intercept] == pytest.approx([want.slope, want.intercept], rel=1e-7, abs=1e-9)
    assert [error, r2] == pytest.approx([want.stderr, want.rvalue**2], rel=1e-6, abs=1e-9)


@given(SEED, st.integers(1, 25), CUTS)
def test_hawkes(seed: int, n: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.exponential(size=n))
    end, theta = at[-1] + rng.exponential(), rng.uniform(0.2, 3, 3)

    def run(parts: list[slice]) -> Any:
        memory, carried, gaps = np.zeros(H.N_MEMORY), np.zeros(2), np.empty(n)
        for p in parts:
            H.fold_likelihood(at[p], *theta, memory)
            H.fold_compensator(at[p], *theta, carried, gaps[p])
        return np.array(H.likelihood_of(memory, end, *theta)), gaps

    (value, *slopes), gaps = run([slice(0, n)])
    again, gaps_again = run(spans(n, cuts))
    same([value, *slopes], again)
    same(gaps, gaps_again)
    events = at.tolist()
    assert value == pytest.approx(plain.hawkes_likelihood(events, end, *theta), rel=1e-9, abs=1e-9)
    for j, slope in enumerate(slopes):
        step = np.eye(3)[j] * 1e-6
        above, below = (plain.hawkes_likelihood(events, end, *(theta + s)) for s in (step, -step))
        assert slope == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-4)
    passed = [plain.hawkes_compensator(t, events, *theta) for t in events]
    np.testing.assert_allclose(np.cumsum(gaps), passed, rtol=1e-9)


@given(SEED, st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_hawkes_drawn_in_parts(seed: int, rooms: list[int]) -> None:
    def run(rooms: list[int]) -> list[float]:
        rng, memory, out = np.array([seed]), np.zeros(2), []
        for room in rooms:
            part = np.empty(room)
            out += part[: H.simulate(1.0, 1.5, 2.0, 10.0, rng, memory, part)].tolist()
        return out

    whole = run([sum(rooms)])
    part = run(rooms)
    # the last draw of a run that reached the end is the end's own: what came before it is the same
    assert part[: len(whole)] == whole[: len(part)]
    assert (np.diff(whole) > 0).all()


@given(SEED, st.integers(2, 60), CUTS)
def test_micro_price_transitions(seed: int, n: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    bid = 100 + rng.integers(0, 3, n) * 1.0
    quotes = (bid, bid + rng.integers(1, 4, n), rng.integers(0, 5, n) * 1.0, rng.integers(0, 5, n) * 1.0)

    def run(parts: list[slice]) -> Any:
        memory, out = np.array([-1, 0]), [np.zeros((6, 6), np.int64), np.zeros((6, 6), np.int64), np.zeros(6, np.int64)]
        for p in parts:
            M.count_transitions(*(q[p] for q in quotes), 1.0, 3, 2, memory, *out)
        return out

    still, moved, jumps = run([slice(0, n)])
    for a, b in zip((still, moved, jumps), run(spans(n, cuts)), strict=True):
        same(a, b)
    inside = (quotes[1] - bid <= 2) & (quotes[2] > 0) & (quotes[3] > 0)
    assert still.sum() + moved.sum() == 2 * (inside[1:] & inside[:-1]).sum()
    mirror = np.array([2, 1, 0, 5, 4, 3])
    same(still, still[np.ix_(mirror, mirror)])
    same(jumps, -jumps[mirror])
