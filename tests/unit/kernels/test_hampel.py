"""The moving median and median absolute deviation, against NumPy on the window as it stands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from qflib.kernels.hampel import hampel_scores, hampel_state

VALUES = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.integers(-3, 3).map(float), st.just(float("nan"))), min_size=1, max_size=60
)


def scores(values: np.ndarray, window: int, least: int, floor: float, cut: int = 0) -> np.ndarray:
    states, out = hampel_state(2, window), np.empty(len(values))
    for part in (slice(0, cut), slice(cut, None)):
        rows = np.ones(len(values[part]), np.int64)
        hampel_scores(states, rows, values[part], least, np.full(len(rows), floor), out[part])
    assert not states[0].any()
    return out


def slow(values: np.ndarray, window: int, least: int, floor: float) -> list[float]:
    kept: list[float] = []
    out = []
    for v in values:
        score = np.nan
        if np.isfinite(v):
            last = np.array(kept[-window:])
            if len(last) >= max(least, 1):
                scale = max(float(median_abs_deviation(last, scale=1 / 1.482602218505602)), floor)
                score = (v - np.median(last)) / scale
            kept.append(float(v))
        out.append(score)
    return out


@given(VALUES, st.integers(1, 20), st.integers(0, 5), st.sampled_from([0.5, 100.0]), st.integers(0, 60))
def test_it_is_the_windows_own_median_and_deviation(
    values: list[float], window: int, least: int, floor: float, cut: int
) -> None:
    given_values = np.array(values)
    made = scores(given_values, window, least, floor, min(cut, len(values)))
    np.testing.assert_allclose(made, slow(given_values, window, least, floor), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(made, scores(given_values, window, least, floor))


def test_of_a_normal_law_it_is_a_standard_score() -> None:
    drawn = np.random.default_rng(1).normal(5.0, 2.0, 100_000)
    made = scores(drawn, 501, 501, 0.0)[501:]
    assert np.std(made) == pytest.approx(1.0, abs=0.02)
    assert np.mean(np.abs(made) > 3) == pytest.approx(0.0027, abs=0.0008)


def test_half_a_window_of_nonsense_hides_nothing() -> None:
    values = np.concatenate((np.tile([1.0, -1.0], 60), np.full(50, 1e9)))
    made = scores(values, 120, 60, 0.1)
    assert (made[-50:] > 1e6).all()


def test_a_window_that_agrees_has_the_floor_for_a_scale() -> None:
    assert scores(np.array([2.0, 2.0, 2.0, 3.0]), 3, 1, 0.25).tolist()[1:] == [0.0, 0.0, 4.0]
    assert scores(np.array([2.0, 2.0, 2.0, 3.0]), 3, 1, 0.0).tolist()[1:] == [0.0, 0.0, np.inf]
