"""Shifted lognormal prices and implied vols: Black-76 on forward + shift and strike + shift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.pricing.european import black76
from qflib.pricing.inputs import NumberLike, RightLike
from qflib.pricing.inversion import Policy, implied_vol


def shifted_black76(
    right: RightLike,
    forward: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    vol: NumberLike,
    shift: NumberLike,
    rate: NumberLike = 0.0,
) -> Any:
    """Price of European options on a forward whose sum with a shift is lognormal: for low and negative rates.

    Parameters
    ----------
    right, years, vol, rate
        As in `black76`; the vol is that of forward + shift.
    forward, strike
        Above -shift.
    shift
        Added to both.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If forward or strike with the shift is not positive, or another value is out of range.

    Notes
    -----
    O(n). Source: Rubinstein 1983, "Displaced diffusion option pricing", J. Finance 38.

    Examples
    --------
    >>> from qflib.pricing import shifted_black76
    >>> round(shifted_black76("call", forward=-0.002, strike=0.001, years=2.0, vol=0.25, shift=0.03), 8)
    0.00280773
    """
    f, k = _moved(forward, strike, shift)
    return black76(right, f, k, years, vol, rate)


def shifted_implied_vol(
    price: NumberLike,
    right: RightLike,
    strike: NumberLike,
    years: NumberLike,
    forward: NumberLike,
    shift: NumberLike,
    *,
    rate: NumberLike = 0.0,
    policy: Policy = "nan",
) -> tuple[Any, Any]:
    """Shifted lognormal implied vol, and its status.

    Parameters
    ----------
    price, right, strike, years, forward, rate, policy
        As in `implied_vol`.
    shift
        Added to forward and strike.

    Returns
    -------
    iv, status
        As in `implied_vol`.

    Raises
    ------
    InputError
        As `shifted_black76`, or by the policy.

    Notes
    -----
    O(n). Source: as `shifted_black76`.

    Examples
    --------
    >>> from qflib.pricing import shifted_implied_vol
    >>> vol, status = shifted_implied_vol(0.00280773, "call", 0.001, 2.0, forward=-0.002, shift=0.03)
    >>> round(vol, 5), status
    (0.25, 'ok')
    """
    f, k = _moved(forward, strike, shift)
    return implied_vol(price, right, k, years, forward=f, rate=rate, policy=policy)


def _moved(forward: NumberLike, strike: NumberLike, shift: NumberLike) -> tuple[Any, Any]:
    out = []
    for name, value in (("forward", forward), ("strike", strike)):
        try:
            moved: Any = (value if isinstance(value, pd.Series) else np.asarray(value, np.float64)) + shift
        except (TypeError, ValueError):
            raise InputError(f"{name} {value!r} and shift {shift!r} do not add up; give floats or arrays") from None
        if (np.asarray(moved) <= 0.0).any():
            least = np.min(np.asarray(moved))
            raise InputError(f"{name} with shift is {least} at the least and must be positive; give a greater shift")
        out.append(moved)
    return out[0], out[1]
