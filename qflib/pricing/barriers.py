"""Single-barrier options: all eight, with rebates."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from qflib.errors import InputError
from qflib.kernels.barrier import barrier_batch
from qflib.pricing.inputs import Arguments, NumberLike, RightLike, arguments

BarrierKind = Literal["down_in", "down_out", "up_in", "up_out"]
_KINDS = ("down_in", "down_out", "up_in", "up_out")


def barrier_option(
    kind: BarrierKind,
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    barrier: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    rebate: NumberLike = 0.0,
    interval: float = 0.0,
) -> Any:
    """Price of European options with one barrier under Black-Scholes-Merton.

    Parameters
    ----------
    kind
        "down_in", "down_out", "up_in" or "up_out".
    right, spot, strike, years, rate, dividend_yield, vol
        As in `black_scholes`.
    barrier
        Price, positive. A spot on it or beyond has hit it.
    rebate
        Paid at the hit by an out option, at expiry by an in option that was never hit; at least 0.
    interval
        Years between the times the barrier is watched, 0: always. The barrier is then moved outwards by 0.5826 vol
        sqrt(interval), which errs by o(sqrt(interval)).

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If a value is out of range, the kind is unknown, or shapes do not fit.

    Notes
    -----
    O(n). Sources: Reiner and Rubinstein 1991; Haug 2007, section 4.17; Broadie, Glasserman and Kou 1997 (interval).

    Examples
    --------
    >>> from qflib.pricing import barrier_option
    >>> round(barrier_option("down_out", "call", 100, 90, 95, 0.5, 0.08, 0.04, 0.25, rebate=3), 4)
    9.0246
    """
    a = barrier_arguments(
        kind, right, spot, strike, barrier, years, rate, dividend_yield, vol, rebate=rebate, interval=interval
    )
    sign, price, strikes, times, rates, yields, vols, levels, rebates = a.values
    up, knock_in = kind.startswith("up"), kind.endswith("in")
    out = np.empty(a.size)
    barrier_batch(sign, up, knock_in, price, strikes, levels, rebates, times, rates, yields, vols, float(interval), out)
    return a.restore(out, "price")


def barrier_arguments(
    kind: BarrierKind,
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    barrier: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    rebate: NumberLike,
    interval: float,
) -> Arguments:
    """Arguments of `barrier_option`, checked: sign, spot, strike, years, rate, yield, vol, barrier, rebate."""
    if kind not in _KINDS:
        raise InputError(f"kind {kind!r} is unknown; expected one of {', '.join(_KINDS)}")
    if not (np.isfinite(interval) and interval >= 0.0):
        raise InputError(f"interval {interval} is out of range; give years between observations, 0 for always")
    a = arguments(
        right,
        spot=spot,
        strike=strike,
        years=years,
        rate=rate,
        dividend_yield=dividend_yield,
        vol=vol,
        barrier=barrier,
        rebate=rebate,
    )
    levels, rebates = a.values[-2:]
    for name, x, right_ in (("barrier", levels, levels > 0.0), ("rebate", rebates, rebates >= 0.0)):
        if not right_.all():
            wanted = "positive" if name == "barrier" else "at least 0"
            raise InputError(f"{name} {x[~right_][0]} is out of range; it must be {wanted}")
    return a
