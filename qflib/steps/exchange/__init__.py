"""The exchange step: books with our orders in them, lifecycle of positions, marks."""

from qflib.steps.exchange.config import ExchangeConfig
from qflib.steps.exchange.step import Exchange

__all__ = ["Exchange", "ExchangeConfig"]
