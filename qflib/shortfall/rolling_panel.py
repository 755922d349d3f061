"""Expected shortfall over sliding windows of thousands of streams at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError, StateError
from qflib.kernels.rolling_es import es_held, es_state, es_streams
from qflib.shortfall.inputs import levels_of, outcomes_of, whole

F8 = NDArray[np.float64]


class RollingESPanel:
    """`RollingES` of many streams that step together: one window by number of values and one level for all.

    Parameters
    ----------
    streams
        How many.
    window
        Values that count.
    level
        Confidence.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Notes
    -----
    As `RollingES` a stream: O(1) a step where the tail does not change, 20 to 60 ns in thousands of streams. Every
    figure has the bits of `expected_shortfall` of the stream's window.

    Examples
    --------
    >>> from qflib.shortfall import RollingESPanel
    >>> panel = RollingESPanel(streams=2, window=2, level=0.5)
    >>> panel.update([-3.0, 0.0])[0].tolist()
    [3.0, 0.0]
    >>> panel.update([1.0, float("nan")])[0].tolist()
    [3.0, nan]
    >>> panel.n.tolist()
    [2, 1]
    """

    def __init__(self, streams: int, window: int, level: float = 0.975) -> None:
        streams, window = whole(streams, "streams"), whole(window, "window")
        levels = levels_of(level)
        if len(levels) != 1:
            raise InputError(f"level is {level}; a panel has one: make a panel a level")
        self._states = np.tile(es_state(window, float(levels[0])), (streams, 1))

    def update(self, pnl: ArrayLike) -> tuple[F8, F8]:
        """Take one P&L a stream, gains positive; ES and VaR of each window, however few values it holds.

        Parameters
        ----------
        pnl
            (streams,); NaN where a stream has no outcome: its window stays, its figures are NaN.

        Returns
        -------
        es, var
            (streams,).

        Raises
        ------
        InputError
            If a value is infinite or their number is another; nothing is taken then.
        """
        es, var = self.roll(outcomes_of(pnl)[None])
        return es[0], var[0]

    def roll(self, pnl: ArrayLike) -> tuple[F8, F8]:
        """Take many steps, (n, streams), as `update`; es and var are (n, streams).

        Raises
        ------
        InputError
            As `update`.
        """
        x = outcomes_of(pnl, ndim=2)
        if x.shape[1] != len(self._states):
            raise InputError(f"pnl is of shape {x.shape}; expected a value for each of {len(self._states)} streams")
        es, var = np.empty(x.shape), np.empty(x.shape)
        for step, to_es, to_var in zip(x, es, var, strict=True):
            es_streams(self._states, step, to_es, to_var)
        return es, var

    @property
    def n(self) -> NDArray[np.int64]:
        """Values in each window, (streams,)."""
        return es_held(self._states)

    def state(self) -> F8:
        """A copy of the whole state, a row a stream."""
        return self._states.copy()

    def load(self, state: Any) -> None:
        """Go on from a state, bit for bit.

        Raises
        ------
        StateError
            If it is of other streams, or another window or level.
        """
        made = np.array(state, np.float64)
        if made.shape != self._states.shape or not np.array_equal(made[:, :2], self._states[:, :2]):
            raise StateError(f"the state of shape {made.shape} is not of these streams, window and level")
        self._states = made
