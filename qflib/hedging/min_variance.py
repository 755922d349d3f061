"""The minimum-variance delta, learning as moves come and judged by each before it learns it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.neutral import MinVarianceDelta
from qflib.kernels.min_variance import ADJUSTED, MOVES, PLAIN, SUMS, learn_moves

F8 = NDArray[np.float64]


class OnlineMinVariance:
    """`MinVarianceDelta` fitted by recursive least squares.

    Parameters
    ----------
    forgetting
        Weight of earlier moves at each update, above 0 to 1; 1: all weigh alike, and the fit is that of
        `MinVarianceDelta.fit` over all of them.

    Raises
    ------
    InputError
        If forgetting is out of range.

    Notes
    -----
    The normal equations are summed: an update costs O(rows), whatever came before. The gain is one step ahead: each
    update's rows are predicted by the coefficients of before it. Source: Hull and White 2017, equation 5.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.hedging import OnlineMinVariance
    >>> online, rng = OnlineMinVariance(), np.random.default_rng(1)
    >>> for _ in range(50):
    ...     delta, vega, move = rng.uniform(0.1, 0.9, 4), rng.uniform(10, 30, 4), rng.normal(size=4)
    ...     change = delta * move - 0.2 * vega * move / 100 + rng.normal(0, 0.01, 4)
    ...     online.update(delta=delta, vega=vega, spot=100.0, years=1.0, change=change, spot_change=move)
    >>> online.model.used, bool(abs(online.model.a + 0.2) < 0.05), online.n
    (True, True, 200)
    """

    def __init__(self, forgetting: float = 1.0) -> None:
        if not 0.0 < forgetting <= 1.0:
            raise InputError(f"forgetting is {forgetting}; expected a weight above 0 and up to 1")
        self.forgetting = forgetting
        self._sums, self._coefficients = np.zeros(len(SUMS)), np.zeros(3)

    def update(self, *, delta: Any, vega: Any, spot: Any, years: Any, change: Any, spot_change: Any) -> None:
        """Judge the fit by the moves of one instant, then fit them too.

        Parameters
        ----------
        delta, vega, spot, years
            Before the move: numbers, or arrays of one length. Delta and vega are per 1.00.
        change, spot_change
            Of the option and of the underlying.

        Raises
        ------
        InputError
            If a figure is not finite, or a spot or time not positive.
        """
        rows = np.broadcast_arrays(*(np.atleast_1d(a) for a in (delta, vega, spot, years, change, spot_change)))
        columns = [np.ascontiguousarray(a, np.float64) for a in rows]
        if not all(np.isfinite(a).all() for a in columns) or (columns[2] <= 0).any() or (columns[3] <= 0).any():
            raise InputError(
                "a move has a figure that is not finite, or a spot or years that is not positive; leave it out"
            )
        d, v, s, t, c, ds = columns
        learn_moves(d, v, s, t, c, ds, self.forgetting, self._sums, self._coefficients)

    @property
    def n(self) -> float:
        """Moves learnt; with forgetting, their weight."""
        n = float(self._sums[MOVES])
        return int(n) if n.is_integer() else n

    @property
    def gain(self) -> float:
        """1 - squares of what the adjusted delta left, one step ahead, over those of the Black–Scholes delta."""
        plain = float(self._sums[PLAIN])
        return 1.0 - float(self._sums[ADJUSTED]) / plain if plain > 0.0 else float("nan")

    @property
    def model(self) -> MinVarianceDelta:
        """The fit as it stands: `used` where the gain one step ahead is positive."""
        s, (a, b, c) = self._sums, self._coefficients.tolist()
        uu = float(s[SUMS.index("uu")])
        explained = sum(x * float(s[SUMS.index(k)]) for x, k in zip((a, b, c), ("xu", "yu", "zu"), strict=True))
        return MinVarianceDelta(a, b, c, explained / uu if uu > 0.0 else float("nan"), self.gain, int(self.n))

    def state(self) -> F8:
        """Everything learnt, from which `load` goes on bit for bit."""
        return np.concatenate([self._sums, self._coefficients])

    def load(self, state: F8) -> None:
        """Go on from a state."""
        self._sums, self._coefficients = state[: len(SUMS)].copy(), state[len(SUMS) :].copy()
