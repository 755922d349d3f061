"""Derivatives that values carry, against mpmath's of the same formula."""

import mpmath as mp
import numpy as np
import pytest

from qflib.pricing import jets

AT = (np.array([1.3, 0.4, 2.7]), np.array([0.7, 1.9, 0.2]), np.array([-0.3, 0.6, 1.1]))


def agree(jet, f, tolerance=1e-12):
    with mp.workdps(40):
        for i in range(3):
            at = tuple(mp.mpf(float(x[i])) for x in AT)
            assert jet.value[i] == pytest.approx(float(f(*at)), rel=tolerance)
            for a in range(3):
                one = [0, 0, 0]
                one[a] = 1
                want = float(mp.diff(f, at, tuple(one), h=mp.mpf(10) ** -12))
                assert jet.slope[a, i] == pytest.approx(want, rel=tolerance, abs=tolerance)
                for b in range(3):
                    two = list(one)
                    two[b] += 1
                    want = float(mp.diff(f, at, tuple(two), h=mp.mpf(10) ** -12))
                    assert jet.bend[a, b, i] == pytest.approx(want, rel=tolerance, abs=tolerance)


def test_arithmetic_with_numbers_arrays_and_one_another():
    x, y, z = jets.variables(*AT)
    two = np.array([2.0, 2.0, 2.0])
    agree(
        (two * x - y * z / x + 3.0) * (1.0 - z) + two / y - (-x),
        lambda x, y, z: (2 * x - y * z / x + 3) * (1 - z) + 2 / y + x,
    )


def test_functions():
    x, y, z = jets.variables(*AT)
    agree(jets.exp(x * z) + jets.expm1(z) * y, lambda x, y, z: mp.exp(x * z) + mp.expm1(z) * y)
    agree(jets.log(x / y) * jets.log1p(x * y), lambda x, y, z: mp.log(x / y) * mp.log1p(x * y))
    agree(jets.sqrt(x + y) + jets.power(x, -1.7) * z, lambda x, y, z: mp.sqrt(x + y) + x ** mp.mpf(-1.7) * z)


def test_normal_tails_and_prices():
    x, y, z = jets.variables(*AT)
    agree(jets.weighted_cdf(y * x, z - x * 3.0), lambda x, y, z: mp.exp(y * x) * mp.ncdf(z - 3 * x))

    def black(x, y, z, sign=1):
        s = mp.sqrt(z * z + y / 4)
        d = mp.log(x / y) / s + s / 2
        return sign * (x * mp.ncdf(sign * d) - y * mp.ncdf(sign * (d - s)))

    total = jets.sqrt(z * z + y * 0.25)
    for sign in (1.0, -1.0):
        agree(jets.black(np.full(3, sign), x, y, total), lambda x, y, z, c=sign: black(x, y, z, c))
        agree(
            jets.normal(np.full(3, sign), x - y, total),
            lambda x, y, z, c=sign: (
                c * (x - y) * mp.ncdf(c * (x - y) / mp.sqrt(z * z + y / 4))
                + mp.sqrt(z * z + y / 4) * mp.npdf((x - y) / mp.sqrt(z * z + y / 4))
            ),
        )


def test_a_tail_whose_weight_is_huge_stays_finite():
    w, z = jets.variables(np.array([900.0, 0.0]), np.array([-45.0, -45.0]))
    got = jets.weighted_cdf(w, z)
    with mp.workdps(40):
        want = mp.exp(900) * mp.ncdf(-45)
    assert got.value[0] == pytest.approx(float(want), rel=1e-12)
    assert np.isfinite(got.bend).all()


def test_select():
    x, y, _ = jets.variables(*AT)
    mask = np.array([True, False, True])
    got = jets.select(mask, x * x, y)
    assert got.value.tolist() == [x.value[0] ** 2, y.value[1], x.value[2] ** 2]
    assert got.slope[0].tolist() == [2 * x.value[0], 0.0, 2 * x.value[2]]
    assert got.bend[0, 0].tolist() == [2.0, 0.0, 2.0]
