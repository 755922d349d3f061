"""The value of many options after a scenario, kept on a grid of forwards by vol shifts as quotes and positions change.

The nodes stand still while the forward moves, so a move of the forward alone costs nothing: only options whose
volatility or quantity changed are taken off and put on again, and some more each time, because time passes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel
from qflib.kernels.position_values import FIGURES, YEAR_NS, Terms
from qflib.kernels.scenario_pnl import option_pnl

F = NDArray[np.float64]

#: Rows of what is kept of an option on the grid; a quantity of 0: it is not on it.
REFERENCES = ("cash_qty", "vol", "years", "discount")
_CASH, _VOL, _YEARS, _DISCOUNT = range(4)
_NOW_CASH = FIGURES.index("cash_qty")


@kernel
def refresh_grid(
    entries: NDArray[Any],
    book: int,
    carrier: int,
    terms: Terms,
    figures: F,
    vol: F,
    time_ns: int,
    horizon_ns: int,
    rate: float,
    short_years: float,
    stale_years: float,
    first: int,
    share: int,
    references: F,
    changes: F,
    forward: float,
    node_log: F,
    node_return: F,
    node_shift: F,
    vol_floor: float,
    table: F,
) -> int:
    """Bring a grid up to the positions of now; how many options were put on or off.

    Parameters
    ----------
    entries, terms, figures, vol, time_ns, horizon_ns, rate
        As of `positions_pnl`: n positions.
    book, carrier
        Whose options the grid holds: of one book, on one forward.
    short_years
        Options with no more time than this left after the horizon are not on the grid: their corner would be rounded.
    stale_years
        Options that were put on longer ago than this are put on anew.
    first, share
        The positions, from `first` on and round, whose time is brought up to now whatever else changed.
    references
        float64 (len(REFERENCES), n): what stands on the grid; brought up to now.
    changes
        float64 (7, 2 n): work.
    forward, node_log, node_return, node_shift, vol_floor
        As of `option_pnl`: the nodes are its scenarios, of a forward that stays.
    table
        float64 (nodes,): values after the scenario, in reporting currency; added to.

    Notes
    -----
    O(n + changes * nodes).
    """
    k, n = 0, len(entries)
    for i in range(n):
        at, cash = entries[i].instrument, figures[_NOW_CASH, i]
        if terms.right[at] == 0.0 or entries[i].book != book or terms.carrier[at] != carrier:
            continue
        years = max(terms.expiry_ns[at] - time_ns - horizon_ns, 0) / YEAR_NS
        if years <= short_years:
            cash = 0.0
        was = references[_CASH, i]
        passed = references[_YEARS, i] - years
        due = passed > stale_years or ((i - first) % n < share and passed != 0.0)
        if cash == was and (cash == 0.0 or (vol[i] == references[_VOL, i] and not due)):
            continue
        if was != 0.0:
            changes[0, k], changes[1, k], changes[2, k] = terms.strike[at], references[_YEARS, i], references[_VOL, i]
            changes[3, k], changes[4, k], changes[5, k] = terms.right[at], -was, references[_DISCOUNT, i]
            k += 1
        if cash != 0.0:
            discount = math.exp(-rate * years)
            changes[0, k], changes[1, k], changes[2, k] = terms.strike[at], years, vol[i]
            changes[3, k], changes[4, k], changes[5, k] = terms.right[at], cash, discount
            k += 1
            references[_VOL, i], references[_YEARS, i], references[_DISCOUNT, i] = vol[i], years, discount
        references[_CASH, i] = cash
    changes[6, :k] = 0.0
    if k:
        option_pnl(
            forward, node_log, node_return, node_shift, changes[0, :k], changes[1, :k], changes[2, :k], changes[3, :k],
            changes[4, :k], changes[5, :k], changes[6, :k], vol_floor, table,
        )  # fmt: skip
    return k


@kernel
def changed_since(
    entries: NDArray[Any],
    book: int,
    carrier: int,
    terms: Terms,
    figures: F,
    vol: F,
    time_ns: int,
    horizon_ns: int,
    short_years: float,
    known: F,
    keep: bool,
) -> tuple[float, float]:
    """How far options are from what they were when a grid of them was tried: in all, and the one that is furthest.

    Parameters
    ----------
    entries, book, carrier, terms, figures, vol, time_ns, horizon_ns, short_years
        As of `refresh_grid`.
    known
        float64 (2, n): each option's quantity, and volatility times the root of time left, when it was tried.
    keep
        Whether to note those of now.

    Returns
    -------
    tuple[float, float]
        Changes of quantity, and relative ones of the width by quantity, over the quantity known; and the greatest
        relative change of a width.

    Notes
    -----
    O(n). A book's curvature, and so a cubic's error on it, goes by the widths.
    """
    total, moved, most = 0.0, 0.0, 0.0
    for i in range(len(entries)):
        at, cash = entries[i].instrument, figures[_NOW_CASH, i]
        if terms.right[at] == 0.0 or entries[i].book != book or terms.carrier[at] != carrier:
            continue
        years = max(terms.expiry_ns[at] - time_ns - horizon_ns, 0) / YEAR_NS
        width = 0.0
        if years <= short_years:
            cash = 0.0
        elif cash != 0.0:
            width = vol[i] * math.sqrt(years)
        was, was_width = known[0, i], known[1, i]
        total += abs(was)
        moved += abs(cash - was)
        if cash != 0.0 and was != 0.0 and width != was_width:
            low = min(width, was_width)
            change = max(width, was_width) / low - 1.0 if low > 0.0 else math.inf
            moved += min(abs(cash), abs(was)) * change
            most = max(most, change)
        if keep:
            known[0, i], known[1, i] = cash, width
    return (moved / total if total > 0.0 else (math.inf if moved > 0.0 else 0.0)), most
