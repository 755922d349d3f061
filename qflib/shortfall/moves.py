"""Moves of spot and implied volatility over a horizon, from a history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moves:
    """Joint moves: (n, n_underlyings) simple returns of spot and absolute changes of vol."""

    underlyings: tuple[str, ...]
    spot_return: F8
    vol_shift: F8
    horizon_ns: int


def moves_of(history: pd.DataFrame, horizon_ns: int, fx: Sequence[str] = ()) -> Moves:
    """All (overlapping) moves of a history over a horizon; rates of exchange, named in `fx`, need not have a vol.

    Raises
    ------
    InputError
        If columns, index or values are not those of a history, or it has too few rows.
    """
    names = _checked(history, fx)
    spot = np.column_stack([history[(u, "spot")].to_numpy(np.float64) for u in names])
    vol = np.column_stack(
        [
            history[(u, "atm_vol")].to_numpy(np.float64) if (u, "atm_vol") in history.columns else np.ones(len(spot))
            for u in names
        ]
    )
    for what, a in (("spot", spot), ("atm_vol", vol)):
        bad = ~(np.isfinite(a) & (a > 0))
        if bad.any():
            row, j = np.argwhere(bad)[0]
            raise InputError(
                f"history has {what} {a[row, j]} of {names[j]} at {history.index[row]}; "
                f"expected finite positive values: drop or mend the row"
            )
    stamps = pd.DatetimeIndex(history.index).as_unit("ns").asi8
    period = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    rows = max(1, round(horizon_ns / period)) if period else 1
    if len(spot) <= rows:
        raise InputError(f"history has {len(spot)} rows; a move over the horizon needs {rows + 1} at least")
    returns = spot[rows:] / spot[:-rows] - 1.0
    shifts = vol[rows:] - vol[:-rows]
    # Below the period of the history there are no moves to see: those of one row are scaled by the root of time.
    scale = math.sqrt(horizon_ns / period) if horizon_ns < period * 0.999 else 1.0
    if scale != 1.0:
        returns, shifts = returns * scale, shifts * scale
    return Moves(names, returns, shifts, horizon_ns)


def _checked(history: object, fx: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(history, pd.DataFrame) or history.columns.nlevels != 2:
        raise InputError("history is no DataFrame with columns (underlying, 'spot' | 'atm_vol'); give one")
    index = history.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise InputError("history has no tz-aware index; give times in UTC, e.g. index.tz_localize('UTC')")
    if not index.is_monotonic_increasing or index.has_duplicates:
        raise InputError("history is not in order of time, or has a time twice; sort it and drop doubles")
    names = tuple(dict.fromkeys(str(u) for u in history.columns.get_level_values(0)))
    if isinstance(fx, str) or (unknown := [u for u in fx if u not in names]):
        wrong = fx if isinstance(fx, str) else unknown[0]
        raise InputError(f"fx has {wrong!r}; expected a list of rates of exchange that the history has, as ['EUR/USD']")
    for u in names:
        for what in ("spot",) if u in fx else ("spot", "atm_vol"):
            if (u, what) not in history.columns:
                more = f", or name it in fx=[{u!r}] if it is a rate of exchange without options" if "/" in u else ""
                raise InputError(
                    f"history has no column ({u!r}, {what!r}); give spot and atm_vol of every underlying{more}"
                )
    if not names:
        raise InputError("history has no columns; give spot and atm_vol of one underlying at least")
    return names
