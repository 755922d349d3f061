"""Greeks and expected shortfall before and after trades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.shortfall.estimate import expected_shortfall

if TYPE_CHECKING:
    from qflib.hedging.portfolio import Portfolio
    from qflib.pricing import Market
    from qflib.shortfall.scenarios import ScenarioSet

SHOWN = ("delta", "gamma", "vega", "theta")


@dataclass(frozen=True, eq=False)
class WhatIf:
    """A portfolio before and after trades, in its currency.

    Parameters
    ----------
    es_before, es_after, var_before, var_after
        Positive losses at `level`; those after bear the cost.
    greeks_before, greeks_after
        By underlying, natural units.
    cost
        Of the trades, where they tell it.
    """

    level: float
    es_before: float
    es_after: float
    var_before: float
    var_after: float
    greeks_before: pd.DataFrame
    greeks_after: pd.DataFrame
    cost: float

    def to_frame(self) -> pd.DataFrame:
        """Columns before, after, change; indexed by (underlying, figure), the whole portfolio's first."""
        rows = {("", "es"): (self.es_before, self.es_after), ("", "var"): (self.var_before, self.var_after)}
        rows["", "cost"] = (0.0, self.cost)
        after = self.greeks_after[list(SHOWN)]
        before = self.greeks_before[list(SHOWN)].reindex(after.index, fill_value=0.0)
        for underlying, was, becomes in zip(after.index, before.to_numpy(), after.to_numpy(), strict=True):
            for g, x, y in zip(SHOWN, was.tolist(), becomes.tolist(), strict=True):
                rows[str(underlying), g] = (x, y)
        frame = pd.DataFrame(
            list(rows.values()),
            pd.MultiIndex.from_tuples(list(rows), names=["underlying", "figure"]),
            ["before", "after"],
        )
        return frame.assign(change=frame["after"] - frame["before"])

    def plot(self) -> Any:
        """Bars of ES and VaR before and after."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)
        from bokeh.models import NumeralTickFormatter

        shown = self.to_frame().loc[""]
        rows = [
            (said, when, shown.loc[f, when])
            for f, said in (("es", "ES"), ("var", "VaR"))
            for when in ("before", "after")
        ]
        long = pd.DataFrame(rows, columns=["figure", "when", "loss"])
        figure, when = hv.Dimension("figure", values=["ES", "VaR"]), hv.Dimension("when", values=["before", "after"])
        return hv.Bars(long, [figure, when], "loss").opts(
            title=f"ES and VaR at {self.level:.1%}; the trades cost {self.cost:,.6g}", xlabel="", ylabel="loss",
            yformatter=NumeralTickFormatter(format="0,0.[00]"), color="when", cmap=["#b0413e", "#1d3557"],
            show_legend=False, width=600, height=340,
        )  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"WhatIf(ES {self.level:.1%}: {self.es_before:,.6g} -> {self.es_after:,.6g}; "
            f"VaR: {self.var_before:,.6g} -> {self.var_after:,.6g}; cost {self.cost:,.6g}; "
            f"Greeks of {', '.join(map(str, self.greeks_after.index)) or 'no underlying'})"
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format=lambda x: f"{x:,.4f}"))


def what_if(pf: Portfolio, trades: pd.DataFrame, market: Market, scen: ScenarioSet, level: float = 0.975) -> WhatIf:
    """Revalue with and without trades.

    Parameters
    ----------
    pf, market, scen
        What is held, at which market, against which scenarios.
    trades
        Columns instrument and qty; `cost`, in the portfolio's currency, lowers P&L after in every scenario.
    level
        Confidence of ES and VaR.

    Raises
    ------
    InputError, DataError, UnknownInstrumentError
        If trades lack a column or hold a NaN; or as `Portfolio.scenario_pnl`.

    Examples
    --------
    >>> import pandas as pd, qflib as qf
    >>> from qflib.hedging import what_if
    >>> feed = qf.datasets.load("sim", seed=7, duration="2s")
    >>> held = pd.DataFrame({"instrument": ["ACME.F"], "qty": [-20.0], "avg_price": [100.0]})
    >>> scen = qf.scenarios.historical(feed.history, n=500)
    >>> trades = pd.DataFrame({"instrument": ["ACME.F"], "qty": [15.0]})
    >>> told = what_if(qf.Portfolio.from_frame(held), trades, feed.market(), scen)
    >>> round(told.es_after / told.es_before, 6)
    0.25
    """
    after = pf.traded(trades)
    cost = float(np.sum(trades["cost"].to_numpy(np.float64))) if "cost" in trades else 0.0
    if not np.isfinite(cost):
        raise InputError(f"cost of the trades sums to {cost}; give finite costs, or leave the column out")
    one = expected_shortfall(pf.scenario_pnl(market, scen), level, kind="pnl")
    two = expected_shortfall(after.scenario_pnl(market, scen) - cost, level, kind="pnl")
    return WhatIf(level, one.es, two.es, one.var, two.var, pf.greeks(market), after.greeks(market), cost)
