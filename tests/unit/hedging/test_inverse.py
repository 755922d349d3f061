"""Inverse options: coin Greeks against differences, explanations that sum, hedges in coin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.hedging import (
    explain_inverse_by_greeks,
    explain_inverse_by_steps,
    hedge_inverse,
    inverse_future_pnl,
)
from qflib.pricing import inverse_black76, inverse_greeks

AT = {"forward": 70_000.0, "strike": 75_000.0, "years": 0.1, "vol": 0.6}


def priced(right: str, **moved: float) -> float:
    a = {k: v + moved.get(k, 0.0) for k, v in AT.items()}
    return float(inverse_black76(right, a["forward"], a["strike"], a["years"], a["vol"]))


def slope(right: str, greek: str, name: str, h: float) -> float:
    """Central difference of a coin Greek (or the price) in one argument."""

    def at(step: float) -> float:
        a = AT | {name: AT[name] + step}
        g = inverse_greeks(right, a["forward"], a["strike"], a["years"], a["vol"])
        return float(g[greek])

    return (at(h) - at(-h)) / (2.0 * h)


@pytest.mark.parametrize("right", ["call", "put"])
def test_coin_greeks_are_slopes(right: str) -> None:
    g = inverse_greeks(right, **{k: AT[k] for k in ("forward", "strike", "years", "vol")})
    f = AT["forward"]
    assert g["delta"] == pytest.approx(f * slope(right, "price", "forward", 1.0), rel=1e-6)
    assert g["gamma"] == pytest.approx(slope(right, "delta", "forward", 1.0), rel=1e-6)
    assert g["vega"] == pytest.approx(slope(right, "price", "vol", 1e-5), rel=1e-6)
    assert g["theta"] == pytest.approx(-slope(right, "price", "years", 1e-6), rel=1e-6)
    assert g["vanna"] == pytest.approx(slope(right, "delta", "vol", 1e-5), rel=1e-6)
    assert g["volga"] == pytest.approx(slope(right, "vega", "vol", 1e-5), rel=1e-6)
    assert g["charm"] == pytest.approx(-slope(right, "delta", "years", 1e-6), rel=1e-6)
    assert g["veta"] == pytest.approx(-slope(right, "vega", "years", 1e-6), rel=1e-6)


@pytest.mark.parametrize("right", ["call", "put"])
def test_what_is_left_is_of_third_order(right: str) -> None:
    """A move of half the size leaves an eighth; of pure time, whose square is left out, a quarter."""

    def left(scale: float, passed: float) -> float:
        made = explain_inverse_by_greeks(
            right, *AT.values(), forward_change=1400.0 * scale, vol_change=0.02 * scale, years_passed=passed * scale
        )
        assert made["total"].iloc[0] == pytest.approx(
            priced(right, forward=1400.0 * scale, vol=0.02 * scale, years=-passed * scale) - priced(right), abs=1e-14
        )
        return abs(float(made["unexplained"].iloc[0]))

    assert left(0.5, 0.0) / left(1.0, 0.0) == pytest.approx(1 / 8, rel=0.15)
    assert left(0.5, 1e-3) < left(1.0, 1e-3) / 3.0


def test_steps_and_greeks_sum_to_the_change_seen() -> None:
    n = 6
    right = np.array(["call", "put"] * 3)
    moves = {
        "forward_change": np.linspace(-900, 900, n),
        "vol_change": np.linspace(0.02, -0.02, n),
        "years_passed": 6e-4,
    }
    a = (right, np.full(n, 70e3), np.linspace(60e3, 85e3, n), np.full(n, 0.1), np.full(n, 0.6))
    greeks, steps = explain_inverse_by_greeks(*a, **moves), explain_inverse_by_steps(*a, **moves)
    assert np.allclose(greeks["total"], steps["total"], rtol=0, atol=1e-15)
    assert np.allclose(steps.drop(columns="total").sum(axis=1), steps["total"], rtol=0, atol=1e-15)
    seen = np.linspace(-0.01, 0.01, n)
    told = explain_inverse_by_greeks(*a, **moves, price_change=seen)
    assert np.allclose(told.drop(columns="total").sum(axis=1), seen, rtol=0, atol=1e-15)
    assert np.allclose(told["unexplained"] - greeks["unexplained"], seen - greeks["total"], rtol=0, atol=1e-15)


def test_an_unknown_step_is_told() -> None:
    with pytest.raises(InputError, match="must hold each of time, forward, vol once"):
        explain_inverse_by_steps("call", *AT.values(), order=("time", "spot", "vol"))


def test_an_inverse_future_pays_its_notional_over_prices() -> None:
    usd, before, after = 35_000.0, 70_000.0, 56_000.0
    assert inverse_future_pnl(usd / before, before, after) == pytest.approx(usd / before - usd / after)
    assert inverse_future_pnl(-0.5, before, after) > 0.0  # short gains where the price falls


def test_the_adjusted_delta_beats_black_s_in_coin() -> None:
    m = pd.DataFrame({"right": ["call", "put"] * 20, "strike": np.repeat([60e3, 70e3, 80e3, 90e3], 10), "years": 0.1})
    m = m.assign(vol=0.6, forward=70e3, forward_next=70e3 * (1 + np.linspace(-0.03, 0.03, len(m))))
    for at in ("", "_next"):
        m[f"price{at}"] = inverse_black76(m["right"], m[f"forward{at}"], m["strike"], m["years"], m["vol"])
    adjusted, black = hedge_inverse(m), hedge_inverse(m, delta="black")
    assert 1 - adjusted.effectiveness < 0.1 * (1 - black.effectiveness)
    g = inverse_greeks(m["right"], m["forward"], m["strike"], m["years"], m["vol"])
    by_hand = m["price_next"] - m["price"] - g["delta"] * (1 - m["forward"] / m["forward_next"])
    assert np.allclose(adjusted.item + adjusted.hedge, by_hand, rtol=0, atol=1e-15)


def test_what_is_missing_is_told() -> None:
    m = pd.DataFrame({c: [1.0] for c in ("right", "strike", "years", "vol", "forward", "price", "price_next")})
    with pytest.raises(InputError, match="no column 'forward_next'"):
        hedge_inverse(m)
    with pytest.raises(InputError, match="delta 'spot' is unknown"):
        hedge_inverse(m, delta="spot")  # type: ignore[arg-type]
