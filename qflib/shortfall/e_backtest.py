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
from qflib.shortfall.inputs import Kind, level_of, pnl_of

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
        one, most, held = (float(_floats(v, name)) for v, name in ((bet, "bet"), (cap, "cap"), (window, "window")))
        if not 0.0 <= one < 1.0 or not 0.0 < most < 1.0:
            raise InputError(f"bet is {bet} and cap {cap}; expected a bet in [0, 1) and a bound in (0, 1)")
        if not held >= 1.0 or held % 1.0 != 0.0:
            raise InputError(f"window is {window}; expected a whole number of 1 or more")
        self.level = level_of(level)
        self._state = e_state(int(held), self.level, one, most)

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
        _, _, log_e = self.roll([pnl], [var], [es], None if time_ns is None else [time_ns])
        return np.asarray(log_e[0], np.float64)

    def roll(
        self, pnl: ArrayLike, var: ArrayLike, es: ArrayLike, times_ns: ArrayLike | None = None
    ) -> tuple[F8, F8, F8]:
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
            If one is no number or infinite, ES is below VaR, or a time is 0 or below; nothing is taken then.
        """
        x, z, r = (_floats(v, name) for v, name in ((pnl, "pnl"), (var, "var"), (es, "es")))
        n = x.size
        if not x.shape == z.shape == r.shape == (n,):
            raise InputError(f"pnl, var and es must be of one length; they have {x.shape}, {z.shape} and {r.shape}")
        for name, values in (("pnl", x), ("var", z), ("es", r)):
            if np.isinf(values).any():
                raise InputError(f"{name} is infinite at {int(np.isinf(values).argmax())}; expected a number, or NaN")
        below = r < z - _ROUNDING * np.abs(z)
        if below.any():
            i = int(below.argmax())
            raise InputError(f"es is {r[i]} at {i}, below its var {z[i]}; give both as positive losses")
        times = self.n + np.cumsum(_tested(x, z, r)) if times_ns is None else _times(times_ns, n)
        e, bets, log_e = np.empty((n, 2)), np.empty((n, 2, 3)), np.empty((n, 2, 4))
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
        given = np.asarray(state)
        if given.dtype != np.float64 or not same_test(given, self._state):
            raise StateError(f"the state of shape {given.shape} is not of this test; take that of the same settings")
        self._state = given.copy()


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
        As `EBacktest.roll`, or if an outcome is NaN.

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
    pnl, z, r = pnl_of(x, kind), _floats(var, "var"), _floats(es, "es")
    test = EBacktest(level, bet=bet, cap=cap, window=window)
    index: pd.Index[Any] = x.index if isinstance(x, pd.Series) else pd.RangeIndex(1, len(pnl) + 1)
    timed = isinstance(index, pd.DatetimeIndex) and index.tz is not None
    e, _, log_e = test.roll(pnl, z, r, np.arange(1, len(pnl) + 1) if timed else None)
    table = test.evidence()
    if isinstance(index, pd.DatetimeIndex) and timed:  # by place: a state has no times before 1970
        first, passed = table["alarm_ns"].to_numpy(), table["alarm"].to_numpy() > 0
        table["alarm_ns"] = np.where(passed, index.as_unit("ns").asi8[np.maximum(first, 1) - 1], 0)
    path = pd.DataFrame({"pnl": pnl, "var": z, "es": r}, index=index)
    for m, measure in enumerate(MEASURES):
        path[f"e_{measure}"] = e[:, m]
    for m, measure in enumerate(MEASURES):
        for k, betting in enumerate(BETTINGS):
            path[f"log_{measure}_{betting}"] = log_e[:, m, k]
    return EBacktestResult(table, path, test.level)


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


def _floats(values: ArrayLike, name: str) -> F8:
    try:
        return np.asarray(values, np.float64, order="C")
    except (TypeError, ValueError):
        raise InputError(f"{name} is {str(values)[:60]}; expected numbers") from None


def _times(times_ns: ArrayLike, n: int) -> I8:
    times = np.asarray(times_ns)
    if times.shape != (n,) or (n and times.dtype.kind not in "iu"):
        raise InputError(f"times_ns has shape {times.shape} and dtype {times.dtype}; expected {n} whole nanoseconds")
    if n and int(times.min()) < 1:
        raise InputError(f"times_ns has {int(times.min())}; expected nanoseconds above 0")
    return np.ascontiguousarray(times, np.int64)


def _tested(pnl: F8, var: F8, es: F8) -> NDArray[np.bool_]:
    three = np.column_stack([pnl, var, es])
    return np.asarray(~np.isnan(three).any(axis=1) & (three != 0).any(axis=1))
