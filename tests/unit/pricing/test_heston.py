import mpmath as mp
import numpy as np
import pandas as pd
import pytest
import QuantLib as ql

from qflib.errors import DataError, InputError
from qflib.pricing import black_scholes, fit_heston, heston, heston_greeks, implied_vol

MODELS = [
    (0.04, 4.0, 0.25, 1.0, -0.5),
    (0.1, 4.0, 0.22, 1.8, -0.75),  # the Feller condition fails
    (0.02, 0.5, 0.04, 0.3, 0.6),
    (0.09, 0.0, 0.0, 0.5, -0.9),  # no return to a mean
]


def by_lewis(sign, spot, strike, years, rate, q, v0, kappa, theta, sigma, rho):
    """Lewis' integral in 20 digits, with the characteristic function in the form of Heston's Riccati equations."""
    with mp.workdps(20):
        k = mp.log(mp.mpf(spot) / strike) + (mp.mpf(rate) - q) * years

        def integrand(u):
            z = mp.mpc(u, -0.5)
            xi = kappa - rho * sigma * 1j * z
            d = mp.sqrt(xi**2 + mp.mpf(sigma) ** 2 * (1j * z + z * z))
            g = (xi - d) / (xi + d)
            e = mp.exp(-d * years)
            power = (xi - d) / mp.mpf(sigma) ** 2 * (1 - e) / (1 - g * e)
            shift = kappa * theta / mp.mpf(sigma) ** 2 * ((xi - d) * years - 2 * mp.log((1 - g * e) / (1 - g)))
            return mp.re(mp.exp(1j * z * k + shift + power * v0)) / (u * u + 0.25)

        asset, cash = spot * mp.exp(-mp.mpf(q) * years), strike * mp.exp(-mp.mpf(rate) * years)
        ends = [0, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
        call = asset - cash / mp.pi * mp.quad(integrand, ends)
        return float(call if sign > 0 else call - asset + cash)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("strike", "years"), [(100.0, 0.02), (80.0, 0.5), (130.0, 2.0), (60.0, 15.0)])
def test_prices_agree_with_twenty_digits(model, strike, years):
    for right, sign in (("call", 1), ("put", -1)):
        got = heston(right, 100.0, strike, years, 0.03, 0.01, *model)
        assert got == pytest.approx(by_lewis(sign, 100.0, strike, years, 0.03, 0.01, *model), abs=1e-10)


def test_prices_agree_with_quantlib():
    today = ql.Date(1, 1, 2020)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    flat = [ql.YieldTermStructureHandle(ql.FlatForward(today, r, count)) for r in (0.03, 0.01)]
    v0, kappa, theta, sigma, rho = MODELS[0]
    process = ql.HestonProcess(*flat, ql.QuoteHandle(ql.SimpleQuote(100.0)), v0, kappa, theta, sigma, rho)
    engine = ql.AnalyticHestonEngine(ql.HestonModel(process), 1e-12, 100_000)
    for strike in (70.0, 100.0, 150.0):
        option = ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Call, strike), ql.EuropeanExercise(today + 365))
        option.setPricingEngine(engine)
        assert heston("call", 100.0, strike, 1.0, 0.03, 0.01, *MODELS[0]) == pytest.approx(option.NPV(), abs=1e-8)


@pytest.mark.parametrize("sigma", [0.0, 1e-9, 1e-5])
def test_without_vol_of_variance_it_is_black_scholes(sigma):
    strikes = np.array([70.0, 100.0, 140.0])
    got = heston("put", 100.0, strikes, 1.3, 0.02, 0.0, 0.09, 2.0, 0.04, sigma, -0.5)
    mean = 0.04 + 0.05 * (1 - np.exp(-2.6)) / 2.6
    want = black_scholes("put", 100.0, strikes, 1.3, 0.02, 0.0, np.sqrt(mean))
    assert got == pytest.approx(want, abs=20 * sigma + 1e-12)  # the first order is rho sigma


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize("years", [0.1, 3.0])
def test_greeks_are_derivatives_of_the_price(model, right, years):
    terms = [100.0, 95.0, years, 0.03, 0.01, *model]
    g = heston_greeks(right, *terms)

    def shifted(*moves):
        moved = list(terms)
        for at, by in moves:
            moved[at] += by
        return heston(right, *moved)

    def slope(at, h):
        a, b, c, d = (shifted((at, k * h)) for k in (2, 1, -1, -2))
        return (8 * (b - c) - (a - d)) / (12 * h)

    def bend(at, h):
        a, b, c, d = (shifted((at, k * h)) for k in (2, 1, -1, -2))
        return (16 * (b + c) - a - d - 30 * g["price"]) / (12 * h * h)

    v0 = model[0]
    assert g["price"] == heston(right, *terms)
    assert g["delta"] == pytest.approx(slope(0, 0.1), abs=3e-8)
    assert g["gamma"] == pytest.approx(bend(0, 0.1), abs=1e-7)
    assert g["theta"] == pytest.approx(-slope(2, 1e-3 * years), rel=1e-6, abs=1e-7)
    assert g["rho"] == pytest.approx(slope(3, 1e-3), rel=1e-7, abs=1e-7)
    assert g["dividend_rho"] == pytest.approx(slope(4, 1e-3), rel=1e-7, abs=1e-7)
    assert g["variance_delta"] == pytest.approx(slope(5, 0.01 * v0), rel=1e-6, abs=1e-6)
    assert g["variance_gamma"] == pytest.approx(bend(5, 0.02 * v0), rel=1e-4, abs=1e-3)
    cross = shifted((0, 0.1), (5, 1e-4)) - shifted((0, 0.1), (5, -1e-4))
    cross -= shifted((0, -0.1), (5, 1e-4)) - shifted((0, -0.1), (5, -1e-4))
    assert g["variance_vanna"] == pytest.approx(cross / (4 * 0.1 * 1e-4), rel=1e-3, abs=1e-3)
    assert g["vega"] == 2 * np.sqrt(v0) * g["variance_delta"]


def test_limits():
    assert heston("call", 110, 100, 0.0, 0.05, 0.0, 0.04, 1.0, 0.04, 0.5, -0.5) == 10.0
    assert heston("put", 110, 100, 1.0, 0.05, 0.0, 0.0, 0.0, 0.04, 0.5, -0.5) == 0.0
    assert heston("call", 110, 100, 1.0, 0.05, 0.0, 0.0, 0.0, 0.04, 0.5, -0.5) == pytest.approx(
        110 - 100 * np.exp(-0.05)
    )
    assert np.isnan(heston("call", [np.nan, 1.0], 1.0, 1.0, 0, 0, *MODELS[0])).tolist() == [True, False]
    tiny = heston("call", 100, 100, 1e-5, 0.0, 0.0, *MODELS[0])
    assert tiny == pytest.approx(black_scholes("call", 100, 100, 1e-5, 0.0, 0.0, 0.2), rel=1e-3)


def test_a_fit_finds_the_model_again():
    strikes, years = np.tile([75.0, 90.0, 100.0, 110.0, 130.0], 3), np.repeat([0.2, 1.0, 4.0], 5)
    model = (0.03, 2.0, 0.06, 0.7, -0.7)
    prices = heston("call", 100.0, strikes, years, 0.0, 0.0, *model)
    vols, _ = implied_vol(prices, "call", strikes, years, forward=100.0)
    vols[2] = np.nan
    fit = fit_heston(strikes, years, vols, 100.0)
    assert (fit.v0, fit.kappa, fit.theta, fit.sigma, fit.rho) == pytest.approx(model, rel=1e-4)
    assert fit.rmse < 1e-7
    assert not fit.feller
    assert len(fit.to_frame()) == 14
    assert fit.price("call", 100.0, strikes, years) == pytest.approx(prices, abs=1e-5)
    with pytest.raises(DataError, match="0 vols cannot tell"):
        fit_heston([80.0, 90.0, 100.0, 110.0, 120.0], 1.0, 0.2, np.nan)
    with pytest.raises(DataError, match="4 vols cannot tell"):
        fit_heston(strikes[:4], 1.0, 0.2, 100.0)


def test_shape_and_type_follow_the_arguments():
    strike = pd.Series([90.0, 110.0], index=["a", "b"])
    assert heston("call", 100.0, strike, 1.0, 0.0, 0.0, *MODELS[0]).index.tolist() == ["a", "b"]
    assert heston_greeks("call", 100.0, strike, 1.0, 0.0, 0.0, *MODELS[0]).index.tolist() == ["a", "b"]
    assert heston("call", [[100], [101]], [90, 100, 110], 1.0, 0.0, 0.0, *MODELS[0]).shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"v0": -0.01}, "Heston v0 -0.01 is out of range; it must be at least 0"),
        ({"sigma": -1.0}, "Heston sigma -1.0"),
        ({"rho": 1.0}, "Heston rho 1.0 is out of range; it must be within -1 and 1"),
        ({"kappa": np.nan}, "kappa nan is not finite"),
    ],
)
def test_bad_input_is_one_sentence(change, said):
    model = dict(zip(("v0", "kappa", "theta", "sigma", "rho"), MODELS[0], strict=True))
    with pytest.raises(InputError, match=said):
        heston("call", 100, 100, 1, 0, 0, **(model | change))
