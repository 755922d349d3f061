"""Expected shortfall over a sliding window: exact at every step, with the state in one array.

The window's lowest values are kept sorted, with slack: as many again as the tail holds, and up to twice. They lie with
room on both sides, so that one more or less moves the shorter part of them. Only when they run dry is the window
looked through again, and never within fewer steps than there is slack. The sum of the tail is taken anew, from the
worst inward, whenever the tail changed: nothing drifts, and a figure has the bits of `es_var` on the same window.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.expected_shortfall import es_of_worst, tail_mass, worst
from qflib.kernels.jit import inlined, kernel, short_kernel

F8 = NDArray[np.float64]

# Places in the state: window, level, values seen so far (the window at most), the next slot of the ring, where the
# sorted values begin and how many there are, the figures of now, a step's value and figures while it is made; then
# room for the sorted values, then the ring.
_WINDOW, _LEVEL, _N, _SLOT, _HEAD, _SIZE, _ES, _VAR, _ASKED, _ROOM = 0, 1, 2, 3, 4, 5, 6, 7, 8, 11

#: The least slack: how many losses may leave the window before it is looked through again.
_SLACK = 32


@kernel
def _bounds(window: int, level: float) -> tuple[int, int, int]:
    """How many values the tail needs, how many are selected, and how many are kept at most."""
    need = min(window, math.ceil(tail_mass(window, level)))
    slack = max(_SLACK, need)
    return need, min(window, need + slack), min(window, need + 2 * slack)


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
    _, _, most = _bounds(window, level)
    state = np.zeros(_ROOM + 2 * most + 2 + window)
    state[_WINDOW] = window
    state[_LEVEL] = level
    state[_HEAD] = most // 2 + 1
    state[_ES] = np.nan
    state[_VAR] = np.nan
    return state


@inlined
def _above(kept: F8, head: int, size: int, x: float) -> Any:
    """How many of kept[head : head + size] are x or below."""
    at, left = head, size
    while left > 0:
        half = (left + 1) >> 1
        at += half if kept[at + half - 1] <= x else 0
        left -= half
    return at - head


@kernel
def es_roll(state: F8, pnl: F8, es: F8, var: F8) -> None:
    """Take P&L in one by one, the oldest out of a full window; the figures of what it held after each.

    Parameters
    ----------
    state
        Of `es_state`; changed.
    pnl
        (n,) gains positive. A NaN is no outcome: the state stays, and the figures of that step are NaN.
    es, var
        (n,) filled: positive losses, by the rule of `es_var`, over the values seen so far, the window at most.

    Notes
    -----
    O(1) a step whose value and outgoing one lie beyond the kept ones, O(k) where one is among them, k = ⌈window (1 −
    level)⌉; O(window) at most once in k steps, or 32.
    """
    window, level = int(state[_WINDOW]), state[_LEVEL]
    n, slot = int(state[_N]), int(state[_SLOT])
    head, size = int(state[_HEAD]), int(state[_SIZE])
    now_es, now_var = state[_ES], state[_VAR]
    _, chosen, most = _bounds(window, level)
    length = 2 * most + 2
    kept, ring = state[_ROOM : _ROOM + length], state[_ROOM + length :]
    mass = tail_mass(n, level)
    k = math.ceil(mass)
    for i in range(len(pnl)):
        x = pnl[i]
        if np.isnan(x):
            es[i], var[i] = np.nan, np.nan
            continue
        full = n == window
        old = ring[slot]
        ring[slot] = x
        slot += 1
        if slot == window:
            slot = 0
        if full and old == x:
            es[i], var[i] = now_es, now_var
            continue
        changed = most
        if full and size > 0 and old <= kept[head + size - 1]:
            at = _above(kept, head, size, old) - 1  # the last of its equals: the tail may keep the others
            if at < size - 1 - at:
                for j in range(head + at, head, -1):
                    kept[j] = kept[j - 1]
                head += 1
            else:
                for j in range(head + at, head + size - 1):
                    kept[j] = kept[j + 1]
            size -= 1
            changed = at
        others = n - 1 if full else n
        if size == others or (size > 0 and x < kept[head + size - 1]):
            # they are the whole window, or x is below one of them: else nothing is known of its place
            at = _above(kept, head, size, x)
            if at < most:
                if size == most:
                    size -= 1  # the greatest is known no more
                if at <= size - at:
                    if head == 0:
                        head = _to_the_middle(kept, head, size, length)
                    head -= 1
                    for j in range(head, head + at):
                        kept[j] = kept[j + 1]
                else:
                    if head + size == length:
                        head = _to_the_middle(kept, head, size, length)
                    for j in range(head + size, head + at, -1):
                        kept[j] = kept[j - 1]
                kept[head + at] = x
                size += 1
                changed = min(changed, at)
        if not full:
            n += 1
            mass = tail_mass(n, level)
            k = math.ceil(mass)
            changed = 0  # the tail's mass grew
        if size < k:
            size = min(chosen, n)
            work = np.empty(n)
            worst(ring[:n], size, work)
            head = (length - size) >> 1
            kept[head : head + size] = work[:size]
            changed = 0
        if changed < k:
            now_es = es_of_worst(kept[head:], mass)
            now_var = 0.0 - kept[head + k - 1]
        es[i], var[i] = now_es, now_var
    state[_N], state[_SLOT], state[_HEAD], state[_SIZE], state[_ES], state[_VAR] = n, slot, head, size, now_es, now_var


@kernel
def _to_the_middle(kept: F8, head: int, size: int, length: int) -> int:
    """Move the sorted values to where there is room on both sides; where they begin then."""
    to = (length - size) >> 1
    if to < head:
        for j in range(size):
            kept[to + j] = kept[head + j]
    else:
        for j in range(size - 1, -1, -1):
            kept[to + j] = kept[head + j]
    return to


@short_kernel
def es_update(state: F8, x: float) -> tuple[float, float]:
    """One step of `es_roll`: ES and VaR of the window with `x` in it; NaN and nothing done where it is NaN."""
    state[_ASKED] = x
    es_roll(state, state[_ASKED : _ASKED + 1], state[_ASKED + 1 : _ASKED + 2], state[_ASKED + 2 : _ASKED + 3])
    es, var = state[_ASKED + 1], state[_ASKED + 2]
    state[_ASKED : _ASKED + 3] = 0.0
    return es, var


@kernel
def es_streams(states: F8, pnl: F8, es: F8, var: F8) -> None:
    """A step of many streams.

    Parameters
    ----------
    states
        (streams, m): a state of `es_state` a row, of one window and level; changed.
    pnl, es, var
        (streams,).
    """
    for i in range(len(states)):
        es_roll(states[i], pnl[i : i + 1], es[i : i + 1], var[i : i + 1])


def es_held(states: F8) -> NDArray[np.int64]:
    """Values in each window, (streams,), of states as `es_streams` takes them."""
    return states[:, _N].astype(np.int64)
