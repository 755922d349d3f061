"""The special functions against mpmath, over their whole stated ranges."""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray

from qflib.kernels import special
from qflib.kernels.jit import kernel, simd_kernel

F = NDArray[np.float64]


@simd_kernel
def map_exp(x: F, out: F) -> None:
    for i in range(x.size):
        out[i] = special.exp(x[i])


@simd_kernel
def map_log(x: F, out: F) -> None:
    for i in range(x.size):
        out[i] = special.log(x[i])


@simd_kernel
def map_mills(x: F, out: F) -> None:
    for i in range(x.size):
        out[i] = special.mills_ratio(x[i])


@simd_kernel
def map_tail(x: F, out: F) -> None:
    for i in range(x.size):
        out[i] = special.normal_tail(x[i])


@simd_kernel
def map_density(x: F, out: F) -> None:
    for i in range(x.size):
        out[i] = special.normal_density(x[i])


@kernel
def map_slope(x: F, out: F) -> None:
    for i in range(x.size):
        out[i] = special.mills_slope(x[i])


@kernel
def map_expm1(x: F, out: F) -> None:
    for i in range(x.size):
        out[i] = special.expm1_near(x[i])


@kernel
def map_quotient(x: F, out: F) -> None:
    for i in range(x.size):
        out[i] = special.log_quotient(x[i], 3.0)


def slope(x: mp.mpf) -> mp.mpf:
    return 1 - x * mills(x)


def mills(x: mp.mpf) -> mp.mpf:
    with mp.workdps(60):
        if x < 8:
            return mp.sqrt(mp.pi / 2) * mp.exp(x * x / 2) * mp.erfc(x / mp.sqrt(2))
        v = mp.mpf(0)
        for k in range(60, 0, -1):  # Laplace's continued fraction: at 8 and more it leaves e^-170
            v = k / (x + v)
        return 1 / (x + v)


def worst(f: Callable[[F, F], None], exact: Callable[[mp.mpf], mp.mpf], x: F) -> float:
    out = np.empty_like(x)
    f(x, out)
    with mp.workdps(40):
        return max(float(abs(mp.mpf(y) / exact(mp.mpf(v)) - 1)) for v, y in zip(x.tolist(), out.tolist(), strict=True))


rng = np.random.default_rng(11)


@pytest.mark.parametrize(
    ("f", "exact", "x", "bound"),
    [
        (map_exp, mp.exp, np.r_[rng.uniform(-708, 709, 3000), rng.uniform(-1, 1, 1000), 0.0, 709.0, -708.0], 4e-16),
        (
            map_log,
            mp.log,
            np.r_[
                np.exp(rng.uniform(-700, 700, 2000)), rng.uniform(0.5, 2, 2000), 1 + 10.0 ** -np.arange(1.0, 15), 0.9999
            ],
            4e-16,
        ),
        (map_mills, mills, np.r_[rng.uniform(0, 40, 3000), 10.0 ** np.arange(-12.0, 30), 0.0], 2e-15),
        (map_tail, lambda x: mp.erfc(x / mp.sqrt(2)) / 2, np.r_[rng.uniform(-37, 37, 3000), 0.0, 37.0], 4e-15),
        (map_density, mp.npdf, np.r_[rng.uniform(-37, 37, 3000), 0.0], 2e-15),
        (map_slope, slope, np.r_[rng.uniform(0, 40, 3000), 10.0 ** np.arange(-12.0, 12), 0.0], 1e-15),
        (map_expm1, mp.expm1, np.r_[rng.uniform(-0.3466, 0.3466, 3000), 10.0 ** -np.arange(1.0, 300, 7)], 4e-16),
        (
            map_quotient,
            lambda x: mp.log(x / 3),
            np.r_[np.exp(rng.uniform(-690, 690, 2000)), rng.uniform(1.5, 6, 2000), 3 + 10.0 ** -np.arange(1.0, 15)],
            5e-16,
        ),
    ],
    ids=[
        "exp",
        "log",
        "mills_ratio",
        "normal_tail",
        "normal_density",
        "mills_slope",
        "expm1_near",
        "log_quotient",
    ],
)
def test_relative_error_stays_below_what_the_docstring_states(
    f: Callable[[F, F], None], exact: Callable[[mp.mpf], mp.mpf], x: F, bound: float
) -> None:
    assert worst(f, exact, x) < bound


def test_exp_holds_its_end_values_beyond_its_range() -> None:
    out = np.empty(2)
    map_exp(np.array([-5000.0, 5000.0]), out)
    np.testing.assert_allclose(out, [np.exp(-708.0), np.exp(709.0)], rtol=4e-16)


def test_log_of_one_is_zero() -> None:
    out = np.empty(1)
    map_log(np.array([1.0]), out)
    assert out[0] == 0.0
