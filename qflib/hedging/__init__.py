"""Portfolios, their Greeks and scenario P&L, and hedges sized against expected shortfall and the live book."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.hedging.attribution import explain_by_greeks, explain_by_steps
    from qflib.hedging.backtest import backtest_hedges
    from qflib.hedging.comparison import WhatIf, what_if
    from qflib.hedging.costly_execution import ExecutionCost, ExecutionHedge, execution_hedge
    from qflib.hedging.cross_hedge import beta_hedge_contracts, beta_of, cross_hedge_contracts
    from qflib.hedging.decaying_impact import ExponentialDecay, PowerDecay
    from qflib.hedging.diary import hedge_diary
    from qflib.hedging.effectiveness import HedgeEffectiveness, hedge_effectiveness
    from qflib.hedging.frontier import HedgeFrontier, hedge_frontier
    from qflib.hedging.grid import CostGrid, cost_grid
    from qflib.hedging.inverse_attribution import explain_inverse_by_greeks, explain_inverse_by_steps
    from qflib.hedging.inverse_hedge import hedge_inverse, inverse_future_pnl
    from qflib.hedging.ladder import Ladder
    from qflib.hedging.min_variance import OnlineMinVariance
    from qflib.hedging.neutral import MinVarianceDelta, min_variance_ratio, neutral_quantities
    from qflib.hedging.neutral_programme import NeutralHedge, neutral_hedge
    from qflib.hedging.plan import HedgePlan
    from qflib.hedging.portfolio import Portfolio
    from qflib.hedging.quoted_book import QuotedBook, quoted_books
    from qflib.hedging.simulation import HedgeSimulation, simulate_hedges
    from qflib.hedging.sizing import hedge

__getattr__, __dir__ = lazy(
    __name__,
    {
        "CostGrid": "grid",
        "ExecutionCost": "costly_execution",
        "ExecutionHedge": "costly_execution",
        "ExponentialDecay": "decaying_impact",
        "HedgeEffectiveness": "effectiveness",
        "HedgeFrontier": "frontier",
        "HedgePlan": "plan",
        "HedgeSimulation": "simulation",
        "Ladder": "ladder",
        "MinVarianceDelta": "neutral",
        "OnlineMinVariance": "min_variance",
        "NeutralHedge": "neutral_programme",
        "Portfolio": "portfolio",
        "PowerDecay": "decaying_impact",
        "QuotedBook": "quoted_book",
        "WhatIf": "comparison",
        "backtest_hedges": "backtest",
        "beta_hedge_contracts": "cross_hedge",
        "beta_of": "cross_hedge",
        "cost_grid": "grid",
        "cross_hedge_contracts": "cross_hedge",
        "execution_hedge": "costly_execution",
        "explain_by_greeks": "attribution",
        "explain_by_steps": "attribution",
        "explain_inverse_by_greeks": "inverse_attribution",
        "explain_inverse_by_steps": "inverse_attribution",
        "hedge": "sizing",
        "hedge_diary": "diary",
        "hedge_effectiveness": "effectiveness",
        "hedge_frontier": "frontier",
        "hedge_inverse": "inverse_hedge",
        "inverse_future_pnl": "inverse_hedge",
        "min_variance_ratio": "neutral",
        "neutral_hedge": "neutral_programme",
        "neutral_quantities": "neutral",
        "quoted_books": "quoted_book",
        "simulate_hedges": "simulation",
        "what_if": "comparison",
    },
)

__all__ = [
    "CostGrid",
    "ExecutionCost",
    "ExecutionHedge",
    "ExponentialDecay",
    "HedgeEffectiveness",
    "HedgeFrontier",
    "HedgePlan",
    "HedgeSimulation",
    "Ladder",
    "MinVarianceDelta",
    "NeutralHedge",
    "OnlineMinVariance",
    "Portfolio",
    "PowerDecay",
    "QuotedBook",
    "WhatIf",
    "backtest_hedges",
    "beta_hedge_contracts",
    "beta_of",
    "cost_grid",
    "cross_hedge_contracts",
    "execution_hedge",
    "explain_by_greeks",
    "explain_by_steps",
    "explain_inverse_by_greeks",
    "explain_inverse_by_steps",
    "hedge",
    "hedge_diary",
    "hedge_effectiveness",
    "hedge_frontier",
    "hedge_inverse",
    "inverse_future_pnl",
    "min_variance_ratio",
    "neutral_hedge",
    "neutral_quantities",
    "quoted_books",
    "simulate_hedges",
    "what_if",
]
