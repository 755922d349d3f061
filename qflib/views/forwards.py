"""Which forward a smile is taken at: an expiry's own, as near as the desk's instruments and quotes tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qflib.errors import DataError

if TYPE_CHECKING:
    from qflib.records import Instrument

_NEAR, _LEAST = 0.1, 3  # of put-call parity: far expiries list few strikes


def expiry_forwards(chain: pd.DataFrame, futures: list[Instrument], tops: pd.DataFrame) -> pd.Series[float]:
    """A forward for each row of a chain.

    That of the future which expires with the option; else the chain's own, the desk's, where that is of a future that
    expires later, which is what the option may be on; else, and of a coin-settled option, which is on the index, what
    put-call parity gives; else the chain's own.

    Parameters
    ----------
    chain
        As `Feed.chain` gives it.
    futures
        Of its underlying that have not expired.
    tops
        Index symbol; bid and ask, NaN where a side is empty.

    Notes
    -----
    O(rows). In Deribit's chains of February 2026 parity is some basis points off the forward of the marks, where the
    index is up to 4 %.
    Source: Stoll 1969, as `parity_forwards`.

    Examples
    --------
    >>> import pandas as pd, qflib as qf
    >>> from qflib.views.forwards import expiry_forwards
    >>> chain = qf.datasets.load("sim", seed=7, duration="2s").chain("ACME")
    >>> bool((expiry_forwards(chain, [], pd.DataFrame(columns=["bid", "ask"])) - chain["forward"]).abs().max() < 0.05)
    True
    """
    mid = 0.5 * (tops["bid"] + tops["ask"]).astype(np.float64)
    quoted = {r.expiry: float(mid[r.symbol]) for r in futures if np.isfinite(mid.get(r.symbol, np.nan))}
    made = chain["expiry"].map(quoted).astype(np.float64)
    inverse = chain["inverse"] if "inverse" in chain else pd.Series(False, chain.index)
    desks = min((e for e in quoted if e is not None), default=None)  # the future that the chain's forward is of
    on_future = (chain["expiry"] <= desks) & ~inverse if desks is not None else pd.Series(False, chain.index)
    made = made.fillna(chain["forward"].where(on_future))
    if made.isna().any():
        made = made.fillna(chain["expiry"].map(_parity(chain, inverse)))
    return made.fillna(chain["forward"])


def _parity(chain: pd.DataFrame, inverse: pd.Series[bool]) -> dict[pd.Timestamp, float]:
    from qflib.pricing import parity_forwards

    # a premium in coin at any one rate is one in currency: the forward does not depend on it
    price = chain["mid"].where(~inverse, chain["mid"] * chain["forward"])
    try:
        found = parity_forwards(chain.assign(mid=price), near=_NEAR, least=_LEAST)["forward"]
    except DataError:  # too few strikes
        return {}
    return {e: f for e, f in found.items() if f > 0.0}  # type: ignore[misc]
