"""The portfolio step: sums vectors of one scenario set, reports, hedges."""

from qflib.steps.portfolio.portfolio import Portfolio, PortfolioConfig

__all__ = ["Portfolio", "PortfolioConfig"]
