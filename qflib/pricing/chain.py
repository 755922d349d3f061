"""Option chains as frames: the columns they need, their implied vols, Greeks and smile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.pricing.inversion import Model, Policy, implied_vol
from qflib.pricing.sensitivities import Units, greeks

_NEEDED = ("right", "strike", "expiry", "years", "forward")


def checked_chain(frame: pd.DataFrame, price: str | None = None) -> pd.DataFrame:
    """The frame, with `rate` 0 where it has none.

    Raises
    ------
    InputError
        If it is not a frame, is empty, or lacks a column.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"a chain is a DataFrame, not {type(frame).__name__}; see feed.chain")
    wanted = _NEEDED if price is None else (*_NEEDED, price)
    missing = [c for c in wanted if c not in frame]
    if missing:
        raise InputError(f"the chain has no column {missing[0]!r}; it needs {', '.join(wanted)}, as feed.chain gives")
    if frame.empty:
        raise InputError("the chain has no rows; give one with quotes")
    return frame if "rate" in frame else frame.assign(rate=0.0)


def chain_implied_vol(
    frame: pd.DataFrame, price: str = "mid", model: Model = "lognormal", policy: Policy = "nan"
) -> pd.DataFrame:
    """Implied vols of a chain's prices: columns iv and iv_status, the chain's index.

    A boolean column `inverse` marks premiums in coin.

    Raises
    ------
    InputError
        If a column is missing or by the policy, as `implied_vol`.
    """
    chain = checked_chain(frame, price)
    paid = chain[price].to_numpy(np.float64, na_value=np.nan)
    forward = chain["forward"].to_numpy(np.float64)
    if "inverse" in chain:
        paid = np.where(chain["inverse"].to_numpy(bool), paid * forward, paid)
    iv, status = implied_vol(
        pd.Series(paid, index=chain.index),  # errors name the chain's own rows
        chain["right"].to_numpy(),
        chain["strike"].to_numpy(),
        chain["years"].to_numpy(),
        forward=forward,
        rate=chain["rate"].to_numpy(),
        model=model,
        policy=policy,
    )
    return pd.DataFrame({"iv": iv.to_numpy(), "iv_status": status.to_numpy()}, index=frame.index)


def chain_greeks(frame: pd.DataFrame, units: Units = "natural") -> pd.DataFrame:
    """Black-76 price and Greeks a row, from the column `iv`, else implied from `mid`; NaN where there is no vol.

    Raises
    ------
    InputError
        If a column is missing or units are unknown.
    """
    chain = checked_chain(frame)
    vol = chain["iv"] if "iv" in chain else chain_implied_vol(chain)["iv"]
    made: pd.DataFrame = greeks(
        chain["right"].to_numpy(),
        chain["strike"].to_numpy(),
        np.maximum(chain["years"].to_numpy(np.float64), 0.0),
        vol.to_numpy(),
        forward=chain["forward"].to_numpy(),
        rate=chain["rate"].to_numpy(),
        units=units,
    )
    return made.set_axis(frame.index)


def plot_smile(frame: pd.DataFrame) -> Any:
    """Implied vol over strike, an expiry a colour; a HoloViews object.

    Raises
    ------
    InputError
        If a column is missing or no row has a vol.
    """
    import hvplot.pandas  # noqa: F401

    chain = checked_chain(frame)
    vol = chain["iv"] if "iv" in chain else chain_implied_vol(chain)["iv"]
    shown = chain.assign(iv=vol, expiry=pd.to_datetime(chain["expiry"]).dt.strftime("%Y-%m-%d"))
    shown = shown[np.isfinite(shown["iv"])].sort_values("strike")
    if shown.empty:
        raise InputError("no row of the chain has an implied vol; see iv_status for why")
    return shown.reset_index().hvplot.scatter(x="strike", y="iv", by="expiry", ylabel="implied vol", legend="top_right")
