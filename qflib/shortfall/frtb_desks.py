"""Tests of trading desks in the Basel framework's internal models approach: backtests and P&L attribution, MAR32.

In force from January 2023. What counts as an exception (32.5, 32.6), the paragraphs of the attribution test (32.41 to
32.45), their thresholds, those of a desk's backtests (32.18) and the range of the multiplier (33.42) were compared with
public transcriptions; the add-ons a number of exceptions (32.9, table 1) stand as commonly quoted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from qflib.errors import InputError
from qflib.shortfall.coverage import traffic_light
from qflib.shortfall.inputs import Kind, level_of, pnl_of, whole

F8 = NDArray[np.float64]

#: Trading days of 12 months.
DAYS = 250
#: MAR32.18: a desk leaves the internal models approach with more exceptions in 250 days than these.
DESK_EXCEPTIONS = {0.99: 12, 0.975: 30}
#: The P&L attribution test, MAR32.41 to MAR32.45: green beyond the first, red beyond the second bound, amber between.
PLA_SPEARMAN = (0.80, 0.70)
PLA_KOLMOGOROV_SMIRNOV = (0.09, 0.12)


def kolmogorov_smirnov_p(distance: float, n: int) -> float:
    """Asymptotic p-value of the distance of two samples of n each, as in the P&L attribution test.

    Kolmogorov's law of D √(n/2).

    Examples
    --------
    >>> from qflib.shortfall.frtb_desks import kolmogorov_smirnov_p
    >>> round(kolmogorov_smirnov_p(0.12, 250), 4)
    0.0546
    """
    return float(special.kolmogorov(distance * math.sqrt(n / 2.0)))


def pla_zone(spearman: float, distance: float) -> str:
    """Zone of a desk by both metrics, MAR32.43 to MAR32.45: "green", "amber" or "red".

    Green: a correlation above 0.80 and a distance below 0.09. Red: a correlation below 0.70 or a distance above 0.12.
    Amber: neither.

    Raises
    ------
    InputError
        If a metric is not finite.

    Examples
    --------
    >>> from qflib.shortfall.frtb_desks import pla_zone
    >>> pla_zone(0.81, 0.08), pla_zone(0.80, 0.08), pla_zone(0.9, 0.121)
    ('green', 'amber', 'red')
    """
    if not (math.isfinite(spearman) and math.isfinite(distance)):
        raise InputError(f"spearman is {spearman} and distance {distance}; expected both: without one there is no zone")
    if spearman > PLA_SPEARMAN[0] and distance < PLA_KOLMOGOROV_SMIRNOV[0]:
        return "green"
    if spearman < PLA_SPEARMAN[1] or distance > PLA_KOLMOGOROV_SMIRNOV[1]:
        return "red"
    return "amber"


@dataclass(frozen=True, eq=False)
class PLATest:
    """P&L attribution of a desk: rank correlation, distance of the laws with its p-value, zone, days."""

    spearman: float
    distance: float
    p_value: float
    zone: str
    n: int
    rtpl: F8
    hpl: F8

    def to_frame(self) -> pd.DataFrame:
        """One row a metric, with its bounds."""
        rows = [
            ("spearman", self.spearman, *PLA_SPEARMAN, pla_zone(self.spearman, 0.0)),
            ("kolmogorov_smirnov", self.distance, *PLA_KOLMOGOROV_SMIRNOV, pla_zone(1.0, self.distance)),
        ]
        return pd.DataFrame(rows, columns=["metric", "value", "green", "red", "zone"]).set_index("metric")

    def plot(self) -> Any:
        """Risk-theoretical over hypothetical P&L, day by day."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        frame = pd.DataFrame({"hypothetical P&L": self.hpl, "risk-theoretical P&L": self.rtpl})
        return frame.hvplot.scatter(x="hypothetical P&L", y="risk-theoretical P&L", title=self.zone, size=12)

    def _repr_html_(self) -> str:
        return f"<p>P&L attribution over {self.n} days: {self.zone}</p>" + str(self.to_frame().to_html())


def pla_test(rtpl: ArrayLike, hpl: ArrayLike, *, kind: Kind = "pnl") -> PLATest:
    """P&L attribution test of a desk: risk-theoretical against hypothetical P&L, MAR32.20 to MAR32.45.

    Spearman's rank correlation (ties at their mean rank) and the Kolmogorov–Smirnov distance of the two empirical laws.

    Parameters
    ----------
    rtpl, hpl
        (n,) by day, newest last; the last 250 count, and fewer are no test of the rule.
    kind
        As in `expected_shortfall`; of both.

    Raises
    ------
    InputError
        If lengths differ, values are not finite, there are fewer than 250 days, or either never changes.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.frtb_desks import pla_test
    >>> hpl = np.random.default_rng(1).normal(size=250)
    >>> pla_test(1.02 * hpl, hpl).zone
    'green'
    """
    a, b = pnl_of(rtpl, kind, "rtpl"), pnl_of(hpl, kind, "hpl")
    if len(a) != len(b) or len(a) < DAYS:
        raise InputError(f"rtpl has {len(a)} days and hpl {len(b)}; give the same days of both, {DAYS} or more")
    a, b = a[-DAYS:], b[-DAYS:]
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        raise InputError("rtpl or hpl never changes, and has no rank correlation; give P&L of a desk that holds risk")
    spearman = float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])
    distance = float(stats.ks_2samp(a, b).statistic)
    p_value = kolmogorov_smirnov_p(distance, len(a))
    return PLATest(spearman, distance, p_value, pla_zone(spearman, distance), len(a), a, b)


@dataclass(frozen=True, eq=False)
class Exceptions:
    """Days on which a loss exceeded the VaR, of the last 250.

    Parameters
    ----------
    level
        Of the VaR.
    actual, hypothetical
        Exceptions of each P&L.
    n
        Days that count.
    """

    level: float
    actual: int
    hypothetical: int
    n: int

    @property
    def count(self) -> int:
        """The greater of both, MAR32.5(1)."""
        return max(self.actual, self.hypothetical)


def exceptions(
    actual: ArrayLike, hypothetical: ArrayLike, var: ArrayLike, level: float, *, disregarded: ArrayLike | None = None
) -> Exceptions:
    """Exceptions over the last 250 days, counted for actual and hypothetical P&L apart, MAR32.5 and MAR32.6.

    Parameters
    ----------
    actual, hypothetical
        (n,) P&L by day, gains positive, newest last. A NaN, P&L or VaR not to be had, is an exception (MAR32.5(2)).
    var
        (n,) one-day VaR of that day, positive losses.
    level
        Of the VaR.
    disregarded
        (n,) days that the supervisor lets go because a non-modellable risk factor with a greater charge caused the loss
        (MAR32.6).

    Raises
    ------
    InputError
        If lengths differ, there is no day, or the level is none.

    Examples
    --------
    >>> from qflib.shortfall.frtb_desks import exceptions
    >>> exceptions([-3.0, 1.0, -1.0], [-1.0, float("nan"), -2.5], [2.0, 2.0, 2.0], 0.99).count
    2
    """
    a, h, v = (np.asarray(x, np.float64) for x in (actual, hypothetical, var))
    gone = np.zeros(len(a), bool) if disregarded is None else np.asarray(disregarded, bool)
    if not (a.ndim == 1 and len(a) and a.shape == h.shape == v.shape == gone.shape):
        raise InputError(
            f"actual has shape {a.shape}, hypothetical {h.shape}, var {v.shape}; give the same days of all, 1 or more"
        )
    counts = [int(np.count_nonzero(~(p[-DAYS:] >= -v[-DAYS:]) & ~gone[-DAYS:])) for p in (a, h)]
    return Exceptions(level_of(level), counts[0], counts[1], min(len(a), DAYS))


@dataclass(frozen=True, eq=False)
class DeskBacktest:
    """Whether a desk stays in the internal models approach by its backtests, MAR32.18."""

    at_99: Exceptions
    at_975: Exceptions

    @property
    def passes(self) -> bool:
        """12 exceptions at 99 % and 30 at 97.5 % at most."""
        return all(e.count <= DESK_EXCEPTIONS[e.level] for e in (self.at_99, self.at_975))

    def to_frame(self) -> pd.DataFrame:
        """One row a level."""
        rows = [
            (e.level, e.actual, e.hypothetical, e.count, DESK_EXCEPTIONS[e.level], e.n)
            for e in (self.at_99, self.at_975)
        ]
        columns = ["level", "actual", "hypothetical", "exceptions", "most", "days"]
        return pd.DataFrame(rows, columns=columns).set_index("level")

    def plot(self) -> Any:
        """Bars of the exceptions beside the most that are allowed, a group a level."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        shown = self.to_frame()[["exceptions", "most"]].rename(index="{:.1%}".format)
        return shown.hvplot.bar(title=f"desk backtest: {'passed' if self.passes else 'failed'}", width=500, height=360)

    def _repr_html_(self) -> str:
        return f"<p>desk backtest: {'passed' if self.passes else 'failed'}</p>" + str(self.to_frame().to_html())


def desk_backtest(
    actual: ArrayLike,
    hypothetical: ArrayLike,
    var_99: ArrayLike,
    var_975: ArrayLike,
    *,
    disregarded: ArrayLike | None = None,
) -> DeskBacktest:
    """Backtests of a desk at 99 % and 97.5 % over the last 250 days, MAR32.18.

    Parameters
    ----------
    actual, hypothetical, disregarded
        As of `exceptions`.
    var_99, var_975
        (n,) one-day VaR of the desk.

    Raises
    ------
    InputError
        As `exceptions`; if VaR of 99 % is below that of 97.5 % on a day.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.frtb_desks import desk_backtest
    >>> pnl = np.r_[np.full(13, -3.0), np.zeros(237)]
    >>> desk_backtest(pnl, pnl, np.full(250, 2.5), np.full(250, 2.0)).passes
    False
    """
    upper, lower = (np.asarray(v, np.float64) for v in (var_99, var_975))
    if upper.shape == lower.shape and (crossed := np.flatnonzero(upper < lower)).size:
        i = int(crossed[0])
        raise InputError(f"day {i} has var_99 {upper[i]} below var_975 {lower[i]}; are they exchanged?")
    return DeskBacktest(
        exceptions(actual, hypothetical, var_99, 0.99, disregarded=disregarded),
        exceptions(actual, hypothetical, var_975, 0.975, disregarded=disregarded),
    )


def bank_multiplier(found: Exceptions | int, qualitative: float = 0.0) -> float:
    """The multiplier m_c: 1.5, a supervisor's add-on, and one of up to 0.5 for exceptions, MAR32.9 and MAR33.42.

    Parameters
    ----------
    found
        Of the bank's 99 % VaR, from `exceptions`, or their number in 250 days.
    qualitative
        The supervisor's, 0 or above.

    Raises
    ------
    InputError
        If exceptions are of another level or fewer than 250 days, or an add-on is negative.

    Examples
    --------
    >>> from qflib.shortfall.frtb_desks import bank_multiplier
    >>> [bank_multiplier(k) for k in (0, 4, 5, 9, 10, 40)]
    [1.5, 1.5, 1.7, 1.92, 2.0, 2.0]
    """
    if isinstance(found, Exceptions) and not (found.level == 0.99 and found.n == DAYS):
        raise InputError(f"exceptions are at {found.level} over {found.n} days; the multiplier is of 0.99 over {DAYS}")
    if not (qualitative >= 0.0 and math.isfinite(qualitative)):
        raise InputError(f"qualitative is {qualitative}; expected an add-on of 0 or above")
    count = found.count if isinstance(found, Exceptions) else whole(found, "found", least=0)
    return traffic_light(DAYS, count).multiplier_mar32 + qualitative
