"""The read model: what API, dashboards, notebooks and jobs know of a running desk.

One reader a process folds the topics into views, and everybody else asks the views. What a view gives carries the
sequence of its record (the offset in its partition), the market time it reflects and when Kafka had it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.views.books import BookView
    from qflib.views.controls import ControlsView
    from qflib.views.health import HealthView
    from qflib.views.hedging import HedgingView
    from qflib.views.orders import OrdersView
    from qflib.views.risk import RiskView
    from qflib.views.shortfall import ShortfallView
    from qflib.views.views import Views
    from qflib.views.vols import VolView

__getattr__, __dir__ = lazy(
    __name__,
    {
        "BookView": "books",
        "ControlsView": "controls",
        "HealthView": "health",
        "HedgingView": "hedging",
        "OrdersView": "orders",
        "RiskView": "risk",
        "ShortfallView": "shortfall",
        "Views": "views",
        "VolView": "vols",
    },
)

__all__ = [
    "BookView", "ControlsView", "HealthView", "HedgingView", "OrdersView", "RiskView", "ShortfallView", "Views",
    "VolView",
]  # fmt: skip
