import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.pricing import asian, asian_continuous, asian_monte_carlo, black_scholes

WEEKLY = np.arange(1, 27) / 52


def by_covariances(sign, spot, strike, times, rate, q, vol, average):
    """Both averages by their whole covariance matrix, in 40 digits."""
    with mp.workdps(40):
        t = [mp.mpf(float(x)) for x in times]
        n, v, b = len(t), mp.mpf(vol) ** 2, mp.mpf(rate) - mp.mpf(q)
        if average == "geometric":
            mean = sum((b - v / 2) * x for x in t) / n
            total = v * sum(min(x, y) for x in t for y in t) / n**2
            forward = spot * mp.exp(mean + total / 2)
        else:
            forward = sum(spot * mp.exp(b * x) for x in t) / n
            second = sum(spot**2 * mp.exp(b * (x + y) + v * min(x, y)) for x in t for y in t) / n**2
            total = mp.log(second / forward**2)
        s = mp.sqrt(total)
        d = mp.log(forward / strike) / s + s / 2
        undiscounted = sign * (forward * mp.ncdf(sign * d) - strike * mp.ncdf(sign * (d - s)))
        return float(mp.exp(-rate * t[-1]) * undiscounted)


@pytest.mark.parametrize("average", ["geometric", "arithmetic"])
@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize(("rate", "q", "vol"), [(0.05, 0.02, 0.2), (-0.01, 0.03, 0.6), (0.0, 0.0, 0.01)])
def test_prices_agree_with_forty_digits(average, right, rate, q, vol):
    sign = 1 if right == "call" else -1
    for strike in (80.0, 100.0, 115.0):
        got = asian(right, 100.0, strike, WEEKLY, rate, q, vol, average=average)
        assert got == pytest.approx(by_covariances(sign, 100, strike, WEEKLY, rate, q, vol, average), abs=1e-12)


@pytest.mark.parametrize("average", ["geometric", "arithmetic"])
def test_one_fixing_is_a_european_option(average):
    got = asian("put", 100.0, [90.0, 110.0], [0.75], 0.04, 0.01, 0.3, average=average)
    assert got == pytest.approx(black_scholes("put", 100.0, [90.0, 110.0], 0.75, 0.04, 0.01, 0.3), abs=1e-12)


@pytest.mark.parametrize("right", ["call", "put"])
def test_many_fixings_are_continuous(right):
    terms = (0.05, 0.01, 0.3)
    strikes = np.array([80.0, 100.0, 125.0])
    coarse, fine = (
        asian(right, 100.0, strikes, np.arange(1, n + 1) * 0.75 / n, *terms, average="geometric") for n in (2000, 4000)
    )
    got = asian_continuous(right, 100.0, strikes, 0.75, *terms)
    assert got == pytest.approx(2 * fine - coarse, abs=1e-6)  # the error of n fixings is of order 1 / n
    assert asian_continuous(right, 100.0, 90.0, 0.0, *terms) == max((1 if right == "call" else -1) * 10.0, 0.0)


def test_fixings_that_have_been_belong_to_the_average():
    left = np.array([0.1, 0.2])
    for average, known in (("arithmetic", 104.0), ("geometric", 103.5)):
        base = asian("call", 100.0, 100.0, left, 0.03, 0.0, 0.2, average=average, fixed=(3, known))
        rng = np.random.default_rng(1)
        z = rng.normal(size=(400_000, 2))
        logs = np.cumsum((0.03 - 0.02) * 0.1 + 0.2 * np.sqrt(0.1) * z, axis=1)
        s = 100.0 * np.exp(logs)
        if average == "arithmetic":
            mean = (3 * known + s.sum(axis=1)) / 5
        else:
            mean = np.exp((3 * np.log(known) + np.log(s).sum(axis=1)) / 5)
        assert base == pytest.approx(np.exp(-0.006) * np.maximum(mean - 100.0, 0).mean(), abs=0.02)
    certain = asian("call", 100.0, 50.0, left, 0.03, 0.0, 0.2, fixed=(8, 104.0))
    forward = (8 * 104.0 + 100 * (np.exp(0.003) + np.exp(0.006))) / 10
    assert certain == pytest.approx(np.exp(-0.006) * (forward - 50.0), rel=1e-13)
    assert asian("put", 100.0, 50.0, left, 0.03, 0.0, 0.2, fixed=(8, 104.0)) == 0.0


@pytest.mark.parametrize("right", ["call", "put"])
def test_the_simulation_agrees_within_its_error(right):
    found = asian_monte_carlo(right, 100.0, 100.0, WEEKLY, 0.05, 0.0, 0.15, paths=100_000, seed=3)
    assert found.se < found.plain_se / 15
    rng, sign = np.random.default_rng(0), 1 if right == "call" else -1
    logs = np.cumsum((0.05 - 0.15**2 / 2) / 52 + 0.15 / np.sqrt(52) * rng.normal(size=(200_000, 26)), axis=1)
    x = np.exp(-0.025) * np.maximum(sign * (100 * np.exp(logs).mean(axis=1) - 100), 0)
    y = np.exp(-0.025) * np.maximum(sign * (100 * np.exp(logs.mean(axis=1)) - 100), 0)
    rest = x - (y - asian(right, 100.0, 100.0, WEEKLY, 0.05, 0.0, 0.15, average="geometric"))
    assert found.price == pytest.approx(rest.mean(), abs=4 * np.hypot(found.se, rest.std() / np.sqrt(rest.size)))
    # what the matched moments err by
    assert found.price == pytest.approx(asian(right, 100.0, 100.0, WEEKLY, 0.05, 0.0, 0.15), rel=3e-3)
    again = asian_monte_carlo(right, 100.0, 100.0, WEEKLY, 0.05, 0.0, 0.15, paths=100_000, seed=3)
    assert again == found
    other = asian_monte_carlo(right, 100.0, 100.0, WEEKLY, 0.05, 0.0, 0.15, paths=100_000, seed=4)
    assert 0 < abs(other.price - found.price) < 6 * found.se
    assert found.to_frame().shape == (1, 9)


def test_a_single_fixing_shows_the_error_is_honest():
    """Arithmetic and geometric are then one, so the control takes all the error."""
    found = asian_monte_carlo("call", 100.0, 105.0, [0.5], 0.02, 0.0, 0.3, paths=5_000)
    assert found.price == pytest.approx(black_scholes("call", 100.0, 105.0, 0.5, 0.02, 0.0, 0.3), abs=1e-9)
    # the plain error is that of 2,500 mirrored pairs
    assert 0.1 < found.plain_se < 0.3


def test_shape_and_type_follow_the_arguments():
    strike = pd.Series([90.0, 110.0], index=["a", "b"])
    assert asian("call", 100.0, strike, WEEKLY, 0.0, 0.0, 0.2).index.tolist() == ["a", "b"]
    assert asian("call", [[100], [101]], [90, 100, 110], WEEKLY, 0, 0, 0.2).shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: asian("call", 100, 100, [], 0, 0, 0.2), "must be at least one"),
        (lambda: asian("call", 100, 100, [0.2, 0.1], 0, 0, 0.2), "rising"),
        (lambda: asian("call", 100, 100, ["soon"], 0, 0, 0.2), "are not numbers"),
        (lambda: asian("call", 100, 100, [0.1], 0, 0, 0.2, average="harmonic"), "average 'harmonic' is unknown"),
        (lambda: asian("call", 100, 100, [0.1], 0, 0, 0.2, fixed=(2, 0.0)), "fixed"),
        (lambda: asian_monte_carlo("call", 100, [100, 110], [0.1], 0, 0, 0.2), "takes one option"),
        (lambda: asian_monte_carlo("call", 100, 100, [0.1], 0, 0, 0.2, paths=3), "paths 3 are out of range"),
    ],
)
def test_bad_input_is_one_sentence(call, said):
    with pytest.raises(InputError, match=said):
        call()


@pytest.mark.parametrize("carry", [0.0, 0.05, -0.04])
def test_an_average_watched_always_is_the_limit_of_many_fixings(carry):
    """Two densities of fixings, extrapolated: the sum over midpoints errs by 1 / n^2."""
    terms = (0.04, 0.04 - carry, 0.3)

    def watched(n):
        return asian("call", 100.0, 95.0, (np.arange(n) + 0.5) / n * 0.8, *terms) * np.exp(0.04 * -0.4 / n)

    limit = (4.0 * watched(2000) - watched(1000)) / 3.0
    got = asian_continuous("call", 100.0, 95.0, 0.8, *terms, average="arithmetic")
    assert got == pytest.approx(limit, abs=1e-7)
