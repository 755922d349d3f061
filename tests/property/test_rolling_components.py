"""Contributions of a sliding window: exact at every step, summing to its ES, however the stream is cut or restored."""

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
from qflib.shortfall import RollingComponentES, component_es, rolling_component_es, rolling_es

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import plain_rolling_components

F8 = NDArray[np.float64]
ticks = st.integers(-3, 3).map(float) | st.floats(-1e3, 1e3).map(lambda x: round(x, 2) + 0.0)
rows = st.integers(1, 4).flatmap(lambda m: st.lists(st.lists(ticks, min_size=m, max_size=m), min_size=1, max_size=80))
windows = st.integers(1, 40)
levels = st.sampled_from(["0.5", "0.9", "0.975"])


def roll(stream: RollingComponentES, pnl: list[list[float]] | F8) -> F8:
    es, var, contribution = stream.roll(np.reshape(np.array(pnl, np.float64), (-1, len(stream.names))))
    return np.column_stack([es, var, contribution])


@given(rows, windows, levels)
def test_every_step_is_the_exact_figure(pnl: list[list[float]], window: int, level: str) -> None:
    got = roll(RollingComponentES(window, len(pnl[0]), float(level)), pnl)
    want = np.array([[es, var, *c] for es, var, c in plain_rolling_components.rolling(pnl, window, level)])
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-9)


@given(rows, windows, levels)
def test_contributions_sum_to_the_rolling_es(pnl: list[list[float]], window: int, level: str) -> None:
    got = roll(RollingComponentES(window, len(pnl[0]), float(level)), pnl)
    worst = np.abs(pnl).max()
    np.testing.assert_allclose(got[:, 2:].sum(axis=1), got[:, 0], rtol=0, atol=1e-12 * (1 + len(pnl[0]) * worst))


@given(rows, windows, levels, st.data())
def test_cuts_and_restores_change_no_bit(pnl: list[list[float]], window: int, level: str, data: st.DataObject) -> None:
    m = len(pnl[0])
    whole = RollingComponentES(window, m, float(level))
    want = roll(whole, pnl)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(pnl)), max_size=5)) | {0, len(pnl)})
    state, parts = whole.state()[:0], []
    for a, b in pairwise(cuts):
        stream = RollingComponentES(window, m, float(level))
        if len(state):
            stream.load(np.frombuffer(state.tobytes()))
        parts.append(roll(stream, pnl[a:b]))
        state = stream.state()
    assert np.concatenate(parts).tobytes() == want.tobytes()
    assert state.tobytes() == whole.state().tobytes()


def test_a_long_stream_is_the_batch_of_its_windows() -> None:
    pnl = np.random.default_rng(6).standard_t(3, (4000, 3)) * [1.0, 2.0, -1.5]
    got = rolling_component_es(pd.DataFrame(pnl, columns=list("abc")), 250, 0.975, kind="pnl")
    assert got["es"].isna().sum() == 249
    # one after the other, as the stream adds them
    totals = (pnl[:, 0] + pnl[:, 1]) + pnl[:, 2]
    assert got["es"].equals(rolling_es(totals, 250, 0.975, kind="pnl")["es"])
    for at in (249, 250, 1000, 3999):
        want = component_es(pnl[at - 249 : at + 1], 0.975)
        np.testing.assert_allclose(got.loc[at, ["a", "b", "c"]], want.contribution, rtol=1e-12)
    loss = rolling_component_es(-pnl, 250, 0.975, kind="loss", min_periods=10)
    assert loss["es"].isna().sum() == 9
    np.testing.assert_array_equal(loss.to_numpy()[249:], got.to_numpy()[249:])


def test_one_by_one_is_the_same_and_a_nan_is_no_outcome() -> None:
    pnl = np.random.default_rng(7).normal(size=(60, 2))
    one, all_at_once = RollingComponentES(20, ["a", "b"], 0.9), RollingComponentES(20, 2, 0.9)
    es, var, contribution = all_at_once.roll(pnl)
    for i, row in enumerate(pnl):
        got = one.update(row)
        assert (got[0], got[1]) == (es[i], var[i])
        np.testing.assert_array_equal(got[2], contribution[i])
    before = one.state()
    assert np.isnan(roll(one, [[np.nan, 1.0]])).all()
    assert one.state().tobytes() == before.tobytes()
    assert one.n == 20


def test_bad_input_gets_a_sentence() -> None:
    r = RollingComponentES(5, 2, 0.9)
    with pytest.raises(InputError, match=r"shape \(3,\); expected \(2\)"):
        r.update([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="expected finite numbers"):
        r.update([1.0, np.nan])
    with pytest.raises(InputError, match="infinite value"):
        r.roll([[np.inf, 0.0]])
    with pytest.raises(InputError, match="window is 0"):
        RollingComponentES(0, 2)
    for names in ([], ["a", "a"]):
        with pytest.raises(InputError, match="names that differ"):
            RollingComponentES(5, names)
    with pytest.raises(InputError, match="components are 'ab'"):
        RollingComponentES(5, "ab")
    with pytest.raises(InputError, match=r"components is 2\.5"):
        RollingComponentES(5, 2.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="window is nan"):
        RollingComponentES(np.nan, 2)  # type: ignore[arg-type]
    with pytest.raises(StateError, match="not of this window"):
        r.load(RollingComponentES(6, 2, 0.9).state())
    with pytest.raises(InputError, match="rename them"):
        rolling_component_es(pd.DataFrame({"es": [1.0]}), 1, kind="pnl")
