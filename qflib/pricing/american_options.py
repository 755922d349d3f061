"""American options: price, Greeks, the early-exercise boundary."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels.american_values import VALUES, Grids, american_batch, boundary_at, grids
from qflib.kernels.leisen_reimer import tree_batch
from qflib.machine import processors
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments
from qflib.pricing.sensitivities import Units, to_trader

#: below this many options threads cost more than they give
_FEW = 64
_MOST_STEPS = 20_001


def american(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    method: Literal["boundary", "leisen_reimer"] = "boundary",
    steps: int = 501,
    dividends: Sequence[tuple[float, float]] = (),
) -> Any:
    """Price of American options under Black-Scholes-Merton, rates and yields of any sign.

    Parameters
    ----------
    right, years, rate, dividend_yield, vol
        As in `black_scholes`; vol 0 is allowed.
    spot, strike
        Prices in one currency, at least 0. A NaN spot or vol gives a NaN price.
    method
        "boundary" solves for the early-exercise boundary; "leisen_reimer" is a binomial tree.
    steps
        Of the tree, odd; an even number takes one more.
    dividends
        Cash dividends as pairs (years from now, amount); those after expiry are left out. They need the tree: what is
        lognormal is the spot less the present value of the dividends before expiry (the escrowed model); exercise is
        on the spot itself.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If a value is out of range or not a number, dividends come without the tree or take the whole spot, the method
        is unknown, or shapes do not fit.

    Notes
    -----
    "boundary": O(n), some 12 us an option a core; several options run on all cores, with the same bits. Largest error
    1e-6 for a strike of 100, years to 1, vol 0.1 to 0.6, rates to 0.1; 1e-5 to 10 years and vol 1. Under a negative
    rate and a yet lower yield there are two boundaries. Where a drift towards exercise outruns the vol by far (for a
    put, (dividend_yield - rate) sqrt(years) > 20 vol), trees of 1,001 and 2,001 steps answer, to about 1e-3.
    "leisen_reimer": O(n steps^2), error about 1 / steps.
    Sources: Andersen, Lake and Offengenden 2016; Andersen and Lake 2021 (two boundaries); Leisen and Reimer 1996;
    Haug, Haug and Lewis 2003 (what the escrowed model leaves out).

    Examples
    --------
    >>> from qflib.pricing import american
    >>> round(american("put", 100, 100, 1.0, rate=0.05, dividend_yield=0.05, vol=0.25), 6)
    9.569445
    >>> tree = american("call", 100, 100, 0.5, 0.05, 0.0, 0.3, method="leisen_reimer", dividends=[(0.25, 2.0)])
    >>> round(tree, 4)
    8.5441
    """
    a = _given(right, spot, strike, years, rate, dividend_yield, vol)
    if method == "leisen_reimer":
        return a.restore(by_tree(a, steps, dividends), "price")
    if method != "boundary":
        raise InputError(f"method {method!r} is unknown; expected 'boundary' or 'leisen_reimer'")
    if len(dividends):
        raise InputError(f"{len(dividends)} dividends need the tree; give method='leisen_reimer', or a dividend_yield")
    return a.restore(values(a, slopes=False)[0], "price")


def american_greeks(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    units: Units = "natural",
) -> Any:
    """Price and Greeks of American options.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, vol
        As in `american`.
    units
        As in `greeks`.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, one row an option, columns price,
        delta, gamma, vega, theta, rho, dividend_rho, dual_delta, dual_gamma, elasticity. An option that is to be
        exercised has its payoff's: delta one, the others 0.

    Raises
    ------
    InputError
        If a value is out of range, or units are unknown.

    Notes
    -----
    O(n). Delta, gamma and theta are as good as the price; vega, rho and dividend_rho, in which the boundary moves,
    hold 1e-4 of their size, as a rule 1e-7.
    Sources: as `american`.

    Examples
    --------
    >>> from qflib.pricing import american_greeks
    >>> g = american_greeks("put", 100, 100, 1.0, rate=0.05, dividend_yield=0.05, vol=0.25)
    >>> round(g["delta"], 6), round(g["vega"], 4)
    (-0.436295, 38.082)
    """
    if units not in ("natural", "trader"):
        raise InputError(f"units {units!r} are unknown; expected 'natural' or 'trader'")
    a = _given(right, spot, strike, years, rate, dividend_yield, vol)
    found = dict(zip(VALUES, values(a, slopes=True), strict=True))
    _, price, strikes, *_ = a.values
    with np.errstate(divide="ignore", invalid="ignore"):
        # a price is homogeneous in spot and strike
        found["dual_delta"] = (found["price"] - price * found["delta"]) / strikes
        found["dual_gamma"] = found["gamma"] * (price / strikes) ** 2
        found["elasticity"] = np.where(found["price"] != 0.0, found["delta"] * price / found["price"], np.nan)
    if units == "trader":
        to_trader(found, price)
    if not a.shape:
        return {name: float(column[0]) for name, column in found.items()}
    return pd.DataFrame(found, index=a.index)


def exercise_boundary(
    right: RightLike,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    vol: float,
    *,
    points: int = 50,
) -> pd.DataFrame:
    """Early-exercise boundary of one American option through its life.

    Parameters
    ----------
    right, strike, years, rate, dividend_yield, vol
        As in `american`, scalars; strike, years and vol positive.
    points
        Times, evenly spaced in their square root.

    Returns
    -------
    DataFrame
        Index `years` to expiry, columns `near` and `far`: the option is exercised between the two prices; a put's far
        boundary is 0 and a call's infinite unless there are two. NaN where it is never exercised.

    Raises
    ------
    InputError
        If a value is out of range.

    Notes
    -----
    O(points). Source: as `american`.

    Examples
    --------
    >>> from qflib.pricing import exercise_boundary
    >>> exercise_boundary("put", 100, 1.0, 0.05, 0.05, 0.25, points=2).round(3)
             near  far
    years
    0.25   75.772  0.0
    1.00   64.792  0.0
    """
    if points < 1:
        raise InputError(f"points {points} are too few; give at least 1")
    a = arguments(right, strike=strike, years=years, rate=rate, dividend_yield=dividend_yield, vol=vol)
    if a.shape:
        raise InputError(f"exercise_boundary takes one option, and the arguments have shape {a.shape}; give scalars")
    sign, k, t, r, q, v = (float(x[0]) for x in a.values)
    if not (t > 0.0 and v > 0.0):
        raise InputError(f"years {t} and vol {v} must be positive for a boundary; give positive ones")
    times = t * (np.arange(1, points + 1) / points) ** 2
    near, far = np.empty(points), np.empty(points)
    if sign > 0.0:
        r, q = q, r
    boundary_at(r * t, q * t, v * np.sqrt(t), times / t, the_grids(), near, far)
    if sign > 0.0:  # a call's boundary is strike squared over that of the put with rate and yield exchanged
        with np.errstate(divide="ignore"):
            near, far = 1.0 / near, 1.0 / far
    return pd.DataFrame({"near": k * near, "far": k * far}, index=pd.Index(times, name="years"))


def values(a: Arguments, *, slopes: bool) -> Floats:
    """Rows `VALUES` of flat arguments sign, spot, strike, years, rate, yield, vol: on all cores where they are many."""
    chunks = min(processors(), -(-a.size // _FEW)) if a.size else 1
    edges = np.linspace(0, a.size, chunks + 1).astype(int)

    def part(i: int) -> Floats:
        sign, spot, strike, years, rate, dividend_yield, vol = (x[edges[i] : edges[i + 1]] for x in a.values)
        out = np.empty((len(VALUES), edges[i + 1] - edges[i]))
        american_batch(sign, spot, strike, years, rate, dividend_yield, vol, the_grids(), slopes, out)
        return out

    if chunks == 1:
        return part(0)
    with ThreadPoolExecutor(chunks) as pool:
        return np.concatenate(list(pool.map(part, range(chunks))), axis=1)


@cache
def the_grids() -> Grids:
    """The kernels' grids, made once."""
    return grids()


def _given(right: RightLike, spot: NumberLike, strike: NumberLike, years: NumberLike, *rest: NumberLike) -> Arguments:
    rate, dividend_yield, vol = rest
    return arguments(
        right,
        zero_spot=spot,
        zero_strike=strike,
        years=years,
        rate=rate,
        dividend_yield=dividend_yield,
        vol=vol,
    )


def by_tree(a: Arguments, steps: int, dividends: Sequence[tuple[float, float]]) -> Floats:
    """Prices of flat arguments sign, spot, strike, years, rate, yield, vol by the tree; checked: see `american`."""
    if not 3 <= steps <= _MOST_STEPS:
        raise InputError(f"steps {steps} are out of range; a tree takes 3 to {_MOST_STEPS}")
    try:
        table = np.asarray(dividends, np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise InputError(f"dividends {dividends!r} are not pairs; give (years from now, amount) each") from None
    if not (np.isfinite(table).all() and (table >= 0.0).all()):
        raise InputError(f"dividends {dividends!r} are out of range; times and amounts must be finite and at least 0")
    if (a.values[1] == 0.0).any() or (a.values[2] == 0.0).any():
        raise InputError("a tree needs a positive spot and strike; leave the method out")
    times, amounts = table[:, 0].copy(), table[:, 1].copy()
    sign, spot, strike, years, rate, dividend_yield, vol = a.values
    paid = sum(x * np.exp(-rate * t) * (t <= years) for t, x in zip(times, amounts, strict=True)) + 0.0 * spot
    if (paid >= spot).any():
        raise InputError(f"dividends worth {float(np.max(paid))} take the whole spot; check amounts and currency")
    out = np.empty(a.size)
    tree_batch(sign, spot, strike, years, rate, dividend_yield, vol, steps, times, amounts, out)
    return out
