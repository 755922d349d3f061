"""A tail sketch is a function of its values alone, holds what its plain twin does, and bounds ES and VaR."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qflib.errors import InputError, StateError
from qflib.kernels.tail_sketch import sketch_state, sketch_update
from qflib.shortfall import TailSketch, expected_shortfall

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import plain_tail_sketch
import sample_tail

F8 = NDArray[np.float64]
ticks = st.integers(-40, 40).map(float)
values = st.floats(-1e3, 1e3) | ticks | st.floats(allow_nan=False, allow_infinity=False)
some = st.lists(values, min_size=1, max_size=120)
usual = st.lists(st.floats(-1e3, 1e3).filter(lambda x: abs(x) > 1e-3) | ticks, min_size=1, max_size=200)
LEVELS = ["0.5", "0.9", "0.975", "0.999"]


def held(pnl: list[float] | F8, **more: float) -> TailSketch:
    sketch = TailSketch(**more)  # type: ignore[arg-type]
    sketch.update(pnl)
    return sketch


@given(some, st.sampled_from([0.5, 0.03, 0.008]), st.sampled_from([2, 8, 32]))
def test_the_bins_are_the_plain_ones(pnl: list[float], error: float, octaves: int) -> None:
    state = held(pnl, relative_error=error, octaves=octaves).state()[0]
    bits = int(state[0])
    counts, small = plain_tail_sketch.bins(pnl, bits, octaves)
    assert (state[2], state[3]) == (len(pnl), small)
    table = state[6:].reshape(2, octaves, 2**bits, 2)
    assert table[..., 0].sum() == sum(counts.values())
    for (side, octave, number), count in counts.items():
        assert table[0 if side == "loss" else 1, octave % octaves, number, 0] == count


@given(some, st.randoms(use_true_random=False), st.data())
def test_no_order_cut_or_tree_of_merges_changes_a_bit(pnl: list[float], random: object, data: st.DataObject) -> None:
    whole = held(pnl, octaves=8).state()
    shuffled = data.draw(st.permutations(pnl))
    parts = [TailSketch(octaves=8) for _ in range(5)]
    for x in shuffled:
        parts[data.draw(st.integers(0, 4))].update([x])
    while len(parts) > 1:
        b = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        parts[data.draw(st.integers(0, len(parts) - 1))].merge(b)
    assert parts[0].state().tobytes() == whole.tobytes()


@given(some, st.sampled_from([2, 8, 32]))
def test_the_bounds_hold_for_any_values(pnl: list[float], octaves: int) -> None:
    sketch = held([x / 1e9 for x in pnl], octaves=octaves)  # sums stay finite
    for level in LEVELS:
        es, var = sample_tail.es_var([x / 1e9 for x in pnl], level)
        es_low, es_high, var_low, var_high = sketch.bounds(float(level))
        slack = 1e-9 * max(abs(x) / 1e9 for x in pnl)
        assert es_low - slack <= es <= es_high + slack
        assert var_low <= var <= var_high
        assert es_low - slack <= sketch.es(float(level)) <= es_high + slack
        assert var_low <= sketch.var(float(level)) <= var_high


@given(usual, st.sampled_from([0.008, 0.06]))
def test_the_relative_error_is_kept(pnl: list[float], error: float) -> None:
    sketch = held(pnl, relative_error=error)
    for level in LEVELS:
        es, var = sample_tail.es_var(pnl, level)
        assert sketch.var(float(level)) == pytest.approx(var, rel=error, abs=1e-6)
        assert abs(sketch.es(float(level)) - es) <= error * abs(var) + 1e-6


@pytest.mark.parametrize("law", ["t3", "normal", "drift", "uniform"])
def test_figures_of_a_million_values(law: str) -> None:
    rng = np.random.default_rng(4)
    n = 1_000_000
    x = {
        "t3": rng.standard_t(3, n), "normal": rng.normal(size=n), "drift": rng.normal(size=n) + 3.0,
        "uniform": rng.uniform(-1, 1, n),
    }[law]  # fmt: skip
    levels = [float(c) for c in LEVELS]
    sketch, true = held(x), expected_shortfall(x, levels, kind="pnl")
    np.testing.assert_allclose(sketch.es(levels), true.es, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(sketch.var(levels), true.var, rtol=1e-3, atol=1e-3)


def test_a_tail_that_reaches_zeros_and_gains() -> None:
    x = np.r_[np.zeros(900), -np.ones(10), 2.0 * np.ones(90)]
    for level in (0.5, 0.99, 0.995):
        true = expected_shortfall(x, level, kind="pnl")
        assert held(x).es(level) == pytest.approx(true.es, rel=1e-7)
        assert held(x).var(level) == pytest.approx(true.var, rel=1e-7)
    gains = np.arange(1.0, 91.0)  # of two octaves 32 and above have bins
    es_low, es_high, var_low, var_high = held(gains, octaves=2).bounds(0.5)
    assert es_low + 1.0 < -gains[:45].mean() < es_high - 1.0
    assert var_low <= -45.0 <= var_high
    assert held(np.zeros(10)).es(0.9) == 0.0


def test_ticks_are_exact() -> None:
    x = np.random.default_rng(5).integers(-30, 31, 10_000).astype(float)
    levels = [0.9, 0.975, 0.999]
    true = expected_shortfall(x, levels, kind="pnl")
    np.testing.assert_allclose(held(x).es(levels), true.es, rtol=1e-8)
    np.testing.assert_allclose(held(x).var(levels), true.var, rtol=1e-8)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 6), values), min_size=1, max_size=100))
def test_streams_do_not_touch_each_other(pairs: list[tuple[int, float]]) -> None:
    many = TailSketch(7, octaves=4)
    many.update([x for _, x in pairs], [row for row, _ in pairs])
    for row in range(7):
        alone = TailSketch(octaves=4)
        alone.update([x for r, x in pairs if r == row])
        assert many.state()[row].tobytes() == alone.state().tobytes()
        assert many.n[row] == alone.n


def test_a_grid_is_a_column_a_stream() -> None:
    x = np.random.default_rng(6).normal(size=(200, 5))
    grid, named = TailSketch(5), TailSketch(5)
    grid.update(x)
    named.update(x.T.ravel(), np.repeat(np.arange(5), 200))
    assert grid.state().tobytes() == named.state().tobytes()
    assert grid.es(0.9).shape == (5,)
    assert grid.es([0.9, 0.99]).shape == (5, 2)
    assert grid.to_frame([0.9, 0.99]).shape == (10, 7)
    assert "<table" in grid._repr_html_()
    other = TailSketch(5)
    other.load(grid.state())
    np.testing.assert_array_equal(other.es(0.9), grid.es(0.9))


def test_the_kernel_leaves_out_what_is_no_outcome() -> None:
    states = sketch_state(1, 7, 32)
    sketch_update(states, np.empty(0, np.int64), np.array([np.nan, np.inf, -np.inf, -1.0]))
    assert states[0, 2] == 1


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="took no value"):
        TailSketch().es()
    with pytest.raises(InputError, match="NaN or infinite"):
        TailSketch().update([1.0, np.nan])
    with pytest.raises(InputError, match="expected 0 to 1"):
        TailSketch(2).update([1.0], [2])
    with pytest.raises(InputError, match="whole numbers"):
        TailSketch(2).update([1.0], [0.5])
    with pytest.raises(InputError, match="shape"):
        TailSketch(2).update([[1.0, 2.0, 3.0]])
    with pytest.raises(InputError, match="make both alike"):
        TailSketch(2).merge(TailSketch(3))
    with pytest.raises(StateError, match="state of shape"):
        TailSketch(2).load(TailSketch(2, octaves=8).state())
    for more in (
        {"streams": 0},
        {"streams": 2.5},
        {"relative_error": "a"},
        {"relative_error": 0.9},
        {"relative_error": 1e-4},
        {"octaves": 24},
    ):
        with pytest.raises(InputError, match="expected"):
            TailSketch(**more)  # type: ignore[arg-type]
