"""Trades folded into bars of time or volume."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

# Columns of `bars`, and what `memory` holds of the bar under way; then its last price and the size of its last return.
OPEN, HIGH, LOW, CLOSE, VOLUME, TURNOVER, SIGNED, AREA, SPAN, VARIANCE, BIPOWER, N_BAR = range(12)
LAST_RETURN, N_MEMORY = 12, 13
# Columns of `spans`, and what `places` holds: bar (or its start), last trade's time, trades; 0 trades: none yet.
BAR, LAST_NS, TRADES, N_SPAN = range(4)


@kernel
def fold_bars(
    time_ns: NDArray[np.int64],
    price: NDArray[np.float64],
    qty: NDArray[np.float64],
    sign: NDArray[np.float64],
    period_ns: int,
    size: float,
    memory: NDArray[np.float64],
    places: NDArray[np.int64],
    bars: NDArray[np.float64],
    spans: NDArray[np.int64],
) -> int:
    """Fold trades; a bar is told when it is over. O(trades).

    A return belongs to the bar in which it ends, and a product of neighbouring returns to the later one's, so that
    variances of bars add up to that of the day. A price holds until the next: AREA over SPAN (ns) is the bar's
    time-weighted price.

    Parameters
    ----------
    time_ns, price, qty, sign
        (trades,) in time order; sign is +1 of what was bought, -1 sold, 0 or NaN where it is not known.
    period_ns
        Bars of time start at its multiples; 0: bars of volume.
    size
        A bar of volume is over with the trade that brings it to this.
    memory, places
        (N_MEMORY,) and (N_SPAN,), zero at first; kept between calls.
    bars, spans
        As long as there are trades, filled from 0. VARIANCE is the sum of squared log returns, BIPOWER pi / 2 times
        the sum of products of neighbouring ones' sizes (Barndorff-Nielsen and Shephard, "Power and bipower variation
        with stochastic volatility and jumps", 2004); NaN where a price is not above 0.

    Returns
    -------
    n
        Bars told.
    """
    n = 0
    for i in range(len(time_ns)):
        bar = time_ns[i] // period_ns if period_ns > 0 else places[BAR]
        if places[TRADES] > 0 and bar != places[BAR]:
            close_bar(period_ns, memory, places, bars, spans, n)
            n += 1
        first = places[TRADES] == 0
        known = places[LAST_NS] != 0  # a trade came before
        step = math.log(price[i] / memory[CLOSE]) if known and price[i] > 0 and memory[CLOSE] > 0 else np.nan
        if known:
            since = max(places[LAST_NS], bar * period_ns) if period_ns > 0 else places[LAST_NS]
            memory[AREA] += memory[CLOSE] * (time_ns[i] - since)
            memory[SPAN] += time_ns[i] - since
            memory[VARIANCE] += step * step
            memory[BIPOWER] += math.pi / 2.0 * abs(step) * memory[LAST_RETURN]
        memory[LAST_RETURN] = abs(step) if known else 0.0
        memory[HIGH] = price[i] if first else max(memory[HIGH], price[i])
        memory[LOW] = price[i] if first else min(memory[LOW], price[i])
        if first:
            memory[OPEN] = price[i]
        memory[CLOSE] = price[i]
        memory[VOLUME] += qty[i]
        memory[TURNOVER] += price[i] * qty[i]
        memory[SIGNED] += sign[i] * qty[i]
        places[BAR], places[LAST_NS] = bar, time_ns[i]
        places[TRADES] += 1
        if period_ns == 0 and memory[VOLUME] >= size:
            close_bar(period_ns, memory, places, bars, spans, n)
            n += 1
    return n


@kernel
def close_bar(
    period_ns: int,
    memory: NDArray[np.float64],
    places: NDArray[np.int64],
    bars: NDArray[np.float64],
    spans: NDArray[np.int64],
    n: int,
) -> None:
    """Tell the bar under way as row `n` of `bars` and `spans`, and start anew behind it; O(1), arguments as above.

    Parameters
    ----------
    period_ns, memory, places, bars, spans
        As `fold_bars`; there is a trade in the bar.
    n
        The row.
    """
    if period_ns > 0:
        rest = (places[BAR] + 1) * period_ns - places[LAST_NS]
        memory[AREA] += memory[CLOSE] * rest
        memory[SPAN] += rest
    for j in range(N_BAR):
        bars[n, j] = memory[j]
    for j in range(N_SPAN):
        spans[n, j] = places[j]
    memory[VOLUME:N_BAR] = 0.0
    places[TRADES] = 0
    if period_ns == 0:
        places[BAR] += 1
