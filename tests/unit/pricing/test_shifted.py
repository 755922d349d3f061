import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.pricing import black76, shifted_black76, shifted_implied_vol


@pytest.mark.parametrize("strike", [-0.01, 0.0, 0.02])
@pytest.mark.parametrize(("right", "sign"), [("call", 1), ("put", -1)])
def test_prices_agree_with_forty_digits(right, sign, strike):
    with mp.workdps(40):
        f, k, s = mp.mpf(-0.002) + mp.mpf(0.03), mp.mpf(strike) + mp.mpf(0.03), mp.mpf(0.25) * mp.sqrt(2)
        d = mp.log(f / k) / s + s / 2
        want = mp.exp(mp.mpf(0.02)) * sign * (f * mp.ncdf(sign * d) - k * mp.ncdf(sign * (d - s)))
    got = shifted_black76(right, -0.002, strike, 2.0, 0.25, 0.03, rate=-0.01)
    assert got == pytest.approx(float(want), rel=1e-12)


def test_vols_come_back_and_no_shift_is_black():
    strikes = pd.Series([-0.01, 0.0, 0.02], index=list("abc"))
    price = shifted_black76("put", 0.001, strikes, 1.0, 0.3, 0.02)
    vol, status = shifted_implied_vol(price, "put", strikes, 1.0, 0.001, 0.02)
    assert vol.to_numpy() == pytest.approx(0.3, rel=1e-10)
    assert status.tolist() == ["ok"] * 3
    assert price.index.tolist() == list("abc")
    assert shifted_black76("call", 100.0, 90.0, 1.0, 0.2, 0.0) == black76("call", 100.0, 90.0, 1.0, 0.2)


def test_lists_are_arrays():
    got = shifted_black76("call", 0.0, [0.0, 0.01], 1.0, 0.2, 0.02)
    assert got.tolist() == shifted_black76("call", 0.0, np.array([0.0, 0.01]), 1.0, 0.2, 0.02).tolist()


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r"strike with shift is -0\.01"):
        shifted_black76("call", 0.0, np.array([0.0, -0.02]), 1.0, 0.2, 0.01)
    with pytest.raises(InputError, match="forward 'x' and shift"):
        shifted_black76("call", "x", 0.0, 1.0, 0.2, 0.01)
