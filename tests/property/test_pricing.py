"""What must hold of prices and vols whatever the terms."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from qflib.pricing import bachelier, black76, black_scholes, greeks, implied_vol

SPOT = st.floats(1.0, 1e4)
STRIKE = st.floats(1.0, 1e4)
YEARS = st.floats(1e-4, 10.0)
RATE = st.floats(-0.1, 0.2)
VOL = st.floats(0.01, 3.0)


@given(SPOT, STRIKE, YEARS, RATE, RATE, VOL)
def test_put_call_parity(spot, strike, years, rate, q, vol):
    terms = (spot, strike, years, rate, q, vol)
    gap = black_scholes("call", *terms) - black_scholes("put", *terms)
    forward = spot * np.exp(-q * years) - strike * np.exp(-rate * years)
    assert abs(gap - forward) <= 1e-14 * (abs(forward) + 10 * (spot + strike))
    normal = bachelier("call", spot, strike, years, vol * spot) - bachelier("put", spot, strike, years, vol * spot)
    assert abs(normal - (spot - strike)) <= 1e-14 * 10 * (spot + strike)


@given(SPOT, STRIKE, YEARS, RATE, VOL, st.floats(1e-6, 0.5))
def test_prices_rise_with_vol_and_stay_in_bounds(spot, strike, years, rate, vol, more):
    for right, most in (("call", spot), ("put", strike)):
        low = black76(right, spot, strike, years, vol, rate)
        high = black76(right, spot, strike, years, vol + more, rate)
        discount = np.exp(-rate * years)
        assert 0.0 <= low <= high * (1 + 1e-14)
        assert high <= most * discount * (1 + 1e-14)


@given(SPOT, STRIKE, STRIKE, YEARS, VOL)
def test_calls_fall_with_strike(spot, one, other, years, vol):
    low, high = sorted((one, other))
    assert black76("call", spot, low, years, vol) >= black76("call", spot, high, years, vol) * (1 - 1e-12)


@given(SPOT, STRIKE, YEARS, RATE, VOL)
def test_implied_vol_goes_there_and_back(spot, strike, years, rate, vol):
    right = "call" if strike >= spot else "put"  # out of the money: no digits are lost to the intrinsic value
    price = black76(right, spot, strike, years, vol, rate)
    assume(price > 1e-280)
    got, status = implied_vol(price, right, strike, years, forward=spot, rate=rate)
    if status == "above_maximum":  # within rounding of its greatest price
        assert vol * np.sqrt(years) > 8.0
        return
    g = greeks(right, strike, years, vol, forward=spot, rate=rate)
    d = np.log(spot / strike) / (vol * np.sqrt(years))
    assume(g["vega"] > 0.0)
    condition = price / (g["vega"] * vol)
    assert status == "ok"
    assert abs(got / vol - 1) <= 1e-15 * (8 + 8 * condition * (1 + d * d + vol * vol * years))
