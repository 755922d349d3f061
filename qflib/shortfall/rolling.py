"""Expected shortfall over a sliding window, and its state for a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError, StateError
from qflib.kernels.rolling_es import es_roll, es_state, es_update
from qflib.kernels.window_es import EARLIER, TAKEN, grown, held, same_window, window_roll, window_state
from qflib.shortfall.inputs import Kind, levels_of, outcomes_of, pnl_of, share_of, whole

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

#: Beyond so many half-lives a weight is lost in the rounding of the first.
_LOST = 53.0
_NO_BOUND = 1 << 62
_ROOM = 256


def rolling_es(
    x: ArrayLike | pd.Series[Any] | pd.DataFrame,
    window: int | str | pd.Timedelta | None = None,
    level: float | Sequence[float] = 0.975,
    *,
    kind: Kind,
    min_periods: int | None = None,
    decay: float | None = None,
    half_life: str | pd.Timedelta | None = None,
) -> pd.DataFrame:
    """Exact expected shortfall and VaR of the last values, at every step; exponentially weighted by `decay`.

    Parameters
    ----------
    x
        (n,); a Series keeps its index; a DataFrame is a stream a column.
    window
        Values that count, or a span of time ("5min": (t - span, t]), for which x is a Series by tz-aware time. With
        decay or half_life it may be left out: values then count until their weight is lost in rounding.
    level
        Confidence, or several, all of one pass.
    kind
        As in `expected_shortfall`.
    min_periods
        Figures are NaN before so many values; the window by default, 1 where it is no number.
    decay
        Weight of each value as a share of the next one's, after Boudoukh, Richardson and Whitelaw (1998).
    half_life
        The same by time: after so long a value has half its weight.

    Returns
    -------
    DataFrame
        (n,) columns `es`, `var`, positive losses; of several levels, under each figure a column a level; of a
        DataFrame these under the name of each of its columns. Without weights they are the same bits as
        `expected_shortfall` of each window, with them within 1e-12; so they are still after 10⁸ updates.

    Raises
    ------
    InputError
        As `expected_shortfall`; or if a window, weight or min_periods is none.

    Notes
    -----
    A window of a number, one level and no weights: O(1) a step where the tail does not change, O(window (1 − level))
    where it does. Else O(window), 0.1 to 0.3 ns a value held.

    Examples
    --------
    >>> from qflib.shortfall import rolling_es
    >>> rolling_es([-3.0, 1.0, -2.0, 0.0], window=2, level=0.5, kind="pnl").es.tolist()
    [nan, 3.0, 2.0, 2.0]
    >>> rolling_es([-3.0, 1.0, -2.0, 0.0], decay=0.5, level=0.5, kind="pnl").es.round(6).tolist()
    [3.0, 1.666667, 2.285714, 1.466667]
    """
    if isinstance(x, pd.DataFrame):
        each = [
            rolling_es(
                x.iloc[:, i], window, level, kind=kind, min_periods=min_periods, decay=decay, half_life=half_life
            )
            for i in range(x.shape[1])
        ]
        if not each:
            raise InputError("x has no columns; give a stream a column")
        return pd.concat(each, axis=1, keys=x.columns)
    pnl = pnl_of(x, kind)
    stream = RollingES(window, level, decay=decay, half_life=half_life)
    es, var = stream.roll(pnl, _times(x) if stream.by_time else None)
    first = min_periods if min_periods is not None else window if isinstance(window, int) else 1
    for figures in (es, var):
        figures[: whole(first, "min_periods") - 1] = np.nan
    index = x.index if isinstance(x, pd.Series) else None
    if not np.ndim(level):
        return pd.DataFrame({"es": es[:, 0], "var": var[:, 0]}, index=index)
    columns = pd.MultiIndex.from_product([["es", "var"], stream.levels.tolist()], names=["figure", "level"])
    return pd.DataFrame(np.hstack([es, var]), index=index, columns=columns)


class RollingES:
    """The same for a stream: its state is one array. Of many streams that step together: `RollingESPanel`.

    Parameters
    ----------
    window, level, decay, half_life
        As in `rolling_es`.

    Raises
    ------
    InputError
        As `rolling_es`.

    Examples
    --------
    >>> from qflib.shortfall import RollingES
    >>> r = RollingES(window=2, level=0.5)
    >>> r.update(-3.0), r.update(1.0), r.update(-2.0)
    ((3.0, 3.0), (3.0, 3.0), (2.0, 2.0))
    """

    def __init__(
        self,
        window: int | str | pd.Timedelta | None = None,
        level: float | Sequence[float] = 0.975,
        *,
        decay: float | None = None,
        half_life: str | pd.Timedelta | None = None,
    ) -> None:
        self.levels = levels_of(level)
        self._one = not np.ndim(level)
        count, span, rate = _window(window, decay, half_life)
        self.by_time = span > 0
        self._tail_alone = self._one and not span and not rate
        if self._tail_alone:
            self._state = es_state(count, float(self.levels[0]))
        else:
            self._state = window_state(_ROOM if span else count, _NO_BOUND if span else count, span, rate, self.levels)
        self._taken = 0  # numbers stand for times where their count is all that matters

    def update(self, pnl: float, time_ns: int | None = None) -> tuple[Any, Any]:
        """Take one P&L (gains positive); ES and VaR of the values in the window, however few.

        Returns
        -------
        es, var
            Floats; (levels,) where there are several.

        Raises
        ------
        InputError
            If the value is NaN or infinite; or as `roll`.
        """
        try:
            x = pnl + 0.0
        except TypeError:
            x = math.nan
        if x - x != 0.0:  # quicker than a call that asks whether it is finite
            raise InputError(f"pnl is {pnl!r}; expected a finite number")
        if self._tail_alone and time_ns is None:
            return es_update(self._state, x)
        es, var = self.roll(np.array([x], np.float64), None if time_ns is None else np.array([time_ns], np.int64))
        return (float(es[0, 0]), float(var[0, 0])) if self._one else (es[0], var[0])

    def roll(self, pnl: ArrayLike, times_ns: ArrayLike | None = None) -> tuple[F8, F8]:
        """Take many, in one call.

        Parameters
        ----------
        pnl
            (n,) gains positive; NaN is no outcome, and its figures are NaN.
        times_ns
            (n,) never falling, of windows by time.

        Returns
        -------
        es, var
            (n, levels).

        Raises
        ------
        InputError
            If a value is infinite or none; if times are missing, not wanted or of another length: nothing is taken
            then. If a time lies before its former: what came before it is taken.
        """
        x = outcomes_of(pnl)
        given = None if times_ns is None else np.asarray(times_ns)
        if (given is None) == self.by_time or (given is not None and (given.shape, given.dtype.kind) != (x.shape, "i")):
            raise InputError("times_ns is for windows by time: whole nanoseconds, one for each value, never falling")
        es, var = np.empty((len(x), len(self.levels))), np.empty((len(x), len(self.levels)))
        if self._tail_alone:
            es_roll(self._state, x, es[:, 0], var[:, 0])
            return es, var
        times = np.arange(len(x)) + held(self._state)[1] + 1 if given is None else given
        times = np.ascontiguousarray(times, np.int64).view()
        times.setflags(write=False)
        done = 0
        while True:
            why, n = window_roll(self._state, x[done:], times[done:], es[done:], var[done:])
            done += n
            if why == TAKEN:
                return es, var
            if why == EARLIER:
                raise InputError(
                    f"the time of value {done}, {times[done]} ns, lies before {held(self._state)[1]} ns, the newest so "
                    "far; sort by time"
                )
            self._state = grown(self._state, 2 * held(self._state)[0])

    @property
    def n(self) -> int:
        """Values in the window."""
        return int(self._state[2]) if self._tail_alone else held(self._state)[0]

    def state(self) -> F8:
        """A copy of the whole state."""
        return self._state.copy()

    def load(self, state: Any) -> None:
        """Go on from a state, bit for bit.

        Raises
        ------
        StateError
            If it is of another window, weight or level.
        """
        made = np.array(state)  # a copy
        same = made.dtype == np.float64 and made.ndim == 1
        if same and self._tail_alone:
            same = made.shape == self._state.shape and np.array_equal(made[:2], self._state[:2])
        elif same:
            same = same_window(made, self._state)
        if not same:
            raise StateError(f"the state of shape {made.shape} is not of this window and level; take the right one")
        self._state = made


def _window(window: Any, decay: float | None, half_life: Any) -> tuple[int, int, float]:
    """Values and nanoseconds that count (0: no bound by these), and the logarithm of a weight's decay."""
    if decay is not None and half_life is not None:
        raise InputError("decay and half_life exclude each other; give one of them")
    if decay is not None:
        decay = share_of(decay, "decay", 0.97)
    by_time = isinstance(window, str | timedelta)  # a pandas Timedelta is one
    if decay is not None and by_time:
        raise InputError(f"window {window!r} is a span of time, decay is by number; give half_life")
    if half_life is not None and not (window is None or by_time):
        raise InputError(f"window {window!r} is a number, half_life a span of time; give decay, or window as a span")
    if half_life is not None:
        half = _span(half_life, "half_life")
        return 0, math.ceil(_LOST * half) if window is None else _span(window, "window"), -math.log(2.0) / half
    rate = 0.0 if decay is None else math.log(decay)
    if by_time:
        return 0, _span(window, "window"), rate
    if window is None:
        if decay is None:
            raise InputError("window is missing; give a number of values, a span of time, decay or half_life")
        return math.ceil(_LOST * math.log(2.0) / -rate), 0, rate
    return whole(window, "window"), 0, rate


def _span(text: Any, what: str) -> int:
    try:
        ns = pd.Timedelta(text).value
    except (TypeError, ValueError):
        raise InputError(f"{what} is {text!r}; expected a span of time such as '5min'") from None
    if not 0 < ns < _NO_BOUND:
        raise InputError(f"{what} is {text!r}; expected a span of time above 0")
    return int(ns)


def _times(x: Any) -> I8:
    if not isinstance(x, pd.Series) or not isinstance(x.index, pd.DatetimeIndex) or x.index.tz is None:
        raise InputError("a window or half-life by time needs x as a Series with a tz-aware DatetimeIndex")
    if x.index.hasnans:
        raise InputError("x has a time that is missing; drop or mend it")
    return np.asarray(x.index.tz_convert("UTC").as_unit("ns").asi8, np.int64)
