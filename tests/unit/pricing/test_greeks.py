import importlib.util
from pathlib import Path

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.kernels.black_scholes_greeks import GREEKS
from qflib.pricing import black76, greeks

_spec = importlib.util.spec_from_file_location(
    "black_scholes_mpmath", Path(__file__).parents[2] / "reference/black_scholes_mpmath.py"
)
oracle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracle)

CASES = [
    ("call", 100.0, 100.0, 1.0, 0.05, 0.02, 0.2),
    ("put", 100.0, 90.0, 0.25, 0.03, 0.0, 0.35),
    ("put", 37.0, 60.0, 0.02, -0.01, 0.03, 0.9),
    ("call", 4500.0, 5200.0, 1.7, 0.0, 0.013, 0.12),
    ("put", 100.0, 100.0, 0.5, 0.05, 0.05, 0.2),  # struck at the forward to the last bit
    ("call", 100.0, 100.0, 0.5, 0.05, 0.05, 0.2),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", oracle.GREEK_ORDERS)
def test_greeks_are_the_derivatives_of_the_price(case, name):
    right, spot, strike, years, rate, q, vol = case
    got = greeks(right, strike, years, vol, spot=spot, rate=rate, dividend_yield=q)[name]
    want = oracle.greek(name, 1 if right == "call" else -1, spot, strike, years, rate, q, vol)
    assert got == pytest.approx(float(want), rel=2e-12)


def test_on_a_forward_rho_holds_it_fixed():
    g = greeks("put", 95.0, 0.5, 0.3, forward=100.0, rate=0.04)
    assert g["price"] == pytest.approx(black76("put", 100.0, 95.0, 0.5, 0.3, 0.04), rel=1e-14)
    up, down = (black76("put", 100.0, 95.0, 0.5, 0.3, 0.04 + e) for e in (1e-5, -1e-5))
    assert g["rho"] == pytest.approx((up - down) / 2e-5, rel=1e-8)
    assert g["dividend_rho"] == 0.0
    up, down = (black76("put", 100.0, 95.0, 0.5 + e, 0.3, 0.04) for e in (1e-5, -1e-5))
    assert g["theta"] == pytest.approx(-(up - down) / 2e-5, rel=1e-8)


@pytest.mark.parametrize(("years", "vol"), [(0.0, 0.2), (0.5, 0.0), (1e-9, 0.2)])
def test_without_time_or_vol_greeks_are_limits(years, vol):
    g = greeks(["call", "put", "call", "put"], [90.0, 90.0, 110.0, 110.0], years, vol, forward=100.0)
    assert g["delta"].tolist() == [1.0, 0.0, 0.0, -1.0]
    assert np.isfinite(g.drop(columns="elasticity").to_numpy()).all()
    assert (g[["gamma", "vega", "vanna", "volga"]] == 0.0).all(axis=None)


def test_on_the_strike_at_expiry_delta_is_a_half():
    g = greeks("call", 100.0, 0.0, 0.2, forward=100.0)
    assert g["delta"] == pytest.approx(0.5, rel=1e-15)
    assert (g["gamma"], g["theta"]) == (0.0, 0.0)


def test_traders_units():
    natural = greeks("call", 100.0, 0.5, 0.2, spot=105.0, rate=0.03)
    trader = greeks("call", 100.0, 0.5, 0.2, spot=105.0, rate=0.03, units="trader")
    assert trader["theta"] == natural["theta"] / 365
    assert trader["vega"] == natural["vega"] / 100
    assert trader["rho"] == natural["rho"] / 100
    assert trader["delta"] == natural["delta"] * 105
    assert trader["gamma"] == pytest.approx(natural["gamma"] * 105 * 105 / 100, rel=1e-15)


def test_frame_has_every_greek_and_the_callers_index():
    strikes = pd.Series([90.0, 100.0], index=["x", "y"])
    made = greeks("call", strikes, 0.5, [0.2, np.nan], forward=100.0)
    missing = greeks("call", 100.0, 0.0, 0.2, forward=np.nan)
    assert np.isnan(missing["delta"])
    assert list(made) == list(GREEKS)
    assert made.index.tolist() == ["x", "y"]
    assert made.loc["y"].isna().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"units": "desk"}, "units 'desk' are unknown"),
        ({"spot": 100.0}, "give exactly one of them"),
        ({"dividend_yield": 0.1}, "goes with spot"),
    ],
)
def test_bad_input_is_one_sentence(change, said):
    with pytest.raises(InputError, match=said):
        greeks("call", 100.0, 1.0, 0.2, **({"forward": 100.0} | change))


def test_mpmath_needs_no_more_digits():
    with mp.workdps(60):
        assert float(oracle.price(1, 60, 65, 0.25, 0.08, 0, 0.3)) == pytest.approx(2.13336844492, rel=1e-11)
