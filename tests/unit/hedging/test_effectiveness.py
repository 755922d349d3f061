"""What a hedge took away."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress

from qflib.errors import DataError, InputError
from qflib.hedging import hedge_effectiveness


def test_figures_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(1)
    hedge = rng.normal(size=400)
    item = -1.1 * hedge + 0.3 * rng.normal(size=400) + 0.05
    made = hedge_effectiveness(item, hedge, cost=2.0, level=0.9)
    line = linregress(-hedge, item)
    assert made.slope == pytest.approx(line.slope)
    assert made.slope_se == pytest.approx(line.stderr)
    assert made.r2 == pytest.approx(line.rvalue**2)
    assert made.effectiveness == pytest.approx(1 - ((item + hedge) ** 2).sum() / (item**2).sum())
    assert made.es_before == pytest.approx(-np.sort(item)[:40].mean())
    assert made.es_cut_per_cost == pytest.approx((made.es_before - made.es_after) / 2.0)
    assert made.passes
    assert "effectiveness" in made._repr_html_()
    assert made.plot() is not None


def test_no_hedge_a_perfect_one_and_a_wrong_one() -> None:
    item = np.array([1.0, -2.0, 4.0, -3.0])
    assert hedge_effectiveness(item, -item).effectiveness == 1.0
    assert hedge_effectiveness(item, -item).es_cut_per_cost == math.inf
    assert hedge_effectiveness(item, item).effectiveness == -3.0
    assert not hedge_effectiveness(item, item).passes


@pytest.mark.parametrize(
    ("args", "error", "said"),
    [
        (([1.0, 2.0], [1.0]), InputError, "one P&L a period"),
        (([1.0, np.nan, 2.0], [1.0, 2.0, 3.0]), InputError, "not finite"),
        (([1.0, 2.0], [1.0, 2.0]), DataError, "too few"),
        (([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]), DataError, "too few"),
        (([1.0, 1.0, 1.0], [1.0, 2.0, 1.0]), DataError, "too few"),
        (([1.0, 2.0, 3.0, 1.0], [0.0, 0.0, 0.0, 1e-300]), DataError, "too few"),
    ],
)
def test_bad_input_is_one_sentence(args: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        hedge_effectiveness(*args)
    with pytest.raises(InputError, match="a cost from 0"):
        hedge_effectiveness([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], cost=-1.0)
