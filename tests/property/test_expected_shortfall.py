"""What must hold of ES of any sample: exact value, coherence, and that order does not matter."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qflib.kernels.expected_shortfall import es_var, tail_weights
from qflib.records.schema import frozen
from qflib.shortfall import component_es, expected_shortfall

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import sample_tail

F8 = NDArray[np.float64]
LEVELS = ("0.5", "0.75", "0.9", "0.95", "0.975", "0.99", "0.999")
values = st.floats(-1e6, 1e6).map(lambda x: x + 0.0)
samples = st.lists(values | st.integers(-3, 3).map(float), min_size=1, max_size=120)
levels = st.sampled_from(LEVELS)


def es(pnl: F8 | list[float], *level: str) -> F8:
    x = frozen(np.array(pnl, np.float64))
    out = np.empty((len(level), 2))
    es_var(x, frozen(np.array([float(c) for c in level])), out, np.empty(len(x)))
    return out


@given(samples, levels)
def test_it_is_the_exact_figure(pnl: list[float], level: str) -> None:
    want_es, want_var = sample_tail.es_var(pnl, level)
    got_es, got_var = es(pnl, level)[0]
    assert got_es == pytest.approx(want_es, rel=1e-12, abs=1e-9)
    assert got_var == want_var


@pytest.mark.parametrize("level", ["0.5", "0.975", "0.999"])
@pytest.mark.parametrize("n", [1000, 2048, 10_000])
@pytest.mark.parametrize("shape", ["random", "rising", "falling", "constant", "pipe", "ties", "spikes"])
def test_large_samples_in_any_order(n: int, level: str, shape: str) -> None:
    rng = np.random.default_rng(n)
    i = np.arange(n, dtype=float)
    pnl = {
        "random": rng.standard_t(3, n),
        "rising": i,
        "falling": -i,
        "constant": np.full(n, -2.5),
        "pipe": np.minimum(i, n - i),
        "ties": rng.integers(-2, 3, n).astype(float),
        "spikes": np.where(i % (n // 256 or 1) == 0, 1e6, i),  # exactly what the first cut's sample sees
    }[shape]
    k = sample_tail.es_var(pnl.tolist(), level)
    got = es(pnl, level)[0]
    assert got[0] == pytest.approx(k[0], rel=1e-13)
    assert got[1] == k[1]


@given(samples, st.permutations(LEVELS), st.randoms(use_true_random=False))
def test_the_bits_depend_on_the_multiset_alone(pnl: list[float], some: list[str], random: object) -> None:
    shuffled = list(pnl)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = es(pnl, *LEVELS)
    again = es(shuffled, *some)
    assert again.tobytes() == first[[LEVELS.index(c) for c in some]].tobytes()


@given(st.lists(st.tuples(values, values), min_size=1, max_size=60), levels)
def test_diversification_never_costs(pairs: list[tuple[float, float]], level: str) -> None:
    a, b = np.array(pairs).T
    assert es(a + b, level)[0, 0] <= es(a, level)[0, 0] + es(b, level)[0, 0] + 1e-8


@given(samples, st.floats(-100, 100), st.floats(0.01, 100), levels)
def test_translation_and_scale(pnl: list[float], shift: float, scale: float, level: str) -> None:
    x = np.array(pnl)
    base = es(x, level)[0, 0]
    slack = 1e-9 * (1 + abs(base) + abs(shift)) * scale + 1e-9
    assert es(x + shift, level)[0, 0] == pytest.approx(base - shift, abs=1e-9 * (1 + abs(base) + abs(shift)))
    assert es(x * scale, level)[0, 0] == pytest.approx(base * scale, abs=slack)


@given(samples, st.data(), levels)
def test_less_pnl_is_never_less_risk(pnl: list[float], data: st.DataObject, level: str) -> None:
    cut = np.array(data.draw(st.lists(st.floats(0, 1e3), min_size=len(pnl), max_size=len(pnl))))
    assert es(np.array(pnl) - cut, level)[0, 0] >= es(pnl, level)[0, 0] - 1e-9


@given(samples)
def test_es_rises_with_the_level_and_is_never_below_var(pnl: list[float]) -> None:
    figures = es(pnl, *LEVELS)
    slack = 1e-12 * (1 + np.abs(figures[:, 0]))
    assert (figures[:, 0] >= figures[:, 1] - slack).all()
    assert (np.diff(figures[:, 0]) >= -slack[1:]).all()
    assert (np.diff(figures[:, 1]) >= 0).all()


@given(samples, levels)
def test_tail_weights_make_the_es(pnl: list[float], level: str) -> None:
    x = frozen(np.array(pnl))
    w = np.empty(len(x))
    tail_weights(x, float(level), w, np.empty(len(x)))
    assert w.min() >= 0
    assert w.sum() == pytest.approx(1.0, abs=1e-12)
    assert -(w @ x) == pytest.approx(es(x, level)[0, 0], rel=1e-10, abs=1e-8)


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=50), levels)
def test_contributions_add_up_and_diversify(rows: list[list[float]], level: str) -> None:
    r = component_es(np.array(rows), float(level))
    assert r.contribution.sum() == pytest.approx(r.es, rel=1e-10, abs=1e-8)
    assert (r.contribution <= r.standalone + 1e-8).all()


@given(st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=60), levels)
def test_equal_weights_change_nothing(pnl: list[float], level: str) -> None:
    plain = expected_shortfall(pnl, float(level), kind="pnl")
    weighted = expected_shortfall(pnl, float(level), kind="pnl", weights=np.full(len(pnl), 0.3))
    assert weighted.es == pytest.approx(plain.es, rel=1e-9, abs=1e-9)


def test_a_nan_is_never_hidden() -> None:
    for n in (3, 5000):
        x = np.arange(n, dtype=float)
        x[n // 2] = np.nan
        assert np.isnan(es(x, "0.975", "0.5")).all()
    assert np.isnan(es([], "0.975")).all()
