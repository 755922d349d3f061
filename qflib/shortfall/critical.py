"""Critical values and p-values of Acerbi and Szekely's tests, by simulation under the forecast's own law.

What was simulated is kept for the process (the newest laws and lengths, samples of 100,000 at most) and nowhere else:
a sample is drawn anew in less time than a file of it would need care.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from qflib.errors import InputError
from qflib.kernels.tail_sums import tail_sums
from qflib.shortfall.closed_forms import distribution_es
from qflib.shortfall.inputs import level_of, whole

F8 = NDArray[np.float64]
_AT_ONCE = 100_000  # simulations held in memory
_KEPT = 16  # samples

#: Exceedances drawn for a p-value at most: long series get fewer simulations, of which their tests need fewer.
_DRAWS = 5_000_000
_FEWEST = 500

#: Quantiles on a grid in log u, down to e^-30 of the tail: lines between them are within 1e-6.
_GRID, _STEP = 30_001, 1e-3


class NullValue(NamedTuple):
    """How a statistic lies in its simulated law: the share at or below it, and the 5 % critical value."""

    p: float
    five_pct: float


@dataclass(frozen=True, slots=True)
class ZCritical:
    """Quantiles of Z₁ (where there is an exceedance), of Z₂, and of the minimally biased test relative to ES.

    `z2_p` is the p-value of the Z₂ given, or NaN.
    """

    z1_5pct: float
    z2_5pct: float
    z2_1pct: float
    z2_p: float
    min_biased_rel_5pct: float


def z_critical(
    n: int = 250,
    level: float = 0.975,
    *,
    dist: str = "normal",
    df: float | None = None,
    z2: float | None = None,
    sims: int = 100_000,
    seed: int = 7,
) -> ZCritical:
    """Critical values of Z₁ and Z₂ when outcomes follow the forecast.

    Acerbi and Szekely (2014), Backtesting expected shortfall, section 4. Only the tail is drawn: a binomial number of
    exceedances, and as many losses beyond the VaR, by the quantile function interpolated in log u (error below 1e-6).

    Parameters
    ----------
    n
        Forecasts.
    level
        Confidence.
    dist, df
        "normal" or "student_t" with its degrees of freedom, above 1.
    z2
        An observed Z₂, whose p-value is then told.
    sims, seed
        Simulations, of NumPy's PCG64.

    Raises
    ------
    InputError
        If the law is unknown or does not go with df, or n or sims is no whole number of 1 or more.

    Notes
    -----
    O(sims n (1 − level)): 100,000 simulations of 250 take 0.1 s at first, nothing later.

    Examples
    --------
    >>> from qflib.shortfall.critical import z_critical
    >>> -0.72 < z_critical(sims=20_000).z2_5pct < -0.68
    True
    """
    _checked(n, level, dist, df, sims)
    n, sims = int(n), int(sims)
    sample = _simulated if sims > _AT_ONCE else _kept
    z_1, z_2, gap = sample(n, float(level), dist, df, sims, seed)
    five, one = np.quantile(z_2, [0.05, 0.01])
    p = math.nan if z2 is None or math.isnan(z2) else float(np.mean(z_2 <= z2))
    first = float(np.quantile(z_1, 0.05)) if len(z_1) else math.nan
    return ZCritical(first, float(five), float(one), p, float(np.quantile(gap, 0.05)))


def null_values(
    statistics: tuple[float, float, float], n: int, level: float, dist: str, df: float | None = None
) -> tuple[NullValue, NullValue, NullValue]:
    """Where Z₁, Z₂ and the relative minimally biased statistic lie, when outcomes follow the forecast.

    The law is one of location 0, whatever the scale of each forecast: the statistics do not depend on it. A statistic
    that is NaN has a NaN for p. p is (1 + the simulations at or below) / (1 + simulations), never 0.

    Raises
    ------
    InputError
        As `z_critical`.
    """
    sims = _sims(n, level)
    _checked(n, level, dist, df, sims)
    n, sims = int(n), int(sims)
    samples = _kept(n, float(level), dist, df, sims, 7)
    one, two, gap = (_null(v, s) for v, s in zip(statistics, samples, strict=True))
    return one, two, gap


def z3_null(z3: float, n: int, level: float) -> NullValue:
    """Where Z₃ lies when outcomes follow their forecasts, of whatever law: their ranks are uniform then."""
    k = int(n * (1.0 - level) + 1e-9)
    if k < 1 or math.isnan(z3):
        return NullValue(math.nan, math.nan)
    return _null(z3, _ranked(n, k, _sims(n, level), 7))


def _null(value: float, sample: F8) -> NullValue:
    if not len(sample):
        return NullValue(math.nan, math.nan)
    below = int(np.searchsorted(sample, value, side="right"))
    p = math.nan if math.isnan(value) else (1 + below) / (1 + len(sample))
    return NullValue(p, float(np.quantile(sample, 0.05)))


def _sims(n: int, level: float) -> int:
    return max(_FEWEST, min(_AT_ONCE, int(_DRAWS / max(n * (1.0 - level), 1.0))))


def _checked(n: int, level: float, dist: str, df: float | None, sims: int) -> None:
    level_of(level)
    if dist not in ("normal", "student_t"):
        raise InputError(f"dist is {dist!r}; expected 'normal' or 'student_t'")
    whole(n, "n")
    whole(sims, "sims")
    if df is not None and dist == "normal":
        raise InputError(f"df is {df}, which the normal law has none of; leave it out, or take 'student_t'")


def _simulated(n: int, level: float, dist: str, df: float | None, sims: int, seed: int) -> tuple[F8, F8, F8]:
    """Z₁ (where there is an exceedance), Z₂ and the relative minimally biased statistic."""
    alpha = 1.0 - level
    law = distribution_es(dist, level, df=df)
    es, room = float(law.es), 1.0 - float(law.var) / float(law.es)
    u = np.exp(math.log(alpha) - _STEP * np.arange(_GRID))
    quantile = np.asarray(special.ndtri(u) if df is None else special.stdtrit(df, u), np.float64)
    rng = np.random.Generator(np.random.PCG64(seed))
    first, second, third = [], [], []
    at_once = max(1, min(_AT_ONCE, int(_AT_ONCE * 25 / max(n * alpha, 1.0))))
    for start in range(0, sims, at_once):
        count = rng.binomial(n, alpha, min(at_once, sims - start))
        total = np.empty(len(count))
        tail_sums(count, rng.standard_exponential(int(count.sum())), quantile, _STEP, total)
        second.append(total / (n * alpha * es) + 1.0)
        third.append(room + (total + count * float(law.var)) / (n * alpha * es))
        hit = count > 0
        first.append(total[hit] / (count[hit] * es) + 1.0)
    return np.concatenate(first), np.concatenate(second), np.concatenate(third)


@lru_cache(_KEPT)
def _kept(n: int, level: float, dist: str, df: float | None, sims: int, seed: int) -> tuple[F8, F8, F8]:
    one, two, gap = _simulated(n, level, dist, df, sims, seed)
    return _sorted([one]), _sorted([two]), _sorted([gap])


@lru_cache(_KEPT)
def _ranked(n: int, k: int, sims: int, seed: int) -> F8:
    """Z₃ of n uniform ranks, sorted: of the k least alone, which are sums of exponentials over the sum of n + 1."""
    from qflib.shortfall.pit_tests import acerbi_szekely_z3_of

    rng = np.random.Generator(np.random.PCG64(seed))
    at_once, made = max(1, int(_AT_ONCE * 25 / k)), []
    for start in range(0, sims, at_once):
        m = min(at_once, sims - start)
        least = np.cumsum(rng.standard_exponential((m, k)), axis=1)
        least /= (least[:, -1] + rng.standard_gamma(n + 1 - k, m))[:, None]
        made.append(acerbi_szekely_z3_of(least, n))
    return _sorted(made)


def _sorted(parts: list[F8]) -> F8:
    made = np.sort(np.concatenate(parts))
    made.setflags(write=False)
    return made
