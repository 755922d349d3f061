"""The hedger that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qflib.hedging.hedgers import Band
    from qflib.settings import Settings


def hedger_of(settings: Settings) -> Band:
    """A no-trade band, or one in which limit orders rest (`desk.execution`)."""
    from qflib.hedging.hedgers import Band, LimitMarket

    chosen = settings.desk
    kind = LimitMarket if chosen.execution == "limit_market" else Band
    return kind(chosen.risk_aversion, max_order=settings.limits.order_qty, min_variance=chosen.min_variance)
