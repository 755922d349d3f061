"""Asian options: on the geometric or arithmetic average of prices at given times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels.asian import moments_batch
from qflib.kernels.lognormal_blocks import black_scholes_batch
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments, frozen

Average = Literal["arithmetic", "geometric"]


def asian(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    fixings: Sequence[float] | NDArray[Any],
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    average: Average = "arithmetic",
    fixed: tuple[int, float] = (0, 0.0),
) -> Any:
    """Price of European options on an average price, paid at the last fixing.

    Parameters
    ----------
    right, spot, strike, rate, dividend_yield, vol
        As in `black_scholes`.
    fixings
        Years from now of the fixings to come, rising, at least 0; the same for all options.
    average
        "geometric" is exact; "arithmetic" matches the first two moments (Turnbull and Wakeman).
    fixed
        How many fixings have been, and their average of the same kind.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If a value is out of range, fixings do not rise, the average is unknown, or shapes do not fit.

    Notes
    -----
    O(n fixings). The arithmetic price errs by 0.2 % of itself at 15 % vol for half a year, and in proportion to vol^2
    years; `asian_monte_carlo` tells.
    Sources: Kemna and Vorst 1990; Turnbull and Wakeman 1991; Haug 2007, section 4.20.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.pricing import asian
    >>> round(asian("call", 100, 100, np.arange(1, 11) / 10, 0.06, 0.03, 0.2, average="geometric"), 6)
    5.342561
    >>> round(asian("call", 100, 100, np.arange(1, 27) / 52, 0.05, 0.05, 0.2), 6)
    3.270035
    """
    a, times, (count, known) = asian_arguments(right, spot, strike, fixings, rate, dividend_yield, vol, average, fixed)
    sign, price, strikes, rates, yields, vols = a.values
    share = times.size / (times.size + count)
    first, second = np.empty(a.size), np.empty(a.size)
    moments_batch(times, frozen(rates - yields), vols, average == "geometric", first, second)
    if average == "geometric":
        forward = np.exp((1.0 - share) * np.log(known if count else 1.0) + share * (np.log(price) + first))
        forward *= np.exp(0.5 * share * share * second)
        total, left, scale = share * np.sqrt(second), strikes, 1.0
    else:
        forward, total, scale = price * first, np.sqrt(second), share
        left = (strikes - (1.0 - share) * known) / share
    certain = left <= 0.0
    out = np.empty(a.size)
    ones, zeros = frozen(np.ones(a.size)), frozen(np.zeros(a.size))
    strike = frozen(np.where(certain, 1.0, left))
    black_scholes_batch(sign, frozen(forward), strike, ones, zeros, zeros, frozen(total), out)
    out = np.where(certain, np.maximum(sign, 0.0) * (forward - left), out)
    return a.restore(scale * np.exp(-rates * times[-1]) * out, "price")


def asian_continuous(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    average: Average = "geometric",
) -> Any:
    """Price of European options on the average from now to expiry, watched always.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, vol
        As in `black_scholes`.
    average
        As in `asian`.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If a value is out of range, the average is unknown, or shapes do not fit.

    Notes
    -----
    O(n). "geometric" is exact; "arithmetic" errs as in `asian`.
    Sources: Kemna and Vorst 1990; Turnbull and Wakeman 1991; Haug 2007, sections 4.20.1 and 4.20.2.

    Examples
    --------
    >>> from qflib.pricing import asian_continuous
    >>> round(asian_continuous("put", 80, 85, 0.25, rate=0.05, dividend_yield=-0.03, vol=0.2), 4)
    4.6922
    >>> round(asian_continuous("call", 100, 100, 0.5, 0.05, 0.05, 0.2, average="arithmetic"), 4)
    3.1787
    """
    known_average(average)
    a = arguments(right, spot=spot, strike=strike, years=years, rate=rate, dividend_yield=dividend_yield, vol=vol)
    sign, price, strikes, times, rates, yields, vols = a.values
    carry = rates - yields
    if average == "geometric":  # the mean of ln S has half the drift and a third of the variance
        variance = vols * vols * times / 3.0
        forward = price * np.exp(0.5 * (carry - 0.5 * vols * vols) * times + 0.5 * variance)
    else:
        first, variance = _continuous_moments(times, carry, vols)
        forward = price * first
    out, ones = np.empty(a.size), frozen(np.ones(a.size))
    paid = frozen(rates * times)
    black_scholes_batch(sign, frozen(forward), strikes, ones, paid, paid, frozen(np.sqrt(variance)), out)
    return a.restore(out, "price")


#: Gauss-Legendre on (0, 1): places and masses
CONTINUOUS_NODES = [
    (0.5 * float(x) + 0.5, 0.5 * float(m)) for x, m in zip(*np.polynomial.legendre.leggauss(48), strict=True)
]


def _continuous_moments(years: Floats, carry: Floats, vol: Floats) -> tuple[Floats, Floats]:
    """First moment of the mean of S_t / S_0 up to each of `years`, and ln(second / first^2)."""
    first = _grown(carry * years)
    excess = np.zeros_like(years)
    for x, mass in CONTINUOUS_NODES:  # of pairs whose earlier time is x
        t = x * years
        excess += (
            2.0 * mass * (1.0 - x) * np.exp(2.0 * carry * t) * np.expm1(vol * vol * t) * _grown(carry * (years - t))
        )
    return first, np.log1p(excess / (first * first))


def _grown(x: Floats) -> Floats:
    """Mean of e^(x u) over u in (0, 1)."""
    return np.where(x == 0.0, 1.0, np.expm1(x) / np.where(x == 0.0, 1.0, x))


def asian_arguments(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    fixings: Sequence[float] | NDArray[Any],
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    average: Average,
    fixed: tuple[int, float],
) -> tuple[Arguments, Floats, tuple[int, float]]:
    """Arguments of `asian`, checked: sign, spot, strike, rate, yield, vol; times; what has been fixed."""
    known_average(average)
    times = _times(fixings)
    a = arguments(right, spot=spot, strike=strike, rate=rate, dividend_yield=dividend_yield, vol=vol)
    return a, times, _fixed(fixed)


def known_average(average: str) -> None:
    """Raise an InputError at another average."""
    if average not in ("arithmetic", "geometric"):
        raise InputError(f"average {average!r} is unknown; expected 'arithmetic' or 'geometric'")


def _times(fixings: Sequence[float] | NDArray[Any]) -> Floats:
    try:
        times = np.ascontiguousarray(fixings, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise InputError(f"fixings {fixings!r} are not numbers; give years from now") from None
    if not times.size or not (np.isfinite(times).all() and times[0] >= 0.0 and (np.diff(times) > 0.0).all()):
        raise InputError(f"fixings {times} must be at least one, finite, at least 0 and rising; give years from now")
    return frozen(times)


def _fixed(fixed: tuple[int, float]) -> tuple[int, float]:
    count, known = fixed
    if count < 0 or not np.isfinite(known) or (count and known <= 0.0):
        raise InputError(f"fixed {fixed!r} is out of range; give how many fixings have been and their positive average")
    return int(count), float(known)
