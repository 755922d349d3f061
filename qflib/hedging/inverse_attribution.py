"""Why an inverse option's coin value changed: by its coin Greeks, and by revaluation step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qflib.hedging.attribution import array_of, frame_of, step_by_step
from qflib.pricing.inverse import inverse_black76, inverse_greeks

#: Terms of the expansion, in the order of their columns.
INVERSE_TERMS = ("delta", "gamma", "vega", "theta", "vanna", "volga", "charm", "veta")
INVERSE_STEPS = ("time", "forward", "vol")


def explain_inverse_by_greeks(
    right: Any, forward: Any, strike: Any, years: Any, vol: Any, *,
    forward_change: Any = 0.0, vol_change: Any = 0.0, years_passed: Any = 0.0, price_change: Any = None,
) -> pd.DataFrame:  # fmt: skip
    """The change of an inverse option's coin value, by the Greeks it had before.

    Parameters
    ----------
    right, forward, strike, years, vol
        Before, as of `inverse_black76`; each contract's own vol, or a surface's.
    forward_change, vol_change, years_passed
        What happened.
    price_change
        The change seen, in coin, as of a mark that the vol does not give back; None: by revaluation.

    Returns
    -------
    DataFrame
        A row an option, in coin: delta, gamma, vega, theta, vanna, volga, charm, veta, unexplained, total.

    Raises
    ------
    InputError
        If a figure is out of range, before or after.

    Notes
    -----
    Second order in the forward's return r = dF / F and in vol, first in time, and time's cross terms with both:
    delta r + (F gamma - delta) r^2 / 2 + vega dv + volga dv^2 / 2 + vanna r dv + theta dt + charm r dt + veta dv dt,
    with `inverse_greeks`' premium-adjusted delta. O(n). Source: Taylor of V / F; Alexander and Imeraj 2021 for delta.

    Examples
    --------
    >>> made = explain_inverse_by_greeks("call", 70e3, 75e3, 0.1, 0.6, forward_change=-700.0, vol_change=0.01)
    >>> made[["delta", "gamma", "vega"]].round(6).values.tolist()
    [[-0.003464, 6.7e-05, 0.001217]]
    >>> bool(abs(made.drop(columns="total").sum(axis=1) - made["total"]).max() < 1e-15)
    True
    """
    forward, vol, years = map(array_of, (forward, vol, years))
    r, v, t = array_of(forward_change) / forward, array_of(vol_change), array_of(years_passed)
    g = inverse_greeks(right, forward, strike, years, vol)
    if price_change is None:
        after = inverse_black76(right, forward * (1.0 + r), strike, years - t, vol + v)
        total = after - inverse_black76(right, forward, strike, years, vol)
    else:
        total = array_of(price_change)
    terms = {
        "delta": g["delta"] * r, "gamma": 0.5 * (forward * g["gamma"] - g["delta"]) * r * r, "vega": g["vega"] * v,
        "theta": g["theta"] * t, "vanna": g["vanna"] * r * v, "volga": 0.5 * g["volga"] * v * v,
        "charm": g["charm"] * r * t, "veta": g["veta"] * v * t,
    }  # fmt: skip
    frame = frame_of({name: terms[name] for name in INVERSE_TERMS})
    frame["unexplained"] = total - frame.sum(axis=1).to_numpy()
    frame["total"] = total
    return frame


def explain_inverse_by_steps(
    right: Any, forward: Any, strike: Any, years: Any, vol: Any, *,
    forward_change: Any = 0.0, vol_change: Any = 0.0, years_passed: Any = 0.0,
    order: tuple[str, ...] = INVERSE_STEPS,
) -> pd.DataFrame:  # fmt: skip
    """The change of an inverse option's coin value by revaluation, one thing after the other.

    Parameters
    ----------
    right, forward, strike, years, vol
        Before, as of `inverse_black76`.
    forward_change, vol_change, years_passed
        What happened.
    order
        Of "time", "forward" and "vol": each is moved and stays moved.

    Returns
    -------
    DataFrame
        A row an option, in coin: a column a step, in the order, and total.

    Raises
    ------
    InputError
        If the order is none of these three, or a figure is out of range.

    Notes
    -----
    O(n). Source: Alexander and Imeraj 2021 for the price.

    Examples
    --------
    >>> made = explain_inverse_by_steps("call", 70e3, 75e3, 0.1, 0.6, forward_change=-700.0, vol_change=0.01)
    >>> made.round(6).values.tolist()
    [[0.0, -0.003397, 0.0012, -0.002197]]
    """
    changes = {"forward": forward_change, "vol": vol_change, "time": years_passed}

    def value(now: Mapping[str, Any]) -> Any:
        return inverse_black76(right, now["forward"], strike, now["time"], now["vol"])

    return step_by_step(value, {"time": years, "forward": forward, "vol": vol}, changes, order)
