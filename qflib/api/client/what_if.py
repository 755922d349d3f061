"""A portfolio of the running desk before and after trades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

_SHOWN = ("delta", "gamma", "vega", "theta")


@dataclass(frozen=True)
class LiveWhatIf:
    """As `qf.Portfolio.what_if` gives it, computed by the desk.

    Parameters
    ----------
    portfolio, level, time
        Whose, at which confidence, at which market time (UTC).
    es_before, es_after, var_before, var_after
        Positive losses; those after bear the cost.
    greeks_before, greeks_after
        By underlying, natural units.
    components_before, components_after
        What each part gives to the ES.
    cost
        Of the trades, where they tell it.
    """

    portfolio: str
    level: float
    time: pd.Timestamp
    es_before: float
    es_after: float
    var_before: float
    var_after: float
    greeks_before: pd.DataFrame
    greeks_after: pd.DataFrame
    components_before: pd.Series[float]
    components_after: pd.Series[float]
    cost: float

    def to_frame(self) -> pd.DataFrame:
        """Columns before, after, change; indexed by (underlying, figure), the whole portfolio's first."""
        rows = {("", "es"): (self.es_before, self.es_after), ("", "var"): (self.var_before, self.var_after)}
        rows["", "cost"] = (0.0, self.cost)
        after = self.greeks_after[list(_SHOWN)]
        before = self.greeks_before[list(_SHOWN)].reindex(after.index, fill_value=0.0)
        for underlying in after.index:
            was, becomes = before.loc[underlying].to_numpy(np.float64), after.loc[underlying].to_numpy(np.float64)
            for g, x, y in zip(_SHOWN, was.tolist(), becomes.tolist(), strict=True):
                rows[str(underlying), g] = x, y
        index = pd.MultiIndex.from_tuples(list(rows), names=["underlying", "figure"])
        frame = pd.DataFrame(list(rows.values()), index, ["before", "after"])
        return frame.assign(change=frame["after"] - frame["before"])

    def plot(self) -> Any:
        """Bars of ES and VaR before and after."""
        from qflib.api.client.pictures import what_if_picture

        return what_if_picture(self)

    def __repr__(self) -> str:
        return f"<LiveWhatIf {self.portfolio}: ES {self.level:.1%} {self.es_before:,.6g} -> {self.es_after:,.6g}>"

    def _repr_html_(self) -> str:
        return f"<b>{self.portfolio}</b> {self.time:%Y-%m-%d %H:%M:%S} UTC" + str(self.to_frame().to_html())


def what_if_of(told: Mapping[str, Any]) -> LiveWhatIf:
    """From its JSON form."""
    before, after = told["before"], told["after"]
    return LiveWhatIf(
        told["portfolio"], told["level"], pd.Timestamp(told["time_ns"], unit="ns", tz="UTC"), _number(before["es"]),
        _number(after["es"]), _number(before["var"]), _number(after["var"]), _greeks(before), _greeks(after),
        _components(before), _components(after), told["cost"],
    )  # fmt: skip


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _greeks(side: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(side["greeks"]).set_index("underlying").astype(np.float64)


def _components(side: Mapping[str, Any]) -> pd.Series[float]:
    told = {c["name"]: _number(c["component_es"]) for c in side["components"]}
    return pd.Series(told, dtype=np.float64, name="component_es")
