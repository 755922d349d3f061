"""Portfolios, their Greeks and scenario P&L, and hedges sized against expected shortfall and the live book."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.hedging.attribution import explain_by_greeks, explain_by_steps
    from qflib.hedging.backtest import backtest_hedges
    from qflib.hedging.comparison import WhatIf, what_if
    from qflib.hedging.diary import hedge_diary
    from qflib.hedging.effectiveness import HedgeEffectiveness, hedge_effectiveness
    from qflib.hedging.grid import CostGrid, cost_grid
    from qflib.hedging.inverse_attribution import explain_inverse_by_greeks, explain_inverse_by_steps
    from qflib.hedging.inverse_hedge import hedge_inverse, inverse_future_pnl
    from qflib.hedging.ladder import Ladder
    from qflib.hedging.min_variance import OnlineMinVariance
    from qflib.hedging.neutral import MinVarianceDelta, min_variance_ratio, neutral_quantities
    from qflib.hedging.plan import HedgePlan
    from qflib.hedging.portfolio import Portfolio
    from qflib.hedging.simulation import HedgeSimulation, simulate_hedges
    from qflib.hedging.sizing import hedge

__getattr__, __dir__ = lazy(
    __name__,
    {
        "CostGrid": "grid",
        "HedgeEffectiveness": "effectiveness",
        "HedgePlan": "plan",
        "HedgeSimulation": "simulation",
        "Ladder": "ladder",
        "MinVarianceDelta": "neutral",
        "OnlineMinVariance": "min_variance",
        "Portfolio": "portfolio",
        "WhatIf": "comparison",
        "backtest_hedges": "backtest",
        "cost_grid": "grid",
        "explain_by_greeks": "attribution",
        "explain_by_steps": "attribution",
        "explain_inverse_by_greeks": "inverse_attribution",
        "explain_inverse_by_steps": "inverse_attribution",
        "hedge": "sizing",
        "hedge_diary": "diary",
        "hedge_effectiveness": "effectiveness",
        "hedge_inverse": "inverse_hedge",
        "inverse_future_pnl": "inverse_hedge",
        "min_variance_ratio": "neutral",
        "neutral_quantities": "neutral",
        "simulate_hedges": "simulation",
        "what_if": "comparison",
    },
)

__all__ = [
    "CostGrid",
    "HedgeEffectiveness",
    "HedgePlan",
    "HedgeSimulation",
    "Ladder",
    "MinVarianceDelta",
    "OnlineMinVariance",
    "Portfolio",
    "WhatIf",
    "backtest_hedges",
    "cost_grid",
    "explain_by_greeks",
    "explain_by_steps",
    "explain_inverse_by_greeks",
    "explain_inverse_by_steps",
    "hedge",
    "hedge_diary",
    "hedge_effectiveness",
    "hedge_inverse",
    "inverse_future_pnl",
    "min_variance_ratio",
    "neutral_quantities",
    "simulate_hedges",
    "what_if",
]
