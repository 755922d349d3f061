"""Stoikov's micro-price: where the mid ends up, given the imbalance and the spread now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.kernels import micro_price_chain as chain
from qflib.orderbook.columns import F8, positive, quotes_of
from qflib.orderbook.result import Result

_TOLERANCE = 1e-10  # of a tick, where the sum of moves of the mid stops
_MOST_MOVES = 10_000


@dataclass(frozen=True, eq=False)
class MicroPrice(Result):
    """G*(imbalance, spread): what the mid is expected to move by, in the end.

    Attributes
    ----------
    adjustment
        (spreads, buckets) in the price's unit; antisymmetric in the buckets. 0 where a state was never left.
    visits
        (spreads, buckets) transitions seen from each state, with mirror images.
    tick
        The price step.

    Notes
    -----
    Stoikov, "The micro-price: a high-frequency estimator of future prices", Quantitative Finance 18(12), 2018: of the
    chain of (bucket of bid_qty / (bid_qty + ask_qty), spread), Q moves with the mid at rest, T when it moves, and
    G* = G1 + B G1 + B^2 G1 + ..., G1 = (I - Q)^-1 R K, B = (I - Q)^-1 T: his definition of the micro-price, the limit
    of the mids expected after the next moves, and his theorem that it is this sum. Data are made symmetric as he does,
    each transition with its mirror image. It is a martingale, unlike mid and weighted mid. Quotes of a state without
    observations, or beyond the widest spread, have none.

    Transitions are counted row by row, in whole numbers (`qflib.kernels.micro_price_chain`): the fit is the same to the
    bit wherever batches are cut.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import MicroPrice
    >>> top = pd.DataFrame({"bid": [99, 99, 100, 100, 99, 99.0], "ask": [100, 100, 101, 101, 100, 100.0],
    ...                     "bid_qty": [1, 9, 5, 1, 9, 1.0], "ask_qty": [9, 1, 5, 9, 1, 9.0]})
    >>> made = MicroPrice.fit(top, tick=1.0, buckets=3, spreads=1)
    >>> made.adjustment.round(3).tolist()
    [[-0.286, -0.0, 0.286]]
    >>> made.apply(top).round(3).tolist()[:3]
    [99.214, 99.786, 100.5]
    """

    adjustment: F8
    visits: F8
    tick: float

    @classmethod
    def fit(cls, frame: pd.DataFrame, tick: float, buckets: int = 11, spreads: int = 2) -> MicroPrice:
        """Fit to successive quotes.

        Parameters
        ----------
        frame
            Columns bid, ask, bid_qty, ask_qty in time order: as `OrderBook.replay(feed, sample="event")` gives them.
        tick
            The price step.
        buckets
            Of the imbalance, of equal width, an odd number: equal queues are in the middle one.
        spreads
            Quotes up to so many ticks wide are of the chain; wider ones break it.

        Raises
        ------
        InputError
            If a column or argument is none of these.
        DataError
            If the mid never moves from some states, so that there is no limit.
        """
        tick = positive(tick, "tick")
        if buckets < 1 or spreads < 1 or buckets % 2 == 0:
            raise InputError(f"buckets={buckets} and spreads={spreads}; give 1 or more of each, and odd buckets")
        size = buckets * spreads
        bid, ask, bid_qty, ask_qty = quotes_of(frame)
        still, moved = np.zeros((size, size), np.int64), np.zeros((size, size), np.int64)
        jumps = np.zeros(size, np.int64)
        chain.count_transitions(
            bid, ask, bid_qty, ask_qty, tick, buckets, spreads, np.array([-1, 0]), still, moved, jumps
        )
        visits = still.sum(1) + moved.sum(1)
        adjustment = _limit(still, moved, jumps, visits) * tick / 2
        return cls(adjustment.reshape(spreads, buckets), visits.reshape(spreads, buckets).astype(float), tick)

    def apply(self, frame: pd.DataFrame) -> pd.Series[float]:
        """The micro-price of each row; NaN where a side is empty or the spread beyond the chain. O(rows).

        Raises
        ------
        InputError
            If a column is missing or holds what it may not.
        """
        out = np.empty(len(frame))
        bid, ask, bid_qty, ask_qty = quotes_of(frame)
        chain.adjusted(
            bid, ask, bid_qty, ask_qty, self.tick, self.adjustment.shape[1],
            np.ascontiguousarray(self.adjustment.ravel()), out,
        )  # fmt: skip
        return pd.Series(out, frame.index, name="micro_price")

    def to_frame(self) -> pd.DataFrame:
        """A row a state: spread (ticks), imbalance (the bucket's middle), adjustment, visits."""
        spreads, buckets = self.adjustment.shape
        return pd.DataFrame(
            {
                "spread": np.repeat(np.arange(1, spreads + 1), buckets),
                "imbalance": np.tile((np.arange(buckets) + 0.5) / buckets, spreads),
                "adjustment": self.adjustment.ravel(),
                "visits": self.visits.ravel(),
            }
        )

    def plot(self) -> Any:
        """The adjustment over the imbalance, a spread a line."""
        import hvplot.pandas  # noqa: F401

        return self.to_frame().hvplot.line(
            x="imbalance", y="adjustment", by="spread", grid=True, width=700, height=360,
            xlabel="bid_qty / (bid_qty + ask_qty)", ylabel="micro-price - mid", title="Micro-price (Stoikov 2018)",
        )  # fmt: skip


def _limit(still: Any, moved: Any, jumps: Any, visits: Any) -> F8:
    """G* in half ticks."""
    seen = np.maximum(visits, 1).astype(float)
    q, t, jump = still / seen[:, None], moved / seen[:, None], jumps / seen
    try:
        inverse = np.linalg.inv(np.eye(len(seen)) - q)
    except np.linalg.LinAlgError:
        raise DataError("the mid does not move from some of the states; give a longer recording") from None
    step = inverse @ jump
    b = inverse @ t
    total = step.copy()
    for _ in range(_MOST_MOVES):
        step = b @ step
        total += step
        if np.abs(step).max() < _TOLERANCE:
            return np.asarray(total)
    raise DataError("the sum of the mid's moves does not converge; give a longer recording or fewer buckets")
