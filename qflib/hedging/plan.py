"""What a hedge proposes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from qflib.hedging.decaying_impact import DecayingImpact


@dataclass(frozen=True, eq=False)
class HedgePlan:
    """Trades that lower expected shortfall, and what they do.

    Parameters
    ----------
    trades
        One row an instrument traded: instrument, qty (signed contracts, whole lots), avg_price, and cost against the
        mid in the portfolio's currency. What `Portfolio.what_if` takes.
    es_current, es_target
        Before; and after the trades, with their cost and impact_cost.
    delta_before, delta_after
        By underlying: P&L per 1.00 of the forward.
    level
        Confidence of ES.
    currency
        Of cost, ES and delta.
    curve
        Columns instrument, qty, es: ES with cost as one instrument's quantity varies and the others stay at the plan's.
    gap
        No whole lots are better by more than this, in ES + cost_weight * cost (under a bound on ES, in cost): 0 where
        the search is exact, else the distance to the optimum over fractions of lots.
    ideal
        By instrument, the quantities of that optimum.
    lots
        By instrument, contracts of one lot.
    impact_cost
        What the trades' own impact costs as it decays (`qflib.hedging.hedge`), not in `cost`.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.hedging import HedgePlan
    >>> trades = pd.DataFrame({"instrument": ["ACME.F"], "qty": [99.0], "avg_price": [100.01], "cost": [49.5]})
    >>> delta = pd.Series({"ACME": 0.0})
    >>> HedgePlan(trades, 9.0, 4.0, delta, delta, 0.975, "USD", pd.DataFrame()).cost
    49.5
    """

    trades: pd.DataFrame
    es_current: float
    es_target: float
    delta_before: pd.Series[float]
    delta_after: pd.Series[float]
    level: float
    currency: str
    curve: pd.DataFrame
    gap: float = 0.0
    ideal: pd.Series[float] = field(default_factory=lambda: pd.Series(dtype=np.float64))
    lots: pd.Series[float] = field(default_factory=lambda: pd.Series(dtype=np.float64))
    impact_cost: float = 0.0

    @property
    def cost(self) -> float:
        """Of all trades, against the mid."""
        return float(np.sum(self.trades["cost"].to_numpy(np.float64)))

    def to_frame(self) -> pd.DataFrame:
        """Indexed by instrument: qty, avg_price, cost; the plan's es_current and es_target repeated."""
        frame = self.trades.set_index("instrument")
        return frame.assign(es_current=self.es_current, es_target=self.es_target)

    def slices(
        self,
        horizon: float,
        intervals: int = 10,
        *,
        volatility: float | Mapping[str, float] = 0.0,
        eta: float | Mapping[str, float] | None = None,
        risk_aversion: float = 0.0,
        impact: Mapping[str, DecayingImpact] | None = None,
    ) -> pd.DataFrame:
        """The trades in slices of whole lots over a horizon: see `qflib.hedging.slicing`."""
        from qflib.hedging.slicing import slices

        qty = dict(zip(self.trades["instrument"], self.trades["qty"], strict=True))
        lots = {i: float(self.lots.get(i, 1.0)) for i in qty}
        return slices(
            qty, lots, horizon, intervals, volatility=volatility, eta=eta, risk_aversion=risk_aversion, impact=impact
        )

    def plot(self) -> Any:
        """ES with cost over quantity, a line an instrument, the plan's quantity marked."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)
        from bokeh.models import NumeralTickFormatter

        lines = self.curve.hvplot.line(
            x="qty", y="es", by="instrument", xlabel="contracts",
            ylabel=f"ES {self.level:.1%} and cost, {self.currency}",
            title=f"ES {self.es_current:,.6g} now, {self.es_target:,.6g} {self.currency} at the plan (dots)",
            yformatter=NumeralTickFormatter(format="0,0.[00]"), width=900, height=380,
        )  # fmt: skip
        held = dict(zip(self.trades["instrument"], self.trades["qty"], strict=True))
        names = list(dict.fromkeys(self.curve["instrument"]))
        chosen = pd.DataFrame({"qty": [held.get(i, 0.0) for i in names], "es": self.es_target})
        return lines * chosen.hvplot.scatter(x="qty", y="es", color="black", size=60)

    def _repr_html_(self) -> str:
        deltas = pd.DataFrame({"delta before": self.delta_before, "delta after": self.delta_after})
        return (
            f"<p>ES {self.level:.1%}: {self.es_current:,.2f} now, {self.es_target:,.2f} {self.currency} after the "
            f"trades and their cost of {self.cost + self.impact_cost:,.2f}</p>"
            + str(self.trades.to_html(index=False))
            + str(deltas.to_html())
        )

    def __repr__(self) -> str:
        bought = ", ".join(
            f"{qty:+g} {i}" for i, qty in zip(self.trades["instrument"], self.trades["qty"], strict=True)
        )
        return (
            f"HedgePlan({bought or 'no trade'}; cost {self.cost:.6g}; "
            f"ES {self.es_current:.6g} -> {self.es_target:.6g} {self.currency})"
        )
