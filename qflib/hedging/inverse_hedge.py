"""Inverse options hedged with inverse futures: what each delta leaves of the coin P&L."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.hedging.effectiveness import HedgeEffectiveness, hedge_effectiveness
from qflib.pricing.inverse import inverse_greeks

_NEEDED = ("right", "strike", "years", "vol", "forward", "price", "price_next")


def inverse_future_pnl(coins: Any, before: Any, after: Any) -> Any:
    """Coin P&L of an inverse future held from one price to another.

    Parameters
    ----------
    coins
        Signed size in coin at the first price: quote notional over `before`.
    before, after
        Its prices.

    Returns
    -------
    float, ndarray or Series
        Coins: notional (1 / before - 1 / after), gains positive.

    Notes
    -----
    O(n). Source: Deribit's futures specification.

    Examples
    --------
    >>> inverse_future_pnl(1.0, 75_000.0, 100_000.0)
    0.25
    """
    return coins * (1.0 - before / after)


def hedge_inverse(
    moves: pd.DataFrame,
    *,
    delta: Literal["premium_adjusted", "black"] = "premium_adjusted",
    future: str = "forward",
    level: float = 0.975,
) -> HedgeEffectiveness:
    """Hold one of each option over each move, hedged from its start with an inverse future, P&L in coin.

    Parameters
    ----------
    moves
        A row an option and period: right, strike, years, vol, forward, price (coin) at its start, price_next at its
        end, and the hedge's price in the columns `future` and `future` + "_next".
    delta
        "premium_adjusted": the Black-76 delta less the coin premium; "black": without that.
    future
        The column of what is hedged with: "forward", a term future, the perpetual.
    level
        Confidence of expected shortfall.

    Returns
    -------
    HedgeEffectiveness
        In coin: 1 - `effectiveness` is what is left of the squared P&L.

    Raises
    ------
    InputError
        If a column is missing, delta is neither, or a price is not finite.
    DataError
        If there are too few rows.

    Notes
    -----
    O(n log n). The option's coin value has the slope delta / F; so many coins of the future have it too.
    Source: Alexander and Imeraj 2021, "Inverse options in a Black-Scholes world".

    Examples
    --------
    >>> from qflib.pricing import inverse_black76
    >>> m = pd.DataFrame({"right": "call", "strike": 100.0, "years": 0.2, "vol": 0.6, "forward": 100.0}, range(5))
    >>> m["forward_next"] = [97.0, 99.0, 100.5, 102.0, 104.0]
    >>> for at in ("", "_next"):
    ...     m["price" + at] = inverse_black76(m["right"], m["forward" + at], m["strike"], m["years"], m["vol"])
    >>> round(1 - hedge_inverse(m).effectiveness, 3), round(1 - hedge_inverse(m, delta="black").effectiveness, 3)
    (0.003, 0.049)
    """
    if delta not in ("premium_adjusted", "black"):
        raise InputError(f"delta {delta!r} is unknown; expected 'premium_adjusted' or 'black'")
    for column in (*_NEEDED, future, f"{future}_next"):
        if column not in moves:
            raise InputError(f"moves have no column {column!r}; expected {', '.join(_NEEDED)} and the hedge's prices")
    a = {c: moves[c].to_numpy() for c in ("right", "strike", "years", "vol", "forward")}
    g = inverse_greeks(a["right"], a["forward"], a["strike"], a["years"], a["vol"])
    coins = np.asarray(g["delta" if delta == "premium_adjusted" else "black_delta"], np.float64)
    item = (moves["price_next"] - moves["price"]).to_numpy(np.float64)
    before, after = (moves[c].to_numpy(np.float64) for c in (future, f"{future}_next"))
    return hedge_effectiveness(item, inverse_future_pnl(-coins, before, after), level=level)
