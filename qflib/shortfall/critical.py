"""Critical values of Acerbi and Szekely's tests, by simulation under the forecast's own law."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from qflib.errors import InputError
from qflib.shortfall.closed_forms import distribution_es
from qflib.shortfall.inputs import levels_of

F8 = NDArray[np.float64]
_AT_ONCE = 100_000  # simulations held in memory


@dataclass(frozen=True, slots=True)
class ZCritical:
    """Quantiles of Z₁ (where there is an exceedance) and Z₂; `z2_p` is the p-value of the Z₂ given, or NaN."""

    z1_5pct: float
    z2_5pct: float
    z2_1pct: float
    z2_p: float


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
        If the law is unknown, or n or sims is below 1.

    Examples
    --------
    >>> from qflib.shortfall.critical import z_critical
    >>> -0.72 < z_critical(sims=20_000).z2_5pct < -0.68
    True
    """
    alpha = 1.0 - float(levels_of(level)[0])
    if dist not in ("normal", "student_t") or n < 1 or sims < 1:
        raise InputError(
            f"dist is {dist!r}, n {n}, sims {sims}; expected 'normal' or 'student_t', and 1 or more of each"
        )
    es = float(distribution_es(dist, level, df=df).es)
    log_u = np.linspace(math.log(alpha) - 30.0, math.log(alpha), 30_001)
    u = np.exp(log_u)
    quantile = np.asarray(special.ndtri(u) if df is None else special.stdtrit(df, u), np.float64)
    rng = np.random.Generator(np.random.PCG64(seed))
    first, second = [], []
    for start in range(0, sims, _AT_ONCE):
        count = rng.binomial(n, alpha, min(_AT_ONCE, sims - start))
        drawn = np.interp(math.log(alpha) - rng.standard_exponential(int(count.sum())), log_u, quantile)
        total = np.bincount(np.repeat(np.arange(len(count)), count), drawn, len(count))
        second.append(total / (n * alpha * es) + 1.0)
        hit = count > 0
        first.append(total[hit] / (count[hit] * es) + 1.0)
    z_1, z_2 = np.concatenate(first), np.concatenate(second)
    five, one = np.quantile(z_2, [0.05, 0.01])
    p = math.nan if z2 is None else float(np.mean(z_2 <= z2))
    return ZCritical(float(np.quantile(z_1, 0.05)) if len(z_1) else math.nan, float(five), float(one), p)
