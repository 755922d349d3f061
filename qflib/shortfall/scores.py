"""Scores of forecasts of VaR and expected shortfall, an outcome each: lower is better.

All take P&L x (gains positive), and forecasts var and es (positive losses), (n,) each, and α = 1 − level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def fz0(x: F8, var: F8, es: F8, alpha: float) -> F8:
    """(−var − x)₊ / (α es) + var / es + log es − 1, for es above 0.

    Patton, Ziegel and Chen (2019), Dynamic semiparametric models for expected shortfall, equation 6.
    """
    return np.asarray(np.maximum(-var - x, 0.0) / (alpha * es) + var / es + np.log(es) - 1.0, np.float64)


def laplace(x: F8, var: F8, es: F8, alpha: float) -> F8:
    """Asymmetric Laplace loss, for es above 0 (Taylor 2019, Forecasting value at risk and ES, equation 8)."""
    return np.asarray(-np.log((1.0 - alpha) / es) + (x + var) * (alpha - (x < -var)) / (alpha * es), np.float64)


def tick(x: F8, var: F8, alpha: float) -> F8:
    """Quantile score of the VaR (Koenker and Bassett 1978)."""
    return np.asarray((alpha - (x < -var)) * (x + var), np.float64)
