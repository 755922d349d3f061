"""What holds of American options whatever the inputs: bounds, symmetry, order, and the equation between boundaries."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qflib.pricing import american, american_greeks, american_implied_vol, black_scholes

rights = st.sampled_from(["call", "put"])
rates = st.one_of(st.sampled_from([0.0, 0.05, -0.01]), st.floats(-0.1, 0.3))
vols = st.one_of(st.floats(0.01, 2.0), st.floats(1e-9, 1e-2))
times = st.floats(1e-4, 30.0)
strikes = st.floats(20.0, 500.0)
#: of 100: the usual grids and the tree hold it with room
ERROR = 1e-2


@given(rights, strikes, times, rates, rates, vols)
def test_bounds(right, strike, years, rate, q, vol):
    price = american(right, 100.0, strike, years, rate, q, vol)
    sign = 1 if right == "call" else -1
    european = black_scholes(right, 100.0, strike, years, rate, q, vol)
    now = max(sign * (100.0 - strike), 0.0)
    assert price >= max(european, now) - ERROR
    most = 100.0 * max(1.0, np.exp(-q * years)) if right == "call" else strike * max(1.0, np.exp(-rate * years))
    assert price <= most + ERROR


@given(rights, strikes, times, rates, rates, vols)
def test_a_call_is_a_put_with_all_exchanged(right, strike, years, rate, q, vol):
    other = "put" if right == "call" else "call"
    price = american(right, 100.0, strike, years, rate, q, vol)
    mirrored = american(other, strike, 100.0, years, q, rate, vol)
    assert abs(price - mirrored) <= 1e-9 * (100.0 + strike)


@given(rights, times, rates, rates, st.floats(0.05, 1.0))
def test_order_in_strike_and_time(right, years, rate, q, vol):
    strike = np.linspace(60.0, 160.0, 21)
    price = american(right, 100.0, strike, years, rate, q, vol)
    assert (np.diff(price) * (-1 if right == "call" else 1) >= -ERROR).all()
    assert (np.diff(price, 2) >= -ERROR).all()
    assert (american(right, 100.0, strike, 1.3 * years, rate, q, vol) >= price - ERROR).all()


@given(rights, st.floats(60.0, 160.0), st.floats(0.02, 5.0), rates, rates, st.floats(0.05, 1.0))
def test_greeks_are_finite_and_meet_the_equation(right, strike, years, rate, q, vol):
    g = american_greeks(right, 100.0, strike, years, rate, q, vol)
    assert np.isfinite([x for name, x in g.items() if name != "elasticity"]).all()
    assert g["gamma"] >= -1e-4
    assert g["vega"] >= -0.05
    sign = 1 if right == "call" else -1
    if g["price"] != sign * (100.0 - strike):
        left = g["theta"] + 0.5 * vol**2 * 1e4 * g["gamma"] + (rate - q) * 100.0 * g["delta"] - rate * g["price"]
        assert abs(left) <= 1e-8 * (1 + abs(g["theta"]))


@given(
    rights,
    st.floats(70.0, 140.0),
    st.floats(0.02, 3.0),
    st.floats(-0.02, 0.1),
    st.floats(-0.02, 0.1),
    st.floats(0.08, 1.0),
)
def test_a_vol_gives_its_price_back(right, strike, years, rate, q, vol):
    price = american(right, 100.0, strike, years, rate, q, vol)
    found, status = american_implied_vol(price, right, strike, years, spot=100.0, rate=rate, dividend_yield=q)
    if status == "ok":
        assert abs(american(right, 100.0, strike, years, rate, q, found) - price) <= 1e-8
    else:
        assert status == "at_intrinsic"
