"""The bounds on a grid's error against fourth derivatives in many digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from qflib.kernels import grid_error
from qflib.kernels.grid_error import book_errors, cheapest_grid, error_terms
from qflib.records.schema import frozen


def value(right: float, growth: mp.mpf, moneyness: float, total: mp.mpf) -> mp.mpf:
    """Of an option, as a share of the forward."""
    d1 = (growth - mp.log(moneyness)) / total + total / 2
    return right * (mp.exp(growth) * mp.ncdf(right * d1) - moneyness * mp.ncdf(right * (d1 - total)))


@pytest.mark.parametrize("right", [1.0, -1.0])
@pytest.mark.parametrize(("moneyness", "years", "vol"), [(1.0, 0.1, 0.2), (0.8, 1.0, 0.1), (1.3, 5.0, 0.6)])
def test_no_fourth_derivative_is_beyond_the_bound_and_some_come_near(
    right: float, moneyness: float, years: float, vol: float
) -> None:
    along, across = error_terms(moneyness, years, vol, 0.6, 0.01)
    x_most = v_most = 0.0
    with mp.workdps(30):
        root = mp.sqrt(years)
        for up in (1.0, 1.5):
            s = vol * up
            for growth in np.linspace(-0.6, 0.6, 25).tolist():
                d4x = mp.diff(lambda g, s=s: value(right, g, moneyness, s * root), growth, 4)
                d4v = mp.diff(lambda v, g=growth: value(right, g, moneyness, v * root), s, 4)
                x_most, v_most = max(x_most, abs(float(d4x))), max(v_most, abs(float(d4v)))
    assert x_most * 9 / 384 <= along
    assert v_most * 1.25 * 9 / 384 <= across
    if vol < 0.5:  # not bound to hold by being far off
        assert x_most * 9 / 384 >= along / 4
        assert v_most * 1.25 * 9 / 384 >= across / 4


def test_greatest_values_are_rounded_up() -> None:
    a, b = np.meshgrid(np.linspace(0, 40, 801), np.linspace(0, 40, 801))
    size = np.exp(-(a + b) / 2) * np.abs((a - b) ** 3 - 9 * a**2 + 3 * b**2 + 6 * a * b + 12 * a)
    most = (9 + np.sqrt(33)) / 2
    at = np.exp(-most / 2) * (most**3 - 3 * most**2)
    assert size.max() <= at <= grid_error._FOURTH <= at * (1 + 1e-6)
    assert 1 / np.sqrt(2 * np.pi) <= grid_error._DENSITY <= 0.39895
    assert np.exp(-0.5) / np.sqrt(2 * np.pi) <= grid_error._SLOPE <= 0.24198


def test_corners_have_no_bound() -> None:
    assert error_terms(1.0, 0.0, 0.2, 0.1, 0.01) == (np.inf, np.inf)
    assert error_terms(1.0, 0.5, 0.01, 0.1, 0.01) == (np.inf, np.inf)


def test_the_choice_keeps_within_what_is_allowed_and_takes_more_nodes_for_less() -> None:
    rng = np.random.default_rng(1)
    m = 40
    terms = [rng.uniform(0.8, 1.2, m), rng.uniform(0.02, 2.0, m), rng.uniform(0.1, 0.5, m), rng.uniform(1, 9, m)]
    given = [frozen(x) for x in terms]
    boxes, beyond = frozen(np.array([[-0.2, 0.2, -0.05, 0.05]])), frozen(np.zeros(1))
    nx, nv = frozen(np.array([13.0, 33, 97, 257])), frozen(np.array([7.0, 13, 33]))
    nodes, held = [], []
    for allowed in (1.0, 1e-2, 1e-4, 1e-12):
        choice, errors = np.zeros(4, np.int64), np.empty(m)
        cheapest_grid(*given, boxes, beyond, nx, nv, 0.01, 100_000, allowed, choice)
        n = int(choice[3])
        if n:
            book_errors(*given, boxes[0], int(nx[choice[1]]), int(nv[choice[2]]), 0.01, errors)
            assert np.sort(errors)[:n].sum() <= allowed
        nodes.append(n and int(nx[choice[1]] * nv[choice[2]]))
        held.append(n)
    assert held[0] == m
    assert nodes[0] < nodes[1] <= nodes[2]
    assert held[-1] == 0  # rounding alone is more
