"""What quotes and trades leave to each bar: the book at its end, flows summed, means weighted by quantity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel


@kernel
def fold_book_at_ends(
    is_end: NDArray[np.bool_],
    state: NDArray[np.float64],
    flow: NDArray[np.float64],
    newest: NDArray[np.float64],
    since: NDArray[np.float64],
    states: NDArray[np.float64],
    flows: NDArray[np.float64],
) -> int:
    """Fold rows in time order, each a quote or a bar's end. O(rows x columns).

    Parameters
    ----------
    is_end
        (rows,) True: a bar ends behind the rows before; its `state` and `flow` say nothing.
    state
        (rows, s) of the book from this quote on.
    flow
        (rows, f) that this quote brought; NaN: none.
    newest, since
        (s,) and (f,), all NaN at first, kept between calls: the newest state, flows since the last end.
    states, flows
        (ends, s) and (ends, f), filled from 0; NaN where no quote came before.

    Returns
    -------
    ends
        How many were told.
    """
    n = 0
    for i in range(len(is_end)):
        if is_end[i]:
            for j in range(len(newest)):
                states[n, j] = newest[j]
            for j in range(len(since)):
                flows[n, j] = since[j]
                since[j] = np.nan if np.isnan(since[j]) else 0.0
            n += 1
            continue
        for j in range(len(newest)):
            newest[j] = state[i, j]
        for j in range(len(since)):
            since[j] = (0.0 if np.isnan(since[j]) else since[j]) + (0.0 if np.isnan(flow[i, j]) else flow[i, j])
    return n


@kernel
def fold_bar_means(
    values: NDArray[np.float64],
    weight: NDArray[np.float64],
    closes: NDArray[np.bool_],
    memory: NDArray[np.float64],
    means: NDArray[np.float64],
) -> int:
    """Fold trades into weighted means of each bar. O(trades x columns).

    Parameters
    ----------
    values
        (trades, columns); NaN: left out of its column's mean.
    weight
        (trades,) above 0.
    closes
        (trades,) True for a bar's last trade.
    memory
        (2, columns), zero at first, kept between calls: sums of the bar under way, and of its weights.
    means
        (bars, columns), filled from 0; NaN where a bar has no value.

    Returns
    -------
    bars
        How many were told.
    """
    n = 0
    for i in range(len(weight)):
        for j in range(values.shape[1]):
            if not np.isnan(values[i, j]):
                memory[0, j] += weight[i] * values[i, j]
                memory[1, j] += weight[i]
        if closes[i]:
            for j in range(values.shape[1]):
                means[n, j] = memory[0, j] / memory[1, j] if memory[1, j] > 0.0 else np.nan
                memory[0, j] = 0.0
                memory[1, j] = 0.0
            n += 1
    return n
