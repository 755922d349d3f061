import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import QuantLib as ql

from qflib.errors import InputError
from qflib.kernels.linear_solve import factor, substitute
from qflib.pricing import (
    american,
    american_greeks,
    american_implied_vol,
    black_scholes,
    exercise_boundary,
    greeks,
)
from tests.reference import marched_american

_spec = importlib.util.spec_from_file_location(
    "plain_american", Path(__file__).parents[2] / "reference/plain_american.py"
)
plain = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plain)


def quantlib(right, spot, strike, days, rate, q, vol):
    """QdFp, with far more nodes than it takes by default."""
    today = ql.Date(1, 1, 2020)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    flat = [ql.YieldTermStructureHandle(ql.FlatForward(today, r, count)) for r in (q, rate)]
    sigma = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), vol, count))
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(spot)), *flat, sigma)
    kind = ql.Option.Call if right == "call" else ql.Option.Put
    option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, strike), ql.AmericanExercise(today, today + days))
    option.setPricingEngine(ql.QdFpAmericanEngine(process, ql.QdFpLegendreScheme(100, 40, 60, 200)))
    return option.NPV()


CASES = [
    ("put", 100.0, 100.0, 365, 0.05, 0.05, 0.25),
    ("put", 90.0, 100.0, 365, 0.05, 0.0, 0.3),
    ("call", 110.0, 100.0, 730, 0.02, 0.08, 0.2),
    ("call", 95.0, 100.0, 180, 0.05, 0.03, 0.15),
    ("put", 100.0, 110.0, 90, 0.076, 0.08, 0.35),  # rate a little below the yield
    ("put", 100.0, 95.0, 3650, 0.1, 0.04, 0.6),
    ("put", 102.0, 100.0, 30, 0.04, -0.02, 0.1),
    ("call", 100.0, 100.0, 365, -0.01, 0.0, 0.2),
]


@pytest.mark.parametrize("case", CASES)
def test_prices_agree_with_a_converged_qdfp(case):
    right, spot, strike, days, rate, q, vol = case
    got = american(right, spot, strike, days / 365, rate, q, vol)
    assert got == pytest.approx(quantlib(*case), abs=2e-6 if days > 3000 else 3e-7)


@pytest.mark.parametrize("case", CASES)
def test_prices_agree_with_the_plain_tree(case):
    right, spot, strike, days, rate, q, vol = case
    sign, years = (1 if right == "call" else -1), days / 365
    coarse, fine = (plain.leisen_reimer(sign, spot, strike, years, rate, q, vol, n) for n in (301, 601))
    assert american(right, spot, strike, years, rate, q, vol) == pytest.approx(
        2 * fine - coarse, abs=1e-2 if days > 3000 else 2e-3
    )
    kernel = american(right, spot, strike, years, rate, q, vol, method="leisen_reimer", steps=301)
    assert kernel == pytest.approx(coarse, abs=1e-11 * spot)


@pytest.mark.parametrize("rate", [-0.012, -0.005])
@pytest.mark.parametrize("years", [0.5, 10.0])
def test_two_boundaries_agree_with_the_tree(rate, years):
    spots = np.array([40.0, 70.0, 90.0, 100.0, 115.0])
    terms = (100.0, years, rate, -0.016, 0.1)
    got = american("put", spots, *terms)
    coarse, fine = (american("put", spots, *terms, method="leisen_reimer", steps=n) for n in (1501, 3001))
    assert np.abs(got - (2 * fine - coarse)).max() < 2e-4
    assert (got >= np.maximum(100.0 - spots, black_scholes("put", spots, *terms)) - 1e-10).all()
    mirrored = american("call", 100.0, spots, years, -0.016, rate, 0.1)  # a call is a put with all exchanged
    assert mirrored == pytest.approx(got, abs=1e-10)


def test_two_boundaries_meet_and_then_there_is_no_exercise():
    life = exercise_boundary("put", 100.0, 8.0, -0.012, -0.016, 0.2, points=20)
    both = life.dropna()
    assert 0 < len(both) < 20
    assert life["near"].isna().to_numpy()[len(both) :].all()
    assert (both["near"] > both["far"]).all()
    assert (np.diff(both["far"]) > 0).all()
    assert (np.diff(both["near"]) < 0).all()
    price = american("put", 80.0, 100.0, 8.0, -0.012, -0.016, 0.2)
    assert price > max(20.0, black_scholes("put", 80.0, 100.0, 8.0, -0.012, -0.016, 0.2)) + 1e-3


@pytest.mark.parametrize("right", ["put", "call"])
def test_the_boundary_is_where_price_and_payoff_touch(right):
    near = exercise_boundary(right, 100.0, 1.5, 0.06, 0.04, 0.3, points=4)["near"].iloc[-1]
    sign = 1 if right == "call" else -1
    beyond = near * (1 + sign * 1e-3)
    assert american(right, beyond, 100.0, 1.5, 0.06, 0.04, 0.3) == pytest.approx(sign * (beyond - 100.0), abs=1e-12)
    before = near * (1 - sign * 1e-3)
    assert 0 < american(right, before, 100.0, 1.5, 0.06, 0.04, 0.3) - sign * (before - 100.0) < 1e-3
    assert american_greeks(right, before, 100.0, 1.5, 0.06, 0.04, 0.3)["delta"] == pytest.approx(sign, abs=5e-3)


GREEK_CASES = [*((*c[:3], c[3] / 365, *c[4:]) for c in CASES), ("put", 82.0, 100.0, 8.0, -0.012, -0.016, 0.2)]


@pytest.mark.parametrize("case", GREEK_CASES)
def test_greeks_are_derivatives_of_the_price(case):
    right, *terms = case
    g = american_greeks(right, *terms)

    def slope(at, h):
        def price(k):
            moved = list(terms)
            moved[at] += k * h
            return american(right, *moved)

        return (8 * (price(1) - price(-1)) - (price(2) - price(-2))) / (12 * h)

    spot, strike, years, *_, vol = terms
    assert g["price"] == american(right, *terms)
    assert g["delta"] == pytest.approx(slope(0, 1e-3 * spot), abs=2e-7)
    assert g["dual_delta"] == pytest.approx(slope(1, 1e-3 * strike), abs=2e-7)
    assert g["theta"] == pytest.approx(-slope(2, 1e-3 * years), abs=2e-4)
    assert g["rho"] == pytest.approx(slope(3, 2e-5), rel=2e-4, abs=2e-4)
    assert g["dividend_rho"] == pytest.approx(slope(4, 2e-5), rel=2e-4, abs=2e-4)
    assert g["vega"] == pytest.approx(slope(5, 1e-3 * vol), rel=1e-4, abs=1e-4)
    h = 3e-3 * spot
    deltas = [american_greeks(right, spot + k * h, *terms[1:])["delta"] for k in (-2, -1, 1, 2)]
    by_deltas = (8 * (deltas[2] - deltas[1]) - (deltas[3] - deltas[0])) / (12 * h)
    assert g["gamma"] == pytest.approx(by_deltas, abs=2e-6)
    assert g["elasticity"] == g["delta"] * spot / g["price"]


def test_trader_units_are_the_european_ones():
    terms = ("call", 100.0, 100.0, 0.5, 0.03, 0.0, 0.25)  # never exercised early
    got = american_greeks(*terms, units="trader")
    right, spot, strike, years, rate, q, vol = terms
    want = greeks(right, strike, years, vol, spot=spot, rate=rate, dividend_yield=q, units="trader")
    for name in got:
        assert got[name] == pytest.approx(want[name], rel=1e-11), name


def test_limits():
    assert american("put", 90, 100, 0.0, 0.05, 0.0, 0.3) == 10.0
    assert american("put", 0, 100, 1.0, 0.05, 0.0, 0.3) == 100.0
    assert american("call", 100, 0, 1.0, 0.05, 0.02, 0.3) == 100.0
    assert american("put", 0, 100, 1.0, -0.05, 0.0, 0.3) == pytest.approx(100 * np.exp(0.05))
    # without vol the best time to exercise is told by calculus: 0.01 * 120 e^-0.01t = 0.5 * 100 e^-0.5t
    t = np.log(50 / 1.2) / 0.49
    want = 120 * np.exp(-0.01 * t) - 100 * np.exp(-0.5 * t)
    assert american("put", 100, 120, 40.0, 0.01, 0.5, 0.0) == pytest.approx(want, abs=1e-10)
    assert np.isnan(american("put", [np.nan, 100.0], 100.0, 1.0, 0.05, 0.0, 0.2)).tolist() == [True, False]
    # drift towards exercise outruns vol: the tree answers, and meets the boundary's answer where both can
    steep = [american("put", 100.0, 100.0, 1.0, 0.05, q, 0.01) for q in (0.249, 0.251)]
    assert steep[1] - steep[0] == pytest.approx(0.2 * np.exp(-0.25), abs=2e-3)


def test_a_drift_away_from_exercise_makes_it_perpetual():
    for rate, vol, years in ((0.25, 0.0625, 24.0), (0.05, 0.01, 3.0), (0.1, 1e-3, 1.0)):
        power = -2 * rate / vol**2  # of the spot in the perpetual put without a yield
        boundary = power / (power - 1)
        want = 100 * (1 - boundary) * (1 / boundary) ** power
        got = american_greeks("put", 100.0, 100.0, years, rate, 0.0, vol)
        assert got["price"] == pytest.approx(want, rel=2e-6)
        assert got["delta"] == pytest.approx(power * want / 100, rel=2e-6)
        assert abs(got["theta"]) < 1e-5
        h = 1e-4 * vol
        up, down = (american("put", 100.0, 100.0, years, rate, 0.0, vol + e) for e in (h, -h))
        assert got["vega"] == pytest.approx((up - down) / (2 * h), rel=3e-4)


def test_cores_and_batches_change_no_bit():
    rng = np.random.default_rng(5)
    n = 300
    spot, vol, rate = rng.uniform(70, 130, n), rng.uniform(0.1, 0.6, n), rng.uniform(-0.02, 0.1, n)
    together = american("put", spot, 100.0, 1.0, rate, 0.03, vol)
    alone = [american("put", *x) for x in zip(spot, [100.0] * n, [1.0] * n, rate, [0.03] * n, vol, strict=True)]
    assert (together == alone).all()


def test_dividends_by_the_tree():
    none = american("put", 100, 100, 1.0, 0.05, 0.0, 0.3, method="leisen_reimer")
    late = american("put", 100, 100, 1.0, 0.05, 0.0, 0.3, method="leisen_reimer", dividends=[(1.5, 3.0)])
    assert late == none
    paid = [(0.3, 2.0), (0.8, 2.0)]
    worth = 2.0 * np.exp(-0.05 * 0.3) + 2.0 * np.exp(-0.05 * 0.8)
    call = american("call", 100, 100, 1.0, 0.05, 0.0, 0.3, method="leisen_reimer", dividends=paid, steps=1001)
    european = black_scholes("call", 100 - worth, 100, 1.0, 0.05, 0.0, 0.3)
    held_to_dividend = black_scholes("call", 100 - worth + 2.0 * np.exp(-0.05 * 0.3), 100, 0.8, 0.05, 0.0, 0.3)
    assert call > european + 0.01
    assert call > held_to_dividend - 2.0
    assert call == pytest.approx(plain.escrowed(1, 100, 100, 1.0, 0.05, 0.3, paid, 1001), abs=1e-9)


def test_vols_come_back_from_prices():
    rng = np.random.default_rng(3)
    n = 400
    strike, years, vol = 100 * np.exp(rng.uniform(-0.3, 0.3, n)), rng.uniform(0.05, 2, n), rng.uniform(0.1, 1.0, n)
    rate, q = rng.uniform(-0.01, 0.08, n), rng.uniform(-0.01, 0.08, n)
    right = np.where(rng.random(n) < 0.5, "call", "put").astype(object)
    price = american(right, 100.0, strike, years, rate, q, vol)
    got, status = american_implied_vol(price, right, strike, years, spot=100.0, rate=rate, dividend_yield=q)
    vega = np.asarray(american_greeks(right, 100.0, strike, years, rate, q, vol)["vega"])
    felt = (status == "ok") & (vega > 1e-2)
    assert felt.sum() > 300
    assert np.abs(got - vol)[felt].max() < 1e-7
    exercised = price == np.where(right == "call", 100.0 - strike, strike - 100.0)
    assert (status[exercised] == "at_intrinsic").all()


@pytest.mark.parametrize(
    ("price", "right", "strike", "years", "status"),
    [
        (np.nan, "put", 100, 1.0, "nan_input"),
        (5.0, "put", 100, 0.0, "expired"),
        (29.0, "put", 130, 1.0, "below_intrinsic"),
        (30.0, "put", 130, 1.0, "at_intrinsic"),
        (130.0, "put", 130, 1.0, "above_maximum"),
        (100.0, "call", 130, 1.0, "above_maximum"),
        (129.9, "put", 130, 1.0, "ok"),
    ],
)
def test_every_price_has_a_status(price, right, strike, years, status):
    vol, got = american_implied_vol(price, right, strike, years, spot=100.0, rate=0.05)
    assert got == status
    assert np.isfinite(vol) == (status == "ok")
    if status != "ok":
        with pytest.raises(InputError, match=status):
            american_implied_vol(price, right, strike, years, spot=100.0, rate=0.05, policy="raise")


def test_shape_and_type_follow_the_arguments():
    spot = pd.Series([90.0, 110.0], index=["a", "b"])
    made = american("put", spot, 100.0, 1.0, 0.05, 0.0, 0.2)
    assert made.index.tolist() == ["a", "b"]
    assert american_greeks("put", spot, 100.0, 1.0, 0.05, 0.0, 0.2).index.tolist() == ["a", "b"]
    assert american("call", [[100], [101]], [90, 100, 110], 1, 0.05, 0.05, 0.2).shape == (2, 3)
    iv, status = american_implied_vol(made, "put", 100.0, 1.0, spot=spot, rate=0.05)
    assert iv.round(9).tolist() == [0.2, 0.2]
    assert status.tolist() == ["ok", "ok"]
    assert american("put", np.array([]), 100.0, 1.0, 0.05, 0.0, 0.2).shape == (0,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spot": -1.0}, "spot -1.0 is out of range; expected a price, at least 0"),
        ({"method": "tree"}, "method 'tree' is unknown"),
        ({"dividends": [(0.1, 1.0)]}, "1 dividends need the tree"),
        ({"method": "leisen_reimer", "dividends": [(0.1, 200.0)]}, "take the whole spot"),
        ({"method": "leisen_reimer", "dividends": [0.1]}, "are not pairs"),
        ({"method": "leisen_reimer", "dividends": [(-0.1, 1.0)]}, "are out of range"),
        ({"method": "leisen_reimer", "steps": 1}, "steps 1 are out of range"),
        ({"method": "leisen_reimer", "spot": 0.0}, "positive spot and strike"),
    ],
)
def test_bad_input_is_one_sentence(change, said):
    terms = {"right": "call", "spot": 100, "strike": 100, "years": 1, "rate": 0, "dividend_yield": 0, "vol": 0.2}
    with pytest.raises(InputError, match=said):
        american(**(terms | change))


def test_small_systems_are_solved():
    rng = np.random.default_rng(1)
    for n in (1, 5, 16):
        matrix = rng.normal(size=(n, n)) + 4 * np.eye(n)
        rows, x = matrix.copy().reshape(-1), rng.normal(size=n)
        want = np.linalg.solve(matrix, x)
        assert factor(n, rows)
        substitute(n, rows, x)
        assert x == pytest.approx(want, rel=1e-10)
    assert not factor(2, np.zeros(4))


@pytest.mark.parametrize(
    ("case", "nodes"),
    [
        (("call", 120.0, 100.0, 3.0, 1e-5, 0.07, 0.3), 400),  # Ju 1999; public figures of it differ by 1.7e-7
        (("put", 103.0, 100.0, 1.0, 0.05, 0.0, 0.2), 150),
        (("call", 95.0, 100.0, 0.5, 0.03, 0.09, 0.4), 150),
        (("put", 110.0, 100.0, 3.0, 0.11, 0.10, 0.56), 150),
    ],
)
def test_prices_agree_with_a_march_through_time(case, nodes):
    assert american(*case) == pytest.approx(marched_american.price(*case, nodes=nodes), abs=2e-8)


DIVIDENDS = [(0.1, 1.5), (0.6, 2.0), (1.1, 2.0)]


def test_vols_come_back_from_prices_with_dividends():
    rng = np.random.default_rng(2)
    n = 60
    right = np.where(rng.random(n) < 0.5, "call", "put")
    strike, years, vol = rng.uniform(75, 125, n), rng.uniform(0.05, 1.5, n), rng.uniform(0.15, 0.8, n)
    tree = {"method": "leisen_reimer", "steps": 101, "dividends": DIVIDENDS}
    price = american(right, 100.0, strike, years, 0.03, 0.01, vol, **tree)
    got, status = american_implied_vol(
        price, right, strike, years, spot=100.0, rate=0.03, dividend_yield=0.01, dividends=DIVIDENDS, steps=101
    )
    ok = status == "ok"
    assert ok.sum() > 0.8 * n
    assert set(status[~ok]) <= {"at_intrinsic"}
    again = american(right[ok], 100.0, strike[ok], years[ok], 0.03, 0.01, got[ok], **tree)
    assert np.abs(again - price[ok]).max() < 1e-9
    assert np.abs(got - vol)[ok].max() < 1e-5
    # the vol of the whole spot is another: a part of it does not move
    plain, _ = american_implied_vol(price[ok], right[ok], strike[ok], years[ok], spot=100.0, rate=0.03)
    assert np.nanmax(np.abs(plain - vol[ok])) > 0.01


@pytest.mark.parametrize(
    ("price", "right", "strike", "years", "status"),
    [
        (49.0, "put", 150.0, 0.05, "below_intrinsic"),
        (50.0, "put", 150.0, 0.05, "at_intrinsic"),
        (-1.0, "call", 150.0, 1.0, "below_intrinsic"),
        (0.0, "call", 150.0, 0.5, "at_intrinsic"),
        (100.0, "call", 100.0, 1.0, "above_maximum"),
        (100.0, "put", 100.0, 1.0, "above_maximum"),
        (5.0, "call", 100.0, 0.0, "expired"),
        (np.nan, "call", 100.0, 1.0, "nan_input"),
        (5.0, "call", np.nan, 1.0, "nan_input"),
        (9.0, "call", 100.0, 1.0, "ok"),
    ],
)
@pytest.mark.parametrize("dividends", [(), DIVIDENDS])
def test_statuses_with_and_without_dividends(price, right, strike, years, status, dividends):
    vol, got = american_implied_vol(price, right, strike, years, spot=100.0, rate=0.03, dividends=dividends, steps=51)
    assert got == status
    assert np.isfinite(vol) == (status == "ok")
    with pytest.raises(InputError, match="take the whole spot"):
        american_implied_vol(9.0, "call", 100.0, 1.0, spot=100.0, dividends=[(0.5, 120.0)])
