"""What an estimator is told, and what it finds; `expected_shortfall` checks the one and shows the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


class Law(Protocol):
    """A law of losses."""

    @property
    def mean(self) -> float:
        """Of the losses."""
        ...

    def figures(self, levels: F8) -> tuple[F8, F8]:
        """(ES, VaR), each (n_levels,)."""
        ...

    def pdf(self, loss: F8) -> F8:
        """The density, of the shape of `loss`."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """The keywords of `expected_shortfall` that an estimator may take, each None where it was not given."""

    convention: str
    confidence: float
    weights: ArrayLike | None = None
    decay: float | None = None
    n: int | None = None
    model: str | None = None
    dist: str | None = None
    horizon: int | None = None
    threshold: float | None = None
    draws: int | None = None
    seed: int = 0
    interval: str = "analytic"


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """ES and VaR (n_levels,) with their standard errors; NaN where none is known."""

    es: F8
    var: F8
    n_tail: I8
    se: F8
    var_se: F8
    #: Intervals of ES and VaR where they are not symmetric; (n_levels,) each.
    var_low: F8 | None = None
    var_high: F8 | None = None
    low: F8 | None = None
    high: F8 | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    law: Law | None = None


def beyond(pnl: F8, var: F8) -> I8:
    """Losses at or beyond each VaR, which is what a fitted law has seen of its tail."""
    return np.array([np.count_nonzero(-pnl >= v) for v in var], np.int64)
