"""Full revaluation against its SciPy twin, QuantLib, and what must hold of any vector of P&L."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import QuantLib as ql
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qflib.kernels import scenario_pnl as sp
from qflib.records.schema import frozen

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))
from scenario_pnl import black, option_values

F = NDArray[np.float64]
FORWARD = 120.0
FLOOR = 0.01


def scenarios(n: int, seed: int = 3) -> tuple[F, F, F]:
    rng = np.random.default_rng(seed)
    r = np.clip(rng.standard_t(3, n) * 0.03, -0.7, 1.5)
    return frozen(np.log1p(r)), frozen(r), frozen(rng.normal(0, 0.05, n))


def book(m: int, seed: int = 5) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    years = rng.uniform(0.002, 2, m)
    years[::7] = 0.0
    return SimpleNamespace(
        strike=frozen(FORWARD * np.exp(rng.normal(0, 0.3, m))),
        years=frozen(years),
        vol=frozen(rng.uniform(0.02, 1.2, m)),
        right=frozen(rng.choice([-1.0, 1.0], m)),
        qty=frozen(rng.normal(0, 10, m)),
        discount=frozen(np.exp(-0.03 * years)),
        now=frozen(rng.uniform(0, 20, m)),
    )


def option_vector(b: SimpleNamespace, s: tuple[F, F, F]) -> F:
    out = np.zeros(s[0].size)
    sp.option_pnl(FORWARD, *s, b.strike, b.years, b.vol, b.right, b.qty, b.discount, b.now, FLOOR, out)
    return out


@pytest.mark.parametrize("n", [1, 7, 511, 512, 513, 3000])
def test_options_agree_with_the_twin_below_1e_12_of_the_forward(n: int) -> None:
    b, s = book(60), scenarios(n)
    expected = np.zeros(n)
    for k, t, v, c, q, d, now in zip(b.strike, b.years, b.vol, b.right, b.qty, b.discount, b.now, strict=True):
        expected += q * (d * option_values(FORWARD, s[1], s[2], k, t, v, c, FLOOR) - now)
    np.testing.assert_allclose(option_vector(b, s), expected, rtol=0, atol=1e-12 * FORWARD)


def test_each_option_alone_agrees_below_1e_14_of_the_forward() -> None:
    s = scenarios(700)
    one = frozen(np.array([1.0]))
    zero = frozen(np.array([0.0]))
    b = book(40)
    for k, t, v, c in zip(b.strike, b.years, b.vol, b.right, strict=True):
        out = np.zeros(700)
        args = [frozen(np.array([x])) for x in (k, t, v, c)]
        sp.option_pnl(FORWARD, *s, *args, one, one, zero, FLOOR, out)
        expected = option_values(FORWARD, s[1], s[2], k, t, v, c, FLOOR)
        assert np.abs(out - expected).max() < 1e-14 * FORWARD


def test_quantlib_gives_the_same_scenario_values() -> None:
    s = scenarios(40)
    b = book(12)
    one, zero = frozen(np.ones(1)), frozen(np.zeros(1))
    for k, t, v, c, d in zip(b.strike, b.years, b.vol, b.right, b.discount, strict=True):
        out = np.zeros(40)
        args = [frozen(np.array([x])) for x in (k, t, v, c)]
        sp.option_pnl(FORWARD, *s, *args, one, frozen(np.array([d])), zero, FLOOR, out)
        kind = ql.Option.Call if c > 0 else ql.Option.Put
        for j in range(40):
            deviation = max(v + s[2][j], FLOOR) * np.sqrt(t)
            expected = ql.blackFormula(kind, k, FORWARD * (1 + s[1][j]), deviation, d)
            assert out[j] == pytest.approx(expected, abs=1e-11)


def test_call_less_put_is_the_discounted_forward_move() -> None:
    b, s = book(20), scenarios(900)
    long_calls = SimpleNamespace(**{**vars(b), "right": frozen(np.ones(20))})
    long_puts = SimpleNamespace(**{**vars(b), "right": frozen(-np.ones(20))})
    gap = option_vector(long_calls, s) - option_vector(long_puts, s)
    expected = np.zeros(900)
    for k, q, d in zip(b.strike, b.qty, b.discount, strict=True):
        expected += q * d * (FORWARD * (1 + s[1]) - k)
    np.testing.assert_allclose(gap, expected, rtol=0, atol=1e-11 * FORWARD)


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(1, 29), n=st.integers(1, 1200))
def test_vectors_of_two_books_add_up_bit_for_bit(cut: int, n: int) -> None:
    b, s = book(30), scenarios(n)
    whole = option_vector(b, s)
    out = np.zeros(n)
    for part in (slice(0, cut), slice(cut, None)):
        p = SimpleNamespace(**{k: frozen(v[part].copy()) for k, v in vars(b).items()})
        sp.option_pnl(FORWARD, *s, p.strike, p.years, p.vol, p.right, p.qty, p.discount, p.now, FLOOR, out)
    assert out.tobytes() == whole.tobytes()


def test_volatility_never_falls_below_the_floor() -> None:
    s = (frozen(np.zeros(1)), frozen(np.zeros(1)), frozen(np.array([-9.0])))
    out = np.zeros(1)
    a = [frozen(np.array([x])) for x in (FORWARD, 1.0, 0.2, 1.0, 1.0, 1.0, 0.0)]
    sp.option_pnl(FORWARD, *s, *a, FLOOR, out)
    assert out[0] == pytest.approx(black(np.array(FORWARD), FORWARD, 1.0, np.array(FLOOR), 1.0), abs=1e-13)


def test_coin_settled_options_are_black_less_the_premiums_own_move() -> None:
    """Coin P&L, Black over the scenario's forward less the premium, at the scenario's own spot."""
    b, s = book(25), scenarios(800)
    cash = np.zeros(800)
    sp.option_pnl(FORWARD, *s, b.strike, b.years, b.vol, b.right, b.qty, b.discount, b.now, FLOOR, cash)
    sp.linear_pnl(-float((b.qty * b.now).sum()), s[1], cash)
    expected = np.zeros(800)
    after = FORWARD * (1 + s[1])
    for k, t, v, c, q, d, now in zip(b.strike, b.years, b.vol, b.right, b.qty, b.discount, b.now, strict=True):
        coin = d * option_values(FORWARD, s[1], s[2], k, t, v, c, FLOOR) / after - now / FORWARD
        expected += q * coin * after
    np.testing.assert_allclose(cash, expected, rtol=0, atol=1e-9)


def test_linear_and_inverse_futures() -> None:
    s = scenarios(300)
    after = FORWARD * (1 + s[1])
    out, coin_settled = np.zeros(300), np.zeros(300)
    sp.linear_pnl(3 * 100 * FORWARD, s[1], out)
    np.testing.assert_allclose(out, 300 * (after - FORWARD), atol=1e-9)
    sp.linear_pnl(1000.0, s[1], coin_settled)  # 1000 of quote currency's worth of contracts
    np.testing.assert_allclose(coin_settled, 1000 * (1 / FORWARD - 1 / after) * after, atol=1e-9)
