"""Order books: one as a person sees it, many as steps hold them, microstructure measures and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.orderbook.bars import features
    from qflib.orderbook.books import Books, Counters
    from qflib.orderbook.cost import TradeCost
    from qflib.orderbook.engine_events import EngineEvents
    from qflib.orderbook.engine_rules import Rules
    from qflib.orderbook.execution import AlmgrenChriss, almgren_chriss
    from qflib.orderbook.impact import ImpactFit, fit_impact
    from qflib.orderbook.journal import EngineJournal
    from qflib.orderbook.matching_engine import MatchingEngine
    from qflib.orderbook.order_book import OrderBook
    from qflib.orderbook.order_flow import IntegratedOFI, multi_level_ofi
    from qflib.orderbook.plot import plot_book
    from qflib.orderbook.queues import QueueRates, depletion_probability, fit_queue_rates, up_probability
    from qflib.orderbook.realised import SignaturePlot, signature_plot
    from qflib.orderbook.regressions import Resiliency, Slope, kyle_lambda, resiliency
    from qflib.orderbook.self_exciting import HawkesFit, fit_hawkes, simulate_hawkes
    from qflib.orderbook.spreads import TradeSpreads, trade_spreads
    from qflib.orderbook.stoikov import MicroPrice

__getattr__, __dir__ = lazy(
    __name__,
    {
        "AlmgrenChriss": "execution",
        "Books": "books",
        "Counters": "books",
        "EngineEvents": "engine_events",
        "EngineJournal": "journal",
        "HawkesFit": "self_exciting",
        "ImpactFit": "impact",
        "IntegratedOFI": "order_flow",
        "MatchingEngine": "matching_engine",
        "MicroPrice": "stoikov",
        "OrderBook": "order_book",
        "QueueRates": "queues",
        "Resiliency": "regressions",
        "Rules": "engine_rules",
        "SignaturePlot": "realised",
        "Slope": "regressions",
        "TradeCost": "cost",
        "TradeSpreads": "spreads",
        "almgren_chriss": "execution",
        "depletion_probability": "queues",
        "features": "bars",
        "fit_hawkes": "self_exciting",
        "fit_impact": "impact",
        "fit_queue_rates": "queues",
        "kyle_lambda": "regressions",
        "multi_level_ofi": "order_flow",
        "plot_book": "plot",
        "resiliency": "regressions",
        "signature_plot": "realised",
        "simulate_hawkes": "self_exciting",
        "trade_spreads": "spreads",
        "up_probability": "queues",
    },
)

__all__ = [
    "AlmgrenChriss",
    "Books",
    "Counters",
    "EngineEvents",
    "EngineJournal",
    "HawkesFit",
    "ImpactFit",
    "IntegratedOFI",
    "MatchingEngine",
    "MicroPrice",
    "OrderBook",
    "QueueRates",
    "Resiliency",
    "Rules",
    "SignaturePlot",
    "Slope",
    "TradeCost",
    "TradeSpreads",
    "almgren_chriss",
    "depletion_probability",
    "features",
    "fit_hawkes",
    "fit_impact",
    "fit_queue_rates",
    "kyle_lambda",
    "multi_level_ofi",
    "plot_book",
    "resiliency",
    "signature_plot",
    "simulate_hawkes",
    "trade_spreads",
    "up_probability",
]
