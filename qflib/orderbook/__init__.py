"""Order books: one as a person sees it, many as steps hold them, microstructure features and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.orderbook.books import Books, Counters
    from qflib.orderbook.cost import TradeCost
    from qflib.orderbook.order_book import OrderBook
    from qflib.orderbook.plot import plot_book

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Books": "books",
        "Counters": "books",
        "OrderBook": "order_book",
        "TradeCost": "cost",
        "plot_book": "plot",
    },
)

__all__ = [
    "Books",
    "Counters",
    "OrderBook",
    "TradeCost",
    "plot_book",
]
