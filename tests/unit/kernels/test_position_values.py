"""Values, sums and scenario P&L of random positions against the plain twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.kernels.position_values import FIGURES, HEDGE, SUMS, Terms, positions_pnl, value_positions
from qflib.records import Book
from qflib.records.schema import frozen
from qflib.steps.exposures.ledger import ENTRY
from tests.reference import position_values as plain

NOW, DAY, FLOOR = 1_767_600_000_000_000_000, 86_400 * 10**9, 0.01


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Terms, np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any], float]:
    """A future, a spot, an inverse future and options of all kinds; entries in both books."""
    m = draw(st.integers(4, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    right = np.array([0.0, 0.0, 0.0, *rng.choice([1.0, -1.0], m - 3)])
    coins = np.zeros(m, bool)
    coins[2] = True
    terms = Terms(
        right=right,
        strike=np.where(right != 0, rng.uniform(60, 140, m), 0.0),
        expiry_ns=NOW + rng.choice([-DAY, 0, DAY, 40 * DAY, 400 * DAY], m),
        units=rng.choice([1.0, 10.0, 100.0], m),
        fx=rng.choice([1.0, 1.0, 1.2, np.nan], m),
        carrier=np.where(right != 0, rng.choice([-1, 0], m), -1),
        inverse=coins | ((right != 0) & (rng.random(m) < 0.4)),
        inverse_future=coins,
        valued=np.array([False, True, False, *[True] * (m - 3)]),
        unpriced=(right != 0) & (rng.random(m) < 0.15),
    )
    entries = np.zeros(2 * m, ENTRY)
    entries["instrument"] = np.repeat(np.arange(m), 2)
    entries["book"] = np.tile([Book.CLIENT, Book.HEDGE], m)
    entries["qty"] = rng.integers(-5, 6, 2 * m)
    for name, most in (("avg_value", 100.0), ("realised", 50.0), ("fees", 2.0)):
        entries[name] = rng.uniform(0.5, most, 2 * m)
    mid = np.where(right != 0, np.nan, rng.choice([100.0, 97.5, np.nan], m))
    vol = rng.choice([0.05, 0.3, 0.9, np.nan], m)[entries["instrument"]]
    return Terms(*(frozen(a) for a in terms)), entries, mid, vol, draw(st.sampled_from([0.0, 0.03]))


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_figures_sums_and_pnl_are_the_twins(scene: Any) -> None:
    terms, entries, mid, vol, rate = scene
    forward, n = 101.0, len(entries)
    out, sums = np.full((len(FIGURES), n), 7.0), np.full((2, len(SUMS)), 7.0)
    missing = value_positions(entries, terms, mid, vol, forward, NOW, rate, out, sums)
    moves, shifts, horizon = np.array([0.0, 0.04, -0.2, 1e-4, -1e-4, 0.0]), np.array([0, 0.05, -0.5, 0, 0, 1e-4]), DAY
    expected, left_out = np.zeros((2, 3)), 0
    vectors = np.zeros((2, len(moves)))
    for i, entry in enumerate(entries):
        at, book = int(entry["instrument"]), int(entry["book"] == HEDGE)
        told = plain.figures(terms, at, entry, mid.tolist(), float(vol[i]), forward, NOW, rate)
        if told is None:
            left_out += entry["qty"] != 0
            if entry["qty"] != 0:
                assert out[FIGURES.index("cash_qty"), i] == 0.0
            fx = 0.0 if np.isnan(terms.fx[at]) else terms.fx[at] * (forward if terms.inverse[at] else 1.0)
            expected[book, 1] += (entry["realised"] - entry["fees"]) * fx
            continue
        for name, figure in told.items():
            assert out[FIGURES.index(name), i] == pytest.approx(figure, rel=1e-9, abs=1e-7), name
        expected[book] += told["value"], told["realised"] - told["fees"], told["unrealised"]
        sigma = 0.0 if np.isnan(vol[i]) else float(vol[i])
        vectors[book] += plain.pnl(terms, at, told, sigma, NOW, rate, (horizon, moves, shifts), FLOOR)
    assert missing == left_out
    for k, name in enumerate(("value", "realised", "unrealised")):
        np.testing.assert_allclose(sums[:, SUMS.index(name)], expected[:, k], rtol=1e-9, atol=1e-6)
    for book in (0, 1):
        made = np.zeros(len(moves))
        grow = frozen(np.log1p(moves))
        positions_pnl(
            entries, book + 1, terms, out, vol, NOW, horizon, rate, grow, frozen(moves), frozen(shifts), FLOOR,
            np.zeros(n, bool), made,
        )  # fmt: skip
        np.testing.assert_allclose(made, vectors[book], rtol=1e-8, atol=1e-5)


def test_the_books_are_the_records_own() -> None:
    assert (HEDGE, Book.CLIENT) == (Book.HEDGE, 1)
