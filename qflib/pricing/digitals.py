"""Digital options: pay an amount or the asset, all or nothing."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from qflib.errors import InputError
from qflib.kernels.black_scholes import digital_batch
from qflib.pricing.inputs import Arguments, NumberLike, RightLike, arguments


def digital(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    *,
    kind: Literal["cash", "asset", "gap"] = "cash",
    amount: NumberLike = 1.0,
    payoff_strike: NumberLike | None = None,
) -> Any:
    """Price of European digital options under Black-Scholes-Merton.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, vol
        As in `black_scholes`; the option pays if it ends beyond `strike`.
    kind
        "cash" pays `amount`, "asset" one asset, "gap" the asset minus `payoff_strike` (for a put, the reverse).
    amount
        Currency that a cash digital pays.
    payoff_strike
        Of a gap option.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape.

    Raises
    ------
    InputError
        If a value is out of range, or a gap option has no payoff strike.

    Notes
    -----
    O(n). Source: Reiner and Rubinstein 1991; Haug 2007, section 4.19.

    Examples
    --------
    >>> from qflib.pricing import digital
    >>> round(digital("put", 100, 80, 0.75, 0.06, 0.06, 0.35, amount=10), 4)
    2.671
    """
    a = digital_arguments(right, spot, strike, years, rate, dividend_yield, vol, kind, amount, payoff_strike)
    sign, price, strikes, times, rates, yields, vols, amounts = a.values
    asset, cash = np.empty(a.size), np.empty(a.size)
    digital_batch(sign, price, strikes, times, rates, yields, vols, asset, cash)
    priced = {"cash": cash * amounts, "asset": asset, "gap": sign * (asset - cash * amounts)}
    return a.restore(priced[kind], "price")


def digital_arguments(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    vol: NumberLike,
    kind: str,
    amount: NumberLike,
    payoff_strike: NumberLike | None,
) -> Arguments:
    """Arguments of `digital`, checked: sign, spot, strike, years, rate, yield, vol, amount or payoff strike."""
    if kind not in ("cash", "asset", "gap"):
        raise InputError(f"kind {kind!r} is unknown; expected 'cash', 'asset' or 'gap'")
    if kind == "gap" and payoff_strike is None:
        raise InputError("a gap option pays against a second strike; give payoff_strike=")
    paid = amount if kind == "cash" else (0.0 if payoff_strike is None else payoff_strike)
    return arguments(
        right,
        spot=spot,
        strike=strike,
        years=years,
        rate=rate,
        dividend_yield=dividend_yield,
        vol=vol,
        amount=paid,
    )
