"""Estimates of microstructure: the same to the bit wherever batches are cut, and equal to plain twins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qflib import orderbook as ob
from qflib.errors import DataError
from qflib.kernels import covariance, power_law
from qflib.kernels import queue_changes as Q
from tests.property.test_microstructure_cuts import CUTS, SEED, same, spans, times
from tests.reference import plain_estimators as plain


def best_quotes(rng: Any, n: int) -> tuple[Any, ...]:
    """Time, bid, ask, quantities; sides empty now and then."""
    bid, ask = rng.integers(97, 100, n) * 1.0, rng.integers(100, 103, n) * 1.0
    bid_qty, ask_qty = (np.round(rng.uniform(0, 3, n), 1) * (rng.random(n) > 0.1) for _ in range(2))
    bid[bid_qty == 0], ask[ask_qty == 0] = np.nan, np.nan
    return times(rng, n), bid, ask, bid_qty, ask_qty


@given(SEED, st.integers(2, 60), CUTS)
def test_queue_rates(seed: int, n: int, cuts: list[float]) -> None:
    time, bid, ask, bid_qty, ask_qty = best_quotes(np.random.default_rng(seed), n)

    def run(parts: list[slice]) -> Any:
        memory, counts = np.zeros(Q.N_MEMORY), np.zeros(Q.N_COUNT, np.int64)
        for p in parts:
            Q.fold_queue_changes(time[p], bid[p], bid_qty[p], ask[p], ask_qty[p], memory, counts)
        return memory, counts

    memory, counts = run([slice(0, n)])
    for a, b in zip((memory, counts), run(spans(n, cuts)), strict=True):
        same(a, b)
    frame = pd.DataFrame(
        {"bid": bid, "ask": ask, "bid_qty": bid_qty, "ask_qty": ask_qty}, pd.to_datetime(time, utc=True)
    )
    rows = [tuple(r) for r in frame.to_numpy().tolist()]
    if not (counts[Q.CAME] and counts[Q.WENT] and time[-1] > time[0]):
        with pytest.raises(DataError, match="give a longer recording"):
            ob.fit_queue_rates(frame)
        return
    made = ob.fit_queue_rates(frame)
    got = (made.arrival, made.departure, made.order_qty, made.seconds)
    assert got == pytest.approx(plain.queue_rates(time.tolist(), rows), rel=1e-12)


@given(SEED, st.integers(5, 40), st.integers(1, 5), CUTS)
def test_integrated_flow(seed: int, n: int, levels: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    # A common part, so that the first component stands apart; a mean that a careless sum of squares would drown in.
    table = 1e4 + rng.normal(size=(n, 1)) * rng.uniform(1, 3, levels) * 5 + rng.normal(size=(n, levels))
    holes = table.copy()
    holes[rng.integers(n), rng.integers(levels)] = np.nan

    def run(parts: list[slice]) -> Any:
        mean, products = np.zeros(1 + levels), np.zeros((levels, levels))
        rows = [covariance.fold_covariance(holes[p], mean, products) for p in parts]
        return rows[-1], mean, products

    whole = run([slice(0, n)])
    for a, b in zip(whole, run(spans(n, cuts)), strict=True):
        same(a, b)
    kept = holes[np.isfinite(holes).all(1)]
    assert whole[0] == n - 1
    same(whole[2], whole[2].T)
    np.testing.assert_allclose(whole[2] / (n - 2), plain.covariance(kept.tolist()), rtol=1e-8, atol=1e-8)
    made = ob.IntegratedOFI.fit(pd.DataFrame(holes, columns=[f"ofi_{m}" for m in range(levels)]))
    weights, explained = plain.integrated_weights(kept.tolist())
    if len(explained) == 1 or explained[0] > 1.5 * explained[1]:  # else the first component is ill-determined
        assert made.weights.tolist() == pytest.approx(weights, abs=1e-7)
    assert made.explained.tolist() == pytest.approx(explained, abs=1e-9)


@given(SEED, st.integers(4, 60))
def test_kyle_and_resiliency(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    flow, mid = rng.normal(0, 10, n), 100 + np.cumsum(np.round(rng.normal(size=n), 2))
    flow[rng.random(n) < 0.1] = np.nan
    assume(np.isfinite(flow[1:]).sum() >= 3)
    made = ob.kyle_lambda(pd.DataFrame({"mid": mid, "signed_volume": flow}))
    want = plain.kyle_lambda(mid.tolist(), flow.tolist())
    assert (made.slope, made.intercept, made.error, made.r2) == pytest.approx(want, rel=1e-7, abs=1e-9)
    back = ob.resiliency(pd.DataFrame({"spread": mid}))
    speed, error, mean = plain.resiliency(mid.tolist())
    assert (back.speed, back.line.error) == pytest.approx((speed, error), rel=1e-7, abs=1e-9)
    if back.speed > 1e-6:
        assert back.mean == pytest.approx(mean, rel=1e-6)
        if back.speed < 1:
            assert (1 - speed) ** back.half_life == pytest.approx(0.5, rel=1e-6)


@given(SEED, st.integers(3, 60), st.floats(0.2, 1.2), CUTS)
def test_impact(seed: int, n: int, delta: float, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    x = rng.lognormal(-3, 1.5, n)
    z = 0.8 * x**delta + rng.normal(0, 0.05, n)

    def run(parts: list[slice]) -> Any:
        memory = np.zeros(power_law.N_MEMORY)
        for p in parts:
            power_law.fold_power_law(x[p], z[p], delta, memory)
        return memory

    same(run([slice(0, n)]), run(spans(n, cuts)))
    orders = pd.DataFrame({"qty": x, "volume": 1.0, "volatility": 1.0, "impact": z})
    made = ob.fit_impact(orders, delta)
    y, error, _, r2 = plain.impact_of_exponent(x.tolist(), z.tolist(), delta)
    assert (made.y, made.errors[0], made.r2) == pytest.approx((y, error, r2), rel=1e-8, abs=1e-10)


@given(SEED, st.floats(0.4, 0.9))
def test_impact_whose_exponent_is_fitted(seed: int, delta: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.lognormal(-3, 1, 60)
    z = 0.8 * x**delta * (1 + rng.normal(0, 0.02, 60))
    made = ob.fit_impact(pd.DataFrame({"qty": x, "volume": 1.0, "volatility": 1.0, "impact": z}), delta=None)
    y, exponent = plain.impact(x.tolist(), z.tolist(), 0.0, 2.0)
    assert (made.y, made.delta) == pytest.approx((y, exponent), rel=1e-5)
    _, _, rest, _ = plain.impact_of_exponent(x.tolist(), z.tolist(), exponent)
    slopes = np.column_stack([x**exponent, y * x**exponent * np.log(x)])
    want = np.sqrt(np.diag(np.linalg.inv(slopes.T @ slopes)) * rest / 58)
    assert made.errors == pytest.approx(want.tolist(), rel=1e-4)
    assert math.isfinite(made.r2)
