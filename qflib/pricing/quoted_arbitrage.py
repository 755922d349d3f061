"""Static arbitrage in the quotes themselves: spreads that are paid for being bought."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

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
    The wings are bought at the ask, the middle sold at the bid. O(n log n).
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
    found: dict[Any, int] = dict.fromkeys(sorted(chain["expiry"].unique()), 0)
    for (expiry, _), rows in chain.groupby(["expiry", "right"], sort=False):
        own = rows.dropna(subset=["bid", "ask"]).sort_values("strike")
        k, bid, ask = (own[c].to_numpy(np.float64) for c in ("strike", "bid", "ask"))
        if k.size >= 3:
            left = (k[2:] - k[1:-1]) / (k[2:] - k[:-2])
            cost = left * ask[:-2] + (1.0 - left) * ask[2:] - bid[1:-1]
            found[expiry] += int((cost < -_least(own)).sum())
    return pd.Series(found, dtype=np.int64, name="butterflies").rename_axis("expiry")


def quoted_calendars(chain: pd.DataFrame) -> pd.Series[int]:
    """Options that cost less at the ask than the same strike an expiry before brings at the bid.

    Parameters
    ----------
    chain
        A chain frame, as `quoted_butterflies` takes it, with years and rate. Expiries are compared where they have the
        same forward: the underlying is then one and the same, and neither right loses value with time.

    Returns
    -------
    Series
        Index expiry, the later one: how many, calls and puts together.

    Notes
    -----
    Prices are compared undiscounted. O(n log n).
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
    grown = np.exp(chain["rate"] * chain["years"]) if "rate" in chain else 1.0
    rows = chain.assign(bid=chain["bid"] * grown, ask=chain["ask"] * grown)
    expiries = sorted(rows["expiry"].unique())
    found: dict[Any, int] = dict.fromkeys(expiries, 0)
    parts = {e: own.drop_duplicates(["right", "strike"]) for e, own in rows.groupby("expiry")}
    for near, far in pairwise(expiries):
        both = parts[near].merge(parts[far], on=["right", "strike"], suffixes=("", "_far"))
        both = both[both["forward"] == both["forward_far"]]
        found[far] = int((both["ask_far"] < both["bid"] - _least(both)).sum())
    return pd.Series(found, dtype=np.int64, name="calendars").rename_axis("expiry")


def _least(rows: pd.DataFrame) -> float:
    """What counts as less than nothing; a premium in coin is a share of the forward."""
    scale: Floats = rows["forward"].to_numpy(np.float64)
    whole = float(np.nanmax(scale)) if scale.size and np.isfinite(scale).any() else 1.0
    inverse = "inverse" in rows and bool(rows["inverse"].any())
    return _ROUNDING * (1.0 if inverse else whole)
