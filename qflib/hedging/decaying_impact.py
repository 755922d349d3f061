"""Impact of one's own trades that decays: what it still moves the price by, and what trades in slices pay for it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError
from qflib.kernels import decaying_impact as K

F8 = NDArray[np.float64]


class DecayingImpact(ABC):
    """A trade of q contracts moves the price by q G(t), t seconds later; costs are in the unit of `size` times q.

    Source: the propagator of Bouchaud, Gefen, Potters and Wyart 2004, Quantitative Finance 4, linear in the quantity;
    a convex falling G cannot be gained from (Alfonsi, Schied and Slynko 2012, "Order book resilience, price
    manipulation, and the positive portfolio problem", SIAM Journal on Financial Mathematics 3, theorem 1).
    """

    @abstractmethod
    def left(self, seconds: ArrayLike) -> F8:
        """G: what is left of one contract's impact after some seconds."""

    @abstractmethod
    def _displaced(self, times: F8, qty: F8, at: float) -> float: ...

    @abstractmethod
    def _cost(self, times: F8, qty: F8) -> float: ...

    def displaced(self, times: ArrayLike, qty: ArrayLike, at: float) -> float:
        """What trades at `times` (seconds, in order, none after `at`) still move the price by at `at`. O(n).

        Raises
        ------
        InputError
            If lengths differ, times fall or lie beyond `at`, or a figure is not finite.
        """
        t, q = _sequence(times, qty)
        if not math.isfinite(at) or (len(t) and t[-1] > at):
            raise InputError(f"the last trade is at {t[-1] if len(t) else at}, after {at}; give trades up to then")
        return float(self._displaced(t, q, float(at)))

    def cost(self, times: ArrayLike, qty: ArrayLike) -> float:
        """What trades pay for their impact: half their own, and what is left of those before. O(n), power law O(n^2).

        Raises
        ------
        InputError
            If lengths differ, times fall or a figure is not finite.
        """
        return float(self._cost(*_sequence(times, qty)))

    def schedule(self, times: ArrayLike, qty: float) -> F8:
        """The trades at given times that sum to `qty` at the least cost. O(n^3).

        Parameters
        ----------
        times
            Seconds, rising.
        qty
            Signed.

        Raises
        ------
        InputError
            If there is no time, times do not rise, or a figure is not finite; if the impact decays so little between
            the times that no schedule is the cheapest.

        Notes
        -----
        q G^-1 1 / (1' G^-1 1): Alfonsi, Schied and Slynko 2012, equation 10. With exponential decay Obizhaeva and
        Wang's: a block at either end, and a constant rate between. Even where there is no impact (size 0).

        Examples
        --------
        >>> from qflib.hedging.decaying_impact import ExponentialDecay
        >>> ExponentialDecay(size=0.01, half_life=60.0).schedule([0.0, 60.0, 120.0], 100.0).round(6).tolist()
        [40.0, 20.0, 40.0]
        """
        t, _ = _sequence(times, np.zeros(np.size(times)))
        if not len(t) or (np.diff(t) <= 0).any() or not math.isfinite(qty):
            raise InputError(
                f"times {t.tolist()[:5]} and quantity {qty}: give rising times, one at least, and a number"
            )
        apart = self.left(np.abs(t[:, None] - t[None, :]))
        if not apart.any():
            return np.full(len(t), qty / len(t))
        if np.linalg.matrix_rank(apart) < len(t):
            raise InputError(f"{self} tells {len(t)} times from {t[0]} to {t[-1]} not apart; give them further apart")
        even = np.linalg.solve(apart, np.ones(len(t)))
        return np.asarray(qty * even / even.sum())


@dataclass(frozen=True)
class ExponentialDecay(DecayingImpact):
    """G(t) = size 2^(-t / half_life).

    Parameters
    ----------
    size
        What one contract moves the price of one by, in quote currency, multiplier in.
    half_life
        Seconds.

    Raises
    ------
    InputError
        If size is negative or half_life is not positive.

    Notes
    -----
    Source: Obizhaeva and Wang 2013, "Optimal trading strategy and supply/demand dynamics", Journal of Financial Markets
    16, whose resilience rho is ln 2 / half_life.

    Examples
    --------
    >>> from qflib.hedging.decaying_impact import ExponentialDecay
    >>> impact = ExponentialDecay(size=0.5, half_life=60.0)
    >>> impact.displaced([0.0, 60.0], [10.0, 10.0], at=120.0), impact.cost([0.0, 60.0], [10.0, 10.0])
    (3.75, 75.0)
    """

    size: float
    half_life: float

    def __post_init__(self) -> None:
        _in_range(self.size, half_life=self.half_life)

    def left(self, seconds: ArrayLike) -> F8:
        """What is left of one contract's impact after some seconds."""
        return np.asarray(self.size * 2.0 ** (-np.asarray(seconds, np.float64) / self.half_life))

    def _displaced(self, times: F8, qty: F8, at: float) -> float:
        return K.displaced_exponential(times, qty, at, float(self.size), float(self.half_life))

    def _cost(self, times: F8, qty: F8) -> float:
        return K.cost_exponential(times, qty, float(self.size), float(self.half_life))


@dataclass(frozen=True)
class PowerDecay(DecayingImpact):
    """G(t) = size (1 + t / scale)^-exponent.

    Parameters
    ----------
    size
        What one contract moves the price of one by, in quote currency, multiplier in.
    exponent
        Near 1/2 where trades are as correlated as markets' are (Bouchaud et al. 2004).
    scale
        Seconds.

    Raises
    ------
    InputError
        If size is negative, or exponent or scale is not positive.

    Notes
    -----
    Source: Bouchaud, Gefen, Potters and Wyart 2004, equation 12; Gatheral 2010, "No-dynamic-arbitrage and market
    impact", Quantitative Finance 10(7), section 4.

    Examples
    --------
    >>> from qflib.hedging.decaying_impact import PowerDecay
    >>> PowerDecay(size=0.5, exponent=0.5, scale=20.0).displaced([0.0], [10.0], at=60.0)
    2.5
    """

    size: float
    exponent: float = 0.5
    scale: float = 1.0

    def __post_init__(self) -> None:
        _in_range(self.size, exponent=self.exponent, scale=self.scale)

    def left(self, seconds: ArrayLike) -> F8:
        """What is left of one contract's impact after some seconds."""
        return np.asarray(self.size * (1.0 + np.asarray(seconds, np.float64) / self.scale) ** -self.exponent)

    def _displaced(self, times: F8, qty: F8, at: float) -> float:
        return K.displaced_power(times, qty, at, float(self.size), float(self.exponent), float(self.scale))

    def _cost(self, times: F8, qty: F8) -> float:
        return K.cost_power(times, qty, float(self.size), float(self.exponent), float(self.scale))


def _in_range(size: float, **others: float) -> None:
    if not (math.isfinite(size) and size >= 0):
        raise InputError(f"size is {size}; expected what a contract moves the price by, from 0")
    for name, value in others.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value}; expected a positive number")


def _sequence(times: ArrayLike, qty: ArrayLike) -> tuple[F8, F8]:
    t, q = np.array(times, np.float64, ndmin=1), np.array(qty, np.float64, ndmin=1)
    if t.ndim != 1 or t.shape != q.shape:
        raise InputError(f"times have shape {t.shape}, quantities {q.shape}; give one quantity a time")
    if not (np.isfinite(t).all() and np.isfinite(q).all()) or (np.diff(t) < 0).any():
        raise InputError("times fall, or a time or quantity is not finite; give trades in order of time")
    return t, q
