"""Euler contributions to the expected shortfall of a sliding window of component P&L, the state in one array.

The totals' ES and VaR are `rolling_es`'s, with its bits. The tail's rows are looked up and summed, the oldest first,
only when the tail changed: when a total that comes or goes is at the VaR or beyond. Nothing drifts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.expected_shortfall import tail_mass
from qflib.kernels.jit import kernel
from qflib.kernels.rolling_es import es_state, es_update

F8 = NDArray[np.float64]

# Places in the state: window, components, level, rows seen (the window at most), the next slot of the rings, ES and
# VaR; then the contributions, the ring of totals, the ring of rows, and the state of `rolling_es`.
_WINDOW, _PARTS, _LEVEL, _N, _SLOT, _ES, _VAR, _ROOM = 0, 1, 2, 3, 4, 5, 6, 7


@kernel
def components_state(window: int, parts: int, level: float) -> F8:
    """The state of an empty window, a float64 array: copy it to snapshot, use the copy to restore.

    Parameters
    ----------
    window
        Rows that count, 1 or more.
    parts
        Components in a row, 1 or more.
    level
        Confidence in (0, 1).
    """
    of_totals = es_state(window, level)
    state = np.zeros(_ROOM + parts + window + window * parts + len(of_totals))
    state[_WINDOW] = window
    state[_PARTS] = parts
    state[_LEVEL] = level
    state[_ES : _ROOM + parts] = np.nan
    state[len(state) - len(of_totals) :] = of_totals
    return state


@kernel
def components_roll(state: F8, pnl: F8, es: F8, var: F8, contribution: F8) -> None:
    """Take rows in one by one, the oldest out of a full window; the figures of what it held after each.

    Parameters
    ----------
    state
        Of `components_state`; changed.
    pnl
        (n, parts) gains positive. A row with a NaN is no outcome: the state stays, the figures of that step are NaN.
    es, var
        (n,) filled: positive losses of the rows' sums, by the rule of `es_var`.
    contribution
        (n, parts) filled: minus the tail's weighted sum of each component (as `tail_weights`: what ties at the VaR is
        taken in its own order, the oldest first).

    Notes
    -----
    O(parts) a step that leaves the tail as it was; O(window + parts · tail) one that changes it, in a steady state two
    in 1 / (1 − level).
    """
    window, parts, level = int(state[_WINDOW]), int(state[_PARTS]), state[_LEVEL]
    n, slot = int(state[_N]), int(state[_SLOT])
    now = state[_ROOM : _ROOM + parts]
    totals = state[_ROOM + parts : _ROOM + parts + window]
    first = _ROOM + parts + window
    rows = state[first : first + window * parts]
    of_totals = state[first + window * parts :]
    for i in range(len(pnl)):
        total = 0.0
        for j in range(parts):
            total += pnl[i, j]
        if np.isnan(total):
            es[i], var[i] = np.nan, np.nan
            contribution[i, :] = np.nan
            continue
        full = n == window
        old, edge = totals[slot], 0.0 - state[_VAR]
        at = slot * parts
        totals[slot] = total
        for j in range(parts):
            rows[at + j] = pnl[i, j]
        slot = slot + 1 if slot + 1 < window else 0
        n = n if full else n + 1
        state[_ES], state[_VAR] = es_update(of_totals, total)
        if not full or old <= edge or total <= edge:
            _sum_tail(totals, rows, n, slot, 0.0 - state[_VAR], tail_mass(n, level), now)
        es[i], var[i] = state[_ES], state[_VAR]
        contribution[i, :] = now
    state[_N], state[_SLOT] = n, slot


@kernel
def _sum_tail(totals: F8, rows: F8, n: int, slot: int, edge: float, mass: float, out: F8) -> None:
    """Contributions of the rows at the edge and beyond, the oldest first."""
    window, parts = len(totals), len(out)
    oldest = slot if n == window else 0
    left = mass
    for i in range(n):
        left -= totals[i] < edge
    out[:] = 0.0
    for i in range(n):
        at = oldest + i if oldest + i < window else oldest + i - window
        weight = 0.0
        if totals[at] < edge:
            weight = 1.0
        elif totals[at] == edge and left > 0.0:
            weight = min(left, 1.0)
            left -= 1.0
        if weight > 0.0:
            for j in range(parts):
                out[j] += weight * rows[at * parts + j]
    for j in range(parts):
        out[j] = 0.0 - out[j] / mass


@kernel
def components_update(state: F8, row: F8, contribution: F8) -> tuple[float, float]:
    """One step of `components_roll`: ES and VaR, the contributions (parts,) filled; NaN where a component is NaN."""
    figures = np.empty((2, 1))
    components_roll(state, row.reshape(1, len(row)), figures[0], figures[1], contribution.reshape(1, len(contribution)))
    return figures[0, 0], figures[1, 0]
