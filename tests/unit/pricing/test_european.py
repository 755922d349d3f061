import importlib.util
from pathlib import Path

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
import QuantLib as ql
from scipy.stats import norm

from qflib.errors import InputError
from qflib.pricing import bachelier, black76, black_scholes, digital, inverse_black76, inverse_greeks

_spec = importlib.util.spec_from_file_location(
    "black_scholes_mpmath", Path(__file__).parents[2] / "reference/black_scholes_mpmath.py"
)
oracle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracle)

CASES = [
    (100.0, 100.0, 1.0, 0.05, 0.02, 0.2),
    (100.0, 300.0, 0.05, 0.0, 0.0, 0.2),  # 1e-262: all in the tail
    (100.0, 20.0, 0.3, 0.01, 0.0, 0.3),
    (100.0, 100.0, 1e-12, 0.0, 0.0, 0.2),  # vanishing time
    (100.0, 100.0001, 1e-6, 0.0, 0.0, 0.02),
    (100.0, 130.0, 4.0, -0.02, 0.01, 0.1),  # negative rate
    (1e-6, 1.0, 1.0, 0.0, 0.0, 1.0),
    (1e8, 1.0, 1.0, 0.05, 0.0, 0.2),
    (100.0, 90.0, 2.0, 0.03, 0.0, 4.0),  # near the maximum
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("right", "sign"), [("call", 1), ("put", -1)])
def test_prices_hold_relative_to_sixty_digits(case, right, sign):
    with mp.workdps(400):  # the textbook form cancels: the oracle needs the digits
        want = oracle.price(sign, *case)
        got = black_scholes(right, *case)
        d = float(mp.log(mp.mpf(case[0]) / case[1]) / (case[5] * mp.sqrt(case[2])))
        if want < 1e-300:
            assert got < 1e-300
            return
        assert abs(float(got / want - 1)) < 1e-14 * (1 + min(d * d, 1500.0) / 10)


@pytest.mark.parametrize("case", [c for c in CASES if c[2] > 1e-3 and c[0] == 100.0 and c[1] < 200])
def test_prices_agree_with_quantlib(case):
    spot, strike, years, rate, q, vol = case
    forward, discount = spot * np.exp((rate - q) * years), np.exp(-rate * years)
    for right, kind in (("call", ql.Option.Call), ("put", ql.Option.Put)):
        want = ql.blackFormula(kind, strike, forward, vol * np.sqrt(years), discount)
        assert black_scholes(right, *case) == pytest.approx(want, abs=1e-12 * spot)
        assert black76(right, forward, strike, years, vol, rate) == pytest.approx(want, abs=1e-12 * spot)
        normal = ql.bachelierBlackFormula(kind, strike, forward, 20 * np.sqrt(years), discount)
        assert bachelier(right, forward, strike, years, 20.0, rate) == pytest.approx(normal, abs=1e-12 * spot)


@pytest.mark.parametrize(("forward", "strike"), [(0.01, 0.03), (-37.63, 10.0), (0.0, 0.0), (5.0, -60.0)])
def test_bachelier_takes_any_sign(forward, strike):
    with mp.workdps(60):
        for right, sign in (("call", 1), ("put", -1)):
            want = oracle.bachelier(sign, forward, strike, 0.5, 12.0)
            assert abs(float(bachelier(right, forward, strike, 0.5, 12.0) / want - 1)) < 1e-13


def test_no_time_or_no_vol_is_the_payoff():
    assert black_scholes("call", 110, 100, 0.0, 0.05, 0.0, 0.3) == 10.0
    assert black_scholes("put", 110, 100, 0.0, 0.05, 0.0, 0.3) == 0.0
    assert black_scholes("put", 90, 100, 1.0, 0.05, 0.0, 0.0) == pytest.approx(100 * np.exp(-0.05) - 90, abs=1e-13)
    assert bachelier("call", 3.0, 1.0, 0.0, 5.0) == 2.0
    assert digital("call", 100, 100, 0.0, 0.0, 0.0, 0.3) == 0.5


def test_digitals_are_derivatives_of_vanillas():
    terms = (100.0, 95.0, 0.7, 0.04, 0.01, 0.3)
    d2 = (np.log(100 / 95) + (0.03 - 0.045) * 0.7) / (0.3 * np.sqrt(0.7))
    assert digital("call", *terms) == pytest.approx(np.exp(-0.028) * norm.cdf(d2), rel=1e-13)
    gap = digital("call", *terms, kind="gap", payoff_strike=95.0)
    assert gap == pytest.approx(black_scholes("call", *terms), rel=1e-13)
    both = digital("put", *terms, kind="asset") + digital("call", *terms, kind="asset")
    assert both == pytest.approx(100 * np.exp(-0.007), rel=1e-14)


def test_inverse_premium_and_delta():
    f, h = 70_000.0, 7.0
    g = inverse_greeks("call", f, 75_000.0, 0.2, 0.6)
    assert g["price"] == inverse_black76("call", f, 75_000.0, 0.2, 0.6)
    up, down = (inverse_black76("call", f + e, 75_000.0, 0.2, 0.6) for e in (h, -h))
    assert g["delta"] == pytest.approx(f * (up - down) / (2 * h), rel=1e-6)
    up, down = (inverse_greeks("call", f + e, 75_000.0, 0.2, 0.6)["delta"] for e in (h, -h))
    assert g["gamma"] == pytest.approx((up - down) / (2 * h), rel=1e-6)


def test_shape_and_type_follow_the_arguments():
    series = pd.Series([90.0, 110.0], index=["a", "b"])
    assert isinstance(black_scholes("call", 100, 100, 1, 0, 0, 0.2), float)
    assert black_scholes("call", [[100], [101]], [90, 100, 110], 1, 0, 0, 0.2).shape == (2, 3)
    made = black76(pd.Series(["call", "put"], index=["a", "b"]), 100.0, series, 1.0, 0.2)
    assert made.index.tolist() == ["a", "b"]
    assert np.isnan(black76("call", [np.nan, 100.0], 100.0, 1.0, 0.2)).tolist() == [True, False]
    assert black76(np.array([], dtype=object), np.array([]), np.array([]), 1.0, 0.2).shape == (0,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"right": "straddle"}, "right 'straddle' is unknown; expected 'call' or 'put'"),
        ({"right": None}, "right None is unknown"),
        ({"spot": -1.0}, "spot -1.0 is out of range"),
        ({"strike": 0.0}, "strike 0.0 is out of range"),
        ({"strike": np.nan}, "strike nan is not finite"),
        ({"years": -0.1}, "years -0.1 is out of range"),
        ({"vol": [0.2, -0.2]}, "vol -0.2 is out of range"),
        ({"vol": np.inf}, "vol inf is not finite"),
        ({"rate": "5%"}, "rate '5%' is not a number"),
        ({"spot": [1.0, 2.0], "strike": [1.0, 2.0, 3.0]}, "shapes do not broadcast"),
        ({"spot": pd.Series([1.0], ["a"]), "strike": pd.Series([1.0], ["b"])}, "another index"),
    ],
)
def test_bad_input_is_one_sentence(change, said):
    terms = {"right": "call", "spot": 100, "strike": 100, "years": 1, "rate": 0, "dividend_yield": 0, "vol": 0.2}
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        black_scholes(**(terms | change))
