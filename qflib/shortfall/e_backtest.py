"""The e-backtest of a stream of forecasts of expected shortfall and VaR, and of a whole series at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError, StateError
from qflib.kernels.e_backtest import (
    ALARMS,
    BET,
    BETTINGS,
    CAP,
    MEASURES,
    WINDOW,
    e_roll,
    e_state,
    figures_of,
    same_test,
)
from qflib.shortfall.inputs import Kind, levels_of, pnl_of

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

#: ES is summed, VaR is not: rounding may leave an ES this much of its VaR below it.
_ROUNDING = 1e-12


class EBacktest:
    """Evidence against forecasts of expected shortfall and VaR, as their outcomes come in; state in one array.

    One may look at any moment: where forecasts are adequate (VaR right, ES not too small), the chance that an e-process
    ever reaches b is 1 / b at most. So its inverse is a p-value, and an alarm at 10 is a false one in a tenth of true
    models at most, however long one watches. Alarms are never taken back.

    Parameters
    ----------
    level
        Confidence of the forecasts.
    bet
        λ of the betting "constant", in [0, 1).
    cap
        Greatest λ of "gree" and "grel", in (0, 1); the paper's is 1/2.
    window
        Past outcomes that "gree" and "grel" bet on; the state holds two floats for each.

    Raises
    ------
    InputError
        If one is out of its range.

    Notes
    -----
    Wang, Wang and Ziegel (2022), E-backtesting, arXiv 2209.00991; `qflib.kernels.e_backtest` explains the e-values and
    bettings, and where it leaves the authors' code. O(window) a test: 2 µs at 1,000.

    Examples
    --------
    >>> from qflib.shortfall import EBacktest
    >>> test = EBacktest(level=0.975)
    >>> for pnl in (1.0, -3.0, 0.5, -4.0, -3.5):
    ...     evidence = test.update(pnl, var=1.96, es=2.338)
    >>> test.evidence().loc[("es", "constant"), ["n", "alarm", "alarm_ns"]].tolist()
    [5, 10, 4]
    """

    def __init__(self, level: float = 0.975, *, bet: float = BET, cap: float = CAP, window: int = WINDOW) -> None:
        if not 0.0 <= bet < 1.0 or not 0.0 < cap < 1.0:
            raise InputError(f"bet is {bet} and cap {cap}; expected a bet in [0, 1) and a bound in (0, 1)")
        if int(window) != window or window < 1:
            raise InputError(f"window is {window}; expected a whole number of 1 or more")
        self.level = float(levels_of(level)[0])
        self._state = e_state(int(window), self.level, float(bet), float(cap))

    def update(self, pnl: float, var: float, es: float, time_ns: int | None = None) -> F8:
        """Take one outcome (P&L, gains positive) and the VaR and ES forecast of it (positive losses).

        Returns
        -------
        (2, 4)
            log M now, of ES and VaR, by constant, gree, grel and grem betting.

        Raises
        ------
        InputError
            As `roll`.
        """
        x, z, r = (np.array([v], np.float64) for v in (pnl, var, es))
        _, _, log_e = self.roll(x, z, r, None if time_ns is None else np.array([time_ns], np.int64))
        return np.asarray(log_e[0], np.float64)

    def roll(self, pnl: F8, var: F8, es: F8, times_ns: I8 | None = None) -> tuple[F8, F8, F8]:
        """Take many, in one call; the evidence is the same bits however they are cut.

        Parameters
        ----------
        pnl, var, es
            (n,) as in `update`. A NaN is no outcome or no forecast: there is no test, and the evidence stays. So where
            all three are 0, for want of a position.
        times_ns
            (n,) when outcomes were known, which alarms are told with; default: their number, tests alone counted.

        Returns
        -------
        e, bets, log_e
            (n, 2) e-values, (n, 2, 3) λ of constant, gree, grel, and (n, 2, 4) log M, of ES and VaR; e and bets NaN
            where there was no test.

        Raises
        ------
        InputError
            If one is infinite, ES is below VaR, or a time is 0 or below; nothing is taken then.
        """
        n = len(pnl)
        if not pnl.shape == var.shape == es.shape == (n,) or (times_ns is not None and times_ns.shape != (n,)):
            raise InputError(f"pnl, var, es and times_ns must be of one length; pnl has {pnl.shape}")
        for name, values in (("pnl", pnl), ("var", var), ("es", es)):
            if np.isinf(values).any():
                raise InputError(f"{name} is infinite at {int(np.isinf(values).argmax())}; expected a number, or NaN")
        below = es < var - _ROUNDING * np.abs(var)
        if below.any():
            i = int(below.argmax())
            raise InputError(f"es is {es[i]} at {i}, below its var {var[i]}; give both as positive losses")
        times = self.n + np.cumsum(_tested(pnl, var, es)) if times_ns is None else times_ns
        if (times_ns is not None) and n and int(times.min()) < 1:
            raise InputError(f"times_ns has {int(times.min())}; expected nanoseconds above 0")
        e, bets, log_e = np.empty((n, 2)), np.empty((n, 2, 3)), np.empty((n, 2, 4))
        x, z, r = (np.ascontiguousarray(a, np.float64) for a in (pnl, var, es))
        e_roll(self._state, x, z, r, times, e, bets, log_e)
        return e, bets, log_e

    @property
    def n(self) -> int:
        """Tests so far."""
        return figures_of(self._state)[0]

    def evidence(self) -> pd.DataFrame:
        """The evidence now.

        Returns
        -------
        DataFrame
            Index `measure` (es, var) and `betting`; `n` tests, the newest e-value `e`, `log_e` and its maximum
            `log_e_max`, the greatest `alarm` ever passed (2, 5, 10; 0: none) and the time of its first crossing,
            `alarm_ns` (0: never).
        """
        return evidence_of(self._state)

    def state(self) -> F8:
        """A copy of the whole state."""
        return self._state.copy()

    def load(self, state: F8) -> None:
        """Go on from a state, bit for bit.

        Raises
        ------
        StateError
            If it is of another window, level, bet or bound.
        """
        if not same_test(state, self._state):
            raise StateError(f"the state of shape {state.shape} is not of this test; take that of the same settings")
        self._state = np.array(state, np.float64)


@dataclass(frozen=True, eq=False)
class EBacktestResult:
    """The e-processes of a series of forecasts.

    Parameters
    ----------
    table
        As `EBacktest.evidence`.
    path
        Index time or number; pnl, var, es, the e-values e_es and e_var, and of each measure and betting log M, as
        log_es_gree.
    level
        Confidence.
    """

    table: pd.DataFrame
    path: pd.DataFrame
    level: float

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def plot(self) -> Any:
        """Log M of ES and of VaR, a line a betting, with the alarms at 2, 5 and 10."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

        index = self.path.index
        at: Any = index.to_numpy()
        if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
            at = index.tz_convert("UTC").tz_localize(None).to_numpy()
        axis = "outcome" if index.name is None else str(index.name)
        made = []
        for measure in MEASURES:
            lines: list[Any] = [
                hv.Curve((at, self.path[f"log_{measure}_{b}"].to_numpy()), axis, "log M", label=b) for b in BETTINGS
            ]
            alarms = [hv.HLine(math.log(a)).opts(color="gray", line_dash="dashed", line_width=1) for a in ALARMS]
            made.append(
                hv.Overlay(lines + alarms).opts(
                    title=f"Evidence against {'ES' if measure == 'es' else 'VaR'} {self.level:.1%}; alarms at 2, 5, 10",
                    width=900, height=260, legend_position="right", show_grid=True,
                )
            )  # fmt: skip
        return (made[0] + made[1]).cols(1)

    def _repr_html_(self) -> str:
        return str(self.table.to_html())


def e_process(
    x: ArrayLike | pd.Series[Any],
    var: ArrayLike,
    es: ArrayLike,
    level: float = 0.975,
    *,
    kind: Kind,
    bet: float = BET,
    cap: float = CAP,
    window: int = WINDOW,
) -> EBacktestResult:
    """Evidence against a series of forecasts of expected shortfall and VaR.

    Parameters
    ----------
    x
        (n,) outcomes; a Series by tz-aware time has alarms told with their times, others with their number.
    var, es
        (n,) forecasts made before each, positive losses.
    level, bet, cap, window
        As in `EBacktest`.
    kind
        As in `expected_shortfall`.

    Returns
    -------
    EBacktestResult

    Raises
    ------
    InputError
        As `EBacktest`, or if an outcome is NaN.

    Notes
    -----
    O(n window). The source is `EBacktest`'s.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall import e_process
    >>> pnl = np.random.default_rng(1).normal(size=500)
    >>> right, small = (e_process(pnl, c * np.full(500, 1.96), c * np.full(500, 2.338), kind="pnl") for c in (1, 0.7))
    >>> right.table["alarm"].max(), small.table["alarm"].min()
    (np.int64(0), np.int64(10))
    """
    pnl = pnl_of(x, kind)
    z, r = np.asarray(var, np.float64), np.asarray(es, np.float64)
    test = EBacktest(level, bet=bet, cap=cap, window=window)
    index: pd.Index[Any] = x.index if isinstance(x, pd.Series) else pd.RangeIndex(1, len(pnl) + 1)
    times = None
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        times = np.asarray(index.as_unit("ns").asi8, np.int64)
    e, _, log_e = test.roll(pnl, z, r, times)
    path = pd.DataFrame({"pnl": pnl, "var": z, "es": r}, index=index)
    for m, measure in enumerate(MEASURES):
        path[f"e_{measure}"] = e[:, m]
    for m, measure in enumerate(MEASURES):
        for k, betting in enumerate(BETTINGS):
            path[f"log_{measure}_{betting}"] = log_e[:, m, k]
    return EBacktestResult(test.evidence(), path, test.level)


def evidence_of(state: F8) -> pd.DataFrame:
    """As `EBacktest.evidence`, of a kernel's state."""
    n, e, log_e, most, times = figures_of(state)
    passed = (times > 0).sum(axis=2)  # a greater one is never passed before a smaller one
    since = np.concatenate([np.zeros((*passed.shape, 1), np.int64), times], axis=2)
    index = pd.MultiIndex.from_product([MEASURES, BETTINGS], names=["measure", "betting"])
    return pd.DataFrame(
        {
            "n": n,
            "e": np.repeat(e, len(BETTINGS)),
            "log_e": log_e.ravel(),
            "log_e_max": most.ravel(),
            "alarm": np.array([0, *ALARMS])[passed].ravel(),
            "alarm_ns": np.take_along_axis(since, passed[..., None], axis=2).ravel(),
        },
        index=index,
    )


def _tested(pnl: F8, var: F8, es: F8) -> NDArray[np.bool_]:
    three = np.column_stack([pnl, var, es])
    return np.asarray(~np.isnan(three).any(axis=1) & (three != 0).any(axis=1))
