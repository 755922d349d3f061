import mpmath as mp
import numpy as np
import pytest

from qflib.kernels.mills_ratio import cdf, mills, mills_difference, mills_slope

EPS = np.finfo(float).eps
POINTS = [0.0, 1e-300, 1e-8, 0.1, 1.0, 1.99, 2.01, 4.9, 5.1, 12.0, 38.0, 1e3, 1e7, 1e9]


def exact(z):
    with mp.workdps(60):
        z = mp.mpf(z)
        if z > 1e3:
            return (1 - 1 / z**2 + 3 / z**4 - 15 / z**6 + 105 / z**8) / z
        return mp.sqrt(mp.pi / 2) * mp.exp(z * z / 2) * mp.erfc(z / mp.sqrt(2))


@pytest.mark.parametrize("z", POINTS)
def test_mills_ratio_holds_to_a_few_eps(z):
    assert abs(float(mills(z) / exact(z) - 1)) < 4 * EPS


@pytest.mark.parametrize("z", [z for z in POINTS if z <= 1e3])
def test_slope_does_not_cancel(z):
    with mp.workdps(60):
        want = 1 - mp.mpf(z) * exact(z)
        assert abs(float(mills_slope(z) / want - 1)) < 8 * EPS


@pytest.mark.parametrize("z", [0.0, 0.5, 1.9, 2.1, 4.9, 5.1, 11.0, 36.0])
@pytest.mark.parametrize("t", [1e-12, 1e-4, 0.1, 0.49])
def test_difference_does_not_cancel(z, t):
    def both(u):
        return mp.sqrt(mp.pi / 2) * mp.exp(u * u / 2) * mp.erfc(u / mp.sqrt(2))

    with mp.workdps(60):
        want = both(mp.mpf(z) - mp.mpf(t)) - both(mp.mpf(z) + mp.mpf(t))
        assert abs(float(mills_difference(z, t) / want - 1)) < 4 * EPS * (1 + min(z, 5.0) ** 2)


@pytest.mark.parametrize("z", [-37.0, -8.0, -1.0, 0.0, 1.0, 8.0, 50.0])
def test_cdf_keeps_its_left_tail(z):
    with mp.workdps(60):
        want = mp.erfc(-mp.mpf(z) / mp.sqrt(2)) / 2
        assert abs(float(cdf(z) / want - 1)) < 4 * EPS * max(1.0, z * z)


def test_not_a_number_stays_one():
    assert np.isnan(cdf(np.nan))
    assert cdf(-np.inf) == 0.0
    assert cdf(np.inf) == 1.0
