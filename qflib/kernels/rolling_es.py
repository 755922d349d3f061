"""Expected shortfall over a sliding window: exact at every step, with the state in one array.

The window's lowest values are kept sorted, with some slack; the sum of the tail is taken anew, from the worst inward,
whenever the tail changed. So nothing drifts, and a figure has the bits of `es_var` on the same window.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.expected_shortfall import es_of_worst, tail_mass, worst
from qflib.kernels.jit import kernel

F8 = NDArray[np.float64]

# Places in the state: window, level, values seen so far (the window at most), the next slot of the ring, length of the
# sorted tail, its capacity, the figures of now; then the sorted tail, then the ring.
_WINDOW, _LEVEL, _N, _SLOT, _SIZE, _CAPACITY, _ES, _VAR, _TAIL = 0, 1, 2, 3, 4, 5, 6, 7, 8

#: Spare values of the sorted tail: how many losses may leave the window before the tail is selected again.
_SLACK = 32


@kernel
def es_state(window: int, level: float) -> F8:
    """The state of an empty window, a float64 array: copy it to snapshot, use the copy to restore.

    Parameters
    ----------
    window
        Values that count, 1 or more.
    level
        Confidence in (0, 1).
    """
    capacity = min(window, math.ceil(tail_mass(window, level)) + _SLACK)
    state = np.zeros(_TAIL + capacity + window)
    state[_WINDOW] = window
    state[_LEVEL] = level
    state[_CAPACITY] = capacity
    state[_ES] = np.nan
    state[_VAR] = np.nan
    return state


@kernel
def _find(tail: F8, size: int, x: float) -> int:
    """First place of tail[:size] whose value is x or above."""
    lo, hi = 0, size
    while lo < hi:
        mid = (lo + hi) >> 1
        if tail[mid] < x:
            lo = mid + 1
        else:
            hi = mid
    return lo


@kernel
def es_update(state: F8, x: float) -> tuple[float, float]:
    """Take one P&L in, the oldest out of a full window; give ES and VaR of what the window now holds.

    Parameters
    ----------
    state
        Of `es_state`; changed.
    x
        P&L, gains positive. A NaN is no outcome: the state stays and NaN is returned.

    Returns
    -------
    (es, var)
        Positive losses, by the rule of `es_var`, over the values seen so far, the window at most.

    Notes
    -----
    O(k) where the tail changes, k = ⌈window (1 − level)⌉; O(1) where it does not; O(window) when more losses left the
    window than the slack holds, and the tail is selected again.
    """
    if np.isnan(x):
        return np.nan, np.nan
    window, n, slot = int(state[_WINDOW]), int(state[_N]), int(state[_SLOT])
    size, capacity = int(state[_SIZE]), int(state[_CAPACITY])
    tail = state[_TAIL : _TAIL + capacity]
    ring = state[_TAIL + capacity :]
    first_changed = capacity
    old = ring[slot]
    if n == window and old == x:
        ring[slot] = x
        state[_SLOT] = slot + 1 if slot + 1 < window else 0
        return state[_ES], state[_VAR]
    if n == window and size > 0 and old <= tail[size - 1]:
        at = _find(tail, size, old)
        for i in range(at, size - 1):
            tail[i] = tail[i + 1]
        size -= 1
        first_changed = at
    others = n - 1 if n == window else n
    ring[slot] = x
    state[_SLOT] = slot + 1 if slot + 1 < window else 0
    if size == others or (size > 0 and x < tail[size - 1]):
        # The tail holds the whole window, or x is below a value of it: else nothing is known of x's place.
        at = _find(tail, size, x)
        if at < capacity:
            size = min(size + 1, capacity)
            for i in range(size - 1, at, -1):
                tail[i] = tail[i - 1]
            tail[at] = x
            first_changed = min(first_changed, at)
    if n < window:
        n += 1
        state[_N] = n
        first_changed = 0  # the tail's mass grew
    mass = tail_mass(n, state[_LEVEL])
    k = math.ceil(mass)
    if size < k:
        work = np.empty(n)
        size = min(capacity, n)
        worst(ring[:n], size, work)
        tail[:size] = work[:size]
        first_changed = 0
    state[_SIZE] = size
    if first_changed < k:
        state[_ES] = es_of_worst(tail, mass)
        state[_VAR] = 0.0 - tail[k - 1]
    return state[_ES], state[_VAR]


@kernel
def es_roll(state: F8, pnl: F8, es: F8, var: F8) -> None:
    """`es_update` of each value in order; es and var are (n,), filled."""
    for i in range(pnl.shape[0]):
        es[i], var[i] = es_update(state, pnl[i])
