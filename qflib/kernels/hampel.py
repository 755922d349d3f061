"""How far a value lies from the values before it, by their median and median absolute deviation, in a moving window.

The Hampel identifier: half the window may be wrong without moving the yardstick. Hampel (1974), "The influence curve
and its role in robust estimation", JASA 69; Davies and Gather (1993), "The identification of multiple outliers", JASA
88, section 2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel, lean_kernel

F8 = NDArray[np.float64]

#: A normal law's standard deviation over its median absolute deviation.
SIGMA_A_MAD: Final = 1.482602218505602
_SEEN: Final = 0  # then the window in order of time, then the same values in order of size


def hampel_state(streams: int, window: int) -> F8:
    """States of empty streams, a row each: copy them to snapshot, use the copy to restore.

    Parameters
    ----------
    streams
        Rows.
    window
        Values that a new one is held against.
    """
    return np.zeros((streams, 1 + 2 * window))


@lean_kernel
def _rank(ordered: F8, n: int, value: float) -> int:
    """The first place whose value is not below `value`."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@lean_kernel
def _deviation(ordered: F8, n: int, median: float) -> float:
    """Median of the distances from the median: the two runs away from it, merged up to their middle."""
    right = _rank(ordered, n, median)
    left = right - 1
    before = now = 0.0
    for _ in range(n // 2 + 1):
        before = now
        near_left = median - ordered[left] if left >= 0 else np.inf
        near_right = ordered[right] - median if right < n else np.inf
        if near_left <= near_right:
            now = near_left
            left -= 1
        else:
            now = near_right
            right += 1
    return now if n % 2 else (before + now) / 2


@lean_kernel
def _push(state: F8, window: int, value: float) -> None:
    """Take a value in; the oldest of a full window goes."""
    seen = int(state[_SEEN])
    place = 1 + seen % window
    ordered = state[1 + window :]
    n = min(seen, window)
    if seen >= window:
        gone = _rank(ordered, n, state[place])
        for k in range(gone, n - 1):
            ordered[k] = ordered[k + 1]
        n -= 1
    at = _rank(ordered, n, value)
    for k in range(n, at, -1):
        ordered[k] = ordered[k - 1]
    ordered[at] = value
    state[place] = value
    state[_SEEN] = seen + 1


@kernel
def hampel_scores(states: F8, rows: NDArray[np.int64], values: F8, least: int, floors: F8, out: F8) -> None:
    """Scores of values against those before them in their streams; then they are taken in.

    Parameters
    ----------
    states
        Of `hampel_state`; changed.
    rows
        The stream of each value.
    values
        One that is not finite has no score and is not taken in.
    least
        Values that a stream must have seen before one has a score.
    floors
        The least standard deviation of each value, in its unit: a window that agrees has none of its own.
    out
        (value − median) / (1.4826 MAD), the floor where that is larger; NaN where there is none. Filled.

    Notes
    -----
    O(window) a value, of which the search is O(log window). A score does not depend on where batches are cut.
    """
    window = (states.shape[1] - 1) // 2
    for k in range(len(values)):
        value, state = values[k], states[rows[k]]
        out[k] = np.nan
        if not np.isfinite(value):
            continue
        n = min(int(state[_SEEN]), window)
        if n >= max(least, 1):
            ordered = state[1 + window :]
            median = ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2
            scale = max(SIGMA_A_MAD * _deviation(ordered, n, median), floors[k])
            away = value - median
            out[k] = away / scale if scale > 0.0 else (0.0 if away == 0.0 else np.copysign(np.inf, away))
        _push(state, window, value)
