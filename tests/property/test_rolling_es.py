"""Rolling ES equals the batch estimator at every step, bit for bit, however the stream is cut or restored."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qflib.errors import InputError, StateError
from qflib.kernels.expected_shortfall import es_var
from qflib.kernels.rolling_es import es_roll, es_state, es_update
from qflib.records.schema import frozen
from qflib.shortfall import RollingES, RollingESPanel, rolling_es

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import sample_tail

F8 = NDArray[np.float64]
ticks = st.floats(-1e3, 1e3) | st.integers(-2, 2).map(float)
series = st.lists(ticks, min_size=1, max_size=200)
windows = st.integers(1, 60)
levels = st.sampled_from(["0.5", "0.9", "0.975", "0.999"])


def roll(state: F8, pnl: list[float] | F8) -> F8:
    x = frozen(np.array(pnl, np.float64))
    out = np.empty((2, len(x)))
    es_roll(state, x, out[0], out[1])
    return out.T.copy()


def batch(pnl: list[float] | F8, window: int, level: float) -> F8:
    out, work = np.empty((len(pnl), 1, 2)), np.empty(window)
    for i in range(len(pnl)):
        held = frozen(np.array(pnl[max(0, i + 1 - window) : i + 1]))
        es_var(held, frozen(np.array([level])), out[i], work)
    return out[:, 0]


@given(series, windows, levels)
def test_every_step_has_the_bits_of_the_batch(pnl: list[float], window: int, level: str) -> None:
    got = roll(es_state(window, float(level)), pnl)
    assert got.tobytes() == batch(pnl, window, float(level)).tobytes()


@given(st.lists(ticks, min_size=1, max_size=40), windows, levels)
def test_every_step_is_the_exact_figure(pnl: list[float], window: int, level: str) -> None:
    got = roll(es_state(window, float(level)), pnl)
    want = np.array(sample_tail.rolling(pnl, window, level))
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-9)


@given(series, windows, levels, st.data())
def test_cuts_and_restores_change_no_bit(pnl: list[float], window: int, level: str, data: st.DataObject) -> None:
    whole_state = es_state(window, float(level))
    whole = roll(whole_state, pnl)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(pnl)), max_size=5)) | {0, len(pnl)})
    state, parts = es_state(window, float(level)), []
    for a, b in pairwise(cuts):
        state = np.frombuffer(state.tobytes()).copy()  # a snapshot and a restore
        parts.append(roll(state, pnl[a:b]))
    assert (np.concatenate(parts) if parts else np.empty((0, 2))).tobytes() == whole.tobytes()
    if len(cuts) > 1:
        assert state.tobytes() == whole_state.tobytes()


@pytest.mark.parametrize("window", [250, 3000])
@pytest.mark.parametrize("shape", ["rising", "falling", "triangle", "constant", "heavy", "steps"])
def test_the_tail_is_selected_again_when_it_runs_dry(window: int, shape: str) -> None:
    n = 2 * window + 1500
    i = np.arange(n, dtype=float)
    pnl = {
        "rising": i,
        "falling": -i,
        "triangle": np.abs(i % (2 * window) - window),
        "constant": np.zeros(n),
        "heavy": np.random.default_rng(5).standard_t(2.1, n),
        "steps": np.floor(i / 100) * 0.1,
    }[shape]
    got = roll(es_state(window, 0.975), pnl)
    at = np.r_[0:20, window - 5 : window + 5, n - 100 : n]
    for k in at:
        held, want = frozen(pnl[max(0, k + 1 - window) : k + 1].copy()), np.empty((1, 2))
        es_var(held, frozen(np.array([0.975])), want, np.empty(window))
        assert got[k].tobytes() == want.tobytes()


def test_a_hundred_million_updates_drift_by_no_bit() -> None:
    x = frozen(np.random.default_rng(9).standard_t(3, 1_000_000) * np.repeat(np.geomspace(1e-6, 1e6, 100), 10_000))
    state, es, var, want = es_state(1_000, 0.975), np.empty(len(x)), np.empty(len(x)), np.empty((1, 2))
    twice = np.concatenate([x, x])
    for turn in range(100):
        es_roll(state, x, es, var)
        for k in (0, 123_456, len(x) - 1):  # the first one's window reaches into the round before
            held = frozen(twice[len(x) + k - 999 : len(x) + k + 1].copy())
            es_var(held, frozen(np.array([0.975])), want, np.empty(1_000))
            assert (es[k], var[k]) == tuple(want[0]) or (k == 0 and turn == 0)


def test_a_nan_is_no_outcome() -> None:
    state = es_state(5, 0.9)
    roll(state, [1.0, -2.0, 3.0])
    before = state.tobytes()
    assert np.isnan(es_update(state, np.nan)).all()
    assert state.tobytes() == before


def test_the_faces_agree() -> None:
    x = np.random.default_rng(3).normal(size=300)
    frame = rolling_es(x, 50, 0.95, kind="pnl")
    assert frame["es"].isna().sum() == 49
    stream = RollingES(50, 0.95)
    for k, v in enumerate(x):
        if k == 120:
            other = RollingES(50, 0.95)
            other.load(stream.state())
            stream = other
        figures = stream.update(v)
        assert k < 49 or figures == (frame["es"][k], frame["var"][k])
    assert rolling_es(-x, 50, 0.95, kind="loss").equals(frame)


def test_a_panel_is_its_streams_and_a_frame_its_columns() -> None:
    x = np.random.default_rng(8).normal(size=(400, 6))
    panel, streams = RollingESPanel(6, 50, 0.95), [RollingES(50, 0.95) for _ in range(6)]
    es, var = panel.roll(x[:150])
    other = RollingESPanel(6, 50, 0.95)
    other.load(panel.state())
    for step in x[150:]:
        es, var = (np.vstack([a, b]) for a, b in zip((es, var), other.update(step), strict=True))
    frame = rolling_es(pd.DataFrame(x, columns=list("abcdef")), 50, 0.95, kind="pnl", min_periods=1)
    for j, stream in enumerate(streams):
        alone = stream.roll(x[:, j].copy())
        assert es[:, j].tobytes() == alone[0][:, 0].tobytes() == frame["abcdef"[j]]["es"].to_numpy().tobytes()
        assert var[:, j].tobytes() == alone[1][:, 0].tobytes() == frame["abcdef"[j]]["var"].to_numpy().tobytes()
        assert other.state()[j].tobytes() == stream.state().tobytes()


@pytest.mark.parametrize("window", [3, "1us"])
def test_whatever_numbers_come_one_compiled_form_takes_them(window: int | str) -> None:
    times = None if isinstance(window, int) else [0, 500, 1000, 1500]
    want = RollingES(window, 0.5).roll(np.array([1.0, -2.0, 3.0, 0.0]), times)
    for given_ in ([1, -2, 3, 0], np.array([1, -2, 3, 0]), np.array([1, -2, 3, 0], np.float32)):
        np.testing.assert_array_equal(RollingES(window, 0.5).roll(given_, times), want)
    spread = np.array([1.0, 9.0, -2.0, 9.0, 3.0, 9.0, 0.0])[::2]
    np.testing.assert_array_equal(RollingES(window, 0.5).roll(spread, times), want)


def test_a_stream_names_what_is_no_pnl_and_takes_nothing() -> None:
    stream, by_time = RollingES(3, 0.5), RollingES("1s", 0.5)
    for bad, words in (([1.0, np.inf], "infinite"), ([[1.0]], "2-dimensional"), (["a"], "no numbers")):
        with pytest.raises(InputError, match=words):
            stream.roll(bad)
    for times in ([1.0], [1, 2], ["2026-01-01"]):
        with pytest.raises(InputError, match="whole nanoseconds"):
            by_time.roll([1.0], times)
    with pytest.raises(InputError, match="finite number"):
        stream.update("1")  # type: ignore[arg-type]
    for bad_state in ([1, 2], np.zeros(5, np.int64), np.zeros((2, 2))):
        with pytest.raises(StateError, match="not of this window"):
            stream.load(bad_state)
    assert stream.n == by_time.n == 0


def test_a_panel_skips_streams_without_an_outcome_and_names_bad_input() -> None:
    panel = RollingESPanel(2, 3, 0.5)
    es, _ = panel.update([-1.0, np.nan])
    assert np.isnan(es).tolist() == [False, True]
    assert panel.n.tolist() == [1, 0]
    for bad in ([1.0], [np.inf, 1.0]):
        with pytest.raises(InputError, match="pnl"):
            panel.update(bad)
    with pytest.raises(StateError, match="not of these streams"):
        panel.load(RollingESPanel(2, 4, 0.5).state())
    for more in ({"streams": 0}, {"window": 2.5}, {"window": np.nan}, {"streams": "a"}, {"level": [0.9, 0.95]}):
        with pytest.raises(InputError, match=r"expected a whole number|has one"):
            RollingESPanel(**({"streams": 2, "window": 3} | more))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no columns"):
        rolling_es(pd.DataFrame(index=range(3)), 2, kind="pnl")
