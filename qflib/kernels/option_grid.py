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
