"""The exposures step: positions, Greeks and scenario P&L an underlying."""

from qflib.steps.exposures.exposures import Exposures, ExposuresConfig

__all__ = ["Exposures", "ExposuresConfig"]
