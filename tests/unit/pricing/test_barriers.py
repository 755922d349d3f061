import mpmath as mp
import numpy as np
import pandas as pd
import pytest
import QuantLib as ql

from qflib.errors import InputError
from qflib.pricing import barrier_option, black_scholes

KINDS = ["down_in", "down_out", "up_in", "up_out"]
_QL = dict(zip(KINDS, (ql.Barrier.DownIn, ql.Barrier.DownOut, ql.Barrier.UpIn, ql.Barrier.UpOut), strict=True))


def quantlib(kind, right, spot, strike, barrier, days, rate, q, vol, rebate):
    today = ql.Date(1, 1, 2020)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    flat = [ql.YieldTermStructureHandle(ql.FlatForward(today, r, count)) for r in (q, rate)]
    sigma = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), vol, count))
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(spot)), *flat, sigma)
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if right == "call" else ql.Option.Put, strike)
    option = ql.BarrierOption(_QL[kind], barrier, rebate, payoff, ql.EuropeanExercise(today + days))
    option.setPricingEngine(ql.AnalyticBarrierEngine(process))
    return option.NPV()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize("strike", [85.0, 94.0, 100.0, 107.0, 118.0])
@pytest.mark.parametrize(("rate", "q", "vol"), [(0.08, 0.04, 0.25), (0.02, 0.09, 0.4), (0.03, -0.01, 0.1)])
def test_all_eight_agree_with_quantlib(kind, right, strike, rate, q, vol):
    barrier = 93.0 if kind.startswith("down") else 109.0
    got = barrier_option(kind, right, 100.0, strike, barrier, 1.0, rate, q, vol, rebate=2.5)
    assert got == pytest.approx(quantlib(kind, right, 100.0, strike, barrier, 365, rate, q, vol, 2.5), abs=1e-10)


@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize("barrier", [60.0, 95.0, 105.0, 180.0])
def test_in_and_out_are_the_vanilla(right, barrier):
    side = "down" if barrier < 100 else "up"
    terms = (right, 100.0, np.array([70.0, 100.0, 140.0]), barrier, 0.7, 0.05, 0.01, [[0.05], [0.3], [1.5]])
    total = barrier_option(f"{side}_in", *terms) + barrier_option(f"{side}_out", *terms)
    vanilla = black_scholes(right, 100.0, terms[2], 0.7, 0.05, 0.01, terms[7])
    assert total == pytest.approx(vanilla, abs=1e-10)


def test_a_rebate_under_a_negative_rate():
    # a worthless out call that pays 1 at the hit: mu is 0, so the exponent is real for r >= 0 and imaginary below
    drift = 0.125  # vol^2 / 2: no drift in ln S
    values = [
        barrier_option("up_out", "call", 100.0, 500.0, 120.0, 2.0, r, r - drift, 0.5, rebate=1.0)
        for r in (-1e-9, 0.0, 1e-9, -0.02)
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-7)
    assert values[2] == pytest.approx(values[1], abs=1e-7)
    # first passage of a Brownian motion at ln 1.2: e^{0.02 t} over its density
    t = np.linspace(0, 2, 400_001)[1:]
    b = np.log(1.2) / 0.5
    density = b / np.sqrt(2 * np.pi * t**3) * np.exp(-b * b / (2 * t))
    assert values[3] == pytest.approx(np.trapezoid(np.exp(0.02 * t) * density, t), abs=1e-7)


def test_limits():
    assert barrier_option("down_out", "call", 90.0, 100.0, 95.0, 1.0, 0.05, 0.0, 0.2, rebate=3.0) == 3.0
    vanilla = black_scholes("call", 90.0, 100.0, 1.0, 0.05, 0.0, 0.2)
    assert barrier_option("down_in", "call", 90.0, 100.0, 95.0, 1.0, 0.05, 0.0, 0.2, rebate=3.0) == pytest.approx(
        vanilla, rel=1e-14
    )
    assert barrier_option("up_out", "call", 100.0, 90.0, 120.0, 0.0, 0.05, 0.0, 0.2) == 10.0
    # without vol the path is certain: it reaches 104 in 0.8 years at 5 %
    hit = np.log(1.04) / 0.05
    assert barrier_option("up_out", "call", 100, 90, 104, 1.0, 0.05, 0.0, 0.0, rebate=2.0) == pytest.approx(
        2.0 * np.exp(-0.05 * hit)
    )
    assert barrier_option("up_in", "call", 100, 90, 104, 0.5, 0.05, 0.0, 0.0, rebate=2.0) == pytest.approx(
        2.0 * np.exp(-0.025)
    )
    assert np.isnan(barrier_option("up_in", "call", [np.nan, 100.0], 90, 104, 0.5, 0.05, 0.0, 0.2)).tolist() == [
        True,
        False,
    ]


def test_a_barrier_watched_at_times_lies_further():
    rng = np.random.default_rng(8)
    steps, vol, rate, years = 50, 0.3, 0.1, 0.2
    z = rng.normal(size=(100_000, steps))
    z = np.concatenate([z, -z])
    dt = years / steps
    logs = np.cumsum((rate - vol**2 / 2) * dt + vol * np.sqrt(dt) * z, axis=1)
    payoff = np.exp(-rate * years) * np.maximum(100 * np.exp(logs[:, -1]) - 100, 0)
    for barrier in (95.0, 91.0):
        paid = payoff * (100 * np.exp(logs.min(axis=1)) > barrier)
        pairs = 0.5 * (paid[:100_000] + paid[100_000:])
        got = barrier_option("down_out", "call", 100.0, 100.0, barrier, years, rate, 0.0, vol, interval=dt)
        assert got == pytest.approx(pairs.mean(), abs=4 * pairs.std() / np.sqrt(pairs.size) + 2e-3)
        always = barrier_option("down_out", "call", 100.0, 100.0, barrier, years, rate, 0.0, vol)
        assert got > always + 0.05
    series = pd.Series([95.0, 91.0], index=["a", "b"])
    made = barrier_option("down_out", "call", 100.0, 100.0, series, years, rate, 0.0, vol)
    assert made.index.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "knock_out"}, "kind 'knock_out' is unknown"),
        ({"barrier": 0.0}, "barrier 0.0 is out of range; it must be positive"),
        ({"rebate": -1.0}, "rebate -1.0 is out of range; it must be at least 0"),
        ({"interval": -0.1}, "interval -0.1 is out of range"),
        ({"spot": 0.0}, "spot 0.0 is out of range"),
    ],
)
def test_bad_input_is_one_sentence(change, said):
    terms = {"kind": "up_in", "right": "call", "spot": 100, "strike": 100, "barrier": 110, "years": 1, "rate": 0}
    with pytest.raises(InputError, match=said):
        barrier_option(**(terms | {"dividend_yield": 0, "vol": 0.2} | change))


@pytest.mark.parametrize("barrier", [99.99, 92.511555, 60.0, 101.0, 170.0])
@pytest.mark.parametrize(("rate", "q", "vol"), [(-0.1117, -0.0119, 0.36), (-0.117, -0.034, 0.71), (-0.03, 0.02, 0.9)])
def test_rebates_at_rates_well_below_zero(barrier, rate, q, vol):
    """Where the rebate's exponents are imaginary: 1 paid when the barrier is hit, over the density of the time."""
    with mp.workdps(30):
        away, drift = mp.log(mp.mpf(barrier) / 100), mp.mpf(rate) - mp.mpf(q) - mp.mpf(vol) ** 2 / 2

        def density(w):  # of w = 1 / sqrt(time)
            t = 1 / w**2
            return 2 * abs(away) / vol * mp.npdf((away - drift * t) * w / vol) * mp.exp(-rate * t)

        first = 1 / mp.sqrt(7)
        want = 10 * mp.quad(density, [first * 2**j for j in range(20)])
    kind = "up_out" if barrier > 100 else "down_out"
    terms = (kind, "call", 100.0, 100.0, barrier, 7.0, rate, q, vol)
    got = barrier_option(*terms, rebate=10.0) - barrier_option(*terms)
    assert got == pytest.approx(float(want), abs=1e-11)
