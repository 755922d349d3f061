"""Expected shortfall of a window by count or by time, at several levels, weighted by age: the whole window is sorted.

Where nothing is weighted, figures have the bits of `es_var` on the same values. A window of one level without weights
is `rolling_es`'s, which keeps the tail alone and is faster.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.expected_shortfall import es_of_worst, tail_mass
from qflib.kernels.jit import inlined, kernel

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

# Places in the state, whole numbers by its int64 view: values it has room for, the most that count, the span of time
# that counts (0: all), how many there are, the next slot of the ring, the newest time, and the number of levels; as
# floats the logarithm of a weight's decay in a unit of time, and the weight of all. Then levels, sorted values and
# their times, ring of values and times.
_ROOM, _MOST, _SPAN, _N, _SLOT, _NOW, _LEVELS, _RATE, _TOTAL, _HEAD = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9

#: A remainder of the tail's mass this small is what rounding left of a tail that ends between two observations.
_NOTHING: Final = 1e-14

TAKEN, FULL, EARLIER = -1, -2, -3


@kernel
def window_state(room: int, most: int, span: int, rate: float, levels: F8) -> F8:
    """The state of an empty window, a float64 array: copy it to snapshot, use the copy to restore.

    Parameters
    ----------
    room
        Values that it can hold; `grown` makes more.
    most
        Values that count; `room` must be as many, unless `span` bounds them.
    span
        Units of time that count; 0: no bound.
    rate
        Logarithm of how a weight decays in one unit of time, 0 or below.
    levels
        (n,) confidences in (0, 1).
    """
    n = len(levels)
    state = np.zeros(_HEAD + n + 4 * room)
    ints = state.view(np.int64)
    ints[_ROOM], ints[_MOST], ints[_SPAN], ints[_LEVELS] = room, most, span, n
    ints[_NOW] = np.iinfo(np.int64).min
    state[_RATE] = rate
    state[_HEAD : _HEAD + n] = levels
    return state


@inlined
def _parts(state: F8) -> Any:
    """Sorted values and their times, ring of values and times."""
    ints = state.view(np.int64)
    room, at = ints[_ROOM], _HEAD + ints[_LEVELS]
    return (
        state[at : at + room],
        ints[at + room : at + 2 * room],
        state[at + 2 * room : at + 3 * room],
        ints[at + 3 * room : at + 4 * room],
    )


@kernel
def grown(state: F8, room: int) -> F8:
    """The same window with room for more values."""
    ints = state.view(np.int64)
    n_levels, n, had = ints[_LEVELS], ints[_N], ints[_ROOM]
    out = window_state(room, ints[_MOST], ints[_SPAN], state[_RATE], state[_HEAD : _HEAD + n_levels])
    new = out.view(np.int64)
    new[_N], new[_SLOT], new[_NOW], out[_TOTAL] = n, n % room, ints[_NOW], state[_TOTAL]
    values, times, ring, when = _parts(state)
    to_values, to_times, to_ring, to_when = _parts(out)
    to_values[:n] = values[:n]
    to_times[:n] = times[:n]
    first = ints[_SLOT] - n
    for i in range(n):
        j = first + i + (had if first + i < 0 else 0)
        to_ring[i], to_when[i] = ring[j], when[j]
    return out


@kernel
def _below(values: F8, n: int, x: float, equals: bool) -> int:
    """How many of values[:n] are below x, or equal to it too."""
    low, high = 0, n
    while low < high:
        mid = (low + high) >> 1
        if values[mid] < x or (equals and values[mid] == x):
            low = mid + 1
        else:
            high = mid
    return low


@kernel
def window_roll(state: F8, pnl: F8, times: I8, es: F8, var: F8) -> tuple[int, int]:
    """Take P&L in one by one, what is too old or too many out; the figures of what is held after each.

    Parameters
    ----------
    state
        Of `window_state`; changed.
    pnl
        (n,) gains positive. A NaN is no outcome: the state stays, and the figures of that step are NaN.
    times
        (n,) of the values, never falling: nanoseconds, or numbers where only their count matters.
    es, var
        (n, levels) filled: positive losses. Without weights by the rule of `es_var`; with them after Rockafellar and
        Uryasev (2002), Proposition 8, weights exp(rate · age).

    Returns
    -------
    reason, n
        `TAKEN` and all of them; `FULL` or `EARLIER` and how many were taken before one had no room, or a time before
        its former.

    Notes
    -----
    O(window) a step, of which some bytes are moved: 0.1 to 0.3 ns a value held.
    """
    ints = state.view(np.int64)
    most, span, rate, n_levels = ints[_MOST], ints[_SPAN], state[_RATE], ints[_LEVELS]
    room, n, slot, now = ints[_ROOM], ints[_N], ints[_SLOT], ints[_NOW]
    values, born, ring, when = _parts(state)
    total, reason, taken = state[_TOTAL], TAKEN, 0
    for i in range(len(pnl)):
        x, t = pnl[i], times[i]
        if np.isnan(x):
            es[i, :] = np.nan
            var[i, :] = np.nan
            taken += 1
            continue
        if t < now:
            reason = EARLIER
            break
        total *= math.exp(rate * (t - now)) if n > 0 else 0.0
        while n > 0:
            first = slot - n + (room if slot < n else 0)
            if n < most and (span == 0 or when[first] > t - span):
                break
            at = _below(values, n, ring[first], False)  # the oldest of its equals is their first
            for j in range(at, n - 1):
                values[j] = values[j + 1]
                born[j] = born[j + 1]
            total -= math.exp(rate * (t - when[first]))
            n -= 1
        now = t
        if n == room:
            reason = FULL
            break
        at = _below(values, n, x, True)
        for j in range(n, at, -1):
            values[j] = values[j - 1]
            born[j] = born[j - 1]
        values[at], born[at] = x, t
        ring[slot], when[slot] = x, t
        n += 1
        total += 1.0
        slot += 1
        if slot == room:
            slot = 0
        if slot == 0 or n == 1:  # what rounding has left in the sum goes
            total = 0.0
            first = slot - n + (room if slot < n else 0)
            for j in range(n):
                k = first + j - (room if first + j >= room else 0)
                total += math.exp(rate * (t - when[k]))
        for c in range(n_levels):
            level = state[_HEAD + c]
            if rate == 0.0:
                mass = tail_mass(n, level)
                es[i, c] = es_of_worst(values, mass)
                var[i, c] = 0.0 - values[math.ceil(mass) - 1]
            else:
                es[i, c], var[i, c] = _weighted(values, born, n, rate, t, (1.0 - level) * total, _NOTHING * total)
        taken += 1
    ints[_N], ints[_SLOT], ints[_NOW], state[_TOTAL] = n, slot, now, total
    return reason, taken


@kernel
def _weighted(values: F8, born: I8, n: int, rate: float, now: int, mass: float, nothing: float) -> tuple[float, float]:
    """ES and VaR of the lowest values that weigh `mass`."""
    total = weight = 0.0
    last = 0
    for j in range(n):
        w = min(math.exp(rate * (now - born[j])), mass - weight)
        if w < nothing:
            if mass - weight < nothing:
                break
            continue  # too old to count
        total += w * values[j]
        weight += w
        last = j
    return 0.0 - total / weight, 0.0 - values[last]


@kernel
def held(state: F8) -> tuple[int, int]:
    """How many values the window holds, and the newest time; of an empty one the least there is."""
    ints = state.view(np.int64)
    return ints[_N], ints[_NOW]


@kernel
def same_window(a: F8, b: F8) -> bool:
    """Whether two states are of one window: what counts, weights and levels; a's shape must be right for it."""
    if len(a) <= _HEAD:
        return False
    x, y = a.view(np.int64), b.view(np.int64)
    n = y[_LEVELS]
    if x[_MOST] != y[_MOST] or x[_SPAN] != y[_SPAN] or x[_LEVELS] != n or a[_RATE] != b[_RATE]:
        return False
    if x[_ROOM] < 1 or len(a) != _HEAD + n + 4 * x[_ROOM] or not 0 <= x[_N] <= x[_ROOM] > x[_SLOT] >= 0:
        return False
    return np.array_equal(a[_HEAD : _HEAD + n], b[_HEAD : _HEAD + n])
