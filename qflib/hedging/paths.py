"""Paths of an underlying to hedge along: geometric Brownian motion, stochastic vol, jumps, rough vol, or one's own.

A model gives prices at even times, two antithetic halves of `n` paths, from normals that a generator draws: the same
generator gives the same paths.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError

Floats = NDArray[np.float64]


class Model(ABC):
    """What makes paths."""

    @abstractmethod
    def paths(self, spot: float, years: float, steps: int, n: int, rng: np.random.Generator) -> Floats:
        """Prices (steps + 1, n), the first row `spot`; `n` is even. O(steps * n)."""


def _log_paths(spot: float, moves: Floats) -> Floats:
    """Prices from log moves (steps, n)."""
    out = np.zeros((len(moves) + 1, moves.shape[1]))
    np.cumsum(moves, axis=0, out=out[1:])
    np.exp(out, out=out)
    out *= spot
    return out


def _normals(rng: np.random.Generator, steps: int, n: int) -> Floats:
    """(steps, n): the second half is the first with its sign changed."""
    half = rng.standard_normal((steps, n // 2))
    return np.concatenate([half, -half], axis=1)


def _refuse(model: object, *positive: str) -> None:
    for name in positive:
        value = getattr(model, name)
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value}; expected a positive number")
    for f in fields(model):  # type: ignore[arg-type]
        if not math.isfinite(getattr(model, f.name)):
            raise InputError(f"{f.name} is {getattr(model, f.name)}; expected a finite number")


@dataclass(frozen=True)
class GBM(Model):
    """Geometric Brownian motion: `vol` and `drift` a year.

    Notes
    -----
    Source: Black and Scholes 1973; Samuelson 1965, Industrial Management Review 6.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.hedging.paths import GBM
    >>> GBM(0.2).paths(100.0, years=0.5, steps=10, n=4, rng=np.random.default_rng(1)).shape
    (11, 4)
    """

    vol: float
    drift: float = 0.0

    def __post_init__(self) -> None:
        _refuse(self, "vol")

    def paths(self, spot: float, years: float, steps: int, n: int, rng: np.random.Generator) -> Floats:
        """Exact at the steps."""
        dt = years / steps
        moves = _normals(rng, steps, n)
        moves *= self.vol * math.sqrt(dt)
        moves += (self.drift - 0.5 * self.vol**2) * dt
        return _log_paths(spot, moves)


@dataclass(frozen=True)
class HestonModel(Model):
    """Heston's stochastic variance: variance starts at `vol`^2 and returns to `long_vol`^2 at `reversion` a year.

    Notes
    -----
    Full-truncation Euler in the log price (Lord, Koekkoek and van Dijk 2010, Quantitative Finance 10(2)), four steps a
    look. Source: Heston 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.hedging.paths import HestonModel
    >>> made = HestonModel(0.2, long_vol=0.25).paths(100.0, 0.5, 10, 4, np.random.default_rng(1))
    >>> made.shape, bool((made > 0.0).all())
    ((11, 4), True)
    """

    vol: float
    long_vol: float
    reversion: float = 2.0
    vol_of_variance: float = 0.6
    correlation: float = -0.7
    drift: float = 0.0

    def __post_init__(self) -> None:
        _refuse(self, "vol", "long_vol", "reversion", "vol_of_variance")
        if not -1 < self.correlation < 1:
            raise InputError(f"correlation is {self.correlation}; expected one between -1 and 1")

    def paths(self, spot: float, years: float, steps: int, n: int, rng: np.random.Generator) -> Floats:
        """Variance below zero counts as zero."""
        fine, dt = 4, years / steps / 4
        variance = np.full(n, self.vol**2)
        moves = np.zeros((steps, n))
        across = math.sqrt(1.0 - self.correlation**2)
        for k in range(steps * fine):
            z, w = _normals(rng, 2, n)
            alive = np.maximum(variance, 0.0)
            root = np.sqrt(alive * dt)
            moves[k // fine] += (self.drift - 0.5 * alive) * dt + root * (self.correlation * z + across * w)
            variance += self.reversion * (self.long_vol**2 - alive) * dt + self.vol_of_variance * root * z
        return _log_paths(spot, moves)


@dataclass(frozen=True)
class JumpModel(Model):
    """Merton's jumps: `intensity` a year, each of a normal log size; the drift is the whole's.

    Notes
    -----
    Exact at the steps: the number of jumps of a step is Poisson, their sum normal. Source: Merton 1976.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.hedging.paths import JumpModel
    >>> made = JumpModel(0.2, intensity=2.0).paths(100.0, 0.5, 10, 20_000, np.random.default_rng(1))
    >>> bool(abs(made[-1].mean() - 100.0) < 0.5)
    True
    """

    vol: float
    intensity: float = 1.0
    jump_mean: float = -0.1
    jump_std: float = 0.1
    drift: float = 0.0

    def __post_init__(self) -> None:
        _refuse(self, "vol", "intensity", "jump_std")

    def paths(self, spot: float, years: float, steps: int, n: int, rng: np.random.Generator) -> Floats:
        """Jumps of the antithetic half come at the same times."""
        dt = years / steps
        mean = math.expm1(self.jump_mean + 0.5 * self.jump_std**2)
        moves = _normals(rng, steps, n)
        moves *= self.vol * math.sqrt(dt)
        moves += (self.drift - self.intensity * mean - 0.5 * self.vol**2) * dt
        half = rng.poisson(self.intensity * dt, (steps, n // 2)).astype(np.float64)
        jumps = np.concatenate([half, half], axis=1)
        moves += self.jump_mean * jumps + self.jump_std * np.sqrt(jumps) * _normals(rng, steps, n)
        return _log_paths(spot, moves)


@dataclass(frozen=True)
class RoughModel(Model):
    """Rough Bergomi: log variance follows a Riemann-Liouville process of exponent `hurst` below a half.

    Notes
    -----
    The joint law of that process and its Brownian motion is exact at the steps (Cholesky), the price is Euler's.
    Source: Bayer, Friz and Gatheral 2016, "Pricing under rough volatility", Quantitative Finance 16(6).

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.hedging.paths import RoughModel
    >>> RoughModel(0.2).paths(100.0, 0.5, 10, 4, np.random.default_rng(1)).shape
    (11, 4)
    """

    vol: float
    hurst: float = 0.1
    vol_of_vol: float = 1.9
    correlation: float = -0.9
    drift: float = 0.0

    def __post_init__(self) -> None:
        _refuse(self, "vol", "vol_of_vol")
        if not 0 < self.hurst < 0.5:
            raise InputError(f"hurst is {self.hurst}; expected an exponent between 0 and 0.5")
        if not -1 < self.correlation < 1:
            raise InputError(f"correlation is {self.correlation}; expected one between -1 and 1")

    def paths(self, spot: float, years: float, steps: int, n: int, rng: np.random.Generator) -> Floats:
        """O(steps^2 * n)."""
        dt = years / steps
        both = _rough_root(self.hurst, steps) @ _normals(rng, 2 * steps, n)
        brownian, process = both[:steps] * math.sqrt(dt), both[steps:] * dt**self.hurst
        times = dt * np.arange(1, steps + 1)[:, None]
        variance = np.empty((steps, n))
        variance[0] = self.vol**2
        grown = self.vol_of_vol * process - 0.5 * self.vol_of_vol**2 * times ** (2 * self.hurst)
        variance[1:] = self.vol**2 * np.exp(grown[:-1])
        across = math.sqrt(1.0 - self.correlation**2) * math.sqrt(dt)
        noise = self.correlation * brownian + across * _normals(rng, steps, n)
        return _log_paths(spot, (self.drift - 0.5 * variance) * dt + np.sqrt(variance) * noise)


@lru_cache(maxsize=4)
def _rough_root(hurst: float, steps: int) -> Floats:
    """Cholesky root of the covariance of (Brownian increments, process) at unit steps."""
    from scipy.special import hyp2f1

    t = np.arange(1.0, steps + 1)
    s, u = np.minimum.outer(t, t), np.maximum.outer(t, t)
    a = hurst - 0.5
    # E[W~_s W~_u] = 2H s^(1/2+H) u^(H-1/2) / (H + 1/2) 2F1(1, 1/2 - H; 3/2 + H; s / u)
    process = 2 * hurst * s ** (hurst + 0.5) * u**a / (hurst + 0.5) * hyp2f1(1.0, -a, hurst + 1.5, s / u)
    # E[dW_i W~_k] = sqrt(2H) / (H + 1/2) ((k - i + 1)^(H+1/2) - (k - i)^(H+1/2)) for i <= k
    ahead = np.maximum(t[None, :] - t[:, None] + 1.0, 0.0), np.maximum(t[None, :] - t[:, None], 0.0)
    joint = math.sqrt(2 * hurst) / (hurst + 0.5) * (ahead[0] ** (hurst + 0.5) - ahead[1] ** (hurst + 0.5))
    whole = np.block([[np.eye(steps), joint], [joint.T, process]])
    return np.asarray(np.linalg.cholesky(whole + 1e-12 * np.eye(2 * steps)), np.float64)
