"""Forwards and discount factors from put-call parity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.pricing.inputs import arguments


def parity_forwards(
    chain: pd.DataFrame, price: str = "mid", *, by: str | list[str] = "expiry", near: float = 0.03, least: int = 5
) -> pd.DataFrame:
    """Forward and discount factor of each expiry: call - put = discount (forward - strike), a line in the strike.

    Parameters
    ----------
    chain
        Columns right, strike, the price, and those of `by`; one row a right and strike.
    price
        Column of premiums in the strike's currency; in coin, where a column `inverse` says so of all rows.
    by
        What tells chains apart: expiry, or a time and an expiry.
    near
        Strikes within this of the one where call and put are worth alike are used, as a share: parity holds
        everywhere, quotes are good there.
    least
        Fewest strikes of a chain.

    Returns
    -------
    DataFrame
        Index `by`; forward, discount, strikes (how many), rmse (of the line, in the price's unit).

    Raises
    ------
    InputError
        If a column is missing, a right is unknown, only some rows are inverse, or `least` or `near` is out of range.
    DataError
        If no chain has so many strikes with both sides.

    Notes
    -----
    Least squares. O(rows). In coin call - put = discount (1 - strike / forward): a line too. European options only: an
    American one's parity is an inequality.
    Source: Stoll 1969, "The relationship between put and call option prices", Journal of Finance 24.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.pricing import black76, parity_forwards
    >>> strikes = np.arange(95.0, 106.0)
    >>> sides = [pd.DataFrame({"right": r, "strike": strikes, "expiry": "2026-03-20", "mid":
    ...          black76(r, 101.0, strikes, 0.25, 0.2, 0.04)}) for r in ("call", "put")]
    >>> parity_forwards(pd.concat(sides)).round(6).values.tolist()
    [[101.0, 0.99005, 7.0, 0.0]]
    """
    keys = [by] if isinstance(by, str) else list(by)
    if missing := [c for c in ("right", "strike", price, *keys) if c not in chain]:
        raise InputError(f"the chain has no column {missing[0]!r}; it needs right, strike, {price}, {', '.join(keys)}")
    if least < 2 or not 0 < near < 1:
        raise InputError(f"least is {least}, near {near}; a line needs two strikes or more, near is a share below 1")
    coin = chain["inverse"].to_numpy(bool) if "inverse" in chain else np.zeros(len(chain), bool)
    if coin.any() and not coin.all():
        raise InputError("some rows of the chain are inverse and some are not; give them one after the other")
    call = arguments(chain["right"].to_numpy()).values[0] > 0
    at = [*keys, "strike"]
    sides = [chain.loc[one, [*at, price]].dropna().drop_duplicates(at).set_index(at)[price] for one in (call, ~call)]
    gap = (sides[0] - sides[1]).dropna().rename("gap").reset_index()
    rows: dict[Any, list[float]] = {}
    for key, part in gap.groupby(keys if len(keys) > 1 else keys[0], sort=True):
        middle = part["strike"].iloc[int(np.argmin(np.abs(part["gap"].to_numpy())))]
        used = part[np.abs(part["strike"] / middle - 1.0) <= near]
        if len(used) >= least:
            k, y = used["strike"].to_numpy(np.float64), used["gap"].to_numpy(np.float64)
            slope, level = np.polyfit(k - middle, y, 1)
            rest = y - level - slope * (k - middle)
            if slope < 0.0:
                forward = middle - level / slope
                discount = -slope * (forward if coin.any() else 1.0)
                rows[key] = [forward, discount, len(used), float(np.sqrt(np.mean(rest**2)))]
    if not rows:
        raise DataError(f"no chain has {least} strikes within {near:.0%} of the money with a call and a put")
    index = pd.MultiIndex.from_tuples(rows, names=keys) if len(keys) > 1 else pd.Index(rows, name=keys[0])
    return pd.DataFrame(rows.values(), index=index, columns=["forward", "discount", "strikes", "rmse"])
