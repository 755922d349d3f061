"""Quantiles of a factor's moves: between those that happened, and in tails of their own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qflib.errors import InputError
from qflib.shortfall.evt import fit_pot
from qflib.shortfall.margins import quantiles


def test_empirical_ones_are_the_order_statistics() -> None:
    moves = np.random.default_rng(1).normal(size=321)
    at = (np.arange(321) + 0.5) / 321
    np.testing.assert_array_equal(quantiles(moves, at, "empirical"), np.sort(moves))
    np.testing.assert_allclose(
        quantiles(moves, np.linspace(0.01, 0.99, 50), "empirical"),
        np.quantile(moves, np.linspace(0.01, 0.99, 50), method="hazen"),
        rtol=1e-12,
    )
    assert quantiles(moves, np.array([1e-9, 1 - 1e-9]), "empirical").tolist() == [moves.min(), moves.max()]


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_pareto_tails_are_scipys(side: float) -> None:
    moves = side * np.random.default_rng(2).standard_t(3, 1_000)
    threshold = np.sort(side * moves)[-101]
    fit = fit_pot(side * moves, threshold, kind="loss")
    u = np.linspace(0.901, 0.99999, 50)
    expected = threshold + stats.genpareto.ppf(1 - (1 - u) / 0.1005, fit.shape, scale=fit.scale)
    got = quantiles(moves, u if side > 0 else 1 - u, "gpd")
    np.testing.assert_allclose(side * got, expected, rtol=1e-9)


def test_they_rise_without_a_jump_and_go_beyond_what_happened() -> None:
    moves = np.random.default_rng(3).standard_t(4, 2_000)
    u = np.linspace(1e-6, 1 - 1e-6, 400_001)
    x = quantiles(moves, u, "gpd")
    assert (np.diff(x) >= 0).all()
    join = np.abs(u - 0.9).argmin() + np.arange(-150, 150)
    assert np.diff(x[join]).max() < 0.02
    assert x[-1] > moves.max()
    assert x[0] < moves.min()


def test_a_law_is_met_far_out() -> None:
    moves = np.random.default_rng(4).standard_t(4, 50_000)
    assert quantiles(moves, np.array([0.9995]))[0] == pytest.approx(stats.t.ppf(0.9995, 4), rel=0.08)


def test_ties_and_bad_arguments() -> None:
    tied = np.r_[np.zeros(990), np.ones(10)]
    at = np.array([0.9999, 0.999, 0.99, 0.01])
    assert quantiles(tied, at).tolist() == quantiles(tied, at, "empirical").tolist()
    assert quantiles(tied, at)[0] == 1.0
    with pytest.raises(InputError, match="margins='gpd' needs 200 moves"):
        quantiles(np.arange(150.0), np.array([0.5]))
    with pytest.raises(InputError, match="margins is 'kernel'"):
        quantiles(tied, np.array([0.5]), "kernel")  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_tail_begins_beyond_the_values_that_tie_at_its_threshold(side: float) -> None:
    moves = np.round(np.random.default_rng(1).standard_t(4, 2_000) * 2) / 2  # in ticks
    threshold = np.sort(side * moves)[-201]
    share = np.mean(side * moves > threshold)
    assert share < 0.08  # 200 values at or beyond it, many of them at it
    drawn = side * quantiles(moves, np.linspace(0.5e-5, 1 - 0.5e-5, 100_000))
    assert np.mean(drawn > threshold) == pytest.approx(share + 0.5 / 2_000, abs=2e-5)
