"""Euler contributions to the expected shortfall of a sliding window, and their state for a stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError, StateError
from qflib.kernels.rolling_components import components_roll, components_state, components_update
from qflib.shortfall.inputs import Kind, levels_of, pnl_of, whole

F8 = NDArray[np.float64]


def rolling_component_es(
    x: ArrayLike | pd.DataFrame,
    window: int,
    level: float = 0.975,
    *,
    kind: Kind,
    min_periods: int | None = None,
) -> pd.DataFrame:
    """Historical ES of the sum of components over the last rows, and what each component contributes, at every step.

    Parameters
    ----------
    x
        (n, m): P&L (or returns) a row and component, oldest first; a DataFrame keeps its index and names.
    window
        Rows that count.
    level
        Confidence.
    kind
        As in `expected_shortfall`.
    min_periods
        Figures are NaN before so many rows; the window by default.

    Returns
    -------
    DataFrame
        (n,) columns es, var (positive losses; the bits of `rolling_es` of the sum), then under each component's name
        its contribution: they sum to es.

    Raises
    ------
    InputError
        As `expected_shortfall`; or if a component is named es or var, or window or min_periods is no whole number of 1
        or more.

    Notes
    -----
    O(m) a row that leaves the tail as it was, O(window + m window (1 − level)) one that changes it.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.shortfall import rolling_component_es
    >>> pnl = pd.DataFrame({"a": [-3.0, 1.0, -2.0], "b": [1.0, -2.0, 0.0]})
    >>> rolling_component_es(pnl, window=2, level=0.5, kind="pnl").to_numpy().tolist()
    [[nan, nan, nan, nan], [2.0, 2.0, 3.0, -1.0], [2.0, 2.0, 2.0, 0.0]]
    """
    pnl = pnl_of(x, kind, ndim=2)
    names = [str(c) for c in x.columns] if isinstance(x, pd.DataFrame) else [str(j) for j in range(pnl.shape[1])]
    if {"es", "var"} & set(names):
        raise InputError(f"components are named {names}; es and var are the columns of the sum, rename them")
    stream = RollingComponentES(window, pnl.shape[1], level)
    es, var, contribution = stream.roll(pnl)
    made = np.column_stack([es, var, contribution])
    made[: (stream.window if min_periods is None else whole(min_periods, "min_periods")) - 1] = np.nan
    index = x.index if isinstance(x, pd.DataFrame) else None
    return pd.DataFrame(made, index=index, columns=["es", "var", *names])


class RollingComponentES:
    """The same for a stream: its state is one array, and figures do not depend on how rows are cut into batches.

    Parameters
    ----------
    window, level
        As in `rolling_component_es`.
    components
        How many, or their names.

    Raises
    ------
    InputError
        As `rolling_component_es`.

    Examples
    --------
    >>> from qflib.shortfall import RollingComponentES
    >>> r = RollingComponentES(window=2, components=["a", "b"], level=0.5)
    >>> r.update([-3.0, 1.0])
    (2.0, 2.0, array([ 3., -1.]))
    """

    def __init__(self, window: int, components: int | Sequence[str], level: float = 0.975) -> None:
        self.window = whole(window, "window")
        if isinstance(components, str):
            raise InputError(f"components are {components!r}; expected how many, or a list of their names")
        named = components if isinstance(components, Sequence) else range(whole(components, "components"))
        self.names = tuple(map(str, named))
        levels = levels_of(level)
        if len(levels) != 1 or not self.names or len(set(self.names)) != len(self.names):
            raise InputError(f"level is {level!r} and components {components!r}; give one level, and names that differ")
        self.level = float(levels[0])
        self._state = components_state(self.window, len(self.names), self.level)

    def update(self, pnl: ArrayLike) -> tuple[float, float, F8]:
        """Take one row (m,), gains positive; ES, VaR and contributions (m,) of the rows in the window, however few.

        Raises
        ------
        InputError
            If it has another length or a value is NaN or infinite.
        """
        row = self._rows(pnl, 1)
        if not np.isfinite(row).all():
            raise InputError(f"pnl is {row.tolist()}; expected finite numbers")
        contribution = np.empty(len(self.names))
        es, var = components_update(self._state, row, contribution)
        return es, var, contribution

    def roll(self, pnl: ArrayLike) -> tuple[F8, F8, F8]:
        """Take rows (n, m), in one call: ES and VaR (n,), contributions (n, m).

        A row with a NaN is no outcome, and its figures are NaN.

        Raises
        ------
        InputError
            If rows have another length, or a value is infinite.
        """
        rows = self._rows(pnl, 2)
        if np.isinf(rows).any():
            raise InputError("pnl holds an infinite value; expected finite numbers, or NaN where there is no outcome")
        es, var, contribution = np.empty(len(rows)), np.empty(len(rows)), np.empty(rows.shape)
        components_roll(self._state, rows, es, var, contribution)
        return es, var, contribution

    def _rows(self, pnl: ArrayLike, ndim: int) -> F8:
        rows = np.array(pnl, np.float64, order="C")
        if rows.ndim != ndim or rows.shape[-1] != len(self.names):
            wanted = ("n", len(self.names))[-ndim:]
            raise InputError(
                f"pnl has shape {rows.shape}; expected ({', '.join(map(str, wanted))}), a column a component"
            )
        return rows

    @property
    def n(self) -> int:
        """Rows in the window."""
        return int(self._state[3])

    def state(self) -> F8:
        """A copy of the whole state."""
        return self._state.copy()

    def load(self, state: F8) -> None:
        """Go on from a state, bit for bit.

        Raises
        ------
        StateError
            If it is of another window, number of components or level.
        """
        if state.shape != self._state.shape or not np.array_equal(state[:3], self._state[:3]):
            raise StateError(
                f"the state of shape {state.shape} is not of this window, components and level; take the right one"
            )
        self._state = np.array(state, np.float64)
