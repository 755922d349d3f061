"""Intervals: order statistics against the binomial law, and the block bootstrap against a plain twin and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arch.bootstrap import optimal_block_length
from scipy import signal, stats

from qflib.kernels.random_stream import next_word
from qflib.kernels.resample import stationary_resample
from qflib.shortfall import distribution_es, expected_shortfall
from qflib.shortfall.bootstrap import block_length
from qflib.shortfall.historical import _ranks


def test_ranks_are_the_binomials_quantiles() -> None:
    for n in (1, 2, 5, 20, 100, 999, 100_000):
        for c in (0.5, 0.9, 0.975, 0.999):
            for confidence in (0.5, 0.95, 0.99):
                tail = 0.5 * (1 - confidence)
                want = stats.binom.ppf([1 - tail, tail], n, 1 - c)
                assert _ranks(n, c, confidence) == (want[0] + 1, want[1])


def test_the_interval_of_var_covers_it_and_says_where_it_cannot() -> None:
    rng = np.random.default_rng(31)
    truth = distribution_es("student_t", 0.95, df=3).var
    made = [expected_shortfall(x, 0.95, kind="pnl") for x in rng.standard_t(3, (800, 400))]
    assert 0.94 < np.mean([m.var_low <= truth <= m.var_high for m in made]) <= 0.985
    few = expected_shortfall(rng.normal(size=50), 0.975, kind="pnl")
    assert math.isnan(few.var_high)
    assert few.var_low <= few.var


def plain_resample(x: np.ndarray, length: float, rng: np.ndarray, m: int) -> list[float]:
    """As the kernel, by whole numbers."""
    out: list[float] = []
    at = len(x)
    for i in range(m):
        word = int(next_word(rng))
        if i == 0 or (word >> 32) < int(2**32 / length):
            at = ((word & 0xFFFFFFFF) * len(x)) >> 32
        out.append(float(x[at]))
        at = (at + 1) % len(x)
    return out


@pytest.mark.parametrize("length", [1.0, 3.5, 100.0])
def test_resampling_is_its_plain_twin(length: float) -> None:
    x, out = np.arange(37.0), np.empty(500)
    stationary_resample(x, length, np.array([42]), out)
    assert out.tolist() == plain_resample(x, length, np.array([42]), 500)


@pytest.mark.parametrize("length", [1.0, 2.0, 25.0])
def test_blocks_have_their_mean_length_and_favour_nobody(length: float) -> None:
    x, out = np.arange(50.0), np.empty(500_000)
    stationary_resample(x, length, np.array([3]), out)
    ends = np.diff(out) % 50 != 1
    chance = 1 / length * (1 - 1 / 50)  # one new start in 50 goes on where the block ended
    assert ends.mean() == pytest.approx(chance, rel=0.03)
    assert np.bincount(out.astype(int)) == pytest.approx(np.full(50, 10_000), rel=0.01 * 5 * math.sqrt(length))


def test_without_dependence_it_is_the_analytic_error() -> None:
    rng = np.random.default_rng(32)
    x = rng.standard_t(6, 5000)
    for method in ("historical", "volatility_weighted", "cornish_fisher", "evt"):
        plain = expected_shortfall(x, [0.95, 0.975], kind="pnl", method=method)
        drawn = expected_shortfall(
            x, [0.95, 0.975], kind="pnl", method=method, interval="bootstrap", block=1, draws=300, seed=4
        )
        assert drawn.es.tolist() == plain.es.tolist()
        assert drawn.se == pytest.approx(plain.se, rel=0.2)
        assert (drawn.low < drawn.es).all()
        assert (drawn.es < drawn.high).all()
        assert (drawn.var_low <= drawn.var).all()
        assert drawn.interval == "bootstrap"
    for method in ("gaussian", "student_t", "skewed_t"):
        z = rng.normal(size=400)
        plain = expected_shortfall(z, kind="pnl", method=method)
        drawn = expected_shortfall(z, kind="pnl", method=method, interval="bootstrap", draws=60)
        assert drawn.se == pytest.approx(plain.se, rel=0.5)
    hull = expected_shortfall(x, kind="pnl", convention="hull", interval="bootstrap", draws=50)
    assert hull.low < hull.es < hull.high


def test_a_seed_is_a_result() -> None:
    rng = np.random.default_rng(33)
    x = rng.normal(size=500)
    one, same, other = (expected_shortfall(x, kind="pnl", interval="bootstrap", seed=s) for s in (1, 1, 2))
    assert (one.low, one.high, one.se) == (same.low, same.high, same.se)
    assert one.se != other.se


def test_blocks_know_of_dependence_that_the_formula_does_not() -> None:
    rng = np.random.default_rng(34)
    truth = distribution_es("normal", 0.95).es
    made = []
    for _ in range(120):
        x = signal.lfilter([math.sqrt(1 - 0.7**2)], [1, -0.7], rng.normal(size=1700))[200:]
        made.append(
            [
                expected_shortfall(x, 0.95, kind="pnl", interval=i, draws=d)
                for i, d in (("analytic", None), ("bootstrap", 200))
            ]
        )
    spread = np.std([m[0].es for m in made])
    analytic, drawn = (np.mean([m[k].se for m in made]) for k in (0, 1))
    assert analytic < 0.8 * spread
    assert drawn == pytest.approx(spread, rel=0.25)
    covered = [np.mean([m[k].low < truth < m[k].high for m in made]) for k in (0, 1)]
    assert covered[1] > covered[0]
    assert made[0][1].parameters["block"] > 3


def test_the_block_is_archs_of_the_tail_losses() -> None:
    rng = np.random.default_rng(35)
    x = np.repeat(rng.normal(size=400), 5)
    excess = np.maximum(-x - 1.0, 0.0)
    assert block_length(x, np.array([1.0, 50.0])) == float(optimal_block_length(excess)["stationary"].iloc[0])
    assert block_length(x, np.array([50.0])) == 1.0
