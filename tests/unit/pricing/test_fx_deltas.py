"""Deltas of currency options by convention: their definitions, published strikes, and back again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

from qflib.errors import InputError
from qflib.pricing import atm_strike, black_scholes, fx_delta, fx_strike, inverse_greeks

SPOT, YEARS, RD, RF, VOL = 1.3088, 0.4, 0.03, 0.012, 0.17
STRIKES = np.array([0.9, 1.2, 1.3, 1.4, 1.8])


def value(right: str, spot: float, strike: float) -> float:
    return black_scholes(right, spot, strike, YEARS, RD, RF, VOL)


@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize("strike", STRIKES)
def test_each_is_what_it_hedges(right: str, strike: float) -> None:
    """Slopes of the value: domestic in spot, domestic in the forward undiscounted, foreign in spot."""
    h = 1e-5
    up, down, now = value(right, SPOT + h, strike), value(right, SPOT - h, strike), value(right, SPOT, strike)
    slope = (up - down) / (2 * h)
    got = {
        c: fx_delta(right, SPOT, strike, YEARS, RD, RF, VOL, c)
        for c in ("spot", "forward", "spot_premium", "forward_premium")
    }  # type: ignore[arg-type]
    assert got["spot"] == pytest.approx(slope, abs=1e-8)
    assert got["spot_premium"] == pytest.approx(slope - now / SPOT, abs=1e-8)
    assert got["forward"] == pytest.approx(slope * np.exp(RF * YEARS), abs=1e-8)
    assert got["forward_premium"] == pytest.approx((slope - now / SPOT) * np.exp(RF * YEARS), abs=1e-8)


def test_the_coins_delta_is_premium_adjusted() -> None:
    strikes = np.array([50_000.0, 79_000.0, 120_000.0])
    own = inverse_greeks("put", 79_000.0, strikes, 0.3, 0.6)["delta"]
    np.testing.assert_allclose(
        fx_delta("put", 79_000.0, strikes, 0.3, 0.0, 0.0, 0.6, "forward_premium"), own, rtol=1e-12
    )


def test_published_strikes() -> None:
    """Reiswich and Wystup 2010, tables 4 and 5: EURUSD (spot deltas) and USDJPY, delta-neutral at 31 days."""
    assert atm_strike(1.3088, 31 / 365, 0.003525, 0.020113, 0.216215) == pytest.approx(1.3096, abs=5e-5)
    assert atm_strike(90.68, 31 / 365, 0.0042875, 0.003525, 0.21) == pytest.approx(90.86, abs=5e-3)


@pytest.mark.parametrize("convention", ["spot", "forward", "spot_premium", "forward_premium"])
@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize("vol", [0.02, 0.17, 0.9, 1.5])
def test_strikes_go_round(convention: str, right: str, vol: float) -> None:
    sign = 1.0 if right == "call" else -1.0
    wanted = sign * np.array([0.001, 0.05, 0.1, 0.25])
    strike = fx_strike(right, wanted, SPOT, YEARS, RD, RF, vol, convention)  # type: ignore[arg-type]
    back = fx_delta(right, SPOT, strike, YEARS, RD, RF, vol, convention)  # type: ignore[arg-type]
    np.testing.assert_allclose(back, wanted, rtol=1e-9)
    assert (np.diff(sign * strike) < 0).all()  # greater deltas are nearer, or in the money


def test_a_calls_adjusted_strike_is_the_right_one_of_two() -> None:
    grid = np.linspace(0.3, 2.5, 40_001)
    deltas = fx_delta("call", SPOT, grid, YEARS, RD, RF, VOL, "spot_premium")
    top = int(np.argmax(deltas))
    strike = fx_strike("call", 0.6, SPOT, YEARS, RD, RF, VOL, "spot_premium")
    assert strike > grid[top]
    other = brentq(lambda k: fx_delta("call", SPOT, k, YEARS, RD, RF, VOL, "spot_premium") - 0.6, 0.3, grid[top])
    assert other < strike
    with pytest.raises(InputError, match=f"has no strike; give one of the option's sign, less than {deltas[top]:.5f}"):
        fx_strike("call", deltas[top] + 1e-6, SPOT, YEARS, RD, RF, VOL, "spot_premium")
    near = fx_strike("call", deltas[top] * (1 - 1e-9), SPOT, YEARS, RD, RF, VOL, "spot_premium")
    assert near == pytest.approx(grid[top], abs=2e-3)
    # a put's has no greatest: in the money it costs more than it is worth to exercise
    deep = fx_strike("put", -1.4, SPOT, YEARS, RD, RF, VOL, "forward_premium")
    assert fx_delta("put", SPOT, deep, YEARS, RD, RF, VOL, "forward_premium") == pytest.approx(-1.4)


@pytest.mark.parametrize("convention", ["spot", "forward", "spot_premium", "forward_premium"])
def test_at_the_money_call_and_put_have_one_delta(convention: str) -> None:
    strike = atm_strike(SPOT, YEARS, RD, RF, VOL, convention)  # type: ignore[arg-type]
    call, put = (fx_delta(r, SPOT, strike, YEARS, RD, RF, VOL, convention) for r in ("call", "put"))  # type: ignore[arg-type]
    assert call == pytest.approx(-put, rel=1e-12)
    assert atm_strike(SPOT, YEARS, RD, RF, VOL, at="forward") == pytest.approx(SPOT * np.exp((RD - RF) * YEARS))
    assert atm_strike(SPOT, YEARS, RD, RF, VOL, at="spot") == SPOT


def test_shapes() -> None:
    s = pd.Series([0.25, 0.1], index=["a", "b"])
    assert fx_strike("call", s, SPOT, YEARS, RD, RF, VOL).index.tolist() == ["a", "b"]
    assert fx_delta("call", SPOT, STRIKES[:, None], YEARS, RD, RF, [0.1, 0.2]).shape == (5, 2)


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="convention 'black' is unknown; expected spot, forward"):
        fx_delta("call", SPOT, 1.3, YEARS, RD, RF, VOL, "black")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"years 0.0 must be positive"):
        fx_delta("call", SPOT, 1.3, 0.0, RD, RF, VOL)
    with pytest.raises(InputError, match=r"delta 0.25 of row 0 has no strike"):
        fx_strike("put", 0.25, SPOT, YEARS, RD, RF, VOL)
    with pytest.raises(InputError, match=r"delta -0.2 of row 1 has no strike"):
        fx_strike("call", [0.2, -0.2], SPOT, YEARS, RD, RF, VOL, "forward_premium")
    with pytest.raises(InputError, match=r"delta 0.999 of row 0 .* less than 0.995"):
        fx_strike("call", 0.999, SPOT, YEARS, RD, RF, VOL)
    with pytest.raises(InputError, match="at 'money' is unknown"):
        atm_strike(SPOT, YEARS, RD, RF, VOL, at="money")  # type: ignore[arg-type]
