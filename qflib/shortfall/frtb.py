"""Expected shortfall and stressed expected shortfall of the Basel framework's internal models approach, by paragraph.

MAR33, in force from January 2023. The cascade (33.4), its level (33.3), the reduced set's share (33.5(2)(b)) and the
aggregation of stresses (33.17) were compared with public transcriptions and a vendor's reference; IMCC (33.15) and the
table of liquidity horizons (33.12) stand as commonly quoted, their text could not be checked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from qflib.errors import InputError

#: MAR33.3
LEVEL = 0.975
#: Days: the ladder of MAR33.4.
HORIZONS = (10.0, 20.0, 40.0, 60.0, 120.0)
#: Days for a category of risk factors, MAR33.12.
LIQUIDITY_HORIZONS = {
    "interest rate, specified currencies": 10,
    "interest rate, other currencies": 20,
    "interest rate volatility": 60,
    "interest rate, other types": 60,
    "credit spread, sovereign investment grade": 20,
    "credit spread, sovereign high yield": 40,
    "credit spread, corporate investment grade": 40,
    "credit spread, corporate high yield": 60,
    "credit spread volatility": 120,
    "credit spread, other types": 120,
    "equity price, large cap": 10,
    "equity price, small cap": 20,
    "equity volatility, large cap": 20,
    "equity volatility, small cap": 60,
    "equity, other types": 60,
    "fx rate, specified pairs": 10,
    "fx rate, other pairs": 20,
    "fx volatility": 40,
    "fx, other types": 40,
    "energy and carbon price": 20,
    "precious and non-ferrous metals price": 20,
    "other commodities price": 60,
    "energy and carbon volatility": 60,
    "precious and non-ferrous metals volatility": 60,
    "other commodities volatility": 120,
    "commodity, other types": 120,
}
#: MAR33.5(2)(b): the reduced set's ES as a share of the full set's, on average over 12 weeks, at least.
REDUCED_SET_SHARE = 0.75
#: MAR33.15
RHO = 0.5


def liquidity_horizon_es(es: Sequence[float], horizons: Sequence[float] = HORIZONS, base: float = 10) -> float:
    """ES over liquidity horizons: √(ES₁² + Σ_{j ≥ 2} ESⱼ² (LHⱼ − LHⱼ₋₁) / T), MAR33.4.

    Parameters
    ----------
    es
        ES over the base horizon T of shocks to the risk factors whose horizon is `horizons[j]` or longer.
    horizons
        Liquidity horizons, rising, in days; the first is the base.
    base
        T in days.

    Raises
    ------
    InputError
        If lengths differ, horizons do not rise from the base, or a figure is not finite.

    Examples
    --------
    >>> from qflib.shortfall.frtb import liquidity_horizon_es
    >>> round(liquidity_horizon_es([10, 5, 0, 0, 0]), 4)
    11.1803
    """
    if len(es) != len(horizons) or not es or any(b <= a for a, b in pairwise(horizons)):
        raise InputError(f"es has {len(es)} figures for horizons {list(horizons)}; expected one a horizon, rising")
    if not (math.isfinite(base) and base > 0.0 and horizons[0] == base):
        raise InputError(f"horizons start at {horizons[0]} and base is {base}; the first horizon is that of the shocks")
    _check_finite(es=es)
    steps = [base, *(b - a for a, b in pairwise(horizons))]
    return math.sqrt(sum(e * e * step / base for e, step in zip(es, steps, strict=True)))


def reduced_set_share(es_rc: Sequence[float], es_fc: Sequence[float]) -> float:
    """Average ES of the reduced set as a share of the full set's, both current: at least 0.75, MAR33.5(2)(b).

    Parameters
    ----------
    es_rc, es_fc
        Over the preceding 12 weeks, a figure a day each.

    Raises
    ------
    InputError
        If lengths differ, a full set's ES is not above 0, or a figure is not finite.

    Examples
    --------
    >>> from qflib.shortfall.frtb import reduced_set_share
    >>> reduced_set_share([8.0, 7.0], [10.0, 10.0])
    0.75
    """
    _check_finite(es_rc=es_rc, es_fc=es_fc)
    if len(es_rc) != len(es_fc) or not len(es_fc) or not all(e > 0 for e in es_fc):
        raise InputError(f"es_rc are {len(es_rc)} and es_fc {len(es_fc)}; give as many, those of the full set above 0")
    return math.fsum(r / f for r, f in zip(es_rc, es_fc, strict=True)) / len(es_fc)


def imcc(es_rs: float, es_fc: float, es_rc: float, class_es: Sequence[float], rho: float = RHO) -> tuple[float, float]:
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
        If es_rc is not above 0, rho is not within 0 and 1, or a figure is not finite.

    Examples
    --------
    >>> from qflib.shortfall.frtb import imcc
    >>> imcc(100, 90, 90, [60, 50])
    (100.0, 105.0)
    """
    _check_finite(es_rs=[es_rs], es_fc=[es_fc], es_rc=[es_rc], class_es=class_es)
    _check_rho(rho)
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

    Raises
    ------
    InputError
        If rho is not within 0 and 1, or a figure is not finite.

    Examples
    --------
    >>> from qflib.shortfall.frtb import ses
    >>> ses([3, 4], [0], [])
    5.0
    """
    _check_finite(idiosyncratic_credit=idiosyncratic_credit, idiosyncratic_equity=idiosyncratic_equity, other=other)
    _check_rho(rho)
    return (
        math.sqrt(sum(s * s for s in idiosyncratic_credit))
        + math.sqrt(sum(s * s for s in idiosyncratic_equity))
        + math.sqrt((rho * sum(other)) ** 2 + (1.0 - rho * rho) * sum(s * s for s in other))
    )


def _check_finite(**figures: Sequence[float]) -> None:
    for name, each in figures.items():
        for x in each:
            if not math.isfinite(x):
                raise InputError(f"{name} holds {x}; expected finite figures: a missing one is no capital of 0")


def _check_rho(rho: float) -> None:
    if not 0.0 <= rho <= 1.0:
        raise InputError(f"rho is {rho}; expected a weight from 0 to 1")
