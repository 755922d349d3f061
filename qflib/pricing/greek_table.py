"""Greeks of a price that carries its derivatives, by the names and in the units of `greeks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.pricing.inputs import Arguments, Floats
from qflib.pricing.jets import Jet
from qflib.pricing.sensitivities import Units, to_trader

#: derivatives by the variables' names; times count down
_BY_NAME: dict[str, tuple[str, ...]] = {
    "delta": ("spot",),
    "gamma": ("spot", "spot"),
    "vega": ("vol",),
    "theta": ("years",),
    "rho": ("rate",),
    "dividend_rho": ("dividend_yield",),
    "vanna": ("spot", "vol"),
    "volga": ("vol", "vol"),
    "charm": ("spot", "years"),
    "veta": ("vol", "years"),
    "dual_delta": ("strike",),
    "dual_gamma": ("strike", "strike"),
}


def named(jet: Jet, variables: Sequence[str]) -> dict[str, Floats]:
    """Price and Greeks in natural units: those whose variables there are."""
    at = {name: i for i, name in enumerate(variables)}
    found: dict[str, Floats] = {"price": jet.value.copy()}
    for name, by in _BY_NAME.items():
        if set(by) <= set(at):
            places = [at[v] for v in by]
            column = jet.slope[places[0]] if len(by) == 1 else jet.bend[places[0], places[1]]
            found[name] = np.array(-column if "years" in by else column)
    return found


def table(a: Arguments, found: Mapping[str, Floats], spot: Floats, units: Units) -> Any:
    """A dict of floats for scalars, else a frame; with elasticity, in the units asked for."""
    columns = dict(found)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns["elasticity"] = np.where(columns["price"] != 0.0, columns["delta"] * spot / columns["price"], np.nan)
    if units == "trader":
        to_trader(columns, spot)
    if not a.shape:
        return {name: float(column[0]) for name, column in columns.items()}
    return pd.DataFrame(columns, index=a.index)


def check_units(units: str) -> None:
    """Raise an InputError at unknown units."""
    if units not in ("natural", "trader"):
        raise InputError(f"units {units!r} are unknown; expected 'natural' or 'trader'")
