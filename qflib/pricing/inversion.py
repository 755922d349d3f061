"""Implied vols with a status for each price."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels.implied_vol import (
    ABOVE_MAXIMUM,
    AT_INTRINSIC,
    BELOW_INTRINSIC,
    OK,
    STATUS_NAMES,
    normal_implied_vol_batch,
)
from qflib.kernels.implied_vol_blocks import lognormal_implied_vol_batch
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments, frozen
from qflib.pricing.sensitivities import spot_or_forward

Policy = Literal["nan", "raise", "clip"]
Model = Literal["lognormal", "normal"]
_STATUS = np.array(STATUS_NAMES, dtype=object)


def implied_vol(
    price: NumberLike,
    right: RightLike,
    strike: NumberLike,
    years: NumberLike,
    *,
    spot: NumberLike | None = None,
    forward: NumberLike | None = None,
    rate: NumberLike = 0.0,
    dividend_yield: NumberLike = 0.0,
    model: Model = "lognormal",
    policy: Policy = "nan",
) -> tuple[Any, Any]:
    """Implied vol of European option prices, and why where there is none.

    Parameters
    ----------
    price
        Premiums, discounted; NaN where there is no quote. A NaN in any other number is nan_input as well.
    right
        "call" or "put", or an array of them.
    strike, years, rate, dividend_yield
        As in `black_scholes`; options with years <= 0 are expired.
    spot, forward
        One of the two; the normal model takes a forward.
    model
        "lognormal" (Black-Scholes-Merton, Black-76) or "normal" (Bachelier).
    policy
        What a price without a vol gives: "nan", "raise" (an InputError that names the first), or "clip" (0 at and
        below the intrinsic value, infinity above the maximum, NaN where expired or NaN).

    Returns
    -------
    iv : float, ndarray or Series
        Annual vols.
    status : str, ndarray or Series
        ok, at_intrinsic, below_intrinsic, above_maximum, expired or nan_input. An in-the-money price is at_intrinsic
        where what it has above the intrinsic value is no more than the rounding of the subtraction.

    Raises
    ------
    InputError
        If an argument is out of range, or by the policy.

    Notes
    -----
    O(n). Error a few eps times the condition number price / (vega vol); every vol is checked against its price.
    Source: Jäckel 2015, "Let's be rational".

    Examples
    --------
    >>> from qflib.pricing import implied_vol
    >>> iv, status = implied_vol([10.45, 0.0], "call", strike=[100, 150], years=1, spot=100, rate=0.05)
    >>> iv.round(4), status.tolist()
    (array([0.2, nan]), ['ok', 'at_intrinsic'])
    """
    checked(policy)
    if model == "lognormal":
        a, _ = spot_or_forward(
            right, spot, forward, rate, dividend_yield, missing=True, any_years=years, missing_strike=strike,
            price=price,
        )  # fmt: skip
        vol, status = _lognormal(known(a))
    elif model == "normal":
        if forward is None or spot is not None:
            raise InputError("the normal model is on the forward; give forward= instead of spot=")
        a = arguments(
            right, any_years=years, missing_normal_strike=strike, price=price, missing_normal_forward=forward,
            missing_rate=rate,
        )  # fmt: skip
        vol, status = _normal(known(a))
    else:
        raise InputError(f"model {model!r} is unknown; expected 'lognormal' or 'normal'")
    return answered(a, a.values[3], vol, status, policy)


def known(a: Arguments, price: int = 3) -> Arguments:
    """The arguments with no price where another number is missing, and a number in its place."""
    if not any(np.isnan(x.sum()) for i, x in enumerate(a.values) if i != price):
        return a
    missing = np.isnan(np.sum(a.values, axis=0))
    values = [frozen(np.where(np.isnan(x), np.nan if i == price else 1.0, x)) for i, x in enumerate(a.values)]
    values[price] = frozen(np.where(missing, np.nan, a.values[price]))
    return Arguments(tuple(values), a.shape, a.index)


def checked(policy: Policy) -> None:
    """Raise an InputError at an unknown policy."""
    if policy not in ("nan", "raise", "clip"):
        raise InputError(f"policy {policy!r} is unknown; expected 'nan', 'raise' or 'clip'")


def answered(a: Arguments, price: Floats, vol: Floats, status: NDArray[np.int8], policy: Policy) -> tuple[Any, Any]:
    """Vols and statuses by the policy, in the caller's form."""
    if policy == "clip":
        vol[(status == AT_INTRINSIC) | (status == BELOW_INTRINSIC)] = 0.0
        vol[status == ABOVE_MAXIMUM] = np.inf
    elif policy == "raise" and (status != OK).any():
        first = int(np.flatnonzero(status != OK)[0])
        where = first if a.index is None else a.index[first]
        raise InputError(
            f"price {price[first]} of row {where} has no implied vol ({STATUS_NAMES[status[first]]}); "
            "mend the row or use policy='nan'"
        )
    names = _STATUS[status]
    if a.index is not None:
        return a.restore(vol, "iv"), pd.Series(names, index=a.index, name="iv_status")
    return a.restore(vol), names.reshape(a.shape) if a.shape else str(names[0])


def _lognormal(a: Arguments) -> tuple[Floats, NDArray[np.int8]]:
    sign, years, strike, price, underlying, rate, dividend_yield = a.values
    vol, status = np.empty(a.size), np.empty(a.size, np.int8)
    lognormal_implied_vol_batch(price, sign, underlying, strike, years, rate, dividend_yield, vol, status)
    return vol, status


def _normal(a: Arguments) -> tuple[Floats, NDArray[np.int8]]:
    sign, years, strike, price, forward, rate = a.values
    vol, status = np.empty(a.size), np.empty(a.size, np.int8)
    normal_implied_vol_batch(price, sign, forward, strike, years, rate, vol, status)
    return vol, status
