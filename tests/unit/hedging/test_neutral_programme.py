"""Neutral hedges as a programme: the linear solve, conditions of optimality, bounds, whole lots by brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from qflib.errors import InputError
from qflib.hedging import NeutralHedge, neutral_hedge, neutral_quantities
from qflib.kernels.neutral_programme import gradient, least

GREEKS = ["delta", "gamma", "vega"]


def slopes(h: np.ndarray, g: np.ndarray, cost: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One-sided slopes of the value: upwards and downwards."""
    smooth = h @ x + g
    up, down = np.where(x >= 0, 1, -1), np.where(x > 0, 1, -1)
    return smooth + cost * up, smooth + cost * down


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 8),
    rank=st.integers(1, 8),
    costs=st.booleans(),
    bounds=st.booleans(),
)
def test_no_slope_falls_within_the_bounds(seed: int, n: int, rank: int, costs: bool, bounds: bool) -> None:
    """The conditions of Karush, Kuhn and Tucker, which suffice: the programme is convex."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(rank, n))
    a /= np.sqrt((a * a).sum(0))
    h, g = a.T @ a, a.T @ rng.normal(size=rank) * 3
    cost = rng.choice([0.0, 0.1, 1.0], n) if costs else np.zeros(n)
    lower = rng.choice([-np.inf, -1.0, 0.0, 0.2], n) if bounds else np.full(n, -np.inf)
    upper = np.where(lower > -np.inf, lower + rng.choice([0.0, 0.5, 3.0], n), rng.choice([np.inf, -0.1], n))
    if not bounds:
        upper[:] = np.inf
    x = rng.normal(size=n)
    assert least(h, g, cost, lower, upper, x, 10_000) >= 0
    assert (lower <= x).all()
    assert (x <= upper).all()
    up, down = slopes(h, g, cost, x)
    tolerance = 1e-6 * (1 + np.abs(g).max())
    assert (up[x < upper] >= -tolerance).all()
    assert (down[x > lower] <= tolerance).all()
    # warm: there already
    again = x.copy()
    assert 0 <= least(h, g, cost, lower, upper, again, 10_000) <= 12
    value, once_more = (0.5 * v @ h @ v + g @ v + cost @ np.abs(v) for v in (x, again))
    assert once_more == pytest.approx(value, rel=1e-9, abs=1e-9)
    out = np.empty(n)
    gradient(h, g, x, out)
    np.testing.assert_allclose(out, h @ x + g, atol=1e-12)


def table(rng: np.random.Generator, options: int) -> pd.DataFrame:
    made = pd.DataFrame(
        {
            "delta": rng.uniform(0.1, 0.9, options),
            "gamma": rng.uniform(0.2, 1, options),
            "vega": rng.uniform(0.2, 3, options),
        }
    )
    made.loc[options] = [1.0, 0.0, 0.0]
    return made.set_axis([f"option {k}" for k in range(options)] + ["underlying"])


@settings(max_examples=50)
@given(seed=st.integers(0, 2**31))
def test_without_bounds_and_costs_it_is_the_linear_solve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    instruments = table(rng, 2)
    instruments.loc["option 1", "vega"] += 3
    book = dict(zip(GREEKS, rng.normal(0, 5_000, 3).tolist(), strict=True))
    size = np.maximum(np.abs([book[g] for g in GREEKS]), instruments[GREEKS].to_numpy().max(0))
    scaled = instruments[GREEKS].to_numpy() / size
    assume(np.linalg.cond(scaled / np.linalg.norm(scaled, axis=1)[:, None]) < 1e3)  # its square is what is solved
    known, underlying = neutral_quantities(book, instruments.iloc[:2])
    made = neutral_hedge(book, instruments, nodes=0)
    np.testing.assert_allclose(made.ideal, [*known, underlying], rtol=1e-6, atol=1e-6)
    rounded = np.array([book[g] for g in GREEKS]) + made.ideal.round().to_numpy() @ instruments[GREEKS].to_numpy()
    assert made.value <= 0.5 * np.sum((rounded / size) ** 2) * (1 + 1e-9)


@settings(max_examples=50)
@given(seed=st.integers(0, 2**31))
def test_bounds_are_those_of_bounded_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    instruments = table(rng, 3).assign(lower=-800.0, upper=rng.uniform(0, 900, 4))
    book = dict(zip(GREEKS, rng.normal(0, 900, 3).tolist(), strict=True))
    weights = {"delta": 1.0, "gamma": 3.0, "vega": 0.5}
    made = neutral_hedge(book, instruments, weights=weights, nodes=50)
    root = np.sqrt([weights[g] for g in GREEKS])
    a = instruments[GREEKS].to_numpy().T * root[:, None]
    b = np.array([book[g] for g in GREEKS]) * root
    known = lsq_linear(a, -b, (instruments["lower"], instruments["upper"]), tol=1e-14)
    scale = 0.5 * b @ b
    at = made.ideal.to_numpy()
    assert 0.5 * np.sum((a @ at + b) ** 2) <= known.cost + 1e-8 * scale
    assert (made.quantities >= instruments["lower"]).all()
    assert (made.quantities <= instruments["upper"]).all()
    assert made.value >= made.bound >= known.cost - 1e-8 * scale


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), dear=st.floats(0, 3))
def test_whole_lots_are_those_of_brute_force(seed: int, dear: float) -> None:
    rng = np.random.default_rng(seed)
    instruments = table(rng, 2).assign(
        lower=[-3.0, -4.0, -5.0], upper=[3.0, 2.0, 6.0], cost=[dear, dear, 0.01], lot=0.5
    )
    book = dict(zip(GREEKS, rng.normal(0, 2, 3).tolist(), strict=True))
    weights = dict(zip(GREEKS, rng.uniform(0.1, 5, 3).tolist(), strict=True))
    made = neutral_hedge(book, instruments, weights=weights)

    def value(q: np.ndarray) -> np.ndarray:
        left = np.array([book[g] for g in GREEKS]) + q @ instruments[GREEKS].to_numpy()
        return 0.5 * left**2 @ np.array([weights[g] for g in GREEKS]) + np.abs(q) @ instruments["cost"].to_numpy()

    grids = [np.arange(lo, hi + 0.1, 0.5) for lo, hi in zip(instruments["lower"], instruments["upper"], strict=True)]
    best = value(np.stack(np.meshgrid(*grids), axis=-1).reshape(-1, 3)).min()
    assert value(made.quantities.to_numpy()) == pytest.approx(made.value)
    assert made.value == pytest.approx(best, rel=1e-9)
    assert made.gap == 0.0
    warm = neutral_hedge(book, instruments, weights=weights, start=made.ideal)
    assert warm.value == pytest.approx(made.value, rel=1e-12)


def test_a_limit_on_nodes_is_told_in_the_gap() -> None:
    rng = np.random.default_rng(8)
    instruments = table(rng, 6).assign(cost=0.01, lower=-50.0, upper=50.0)
    book = {"delta": 33.3, "gamma": -27.1, "vega": -41.7}
    weights = dict.fromkeys(GREEKS, 1.0)
    short, whole = (neutral_hedge(book, instruments, weights=weights, nodes=n) for n in (0, 20_000))
    assert short.gap > 0
    assert short.value >= whole.value >= short.bound
    assert short.bound <= whole.bound <= whole.value


def test_dearer_instruments_are_traded_less_and_greeks_stay() -> None:
    rng = np.random.default_rng(4)
    instruments = table(rng, 3)
    book = {"delta": 300.0, "gamma": -500.0, "vega": -800.0}
    weights = {"delta": 0.1, "gamma": 0.1, "vega": 0.1}
    made = [neutral_hedge(book, instruments.assign(cost=c), weights=weights) for c in (0.0, 1.0, 30.0, 1e5)]
    traded = [float(m.quantities.abs().sum()) for m in made]
    assert traded[-1] == 0
    assert traded[1] > traded[2] > 0
    left = [float((m.residual**2).sum()) for m in made]
    assert left == sorted(left)


def test_it_shows_itself() -> None:
    made = neutral_hedge({"delta": 5.2, "gamma": 0.0}, pd.DataFrame({"delta": [1.0], "gamma": [0.0]}), GREEKS[:2])
    assert isinstance(made, NeutralHedge)
    assert made.to_frame()["qty"].tolist() == [-5.0]
    assert made.residual["delta"] == pytest.approx(0.2)
    assert "<table" in made._repr_html_()
    assert "-5" in repr(made)
    assert made.plot() is not None


@pytest.mark.parametrize(
    ("change", "more", "said"),
    [
        ({"cost": 1.0}, {}, "costs need weights"),
        ({"cost": -1.0}, {}, "cost -1"),
        ({"lot": 0.0}, {}, "lot 0"),
        ({"lower": 2.0, "upper": 1.0}, {}, r"bounds \[2.0, 1.0\]"),
        ({"lower": 0.2, "upper": 0.8}, {}, "no whole lot"),
        ({"delta": np.nan}, {}, "not finite"),
        ({}, {"weights": {"delta": 1.0}}, "weights have no 'gamma'"),
        ({}, {"weights": {"delta": 1.0, "gamma": 0.0}}, "expected positive numbers"),
        ({}, {"greeks": ["speed"]}, "'speed' is missing"),
        ({}, {"start": [1.0, 2.0]}, r"start has shape \(2,\)"),
    ],
)
def test_bad_input_is_named(change: dict[str, float], more: dict[str, object], said: str) -> None:
    instruments = pd.DataFrame({"delta": [1.0], "gamma": [0.5]}).assign(**change)
    with pytest.raises(InputError, match=said):
        neutral_hedge({"delta": 1.0, "gamma": 1.0}, instruments, **({"greeks": GREEKS[:2]} | more))  # type: ignore[arg-type]
