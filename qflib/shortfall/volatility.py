"""ES of losses brought to the newest volatility (Hull and White 1998)."""

from __future__ import annotations

import dataclasses

import numpy as np

from qflib.shortfall.conventions import ewma_variance
from qflib.shortfall.estimated import F8, Estimated, Settings
from qflib.shortfall.historical import historical
from qflib.shortfall.inputs import share_of


def volatility_weighted(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """Each value times the next period's EWMA volatility over its own, then the convention; λ given, so no fit."""
    scaled, parameters = rescaled(pnl, s)
    made = historical(scaled, levels, dataclasses.replace(s, decay=None))
    return dataclasses.replace(made, parameters=parameters)


def rescaled(pnl: F8, s: Settings) -> tuple[F8, dict[str, float]]:
    """The values at the next period's volatility, with λ and that volatility."""
    decay = 0.94 if s.decay is None else s.decay
    decay = share_of(decay, "decay", 0.94)
    sigma = np.sqrt(ewma_variance(pnl, decay))
    return pnl * (sigma[-1] / sigma[:-1]), {"decay": decay, "sigma_next": float(sigma[-1])}
