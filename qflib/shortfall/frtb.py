"""Formulas of the Basel framework's internal models approach (FRTB), by their paragraph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from scipy import special

from qflib.errors import InputError

#: MAR32.18: a desk leaves the internal models approach with more exceptions in 250 days than these.
DESK_EXCEPTIONS = {0.99: 12, 0.975: 30}
#: The P&L attribution test, MAR32.41 to MAR32.45: green beyond the first, red beyond the second bound, amber between.
PLA_SPEARMAN = (0.80, 0.70)
PLA_KOLMOGOROV_SMIRNOV = (0.09, 0.12)


def liquidity_horizon_es(
    es: Sequence[float], horizons: Sequence[float] = (10, 20, 40, 60, 120), base: float = 10
) -> float:
    """ES over liquidity horizons: √(ES₁² + Σ_{j ≥ 2} ESⱼ² (LHⱼ − LHⱼ₋₁) / T), MAR33.4.

    Parameters
    ----------
    es
        ES over the base horizon T of shocks to the risk factors whose horizon is `horizons[j]` or longer.
    horizons
        Liquidity horizons, rising, in days.
    base
        T in days.

    Raises
    ------
    InputError
        If lengths differ or horizons do not rise.

    Examples
    --------
    >>> from qflib.shortfall.frtb import liquidity_horizon_es
    >>> round(liquidity_horizon_es([10, 5, 0, 0, 0]), 4)
    11.1803
    """
    if len(es) != len(horizons) or not es or any(b <= a for a, b in pairwise(horizons)):
        raise InputError(f"es has {len(es)} figures for horizons {list(horizons)}; expected one a horizon, rising")
    steps = [base, *(b - a for a, b in pairwise(horizons))]
    return math.sqrt(sum(e * e * step / base for e, step in zip(es, steps, strict=True)))


def imcc(es_rs: float, es_fc: float, es_rc: float, class_es: Sequence[float], rho: float = 0.5) -> tuple[float, float]:
    """ES scaled to the stressed period, and the capital charge: (ES, IMCC), MAR33.6 and MAR33.15.

    ES = ES_RS max(ES_FC / ES_RC, 1); IMCC = ρ ES + (1 − ρ) Σ ES of the risk classes, these already scaled.

    Parameters
    ----------
    es_rs
        Reduced set of factors, stressed period.
    es_fc, es_rc
        Full and reduced set, current period.
    class_es
        ES of each risk class alone, scaled.
    rho
        Weight of full diversification.

    Raises
    ------
    InputError
        If es_rc is not above 0.

    Examples
    --------
    >>> from qflib.shortfall.frtb import imcc
    >>> imcc(100, 90, 90, [60, 50])
    (100.0, 105.0)
    """
    if not es_rc > 0:
        raise InputError(f"es_rc is {es_rc}; expected an ES above 0")
    es = es_rs * max(es_fc / es_rc, 1.0)
    return es, rho * es + (1.0 - rho) * sum(class_es)


def ses(
    idiosyncratic_credit: Sequence[float],
    idiosyncratic_equity: Sequence[float],
    other: Sequence[float],
    rho: float = 0.6,
) -> float:
    """Stressed ES of risk factors that cannot be modelled, MAR33.17.

    √Σ credit² + √Σ equity² + √((ρ Σ other)² + (1 − ρ²) Σ other²).

    Examples
    --------
    >>> from qflib.shortfall.frtb import ses
    >>> ses([3, 4], [0], [])
    5.0
    """
    return (
        math.sqrt(sum(s * s for s in idiosyncratic_credit))
        + math.sqrt(sum(s * s for s in idiosyncratic_equity))
        + math.sqrt((rho * sum(other)) ** 2 + (1.0 - rho * rho) * sum(s * s for s in other))
    )


def kolmogorov_smirnov_p(distance: float, n: int) -> float:
    """Asymptotic p-value of the distance of two samples of n each, as in the P&L attribution test.

    Kolmogorov's law of D √(n/2).

    Examples
    --------
    >>> from qflib.shortfall.frtb import kolmogorov_smirnov_p
    >>> round(kolmogorov_smirnov_p(0.12, 250), 4)
    0.0546
    """
    return float(special.kolmogorov(distance * math.sqrt(n / 2.0)))
