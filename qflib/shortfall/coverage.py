"""Tests of how often, and how long after another, the VaR was exceeded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from qflib.errors import InputError
from qflib.figures import Figures
from qflib.shortfall.inputs import level_of

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome(Figures):
    """A test's statistic and p-value; where one is NaN, `note` tells why."""

    statistic: float
    p_value: float
    note: str = ""


def kupiec(n: int, exceptions: int, level: float = 0.99) -> Outcome:
    """Proportion of failures: likelihood ratio of the exceedance rate against 1 − level.

    Kupiec (1995), Techniques for verifying the accuracy of risk measurement models, equation 6; χ²(1). With no
    exceedance, or nothing but exceedances, 0 log 0 is 0 and the ratio stands.

    Raises
    ------
    InputError
        If exceptions are not within 0 to n.

    Examples
    --------
    >>> from qflib.shortfall import kupiec
    >>> round(kupiec(1043, 57, level=0.95).statistic, 4)
    0.4615
    """
    a = 1.0 - level_of(level)
    _counted(n, exceptions)
    rate = exceptions / n
    lr = 2.0 * (_log_likelihood(rate, n - exceptions, exceptions) - _log_likelihood(a, n - exceptions, exceptions))
    return Outcome(lr, float(special.chdtrc(1, max(lr, 0.0))))


def christoffersen(hits: NDArray[np.bool_]) -> Outcome:
    """Independence of exceedances against a first-order Markov chain; χ²(1).

    Christoffersen (1998), Evaluating interval forecasts, equation 9. NaN where there is no exceedance: nothing can
    follow one.

    Parameters
    ----------
    hits
        (n,) True where the loss exceeded the VaR, in time order.
    """
    if len(hits) < 2 or not hits.any():
        return Outcome(math.nan, math.nan, "no exceedance: independence cannot be seen")
    if hits.all():
        return Outcome(math.nan, math.nan, "nothing but exceedances: independence cannot be seen")
    former, latter = hits[:-1], hits[1:]
    n = [[int(np.count_nonzero((former == i) & (latter == j))) for j in (False, True)] for i in (False, True)]
    rates = [row[1] / sum(row) if sum(row) else 0.0 for row in n]
    pooled = (n[0][1] + n[1][1]) / (len(hits) - 1)
    lr = -2.0 * _log_likelihood(pooled, n[0][0] + n[1][0], n[0][1] + n[1][1])
    lr += 2.0 * sum(_log_likelihood(rates[i], n[i][0], n[i][1]) for i in (0, 1))
    return Outcome(lr, float(special.chdtrc(1, max(lr, 0.0))), "" if n[1][1] else "no two exceedances in a row")


def durations(hits: NDArray[np.bool_]) -> Outcome:
    """Time between exceedances against one without memory, in Weibull's law; χ²(1).

    Christoffersen and Pelletier (2004), Backtesting value-at-risk: a duration-based approach, section 3; the first and
    the last duration are censored where no exceedance bounds them. NaN where there are fewer than three durations.

    Parameters
    ----------
    hits
        (n,) True where the loss exceeded the VaR, in time order.
    """
    at = np.flatnonzero(hits) + 1.0
    if len(at) < 2:
        return Outcome(math.nan, math.nan, f"{len(at)} exceedances: no time between them")
    ends = np.concatenate([[0.0], at, [float(len(hits))]])
    lengths = np.diff(ends)
    whole = np.ones(len(lengths), np.bool_)
    whole[0], whole[-1] = at[0] == 1.0, at[-1] == len(hits)
    kept = lengths > 0
    lengths, whole = lengths[kept], whole[kept]
    seen = float(np.count_nonzero(whole))
    if seen < 2 or len(lengths) < 3:
        return Outcome(math.nan, math.nan, f"{len(at)} exceedances: too few times between them")

    def likelihood(shape: float) -> float:
        total = float(np.sum(lengths**shape))
        # at the best scale, (scale)^shape = seen / total
        logs = float(np.sum(np.log(lengths[whole])))
        return seen * (math.log(seen / total) + math.log(shape) - 1.0) + (shape - 1.0) * logs

    found = optimize.minimize_scalar(lambda b: -likelihood(b), bounds=(0.01, 20.0), method="bounded")
    lr = 2.0 * (float(-found.fun) - likelihood(1.0))
    return Outcome(max(lr, 0.0), float(special.chdtrc(1, max(lr, 0.0))), f"Weibull shape {float(found.x):.3f}; 1: none")


def dynamic_quantile(
    hits: NDArray[np.bool_], var: F8, level: float, lags: int = 4, squared: F8 | None = None
) -> Outcome:
    """Regression of the exceedances on a constant, their own lags and the VaR; χ².

    Engle and Manganelli (2004), CAViaR, equation 16: with y = hit − (1 − level), β the coefficients of y on X,
    DQ = β'X'Xβ / ((1 − level) level). NaN where X has no full rank (no exceedance, or too few observations).

    Parameters
    ----------
    hits, var
        (n,) exceedances and VaR, in time order.
    level
        Confidence.
    lags
        Of the exceedances.
    squared
        (n,) P&L whose lagged square is one more regressor, where given.
    """
    a, n = 1.0 - level, len(hits)
    y = np.asarray(hits - a, np.float64)
    columns: list[F8] = [np.ones(n - lags)] if n > lags else []
    columns += [y[lags - i : n - i] for i in range(1, lags + 1)] if columns else []
    columns += [-var[lags:]] if columns and float(np.ptp(var[lags:])) > 0 else []
    if squared is not None and columns:
        columns.append(squared[lags - 1 : n - 1] ** 2)
    x = np.column_stack(columns) if columns else np.empty((0, 1))
    if len(x) <= x.shape[1] or np.linalg.matrix_rank(x) < x.shape[1]:
        return Outcome(math.nan, math.nan, "too few exceedances or observations for the regression")
    beta = np.linalg.lstsq(x, y[lags:], rcond=None)[0]
    fitted = x @ beta
    dq = float(fitted @ fitted) / (a * (1.0 - a))
    note = "" if float(np.ptp(var[lags:])) > 0 else "the VaR is constant and left out"
    return Outcome(dq, float(special.chdtrc(x.shape[1], dq)), note)


@dataclass(frozen=True, slots=True)
class TrafficLight(Figures):
    """Basel's zone: probability of so many exceptions and of fewer or as many, per cent, and both multipliers."""

    zone: str
    prob_pct: float
    cum_pct: float
    multiplier_mar32: float
    multiplier_1996: float


def traffic_light(n: int, exceptions: int, level: float = 0.99) -> TrafficLight:
    """Basel's traffic light: yellow from a cumulative probability of 95 %, red from 99.99 %.

    Zones: Basel Committee (1996), Supervisory framework for the use of backtesting, table 2. Multipliers a number of
    exceptions in 250 days at 99 %: the same table (3 to 4), and MAR32.9, table 1 (1.5 to 2).

    Raises
    ------
    InputError
        If exceptions are not within 0 to n.

    Examples
    --------
    >>> from qflib.shortfall import traffic_light
    >>> traffic_light(250, 5).zone
    'yellow'
    """
    a = 1.0 - level_of(level)
    _counted(n, exceptions)
    cumulated = float(stats.binom.cdf(exceptions, n, a))
    zone = "green" if cumulated < 0.95 else "yellow" if cumulated < 0.9999 else "red"
    step = min(max(exceptions - 4, 0), 6)
    return TrafficLight(
        zone,
        100.0 * float(stats.binom.pmf(exceptions, n, a)),
        100.0 * cumulated,
        (1.5, 1.7, 1.76, 1.83, 1.88, 1.92, 2.0)[step],
        (3.0, 3.4, 3.5, 3.65, 3.75, 3.85, 4.0)[step],
    )


def _log_likelihood(rate: float, misses: int, hits: int) -> float:
    return float(special.xlog1py(misses, -rate) + special.xlogy(hits, rate))


def _counted(n: int, exceptions: int) -> None:
    if n < 1 or not 0 <= exceptions <= n:
        raise InputError(f"exceptions are {exceptions} of n {n}; expected 0 to n, and n of 1 or more")
