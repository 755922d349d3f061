"""Option chains as frames: the columns they need, their implied vols, Greeks and smile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.pricing.american_forward import greeks_on_forward, implied_vol_by_style
from qflib.pricing.inputs import signs
from qflib.pricing.inversion import Model, Policy
from qflib.pricing.sensitivities import Units, greeks, to_trader

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

    A boolean column `inverse` marks premiums in coin. Where a column `style` says american, vols are those of American
    prices, exercised into the spot that carries to the forward at rate less `dividend_yield` (a column; the rate where
    there is none, as options on a future).

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
    iv, status = implied_vol_by_style(
        _american(chain),
        pd.Series(paid, index=chain.index),  # errors name the chain's own rows
        chain["right"].to_numpy(),
        chain["strike"].to_numpy(),
        chain["years"].to_numpy(),
        forward,
        chain["rate"].to_numpy(),
        _yield(chain),
        model,
        policy,
    )
    return pd.DataFrame({"iv": iv, "iv_status": status}, index=frame.index)


def _american(chain: pd.DataFrame) -> NDArray[np.bool_]:
    if "style" not in chain:
        return np.zeros(len(chain), bool)
    early = (chain["style"] == "american").to_numpy(bool)
    if (wrong := chain["style"][~(early | (chain["style"] == "european"))]).size:
        raise InputError(f"style of row {wrong.index[0]} is {wrong.iloc[0]!r}; expected 'european' or 'american'")
    if "inverse" in chain and (early & chain["inverse"].to_numpy(bool)).any():
        raise InputError("a row of the chain is american and inverse, which no venue lists; drop it")
    return early


def _yield(chain: pd.DataFrame) -> NDArray[np.float64]:
    return chain["dividend_yield" if "dividend_yield" in chain else "rate"].to_numpy(np.float64)


def chain_greeks(frame: pd.DataFrame, units: Units = "natural") -> pd.DataFrame:
    """Price and Greeks in the forward a row, from the column `iv`, else implied from `mid`; NaN where there is no vol.

    By Black-76, in quote currency (of inverse rows too: `inverse_greeks` gives coin); of american rows as in
    `chain_implied_vol`.

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
    made = made.set_axis(frame.index)
    early = _american(chain) & np.isfinite(vol.to_numpy(np.float64))
    if early.any():
        part, forward = chain[early], chain.loc[early, "forward"].to_numpy(np.float64)
        each = greeks_on_forward(
            signs(part["right"].to_numpy()),
            forward,
            part["strike"].to_numpy(np.float64),
            np.maximum(part["years"].to_numpy(np.float64), 0.0),
            vol.to_numpy(np.float64)[early],
            part["rate"].to_numpy(np.float64),
            _yield(part),
        )
        if units == "trader":
            to_trader(each, forward)
        made[early] = pd.DataFrame(each, index=made.index[early])[list(made)]
    return made


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
