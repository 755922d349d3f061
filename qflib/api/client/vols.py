"""Smiles of the running desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from qflib.pricing import Smiles, Surface
    from qflib.pricing.svi_forms import SviSlice


@dataclass(frozen=True)
class LiveVols:
    """The smiles of an underlying, fitted by the desk.

    Parameters
    ----------
    smiles
        As `qflib.pricing.fit_smiles` gives them: `quotes`, `expiries`, `surface`, `reason`.
    seq, time
        Of the newest quote in them: sequence and market time (UTC).
    fitted, took_ms
        When the desk computed them, and how long it took.
    """

    smiles: Smiles
    seq: int
    time: pd.Timestamp
    fitted: pd.Timestamp
    took_ms: float

    @property
    def surface(self) -> Surface | None:
        """The fitted surface, None where there is none and `smiles.reason` says why."""
        return self.smiles.surface

    def to_frame(self) -> pd.DataFrame:
        """A row an option: bid, mid and ask vol, why where there is none, the fits."""
        return self.smiles.to_frame()

    def plot(self) -> Any:
        """Bid to ask as bars, the fits as lines, an expiry a colour."""
        return self.smiles.plot()

    def __repr__(self) -> str:
        return f"<LiveVols {self.smiles!r}, {self.time:%H:%M:%S.%f}, seq {self.seq}>"

    def _repr_html_(self) -> str:
        return f"<b>{self.time:%Y-%m-%d %H:%M:%S} UTC</b>, seq {self.seq}{self.smiles._repr_html_()}"


def vols_of(told: Mapping[str, Any]) -> LiveVols:
    """From their JSON form."""
    from qflib.pricing import Smiles, Surface

    time = pd.Timestamp(told["time_ns"], unit="ns", tz="UTC")
    expiries = pd.DataFrame(told["expiries"])
    expiries.index = pd.DatetimeIndex(pd.to_datetime(expiries.pop("expiry"), format="ISO8601"), name="expiry")
    theta, raw = expiries.pop("theta").astype(np.float64), expiries.pop("svi")
    for name in ("forward", "atm_vol", "ssvi_rmse", "ssvi_outside", "svi_rmse", "svi_outside", "least_g", "least_g_k",
                 "least_rise"):  # fmt: skip
        expiries[name] = expiries[name].astype(np.float64)
    quotes = pd.DataFrame(told["quotes"]).set_index("instrument").rename_axis("symbol")
    quotes["expiry"] = pd.to_datetime(quotes["expiry"], format="ISO8601")
    for name in ("strike", "k", "bid_iv", "iv", "ask_iv", "ssvi", "svi", "ssvi_miss", "svi_miss"):
        quotes[name] = quotes[name].astype(np.float64)
    by = quotes["expiry"]
    quotes.insert(1, "years", by.map(expiries["years"]))
    quotes.insert(4, "forward", by.map(expiries["forward"]))
    surface, used = None, quotes[quotes["used"]]
    if (s := told["surface"]) is not None:
        there = theta.notna()
        fit = expiries[there]
        fitted = used[["expiry", "years", "k", "iv"]].assign(fitted=used["ssvi"])
        years, forwards, levels = (np.asarray(c, np.float64) for c in (fit["years"], fit["forward"], theta[there]))
        surface = Surface(
            told["underlying"], time, years, forwards, levels, s["rho"], s["eta"], s["gamma"], fitted, s["rmse"],
            s["max_error"],
        )  # fmt: skip
    slices = {e: _slice(p, used[used["expiry"] == e]) for e, p in raw.items() if isinstance(p, dict)}
    smiles = Smiles(told["underlying"], surface, told["reason"], slices, quotes, expiries)
    return LiveVols(smiles, told["seq"], time, pd.Timestamp(told["fitted"]), told["took_ms"])


def _slice(told: Mapping[str, float], used: pd.DataFrame) -> SviSlice:
    from qflib.pricing.svi_forms import SviSlice

    quotes = pd.DataFrame({c: used[v] ** 2 * used["years"] for c, v in (("variance", "iv"), ("fitted", "svi"))})
    quotes.insert(0, "k", used["k"])
    rmse = float(np.sqrt(((quotes["fitted"] - quotes["variance"]) ** 2).mean()))
    return SviSlice(**told, quotes=quotes.reset_index(drop=True), rmse=rmse)
