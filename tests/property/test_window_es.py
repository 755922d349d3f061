"""Windows by number and by time, several levels, weights by age: each step against the whole window taken anew."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import InputError, StateError
from qflib.shortfall import RollingES, expected_shortfall, rolling_es

LEVELS = [0.5, 0.9, 0.975]
values = st.lists(st.integers(-30, 30).map(float), min_size=1, max_size=120)
gaps = st.lists(st.integers(0, 40), min_size=120, max_size=120)


def _by_time(pnl: list[float], waits: list[int]) -> pd.Series:
    times = pd.Timestamp("2026-01-02", tz="UTC") + pd.to_timedelta(np.cumsum(waits[: len(pnl)]), unit="s")
    return pd.Series(pnl, pd.DatetimeIndex(times))


@settings(max_examples=60, deadline=None)
@given(values, gaps, st.integers(1, 200))
def test_a_window_of_time_has_the_bits_of_its_values(pnl: list[float], waits: list[int], span: int) -> None:
    x = _by_time(pnl, waits)
    told = rolling_es(x, f"{span}s", LEVELS, kind="pnl")
    for i in range(len(x)):
        seen = x.iloc[: i + 1]
        inside = seen[seen.index > seen.index[-1] - pd.Timedelta(span, "s")]
        whole = expected_shortfall(inside, LEVELS, kind="pnl")
        assert told.iloc[i].tolist() == [*whole.es, *whole.var]


@settings(max_examples=60, deadline=None)
@given(values, st.integers(1, 50), st.floats(0.3, 0.999))
def test_weights_by_age(pnl: list[float], window: int, decay: float) -> None:
    told = rolling_es(pnl, window, LEVELS, kind="pnl", decay=decay, min_periods=1)
    for i in range(len(pnl)):
        whole = expected_shortfall(pnl[max(0, i + 1 - window) : i + 1], LEVELS, kind="pnl", decay=decay)
        np.testing.assert_allclose(told["es"].iloc[i], whole.es, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(values, gaps, st.integers(1, 200), st.integers(1, 60))
def test_half_lives(pnl: list[float], waits: list[int], span: int, half: int) -> None:
    x = _by_time(pnl, waits)
    told = rolling_es(x, f"{span}s", 0.9, kind="pnl", half_life=f"{half}s")
    for i in range(len(x)):
        seen = x.iloc[: i + 1]
        age = np.asarray((seen.index[-1] - seen.index).total_seconds())
        inside = age < span
        whole = expected_shortfall(seen[inside], 0.9, kind="pnl", weights=0.5 ** (age[inside] / half))
        assert told["es"].iloc[i] == pytest.approx(whole.es, rel=1e-12, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(values, gaps, st.lists(st.integers(0, 119), max_size=5), st.booleans())
def test_cuts_and_restored_states_change_no_bit(
    pnl: list[float], waits: list[int], cuts: list[int], by_time: bool
) -> None:
    x = np.array(pnl)
    times = np.cumsum(waits[: len(x)]).astype(np.int64) * 10**9

    def fresh() -> RollingES:
        return RollingES("90s", LEVELS, half_life="20s") if by_time else RollingES(25, LEVELS, decay=0.9)

    es, var = fresh().roll(x, times if by_time else None)
    one, ends = fresh(), sorted({*(c for c in cuts if c < len(x)), len(x)})
    parts, begin = [], 0
    for end in ends:
        other = fresh()
        other.load(one.state())
        one = other
        parts.append(one.roll(x[begin:end], times[begin:end] if by_time else None))
        begin = end
    assert np.vstack([p[0] for p in parts]).tobytes() == es.tobytes()
    assert np.vstack([p[1] for p in parts]).tobytes() == var.tobytes()


def test_room_is_made_as_it_is_needed() -> None:
    """Thousands within the span, where the state begins with hundreds."""
    rng = np.random.default_rng(3)
    x = rng.standard_t(4, 5_000)
    times = np.cumsum(rng.integers(0, 3, 5_000)).astype(np.int64)
    stream = RollingES("3us", 0.975)
    es, _ = stream.roll(x, times)
    assert stream.n > 2_000
    inside = x[times > times[-1] - 3_000]
    assert es[-1, 0] == expected_shortfall(inside, 0.975, kind="pnl").es


def test_a_long_stream_does_not_drift() -> None:
    """A million weighted by time: the sum of weights is as of the window alone."""
    rng = np.random.default_rng(4)
    x, times = rng.standard_t(3, 1_000_000), np.arange(1_000_000, dtype=np.int64) * 10**6
    es, _ = RollingES("1s", 0.975, half_life="200ms").roll(x, times)
    age = (times[-1] - times[-1000:]) / 2e8
    whole = expected_shortfall(x[-1000:], 0.975, kind="pnl", weights=0.5**age)
    assert es[-1, 0] == pytest.approx(whole.es, rel=1e-12)


def test_without_a_window_what_weighs_nothing_is_left_out() -> None:
    x = np.random.default_rng(5).standard_t(4, 3_000)
    told = rolling_es(x, decay=0.97, level=0.975, kind="pnl")
    whole = expected_shortfall(x, 0.975, kind="pnl", decay=0.97)
    assert told["es"].iloc[-1] == pytest.approx(whole.es, rel=1e-12)


def test_a_missing_outcome_changes_nothing() -> None:
    one, other = RollingES(5, LEVELS), RollingES(5, LEVELS)
    es, _ = one.roll(np.array([1.0, np.nan, -2.0]))
    kept, _ = other.roll(np.array([1.0, -2.0]))
    assert np.isnan(es[1]).all()
    assert es[[0, 2]].tobytes() == kept.tobytes()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "window is missing"),
        ({"window": 0}, "window is 0"),
        ({"window": "soon"}, "span of time"),
        ({"window": "-1s"}, "above 0"),
        ({"window": 5, "decay": 1.0}, "decay is 1.0"),
        ({"window": "5s", "decay": 0.9}, "give half_life"),
        ({"window": 5, "half_life": "5s"}, "give decay"),
        ({"decay": 0.9, "half_life": "5s"}, "exclude each other"),
        ({"window": "5s"}, "tz-aware"),
    ],
)
def test_what_is_no_window(asked: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        rolling_es([1.0, 2.0], kind="pnl", **asked)


def test_times_that_fall_are_refused_and_those_before_taken() -> None:
    stream = RollingES("5s", LEVELS)
    with pytest.raises(InputError, match="value 2, 4 ns, lies before 9 ns"):
        stream.roll(np.array([1.0, 2.0, 3.0]), np.array([5, 9, 4]))
    assert stream.n == 2
    with pytest.raises(InputError, match="times_ns"):
        stream.update(1.0)
    with pytest.raises(InputError, match="times_ns"):
        RollingES(5).update(1.0, 3)


def test_a_state_of_another_window_is_refused() -> None:
    state = RollingES(5, LEVELS).state()
    for other in (RollingES(6, LEVELS), RollingES(5, [0.5, 0.9, 0.99]), RollingES(5, LEVELS, decay=0.9),
                  RollingES("5s", LEVELS), RollingES(5)):  # fmt: skip
        with pytest.raises(StateError):
            other.load(state)
    with pytest.raises(StateError):
        RollingES(5, LEVELS).load(state[:7])
