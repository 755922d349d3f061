"""The Markov chain of imbalance and spread behind the micro-price: its transitions counted, its limit applied.

Stoikov, "The micro-price: a high-frequency estimator of future prices", Quantitative Finance 18(12), 2018.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel


@kernel
def state_of(bid: float, ask: float, bid_qty: float, ask_qty: float, tick: float, buckets: int, spreads: int) -> int:
    """The state (spread - 1) * buckets + bucket of bid_qty / (bid_qty + ask_qty); -1: outside the chain. O(1).

    With the sides exchanged, bucket i is buckets - 1 - i, on the edges of buckets too.

    Parameters
    ----------
    bid, ask, bid_qty, ask_qty
        The best quotes; quantities of 0 or NaN prices are outside.
    tick
        The price step that spreads are counted in.
    buckets, spreads
        How many of each the chain has; buckets are odd, so that equal queues are in the middle one.
    """
    if not (bid_qty > 0.0 and ask_qty > 0.0 and ask > bid):
        return -1
    spread = math.floor((ask - bid) / tick + 0.5)
    if spread < 1 or spread > spreads:
        return -1
    bucket = int(buckets * min(bid_qty, ask_qty) / (bid_qty + ask_qty))
    if bid_qty > ask_qty:
        bucket = buckets - 1 - bucket
    return int((spread - 1) * buckets + bucket)


@kernel
def count_transitions(
    bid: NDArray[np.float64],
    ask: NDArray[np.float64],
    bid_qty: NDArray[np.float64],
    ask_qty: NDArray[np.float64],
    tick: float,
    buckets: int,
    spreads: int,
    memory: NDArray[np.int64],
    still: NDArray[np.int64],
    moved: NDArray[np.int64],
    jumps: NDArray[np.int64],
) -> None:
    """Count transitions between successive rows, each with its mirror image, as the paper has it. O(rows).

    The mirror image has the sides exchanged: bucket i becomes buckets - 1 - i, and the mid moves the other way. A row
    outside the chain breaks it.

    Parameters
    ----------
    bid, ask, bid_qty, ask_qty
        (rows,) best quotes.
    tick, buckets, spreads
        As `state_of`.
    memory
        (2,) the last row's state, -1 at first, and its mid in half ticks; kept between calls.
    still, moved
        (states, states) added to: transitions at which the mid stood, and moved.
    jumps
        (states,) added to: half ticks the mid moved by, from each state.
    """
    for n in range(len(bid)):
        now = state_of(bid[n], ask[n], bid_qty[n], ask_qty[n], tick, buckets, spreads)
        mid = np.int64(math.floor((bid[n] + ask[n]) / tick + 0.5)) if now >= 0 else np.int64(0)
        was = memory[0]
        if was >= 0 and now >= 0:
            jump = mid - memory[1]
            mirror_was = was + buckets - 1 - 2 * (was % buckets)
            mirror_now = now + buckets - 1 - 2 * (now % buckets)
            if jump == 0:
                still[was, now] += 1
                still[mirror_was, mirror_now] += 1
            else:
                moved[was, now] += 1
                moved[mirror_was, mirror_now] += 1
                jumps[was] += jump
                jumps[mirror_was] -= jump
        memory[0], memory[1] = now, mid


@kernel
def adjusted(
    bid: NDArray[np.float64],
    ask: NDArray[np.float64],
    bid_qty: NDArray[np.float64],
    ask_qty: NDArray[np.float64],
    tick: float,
    buckets: int,
    adjustment: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write mid + G*(imbalance, spread); NaN outside the chain. O(rows).

    Parameters
    ----------
    bid, ask, bid_qty, ask_qty
        (rows,) best quotes.
    tick, buckets
        As `state_of`.
    adjustment
        (states,) G*, in the price's unit.
    out
        (rows,) the micro-price.
    """
    spreads = len(adjustment) // buckets
    for n in range(len(bid)):
        state = state_of(bid[n], ask[n], bid_qty[n], ask_qty[n], tick, buckets, spreads)
        out[n] = (bid[n] + ask[n]) / 2.0 + adjustment[state] if state >= 0 else np.nan
