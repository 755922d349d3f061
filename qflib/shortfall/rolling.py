"""Expected shortfall over a sliding window, and its state for a stream."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError, StateError
from qflib.kernels.rolling_es import es_roll, es_state, es_update
from qflib.shortfall.inputs import Kind, levels_of, pnl_of

F8 = NDArray[np.float64]


def rolling_es(
    x: ArrayLike | pd.Series[Any],
    window: int,
    level: float = 0.975,
    *,
    kind: Kind,
    min_periods: int | None = None,
) -> pd.DataFrame:
    """Exact expected shortfall and VaR of the last `window` values, at every step.

    Parameters
    ----------
    x
        (n,); a Series keeps its index.
    window
        Values that count.
    level
        Confidence.
    kind
        As in `expected_shortfall`.
    min_periods
        Figures are NaN before so many values; the window by default.

    Returns
    -------
    DataFrame
        (n,) columns `es`, `var`, positive losses, the same bits as `expected_shortfall` of each window.

    Raises
    ------
    InputError
        As `expected_shortfall`; or if window or min_periods is below 1.

    Notes
    -----
    O(1) a step where the tail does not change, O(window (1 − level)) where it does.

    Examples
    --------
    >>> from qflib.shortfall import rolling_es
    >>> rolling_es([-3.0, 1.0, -2.0, 0.0], window=2, level=0.5, kind="pnl").es.tolist()
    [nan, 3.0, 2.0, 2.0]
    """
    pnl, c = pnl_of(x, kind), float(levels_of(level)[0])
    state = es_state(_whole(window, "window"), c)
    es, var = np.empty(len(pnl)), np.empty(len(pnl))
    es_roll(state, pnl, es, var)
    first = window if min_periods is None else _whole(min_periods, "min_periods")
    es[: first - 1] = np.nan
    var[: first - 1] = np.nan
    return pd.DataFrame({"es": es, "var": var}, index=x.index if isinstance(x, pd.Series) else None)


class RollingES:
    """The same for a stream: one value at a time, its state one array.

    Parameters
    ----------
    window
        Values that count.
    level
        Confidence.

    Examples
    --------
    >>> from qflib.shortfall import RollingES
    >>> r = RollingES(window=2, level=0.5)
    >>> r.update(-3.0), r.update(1.0), r.update(-2.0)
    ((3.0, 3.0), (3.0, 3.0), (2.0, 2.0))
    """

    def __init__(self, window: int, level: float = 0.975) -> None:
        self._state = es_state(_whole(window, "window"), float(levels_of(level)[0]))

    def update(self, pnl: float) -> tuple[float, float]:
        """Take one P&L (gains positive); ES and VaR of the values in the window, however few.

        Raises
        ------
        InputError
            If the value is NaN or infinite.
        """
        if not math.isfinite(pnl):
            raise InputError(f"pnl is {pnl}; expected a finite number")
        return es_update(self._state, float(pnl))

    @property
    def n(self) -> int:
        """Values in the window."""
        return int(self._state[2])

    def state(self) -> F8:
        """A copy of the whole state."""
        return self._state.copy()

    def load(self, state: F8) -> None:
        """Go on from a state, bit for bit.

        Raises
        ------
        StateError
            If it is of another window or level.
        """
        if state.shape != self._state.shape or not np.array_equal(state[:2], self._state[:2]):
            raise StateError(f"the state of shape {state.shape} is not of this window and level; take the right one")
        self._state = np.array(state, np.float64)


def _whole(n: int, what: str) -> int:
    if int(n) != n or n < 1:
        raise InputError(f"{what} is {n}; expected a whole number of 1 or more")
    return int(n)
