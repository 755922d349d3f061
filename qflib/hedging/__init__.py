"""Portfolios, their Greeks and scenario P&L, and hedges sized against expected shortfall and the live book."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.hedging.comparison import WhatIf, what_if
    from qflib.hedging.ladder import Ladder
    from qflib.hedging.plan import HedgePlan
    from qflib.hedging.portfolio import Portfolio
    from qflib.hedging.sizing import hedge

__getattr__, __dir__ = lazy(
    __name__,
    {
        "HedgePlan": "plan",
        "Ladder": "ladder",
        "Portfolio": "portfolio",
        "WhatIf": "comparison",
        "hedge": "sizing",
        "what_if": "comparison",
    },
)

__all__ = [
    "HedgePlan",
    "Ladder",
    "Portfolio",
    "WhatIf",
    "hedge",
    "what_if",
]
