"""Why an option's value changed: by Greeks, and by revaluation step by step; each sums to the change exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.pricing import black_scholes, greeks

#: Terms of the expansion, in the order of their columns.
TERMS = ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm", "veta")
STEPS = ("time", "spot", "vol", "rate")


def explain_by_greeks(
    right: Any, spot: Any, strike: Any, years: Any, rate: Any, dividend_yield: Any, vol: Any, *,
    spot_change: Any = 0.0, vol_change: Any = 0.0, rate_change: Any = 0.0, years_passed: Any = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """The change of an option's value, by the Greeks it had before.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, vol
        Before, as of `black_scholes`.
    spot_change, vol_change, rate_change, years_passed
        What happened.

    Returns
    -------
    DataFrame
        A row an option: delta, gamma, vega, theta, rho, vanna, volga, charm, veta, unexplained, total.

    Raises
    ------
    InputError
        If a figure is out of range, before or after.

    Notes
    -----
    Second order in spot and vol, first in rate and time, and time's cross terms with both: delta dS + gamma dS^2 / 2 +
    vega dv + volga dv^2 / 2 + vanna dS dv + theta dt + charm dS dt + veta dv dt + rho dr. O(n).
    Sources: Hull, "Options, Futures, and Other Derivatives", ch. 19 (the expansion); Haug 2007, ch. 2 (the Greeks).

    Examples
    --------
    >>> made = explain_by_greeks("call", 100.0, 100.0, 0.25, 0.03, 0.01, 0.2, spot_change=0.8, vol_change=-0.002)
    >>> made[["delta", "gamma", "vega"]].round(4).values.tolist()
    [[0.4308, 0.0127, -0.0396]]
    >>> bool(abs(made.drop(columns="total").sum(axis=1) - made["total"]).max() < 1e-14)
    True
    """
    spot, years, rate, vol = map(array_of, (spot, years, rate, vol))
    s, v, r, t = map(array_of, (spot_change, vol_change, rate_change, years_passed))
    before = black_scholes(right, spot, strike, years, rate, dividend_yield, vol)
    after = black_scholes(right, spot + s, strike, years - t, rate + r, dividend_yield, vol + v)
    g = greeks(right, strike, years, vol, spot=spot, rate=rate, dividend_yield=dividend_yield)
    terms = {
        "delta": g["delta"] * s, "gamma": 0.5 * g["gamma"] * s * s, "vega": g["vega"] * v, "theta": g["theta"] * t,
        "rho": g["rho"] * r, "vanna": g["vanna"] * s * v, "volga": 0.5 * g["volga"] * v * v,
        "charm": g["charm"] * s * t, "veta": g["veta"] * v * t,
    }  # fmt: skip
    frame = frame_of({name: terms[name] for name in TERMS})
    frame["unexplained"] = (after - before) - frame.sum(axis=1).to_numpy()
    frame["total"] = after - before
    return frame


def explain_by_steps(
    right: Any, spot: Any, strike: Any, years: Any, rate: Any, dividend_yield: Any, vol: Any, *,
    spot_change: Any = 0.0, vol_change: Any = 0.0, rate_change: Any = 0.0, years_passed: Any = 0.0,
    order: tuple[str, ...] = STEPS,
) -> pd.DataFrame:  # fmt: skip
    """The change of an option's value by revaluation, one thing after the other.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, vol
        Before, as of `black_scholes`.
    spot_change, vol_change, rate_change, years_passed
        What happened.
    order
        Of "time", "spot", "vol" and "rate": each is moved and stays moved.

    Returns
    -------
    DataFrame
        A row an option: a column a step, in the order, and total.

    Raises
    ------
    InputError
        If the order is none of these four, or a figure is out of range.

    Notes
    -----
    O(n).

    Examples
    --------
    >>> made = explain_by_steps("call", 100.0, 100.0, 0.25, 0.03, 0.01, 0.2, spot_change=0.8, years_passed=1 / 252)
    >>> made[["time", "spot"]].round(4).values.tolist()
    [[-0.0353, 0.4432]]
    """
    changes = {"spot": spot_change, "vol": vol_change, "rate": rate_change, "time": years_passed}

    def value(now: Mapping[str, Any]) -> Any:
        return black_scholes(right, now["spot"], strike, now["time"], now["rate"], dividend_yield, now["vol"])

    return step_by_step(value, {"spot": spot, "vol": vol, "rate": rate, "time": years}, changes, order)


def step_by_step(
    value: Callable[[Mapping[str, Any]], Any],
    before: Mapping[str, Any],
    changes: Mapping[str, Any],
    order: tuple[str, ...],
) -> pd.DataFrame:
    """Move one thing after the other, each staying moved, and note what it changed.

    Parameters
    ----------
    value
        Of the option, from what `before` names; "time" is years left.
    before
        Where each thing stands.
    changes
        By how much it moves; years that pass are left no longer.
    order
        Of the names of `before`.

    Returns
    -------
    DataFrame
        A row an option: a column a step, in the order, and total.

    Raises
    ------
    InputError
        If the order does not hold each name once.

    Notes
    -----
    O(n), one valuation a step.

    Examples
    --------
    >>> at, by = {"spot": 2.0, "vol": 3.0}, {"spot": 1.0, "vol": 1.0}
    >>> step_by_step(lambda x: x["spot"] * x["vol"], at, by, ("spot", "vol")).values.tolist()
    [[3.0, 3.0, 6.0]]
    """
    if sorted(order) != sorted(before):
        raise InputError(f"order {order!r} must hold each of {', '.join(before)} once")
    now = {name: array_of(x) for name, x in before.items()}
    first = last = value(now)
    made = {}
    for step in order:
        now[step] = now[step] + array_of(changes[step]) * (-1.0 if step == "time" else 1.0)
        here = value(now)
        made[step], last = here - last, here
    frame = frame_of(made)
    frame["total"] = last - first
    return frame


def array_of(value: Any) -> Any:
    """A list as an array; numbers, arrays and Series as they are."""
    return np.asarray(value, np.float64) if isinstance(value, list | tuple) else value


def frame_of(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Figures an option as columns: one row for scalars, the index of a Series where one is."""
    index = next((c.index for c in columns.values() if isinstance(c, pd.Series)), None)
    scalar = all(getattr(c, "ndim", 0) == 0 for c in columns.values())
    return pd.DataFrame(columns, index=[0] if scalar else index)
