import numpy as np
import pandas as pd
import pytest
import QuantLib as ql

from qflib.errors import InputError
from qflib.kernels.implied_vol import OK, lognormal_implied_vol, total_vol
from qflib.pricing import bachelier, black76, black_scholes, implied_vol

STATUSES = [  # price, right, years, status of a strike of 100 on a spot of 110
    (15.0, "call", 0.5, "ok"),
    (9.9, "call", 0.5, "below_intrinsic"),
    (10.0, "call", 0.5, "at_intrinsic"),
    (110.0, "call", 0.5, "above_maximum"),
    (100.0, "put", 0.5, "above_maximum"),
    (0.0, "put", 0.5, "at_intrinsic"),
    (-1.0, "put", 0.5, "below_intrinsic"),
    (5.0, "put", 0.0, "expired"),
    (5.0, "put", -1.0, "expired"),
    (np.nan, "put", 0.5, "nan_input"),
]


@pytest.mark.parametrize(("price", "right", "years", "status"), STATUSES)
def test_statuses(price, right, years, status):
    vol, got = implied_vol(price, right, 100.0, years, spot=110.0)
    assert got == status
    assert np.isfinite(vol) == (status == "ok")


def test_policies():
    frame = pd.DataFrame(STATUSES, columns=["price", "right", "years", "status"])
    vol, status = implied_vol(frame["price"], frame["right"], 100.0, frame["years"], spot=110.0, policy="clip")
    assert status.tolist() == frame["status"].tolist()
    want = {"at_intrinsic": 0.0, "below_intrinsic": 0.0, "above_maximum": np.inf}
    for v, s in zip(vol, status, strict=True):
        if s != "ok":
            assert np.array_equal(v, want.get(s, np.nan), equal_nan=True)
    with pytest.raises(InputError, match=r"price 9.9 of row 1 has no implied vol \(below_intrinsic\)"):
        implied_vol(frame["price"], frame["right"], 100.0, frame["years"], spot=110.0, policy="raise")


def test_missing_forward_is_nan_input():
    assert implied_vol([1.0, 1.0], "call", 100.0, 1.0, forward=[np.nan, 99.0])[1].tolist() == ["nan_input", "ok"]


@pytest.mark.parametrize("vol", [0.01, 0.2, 1.0, 3.0])
@pytest.mark.parametrize("strike", [60.0, 99.999, 100.0, 140.0])
def test_agrees_with_quantlib(strike, vol):
    right, kind = ("put", ql.Option.Put) if strike < 100 else ("call", ql.Option.Call)
    price = black76(right, 100.0, strike, 0.75, vol, 0.03)
    got, status = implied_vol(price, right, strike, 0.75, forward=100.0, rate=0.03)
    if price < 1e-200:
        return
    assert status == "ok"
    assert got == pytest.approx(vol, rel=1e-14 * (1 + np.log(100 / strike) ** 2 / vol**2))
    if price > 1e-6:
        discount = np.exp(-0.03 * 0.75)
        theirs = ql.blackFormulaImpliedStdDev(kind, strike, 100.0, price, discount, 0.0, vol, 1e-14, 1000)
        assert got == pytest.approx(theirs / np.sqrt(0.75), rel=1e-9)


def test_normal_model():
    for strike in (-5.0, 0.0, 2.0, 2.5, 40.0):
        price = bachelier("call", 2.0, strike, 0.5, 6.0, 0.02)
        vol, status = implied_vol(price, "call", strike, 0.5, forward=2.0, rate=0.02, model="normal")
        assert status == "ok"
        assert vol == pytest.approx(6.0, rel=1e-13)
    below = bachelier("call", 2.0, 0.0, 0.5, 6.0) * 0 + 1.5
    assert implied_vol(below, "call", 0.0, 0.5, forward=2.0, model="normal")[1] == "below_intrinsic"
    with pytest.raises(InputError, match="normal model is on the forward"):
        implied_vol(1.0, "call", 1.0, 1.0, spot=1.0, model="normal")


@pytest.mark.parametrize("argument", [{"model": "heston"}, {"policy": "guess"}])
def test_unknown_words_are_told(argument):
    with pytest.raises(InputError, match="is unknown; expected"):
        implied_vol(1.0, "call", 1.0, 1.0, forward=1.0, **argument)


def test_every_vol_found_reproduces_its_price():
    """A wide, random box: nothing is silently wrong, in the tails and near the maximum too."""
    rng = np.random.default_rng(7)
    n = 20_000
    spot = 100 * np.exp(rng.normal(0, 1.0, n))
    years, vol = 10 ** rng.uniform(-4, 1.3, n), 10 ** rng.uniform(-2, 0.7, n)
    right = np.where(rng.random(n) < 0.5, "call", "put")
    price = black_scholes(right, spot, 100.0, years, 0.02, 0.01, vol)
    got, status = implied_vol(price, right, 100.0, years, spot=spot, rate=0.02, dividend_yield=0.01)
    ok = status == "ok"
    assert 0.5 < ok.mean() < 1.0
    again = black_scholes(right[ok], spot[ok], 100.0, years[ok], 0.02, 0.01, got[ok])
    assert np.all(np.abs(again - price[ok]) <= 1e-12 * price[ok] + 1e-13 * np.maximum(spot[ok], 100.0))


def test_the_bracket_finds_what_the_steps_do_not():
    for value in (1e-300, 1e-12, 0.3, 0.999999):
        for x in (-700.0, -50.0, -1.0, -1e-9, 0.0):
            s = total_vol(x, value, 1.0 - value)
            assert 0.0 < s < np.inf


def test_kernel_gives_codes():
    vol, status = lognormal_implied_vol(10.45, 1.0, 100.0, 100.0, 1.0, 0.05, 0.0)
    assert status == OK
    assert vol == pytest.approx(0.2, abs=1e-3)
