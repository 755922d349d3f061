"""The rules by which ES is taken from a sample, each by its own name or that of the peers that use it.

The default is exact; the others are what peers compute, so that their figures can be matched on purpose, never by
accident. Each takes losses (n,), newest last, and gives (ES, VaR, observations in the tail).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal, special

from qflib.errors import InputError
from qflib.kernels.expected_shortfall import es_of_worst, tail_mass
from qflib.shortfall.cornish_fisher import modified_es

F8 = NDArray[np.float64]
DEFAULT = "rockafellar_uryasev"


@dataclass(frozen=True, slots=True)
class Sample:
    """Losses, newest last; `n` counts all where only the worst are given; `decay` where a rule takes one."""

    loss: F8
    n: int
    decay: float

    def worst_first(self, k: int) -> F8:
        """The losses in falling order, k of them at least."""
        if not 1 <= k <= len(self.loss):
            raise InputError(
                f"the tail holds {k} observations and {len(self.loss)} are given; expected 1 to {len(self.loss)}: "
                f"give more observations or another level"
            )
        return np.sort(self.loss)[::-1]


Rule = Callable[[Sample, float], tuple[float, float, int]]


def hull(s: Sample, level: float) -> tuple[float, float, int]:
    """VaR is the k-th worst, k = n(1 − level); ES the mean of the k − 1 worse ones (Hull, Risk Management, ch. 13)."""
    k = round(tail_mass(s.n, level))
    worst = s.worst_first(k)
    if k < 2:
        raise InputError(
            f"hull's ES is the mean of losses beyond the VaR, and of {s.n} none is; give more or lower level"
        )
    return float(np.mean(worst[: k - 1])), float(worst[k - 1]), k - 1


def ceil(s: Sample, level: float) -> tuple[float, float, int]:
    """Mean of the ⌈n(1 − level)⌉ worst, as ORE: too small wherever n(1 − level) is not whole."""
    k = math.ceil(tail_mass(s.n, level))
    worst = s.worst_first(k)
    return float(np.mean(worst[:k])), float(worst[k - 1]), k


def quantlib(s: Sample, level: float) -> tuple[float, float, int]:
    """Mean strictly beyond the VaR, neither below 0, as QuantLib's RiskStatistics.

    Its VaR is the ⌈n (1 − level)⌉-th worst in plain floating point, so that a whole n (1 − level) is rounded up or not
    by the last bit of the level.
    """
    k = max(math.ceil((1.0 - level) * s.n), 1)
    worst = s.worst_first(k)
    var = max(float(worst[k - 1]), 0.0)
    tail = worst[worst > var]
    if not len(tail):
        raise InputError(f"no loss of {s.n} lies beyond the VaR at level {level}; give more or lower the level")
    return max(float(np.mean(tail)), 0.0), var, len(tail)


def empyrical(s: Sample, level: float) -> tuple[float, float, int]:
    """Mean of the ⌊(n − 1)(1 − level)⌋ + 1 worst, as empyrical; VaR interpolated (type 7)."""
    k = int(tail_mass(s.n - 1, level)) + 1
    return float(np.mean(s.worst_first(k)[:k])), float(np.quantile(s.loss, level)), k


def skfolio(s: Sample, level: float) -> tuple[float, float, int]:
    """The exact ES, beside skfolio's VaR: where n(1 − level) is whole, the next loss less."""
    mass = tail_mass(s.n, level)
    k = min(int(mass) + 1, s.n)
    worst = s.worst_first(k)
    return es_of_worst(0.0 - worst, mass), float(worst[k - 1]), math.ceil(mass)


def type7(s: Sample, level: float) -> tuple[float, float, int]:
    """Mean at and beyond the interpolated quantile (Hyndman and Fan's type 7), as R."""
    var = float(np.quantile(s.loss, level))
    tail = s.loss[s.loss >= var]
    return float(np.mean(tail)), var, len(tail)


def quantstats_historical(s: Sample, level: float) -> tuple[float, float, int]:
    """As `type7`, of the returns at 1 − level: the last bit decides whether a loss at the VaR counts."""
    var = 0.0 - float(np.quantile(0.0 - s.loss, 1.0 - level))
    tail = s.loss[s.loss >= var]
    if not len(tail):
        raise InputError(f"no loss lies at or beyond the VaR of {var:g} by rounding; use convention='type7'")
    return float(np.mean(tail)), var, len(tail)


def type7_strict(s: Sample, level: float) -> tuple[float, float, int]:
    """Mean strictly beyond the interpolated quantile, as quarks' plain historical simulation."""
    return _strictly_beyond(s.loss, float(np.quantile(s.loss, level)))


def gaussian(s: Sample, level: float) -> tuple[float, float, int]:
    """Normal law of the sample's mean and standard deviation (n − 1)."""
    return _normal(s.loss, level, 1)


def gaussian_ddof0(s: Sample, level: float) -> tuple[float, float, int]:
    """Normal law of the sample's mean and standard deviation (n), as PerformanceAnalytics."""
    return _normal(s.loss, level, 0)


def modified(s: Sample, level: float) -> tuple[float, float, int]:
    """Cornish–Fisher ES of Boudt, Peterson and Croux (2008), moments with n."""
    mean, sd = float(np.mean(s.loss)), float(np.std(s.loss))
    if sd == 0.0:
        return mean, mean, len(s.loss)
    y = (mean - s.loss) / sd
    es, var = modified_es(float(np.mean(y**3)), float(np.mean(y**4)) - 3.0, level)
    return mean + sd * es, mean + sd * var, len(s.loss)


def performance_analytics(s: Sample, level: float) -> tuple[float, float, int]:
    """`modified`, and never below the VaR: what PerformanceAnalytics gives unasked (its operational ES)."""
    es, var, n_tail = modified(s, level)
    return max(es, var), var, n_tail


def ewma_volatility(s: Sample, level: float) -> tuple[float, float, int]:
    """Losses rescaled to the newest EWMA volatility (Hull and White 1998), then type7_strict, as quarks."""
    variance = ewma_variance(s.loss, s.decay)[:-1]
    scaled = s.loss * np.sqrt(variance[-1] / variance)
    return _strictly_beyond(scaled, float(np.quantile(scaled, level)))


def ewma_variance(loss: F8, decay: float) -> F8:
    """σ²ₜ = d σ²ₜ₋₁ + (1 − d) x²ₜ₋₁ (n + 1,), from the sample's variance; the last is the next period's."""
    first = float(np.var(loss, ddof=1)) if len(loss) > 1 else 0.0
    # The recursion as a filter.
    later, _ = signal.lfilter([1.0 - decay], [1.0, -decay], loss**2, zi=[decay * first])
    variance: F8 = np.r_[first, later]
    if not (variance > 0).all():
        raise InputError("the EWMA volatility is zero: the values, or the first of them, are constant; leave them out")
    return variance


def age_quarks(s: Sample, level: float) -> tuple[float, float, int]:
    """Age-weighted (Boudoukh, Richardson and Whitelaw 1998), VaR interpolated in the weights' sum, as quarks."""
    weights = age_weights(len(s.loss), s.decay)
    order = np.argsort(s.loss, kind="stable")
    var = float(np.interp(level, np.cumsum(weights[order]), s.loss[order]))
    return _strictly_beyond(s.loss, var, weights)


def age_weights(n: int, decay: float) -> F8:
    """Weights (1 − d) dᵃ / (1 − dⁿ), age a = 0 for the newest (last)."""
    if not 0.0 < decay <= 1.0:
        raise InputError(f"decay is {decay}; expected a number above 0 and up to 1, such as 0.98")
    weights: F8 = decay ** np.arange(n - 1, -1, -1.0)
    return weights / float(np.sum(weights))


def _strictly_beyond(loss: F8, var: float, weights: Any = None) -> tuple[float, float, int]:
    tail = loss > var
    if not tail.any():
        raise InputError(
            f"no loss lies strictly beyond the VaR of {var:g}, so this convention has no ES; "
            f"use convention='rockafellar_uryasev', which always has one"
        )
    return float(np.average(loss[tail], weights=None if weights is None else weights[tail])), var, int(tail.sum())


def _normal(loss: F8, level: float, ddof: int) -> tuple[float, float, int]:
    if len(loss) <= ddof:
        raise InputError(f"{len(loss)} value gives no standard deviation; give 2 at least")
    z = float(special.ndtri(level))
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    mean, sd = float(np.mean(loss)), float(np.std(loss, ddof=ddof))
    return mean + sd * density / (1.0 - level), mean + sd * z, len(loss)


#: The estimator table: a new rule is a function and a row here.
RULES: dict[str, Rule] = {
    "hull": hull,
    "ceil": ceil,
    "quantlib": quantlib,
    "skfolio": skfolio,
    "empyrical": empyrical,
    "type7": type7,
    "type7_strict": type7_strict,
    "quantstats_historical": quantstats_historical,
    "gaussian": gaussian,
    "gaussian_ddof0": gaussian_ddof0,
    "modified": modified,
    "performance_analytics": performance_analytics,
    "ewma_volatility": ewma_volatility,
    "age_quarks": age_quarks,
}
#: Rules that need `decay`.
DECAYING = ("ewma_volatility", "age_quarks")
#: Rules that can do with the worst losses alone, given how many there were.
OF_WORST = ("hull", "ceil", "quantlib", "skfolio")
#: Peers that have no rule of their own, with the rule of what they compute unasked, and of their other ways.
PEERS: dict[str, str] = {
    "acerbi_tasche": DEFAULT,
    "ore": "ceil",  # at p below 0.5; above, ORE averages the wrong side
    "quantstats": "gaussian",
    "quarks": "type7_strict",
    "quarks_age": "age_quarks",
    "quarks_volatility": "ewma_volatility",
    "performance_analytics_gaussian": "gaussian_ddof0",
    "performance_analytics_historical": "type7",
    "riskfolio": DEFAULT,
}


def rule_of(convention: str) -> str:
    """The rule behind a convention's name, which may be a peer's.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> from qflib.shortfall.conventions import rule_of
    >>> rule_of("quantstats"), rule_of("quantlib")
    ('gaussian', 'quantlib')
    """
    rule = PEERS.get(convention, convention)
    if rule != DEFAULT and rule not in RULES:
        raise InputError(f"convention is {convention!r}; expected {DEFAULT}, {', '.join([*RULES, *PEERS])}")
    return rule
