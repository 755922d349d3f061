"""The best queues as birth and death: which empties first, when, and at what rates orders come and go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.kernels import queue_changes as Q
from qflib.kernels.queue_race import up_probabilities
from qflib.orderbook.columns import duration_ns, positive, quotes_of, times_ns
from qflib.orderbook.result import Result

_LARGEST = 2_000  # orders in a queue: the quadrature needs nodes in proportion


def up_probability(bid: Any, ask: Any) -> Any:
    """Probability that the next move of the price is up, orders coming and going at equal rates.

    Parameters
    ----------
    bid, ask
        Queues in mean orders, whole numbers from 1 to 2,000; numbers or arrays.

    Returns
    -------
    probability
        That the ask's queue empties before the bid's.

    Raises
    ------
    InputError
        If a queue is none of these.

    Notes
    -----
    Cont and de Larrard, "Price dynamics in a Markovian limit order market", SIAM Journal on Financial Mathematics 4
    (2013), proposition 3, by Gauss and Legendre's quadrature to 1e-9. O(queues x longest queue). Shown by
    `QueueRates.plot`.

    Examples
    --------
    >>> from qflib.orderbook import up_probability
    >>> round(up_probability(3, 3), 12), round(up_probability(9, 1), 3)
    (0.5, 0.929)
    """
    shape = np.broadcast_shapes(np.shape(bid), np.shape(ask))
    n, p = (np.ascontiguousarray(np.broadcast_to(np.asarray(x, np.float64), shape)).ravel() for x in (bid, ask))
    for name, queue in (("bid", n), ("ask", p)):
        bad = ~((queue >= 1) & (queue <= _LARGEST) & (queue == np.floor(queue)))
        if bad.any():
            raise InputError(f"{name} is {queue[np.argmax(bad)]}; give whole orders from 1 to {_LARGEST:,}")
    longest = int(max(n.max(), p.max())) if n.size else 1
    nodes, weights = np.polynomial.legendre.leggauss(64 + 2 * longest)
    # Nodes squared: they crowd at 0, where the integrand of a long ask lives.
    out = up_probabilities(n, p, ((nodes + 1) / 2) ** 2, weights * (nodes + 1) / 2).reshape(shape)
    return float(out) if out.ndim == 0 else out


def depletion_probability(queue: int, horizon: float, arrival: float, departure: float) -> float:
    """Probability that a queue is empty at some time before a horizon.

    Parameters
    ----------
    queue
        Mean orders in it, 1 or more.
    horizon
        Seconds.
    arrival, departure
        Orders a second that come (limit orders), and that go (market orders and cancels).

    Raises
    ------
    InputError
        If an argument is not positive.

    Notes
    -----
    First passage of a birth-death process to 0: Cont and de Larrard (2013), proposition 1; its density is
    q / t (mu / lambda)^(q / 2) I_q(2 t sqrt(lambda mu)) exp(-t (lambda + mu)). O(evaluations of one integral).

    Examples
    --------
    >>> from qflib.orderbook import depletion_probability
    >>> round(depletion_probability(1, 1e6, arrival=2.0, departure=1.0), 4)
    0.5
    """
    from scipy.integrate import quad
    from scipy.special import ive

    horizon, come, go = positive(horizon, "horizon"), positive(arrival, "arrival"), positive(departure, "departure")
    if not (queue >= 1 and queue == int(queue)):
        raise InputError(f"queue is {queue}; give whole orders, 1 or more")
    q, root = int(queue), math.sqrt(come * go)
    drag = (math.sqrt(come) - math.sqrt(go)) ** 2

    def density(u: float) -> float:  # of log time
        t = math.exp(u)
        log = q / 2 * math.log(go / come) - drag * t
        return float(q * math.exp(log) * ive(q, 2 * t * root)) if log > -700 else 0.0

    middle = math.log(q / (come + go))
    top = math.log(horizon)
    low = min(top, middle) - 12
    edges = [low, *(x for x in (middle - 3, middle, middle + 3, middle + 8) if low < x < top), top]
    total = sum(quad(density, a, b, epsabs=1e-11, epsrel=1e-10, limit=200)[0] for a, b in pairwise(edges))
    return min(float(total), 1.0)


@dataclass(frozen=True, eq=False)
class QueueRates(Result):
    """How orders come to the best queues and leave them.

    Attributes
    ----------
    arrival, departure
        Mean orders a second and side.
    order_qty
        The mean order: the mean size of a change of a best queue at an unchanged price.
    seconds
        Observed.
    """

    arrival: float
    departure: float
    order_qty: float
    seconds: float

    def orders(self, qty: Any) -> Any:
        """Quantities as whole mean orders, 1 or more."""
        made = np.maximum(np.rint(np.asarray(qty, np.float64) / self.order_qty), 1.0)
        return int(made) if made.ndim == 0 else made.astype(np.int64)

    def depletion_probability(self, qty: float, horizon: str | pd.Timedelta) -> float:
        """Probability that a best queue of this quantity empties within a horizon."""
        seconds = duration_ns(horizon, "horizon") / 1e9
        return depletion_probability(self.orders(qty), seconds, self.arrival, self.departure)

    def up_probability(self, bid_qty: Any, ask_qty: Any) -> Any:
        """`up_probability` of best queues of these quantities, numbers or arrays."""
        return up_probability(self.orders(bid_qty), self.orders(ask_qty))

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        names = ("arrival", "departure", "order_qty", "seconds")
        return pd.DataFrame([{name: getattr(self, name) for name in names}])

    def plot(self) -> Any:
        """Probability of emptying over the horizon, for queues of 1 to 50 mean orders; of a move up, by both queues."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401

        # From a tenth to a hundred times an order's mean time.
        horizons = np.geomspace(0.1, 100, 25) / (self.arrival + self.departure)
        rows = [
            (h, q, depletion_probability(q, h, self.arrival, self.departure))
            for q in (1, 2, 5, 10, 50)
            for h in horizons
        ]
        frame = pd.DataFrame(rows, columns=["seconds", "orders", "probability"])
        empties = frame.hvplot.line(
            x="seconds", y="probability", by="orders", logx=True, grid=True, width=460, height=360,
            title="A best queue empties",
        )  # fmt: skip
        queue = np.arange(1, 21)
        up = hv.Image(
            (queue, queue, up_probability(*np.meshgrid(queue, queue))), ["bid queue", "ask queue"], "probability"
        ).opts(
            cmap="RdYlGn", clim=(0, 1), colorbar=True, clabel=" ", tools=["hover"], width=400, height=360,
            title="Next move up, by mean orders",
        )  # fmt: skip
        return hv.Layout([empties, up]).cols(2)


def fit_queue_rates(frame: pd.DataFrame) -> QueueRates:
    """Rates of the best queues, both sides together.

    Parameters
    ----------
    frame
        Columns bid, ask, bid_qty, ask_qty, a row a message, tz-aware: as `OrderBook.replay(feed, sample="event")` has.

    Returns
    -------
    QueueRates
        O(rows).

    Raises
    ------
    InputError
        If a column or the index is none of these.
    DataError
        If no order came, or none went, or no time passed.

    Notes
    -----
    Counts over time, as the rates lambda and theta + mu of Cont and de Larrard (2013) are estimated from: a queue that
    grew at its price, and one that shrank at it or emptied. Folded row by row (`qflib.kernels.queue_changes`): the same
    to the bit wherever batches are cut.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import fit_queue_rates
    >>> top = pd.DataFrame({"bid": 99.0, "ask": 100.0, "bid_qty": [3.0, 5.0, 1.0], "ask_qty": [4.0, 2.0, 2.0]},
    ...                    pd.date_range("2026-01-05T14:30Z", periods=3, freq="1s"))
    >>> made = fit_queue_rates(top)  # 2 came; 2 and 4 went, in 2 s, on two sides
    >>> round(made.order_qty, 3), round(made.arrival, 4), round(made.departure, 4)
    (2.667, 0.1875, 0.5625)
    """
    bid, ask, bid_qty, ask_qty = quotes_of(frame)
    time = times_ns(frame)
    memory, counts = np.zeros(Q.N_MEMORY), np.zeros(Q.N_COUNT, np.int64)
    Q.fold_queue_changes(time, bid, bid_qty, ask, ask_qty, memory, counts)
    come, go = int(counts[Q.CAME]), int(counts[Q.WENT])
    seconds = float(counts[Q.LAST_NS] - counts[Q.FIRST_NS]) / 1e9
    if not (come and go and seconds > 0):
        raise DataError(f"{come} orders came and {go} went in {seconds} s; give a longer recording")
    came, went = float(memory[Q.CAME_QTY]), float(memory[Q.WENT_QTY])
    size = (came + went) / (come + go)
    return QueueRates(came / size / seconds / 2, went / size / seconds / 2, size, seconds)
