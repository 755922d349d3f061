"""Prices, Greeks and implied vols of many options against those of one, and against 50 digits."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.kernels.black_scholes import black_scholes_price
from qflib.kernels.black_scholes_greeks import GREEKS, greeks
from qflib.kernels.implied_vol import OK, lognormal_implied_vol
from qflib.kernels.implied_vol_blocks import lognormal_implied_vol_batch
from qflib.kernels.lognormal_blocks import BLOCK, black_scholes_batch, greeks_batch
from tests.reference import black_scholes_mpmath as oracle
from tests.reference.vol_condition import condition

EPS = float(np.finfo(float).eps)
#: no time, no vol, no quote, far from the money, long, short, large, small
STRANGE = (
    (1.0, 100.0, 100.0, 0.0, 0.03, 0.0, 0.2),
    (-1.0, 100.0, 100.0, 1.0, 0.03, 0.01, 0.0),
    (1.0, np.nan, 100.0, 1.0, 0.03, 0.01, 0.2),
    (1.0, 100.0, 100.0, 1.0, 0.03, 0.01, np.nan),
    (1.0, 100.0, 900.0, 0.1, 0.0, 0.0, 0.05),
    (-1.0, 100.0, 90.0, 30.0, 0.05, 0.02, 5.0),
    (1.0, 100.0, 100.000001, 2e-9, 0.0, 0.0, 0.001),
    (-1.0, 3e-295, 1e-295, 1.0, 0.0, 0.0, 0.4),
    (1.0, 1e295, 2e295, 1.0, 0.0, 0.0, 0.4),
    (1.0, 100.0, 120.0, 10.0, 90.0, 0.0, 0.2),
    (1.0, 1e-280, 1e-280, 1.0, 0.0, 0.0, 0.4),
    (-1.0, 1e170, 1.1e170, 1.0, 0.0, 0.0, 0.4),
    (1.0, 1e-165, 1e-165, 1.0, 0.0, 0.0, 0.4),
)


def options(n: int, seed: int, sigmas: float = 6.0) -> list[Any]:
    """Columns sign, spot, strike, years, rate, dividend yield and vol: usual rows and strange ones among them."""
    rng = np.random.default_rng(seed)
    spot, years, vol = np.exp(rng.uniform(-5, 9, n)), np.exp(rng.uniform(-11, 3, n)), np.exp(rng.uniform(-6, 1, n))
    rate, dividend = rng.uniform(-0.05, 0.15, n), rng.uniform(-0.02, 0.08, n)
    z = rng.uniform(-sigmas, sigmas, n)
    strike = spot * np.exp((rate - dividend) * years + z * vol * np.sqrt(years))
    columns = np.array([np.where(rng.random(n) < 0.5, 1.0, -1.0), spot, strike, years, rate, dividend, vol])
    at = rng.integers(0, n, n // 20)
    columns[:, at] = np.array(STRANGE).T[:, rng.integers(0, len(STRANGE), len(at))]
    made = [np.ascontiguousarray(c) for c in columns]
    for c in made:
        c.flags.writeable = False
    return made


def test_prices_are_those_of_one_by_one() -> None:
    columns = options(20_000, 1)
    got = np.empty(20_000)
    black_scholes_batch(*columns, got)
    one = np.array([black_scholes_price(*row) for row in zip(*columns, strict=True)])
    s = columns[6] * np.sqrt(columns[3])
    with np.errstate(all="ignore"):
        d = np.nan_to_num(np.log(columns[1] / columns[2]) / s, posinf=0.0, neginf=0.0)
    np.testing.assert_array_less(
        np.abs(got - one)[~np.isnan(one)], (EPS * (24 + 4 * d * d) * one + 1e-300)[~np.isnan(one)]
    )
    assert (np.isnan(got) == np.isnan(one)).all()


def test_prices_against_fifty_digits() -> None:
    columns = options(600, 2)
    got = np.empty(600)
    black_scholes_batch(*columns, got)
    for i, row in enumerate(zip(*columns, strict=True)):
        sign, spot, strike, years, rate, dividend, vol = (mp.mpf(x) for x in row)
        if not np.isfinite(row).all() or row[3] == 0 or row[6] == 0:
            continue
        with mp.workdps(50):
            exact = oracle.price(*row)
            x = mp.log(spot / strike) + (rate - dividend) * years
            s = vol * mp.sqrt(years)
            # what the rounding of ln(spot / strike), of the yields' exponents and of d1 does, and a few eps
            moved = spot * mp.exp(-dividend * years) * abs(mp.log(spot / strike)) * oracle.cdf(sign * (x / s + s / 2))
            bound = EPS * ((8 + (x / s) ** 2 + abs(dividend * years) + abs(rate * years)) * exact + 2 * moved)
        assert abs(got[i] - exact) <= bound + 1e-300, (row, got[i], exact)


def test_greeks_are_those_of_one_by_one() -> None:
    columns = options(5_000, 3)
    got, few = np.empty((18, 5_000)), np.empty((17, 5_000))
    greeks_batch(*columns, got)
    greeks_batch(*columns, few)
    np.testing.assert_array_equal(few, got[:17])
    one = np.array([greeks(*row) for row in zip(*columns, strict=True)]).T
    assert (np.isnan(got) == np.isnan(one)).all()
    _, spot, strike, years, _, _, vol = columns
    s = vol * np.sqrt(years)
    with np.errstate(all="ignore"):
        z = np.abs(np.nan_to_num(np.log(spot / strike) / s, posinf=0.0, neginf=0.0)) + np.nan_to_num(s) + 1
        gamma, vega = np.nan_to_num(one[2]), np.nan_to_num(one[3])
        # a Greek is a sum of terms of these sizes: it is right to a few eps of them
        least = {
            "theta": vega * vol / years + np.abs(one[5:7]).sum(axis=0) / years,
            "vanna": vega / spot / s * z, "volga": vega / vol * z**2,
            "charm": gamma * spot * s * z / years + np.abs(one[1]),
            "veta": vega * z**2 / years, "speed": gamma / spot / s * z, "zomma": gamma / vol * z**2,
            "color": gamma * z**2 / years, "ultima": vega / vol**2 * z**4,
        }  # fmt: skip
    for g, name in enumerate(GREEKS):
        size = np.abs(one[g]) + np.nan_to_num(least.get(name, np.zeros(5_000)), nan=0.0, posinf=0.0)
        known = np.isfinite(one[g])
        np.testing.assert_array_equal(got[g][~known], one[g][~known])
        excess = np.abs(got[g][known] - one[g][known]) / (EPS * (z**2 * size)[known] + 1e-300)
        assert excess.max() < 64, (name, excess.max())


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(1, 999), cuts=st.lists(st.integers(0, 3 * BLOCK), max_size=5))
def test_no_row_depends_on_its_neighbours(seed: int, cuts: list[int]) -> None:
    n = 3 * BLOCK
    columns = options(n, seed)
    price, table, vol, status = np.empty(n), np.empty((18, n)), np.empty(n), np.empty(n, np.int8)
    black_scholes_batch(*columns, price)
    greeks_batch(*columns, table)
    price.flags.writeable = False
    lognormal_implied_vol_batch(price, *columns[:6], vol, status)
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), n], strict=True):
        part = [c[a:b] for c in columns]
        some, few, vols, codes = np.empty(b - a), np.empty((18, b - a)), np.empty(b - a), np.empty(b - a, np.int8)
        black_scholes_batch(*part, some)
        greeks_batch(*part, few)
        lognormal_implied_vol_batch(price[a:b], *part[:6], vols, codes)
        np.testing.assert_array_equal(some, price[a:b])
        np.testing.assert_array_equal(few, table[:, a:b])
        np.testing.assert_array_equal(vols, vol[a:b])
        np.testing.assert_array_equal(codes, status[a:b])


def test_statuses_are_those_of_one_by_one() -> None:
    columns = options(4_000, 5, sigmas=12.0)
    price = np.empty(4_000)
    black_scholes_batch(*columns, price)
    rng = np.random.default_rng(5)
    price = np.where(rng.random(4_000) < 0.3, price * rng.choice([0.0, 0.5, 2.0, 1e6, -1.0, np.nan], 4_000), price)
    price.flags.writeable = False
    vol, status = np.empty(4_000), np.empty(4_000, np.int8)
    fallbacks = lognormal_implied_vol_batch(price, *columns[:6], vol, status)
    assert 0 < fallbacks < 4_000
    seen = set()
    for i, row in enumerate(zip(price, *columns[:6], strict=True)):
        one, code = lognormal_implied_vol(*row)
        assert status[i] == code
        seen.add(code)
        if code == OK and one > 0:
            assert abs(vol[i] / one - 1) <= 8 * EPS * condition(*([c] for c in (*row[1:], one)))
    assert len(seen) == 6


@pytest.mark.parametrize("right", ["out of the money", "either"])
def test_a_million_vols_come_back_or_say_why_not(right: str) -> None:
    n = 1_000_000
    rng = np.random.default_rng(7)
    spot, vol = np.full(n, 100.0), np.exp(rng.uniform(np.log(0.001), np.log(5), n))
    years = np.exp(rng.uniform(np.log(1 / 525_600), np.log(30), n))
    rate, dividend = rng.uniform(-0.02, 0.1, n), rng.uniform(0, 0.05, n)
    x = rng.uniform(-10, 10, n) * vol * np.sqrt(years)
    strike = spot * np.exp((rate - dividend) * years - x)
    sign = np.where(rng.random(n) < 0.5, 1.0, -1.0) if right == "either" else np.where(x > 0, -1.0, 1.0)
    columns = [sign, spot, strike, years, rate, dividend, vol]
    price, got, status = np.empty(n), np.empty(n), np.empty(n, np.int8)
    for c in columns:
        c.flags.writeable = False
    black_scholes_batch(*columns, price)
    price.flags.writeable = False
    lognormal_implied_vol_batch(price, *columns[:6], got, status)
    found = status == OK
    assert (np.isnan(got) == ~found).all()
    assert found.mean() > (0.95 if right == "out of the money" else 0.55)
    back = np.empty(n)
    black_scholes_batch(*columns[:6], np.where(found, got, np.nan), back)
    asset, cash = spot * np.exp(-dividend * years), strike * np.exp(-rate * years)
    # a price is reproduced to what the last digit of its vol makes, in the money to the rounding of both sides
    bound = EPS * ((64 + 2 * x * x / (vol * vol * years)) * price + np.where(sign * x > 0, 8 * (asset + cash), 0.0))
    assert (np.abs(back - price) <= bound)[found].all()
    error = np.abs(got / vol - 1)[found] / (EPS * condition(*(c[found] for c in columns)))
    assert error.max() <= 8


def test_vols_of_prices_known_to_fifty_digits() -> None:
    rng = np.random.default_rng(9)
    n = 500
    spot, vol, years = np.full(n, 100.0), rng.uniform(0.05, 0.8, n), rng.uniform(0.02, 2.0, n)
    rate, dividend = rng.uniform(-0.01, 0.06, n), rng.uniform(0, 0.03, n)
    strike = spot * np.exp((rate - dividend) * years - rng.uniform(-3, 3, n) * vol * np.sqrt(years))
    sign = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    columns = [sign, spot, strike, years, rate, dividend, vol]
    with mp.workdps(50):
        price = np.array([float(oracle.price(*row)) for row in zip(*columns, strict=True)])
    for c in (price, *columns):
        c.flags.writeable = False
    got, status = np.empty(n), np.empty(n, np.int8)
    assert lognormal_implied_vol_batch(price, *columns[:6], got, status) == 0
    assert (np.abs(got / vol - 1) <= 4 * EPS * condition(*columns)).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("rate", [0.0, 0.03])
def test_greeks_where_the_forward_is_the_strike_exactly(sign: float, rate: float) -> None:
    """Neither side is in the money there: each is still its own, the put's delta what the call's leaves."""
    n = 9
    columns = [np.full(n, x) for x in (sign, 100.0, 100.0, 0.25, rate, rate, 0.3)]
    got = np.empty((len(GREEKS), n))
    greeks_batch(*columns, got)
    np.testing.assert_allclose(got, np.tile(np.array(greeks(*(c[0] for c in columns)))[:, None], n), rtol=1e-12)
