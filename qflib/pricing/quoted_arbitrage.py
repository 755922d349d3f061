"""Static arbitrage in the quotes themselves: spreads that are paid for being bought."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.pricing.inputs import Floats

_ROUNDING = 1e-9  # of the forward: a spread that costs nothing is none


def quoted_butterflies(chain: pd.DataFrame) -> pd.Series[int]:
    """Butterflies of neighbouring strikes that cost less than nothing, an expiry.

    Parameters
    ----------
    chain
        A chain frame: columns right, strike, expiry, forward, bid, ask; NaN where a side is empty.

    Returns
    -------
    Series
        Index expiry: how many, calls and puts together.

    Notes
    -----
    The wings are bought at the ask, the middle sold at the bid, undiscounted. O(n log n).
    Source: Carr and Madan 2005, "A note on sufficient conditions for no arbitrage", Finance Research Letters 2.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.pricing.quoted_arbitrage import quoted_butterflies
    >>> chain = pd.DataFrame({"right": "call", "expiry": "2026-03-20", "forward": 100.0, "strike": [90.0, 100.0, 110.0],
    ...                       "bid": [10.9, 6.2, 1.0], "ask": [11.0, 6.3, 1.1]})
    >>> quoted_butterflies(chain).tolist()
    [1]
    """
    rows = _Rows.of(chain.dropna(subset=["bid", "ask"]), by=("expiry", "right", "strike"))
    k, e, r = rows.strike, rows.expiry, rows.right
    with np.errstate(all="ignore"):  # across expiries, where strikes are what they are
        left = (k[2:] - k[1:-1]) / (k[2:] - k[:-2])
        cost = left * rows.ask[:-2] + (1.0 - left) * rows.ask[2:] - rows.bid[1:-1]
    found = (e[2:] == e[:-2]) & (r[2:] == r[:-2]) & (k[:-2] < k[1:-1]) & (k[1:-1] < k[2:]) & (cost < -rows.least)
    return _count(chain, rows, e[2:][found], "butterflies")


def quoted_calendars(chain: pd.DataFrame) -> pd.Series[int]:
    """Options that cost less at the ask than the same strike brings at the bid an expiry before.

    Parameters
    ----------
    chain
        A chain frame, as `quoted_butterflies` takes it, with years and rate. A strike's neighbouring expiries are
        compared where they have the same forward: neither right then loses value with time. Where a column `style`
        says american, rows are compared with each other, as they are paid: the right to wait is never worth less.

    Returns
    -------
    Series
        Index expiry, the later one: how many, calls and puts together.

    Notes
    -----
    Prices of Europeans are compared undiscounted. O(n log n).
    Source: Carr and Madan 2005, as above.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.pricing.quoted_arbitrage import quoted_calendars
    >>> chain = pd.DataFrame({"right": "put", "expiry": ["2026-02-20", "2026-03-20"], "years": [0.1, 0.2], "rate": 0.0,
    ...                       "forward": 100.0, "strike": 100.0, "bid": [4.0, 3.7], "ask": [4.1, 3.9]})
    >>> quoted_calendars(chain).tolist()
    [0, 1]
    """
    rows = _Rows.of(chain, by=("right", "strike", "expiry"))
    same = (rows.right[1:] == rows.right[:-1]) & (rows.strike[1:] == rows.strike[:-1])
    same &= (rows.expiry[1:] != rows.expiry[:-1]) & (rows.forward[1:] == rows.forward[:-1])
    found = same & (rows.ask[1:] < rows.bid[:-1] - rows.least)
    return _count(chain, rows, rows.expiry[1:][found], "calendars")


class _Rows(NamedTuple):
    """A chain's columns in order, prices of Europeans undiscounted."""

    expiries: pd.Index[Any]
    expiry: NDArray[np.int64]  # place among the expiries
    right: NDArray[np.int64]  # calls and puts of each style
    strike: Floats
    forward: Floats
    bid: Floats
    ask: Floats
    least: float  # what counts as less than nothing; a premium in coin is a share of the forward

    @classmethod
    def of(cls, chain: pd.DataFrame, by: tuple[str, ...]) -> _Rows:
        codes, expiries = pd.factorize(chain["expiry"], sort=True)
        right = chain["right"].isin(["call", "c", "C"]).to_numpy().astype(np.int64)
        strike, forward, bid, ask = (chain[c].to_numpy(np.float64) for c in ("strike", "forward", "bid", "ask"))
        grown = (
            np.exp((chain["rate"] * chain["years"]).to_numpy(np.float64)) if "rate" in chain else np.ones(len(chain))
        )
        if "style" in chain:
            american = (chain["style"] == "american").to_numpy(bool)
            right, grown = right + 2 * american, np.where(american, 1.0, grown)
        keys = {"expiry": codes, "right": right, "strike": strike}
        order = np.lexsort([keys[n] for n in reversed(by)])
        inverse = "inverse" in chain and bool(chain["inverse"].any())
        known = forward[np.isfinite(forward)]
        least = _ROUNDING * (1.0 if inverse or not known.size else float(known.max()))
        place, side, k = codes.astype(np.int64)[order], right[order], strike[order]
        prices = (bid * grown)[order], (ask * grown)[order]
        return cls(pd.Index(expiries), place, side, k, forward[order], *prices, least)


def _count(chain: pd.DataFrame, rows: _Rows, at: NDArray[np.int64], name: str) -> pd.Series[int]:
    every = pd.Index(np.sort(chain["expiry"].unique()), name="expiry")
    made = pd.Series(np.bincount(at, minlength=len(rows.expiries)), index=rows.expiries, dtype=np.int64, name=name)
    return made.reindex(every, fill_value=0)
