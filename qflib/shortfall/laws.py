"""Laws of losses that are fitted to a sample: normal, and Student's t with two scales."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NormalLaw:
    """Normal losses.

    Parameters
    ----------
    loc, scale
        Mean and standard deviation.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.laws import NormalLaw
    >>> [round(float(f[0]), 6) for f in NormalLaw(0.0, 1.0).figures(np.array([0.975]))]
    [2.337803, 1.959964]
    """

    loc: float
    scale: float

    @property
    def mean(self) -> float:
        """Of the losses."""
        return self.loc

    def figures(self, levels: F8) -> tuple[F8, F8]:
        """(ES, VaR), each (n_levels,)."""
        z = np.asarray(special.ndtri(levels), np.float64)
        return self.loc + self.scale * _normal_density(z) / (1.0 - levels), self.loc + self.scale * z

    def pdf(self, loss: F8) -> F8:
        """The density, of the shape of `loss`."""
        return _normal_density((loss - self.loc) / self.scale) / self.scale


@dataclass(frozen=True, slots=True)
class SkewedTLaw:
    """Student-t losses with a scale of their own on either side of the mode.

    L = loc + scale (1 + skew) T with probability (1 + skew)/2 and loc − scale (1 − skew) T else, T = |t|, t of `df`
    degrees of freedom. With these two scales it is the law of Fernandez and Steel (1998), On Bayesian modeling of fat
    tails and skewness, equation 1 (γ² = (1 + skew)/(1 − skew)), and of Hansen (1994), Autoregressive conditional
    density estimation, equation 10, there set to mean 0 and variance 1, which asks for df above 2; here 1 is enough.

    Parameters
    ----------
    loc, scale
        Mode and scale of the losses.
    skew
        In (−1, 1); above 0 large losses are likelier than large gains, and 0 is Student's t.
    df
        Degrees of freedom, above 1.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.laws import SkewedTLaw
    >>> [round(float(f[0]), 4) for f in SkewedTLaw(0.0, 1.0, 0.0, 4.0).figures(np.array([0.975]))]
    [3.9936, 2.7764]
    """

    loc: float
    scale: float
    skew: float
    df: float

    @classmethod
    def hansen(cls, df: float, skew: float, loc: float = 0.0, scale: float = 1.0) -> SkewedTLaw:
        """The law of mean `loc` and standard deviation `scale`, as Hansen gives it."""
        c = math.exp(special.gammaln((df + 1.0) / 2.0) - special.gammaln(df / 2.0)) / math.sqrt(math.pi * (df - 2.0))
        a = 4.0 * skew * c * (df - 2.0) / (df - 1.0)
        b = math.sqrt(1.0 + 3.0 * skew * skew - a * a)
        return cls(loc - scale * a / b, scale * math.sqrt((df - 2.0) / df) / b, skew, df)

    @property
    def mean(self) -> float:
        """Of the losses."""
        return self.loc + self.scale * 4.0 * self.skew * float(self._beyond(np.zeros(1))[0])

    def figures(self, levels: F8) -> tuple[F8, F8]:
        """(ES, VaR), each (n_levels,)."""
        up, down = 1.0 + self.skew, 1.0 - self.skew
        tail = 1.0 - levels
        above = 2.0 * tail < up  # the quantile lies above the mode
        t: F8 = -np.asarray(special.stdtrit(self.df, np.where(above, tail / up, 0.25)), np.float64)
        u: F8 = np.asarray(special.stdtrit(self.df, np.where(above, 0.25, levels / down)), np.float64)
        var = self.loc + self.scale * np.where(above, up * t, down * u)
        upper = self.loc * tail + self.scale * up * up * self._beyond(t)
        # E[L; L > VaR] = E[L] − E[L; L ≤ VaR] where the VaR lies below the mode.
        lower = self.mean - self.loc * levels + self.scale * down * down * self._beyond(u)
        return np.where(above, upper, lower) / tail, var

    def pdf(self, loss: F8) -> F8:
        """The density, of the shape of `loss`."""
        y = (loss - self.loc) / self.scale
        return _t_density(y / np.where(y > 0.0, 1.0 + self.skew, 1.0 - self.skew), self.df) / self.scale

    def _beyond(self, t: F8) -> F8:
        """E[T; T > t] of Student's t."""
        return _t_density(t, self.df) * (self.df + t * t) / (self.df - 1.0)


def _normal_density(z: F8) -> F8:
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _t_density(t: F8, df: float) -> F8:
    log = special.gammaln((df + 1.0) / 2.0) - special.gammaln(df / 2.0) - 0.5 * math.log(math.pi * df)
    return np.exp(log - 0.5 * (df + 1.0) * np.log1p(t * t / df))
