"""Order books: one as a person sees it, many as steps hold them, microstructure features and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.orderbook.books import Books, Counters
    from qflib.orderbook.cost import TradeCost
    from qflib.orderbook.engine_events import EngineEvents
    from qflib.orderbook.engine_rules import Rules
    from qflib.orderbook.matching_engine import MatchingEngine
    from qflib.orderbook.order_book import OrderBook
    from qflib.orderbook.plot import plot_book

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Books": "books",
        "Counters": "books",
        "EngineEvents": "engine_events",
        "MatchingEngine": "matching_engine",
        "OrderBook": "order_book",
        "Rules": "engine_rules",
        "TradeCost": "cost",
        "plot_book": "plot",
    },
)

__all__ = [
    "Books",
    "Counters",
    "EngineEvents",
    "MatchingEngine",
    "OrderBook",
    "Rules",
    "TradeCost",
    "plot_book",
]
