"""Moves of spot and implied volatility over a horizon, from a history; and what they are from the newest levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError

F8 = NDArray[np.float64]
MoveKind: TypeAlias = Literal["relative", "absolute", "log"]
#: "spot" or "atm_vol" (of all), an underlying (its spot), or both.
FactorName: TypeAlias = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Factors:
    """Risk factors of a history: the spots of all underlyings, then their vols.

    Attributes
    ----------
    underlyings
        w names.
    kinds
        2 w: how each factor moves.
    levels
        (rows, 2 w), all positive; the vol of a rate of exchange stays at 1.
    times
        Of the rows.
    """

    underlyings: tuple[str, ...]
    kinds: tuple[MoveKind, ...]
    levels: F8
    times: pd.DatetimeIndex

    @classmethod
    def of(
        cls, history: pd.DataFrame, fx: Sequence[str] = (), moves: Mapping[FactorName, MoveKind] | None = None
    ) -> Factors:
        """From columns (underlying, "spot" | "atm_vol"); rates of exchange, named in `fx`, need not have a vol.

        Raises
        ------
        InputError
            If columns, index or values are not those of a history, or a factor or a kind of move is unknown.
        """
        names = _checked(history, fx)
        columns = []
        for what in ("spot", "atm_vol"):
            for u in names:
                had = (u, what) in history.columns
                x = history[(u, what)].to_numpy(np.float64) if had else np.ones(len(history))
                if (bad := ~(np.isfinite(x) & (x > 0))).any():
                    row = int(np.flatnonzero(bad)[0])
                    raise InputError(
                        f"history has {what} {x[row]} of {u} at {history.index[row]}; "
                        f"expected finite positive values: drop or mend the row"
                    )
                columns.append(x)
        return cls(names, _kinds(names, moves or {}), np.column_stack(columns), pd.DatetimeIndex(history.index))

    @property
    def names(self) -> list[str]:
        """Of the factors, "ACME spot"."""
        return [f"{u} {what}" for what in ("spot", "atm_vol") for u in self.underlyings]

    def span(self, horizon_ns: int) -> tuple[int, float]:
        """Rows that a move over the horizon spans, and what a move of one row is multiplied by below the period.

        Raises
        ------
        InputError
            If the history has too few rows.
        """
        stamps = self.times.as_unit("ns").asi8
        period = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
        rows = max(1, round(horizon_ns / period)) if period else 1
        if len(self.levels) <= rows:
            raise InputError(f"history has {len(self.levels)} rows; a move over the horizon needs {rows + 1} at least")
        # Below the period of the history there are no moves to see: those of one row are scaled by the root of time.
        return rows, math.sqrt(horizon_ns / period) if horizon_ns < period * 0.999 else 1.0

    def moves(self, horizon_ns: int) -> F8:
        """All (overlapping) moves, (rows − span, 2 w), each of its factor's kind."""
        rows, scale = self.span(horizon_ns)
        x = self.moves_over(rows)
        return x * scale if scale != 1.0 else x

    def moves_over(self, rows: int) -> F8:
        """All moves over so many rows."""
        before, after = self.levels[:-rows], self.levels[rows:]
        x = np.empty_like(before)
        for j, kind in enumerate(self.kinds):
            a, b = before[:, j], after[:, j]
            x[:, j] = b - a if kind == "absolute" else b / a - 1.0 if kind == "relative" else np.log(b / a)
        return x

    def shocks(self, x: F8) -> tuple[F8, F8]:
        """Simple returns of spot and absolute shifts of vol, (n, w) each, that moves are from the newest levels.

        Raises
        ------
        InputError
            If a spot would be 0 or below.
        """
        w, now = len(self.underlyings), self.levels[-1]
        shocks = np.empty_like(x)
        for j, kind in enumerate(self.kinds):
            moved = np.expm1(x[:, j]) if kind == "log" else x[:, j]
            if j < w:
                shocks[:, j] = moved / now[j] if kind == "absolute" else moved
                if (low := shocks[:, j] <= -1.0).any():
                    raise InputError(
                        f"a {kind} move of {x[low, j][0]:.6g} takes {self.underlyings[j]} from {now[j]:.6g} to 0 or "
                        f"below; let its moves be 'log' or fewer"
                    )
            else:
                shocks[:, j] = moved if kind == "absolute" else moved * now[j]
        return shocks[:, :w], shocks[:, w:]


def _kinds(names: tuple[str, ...], told: Mapping[FactorName, MoveKind]) -> tuple[MoveKind, ...]:
    if not isinstance(told, Mapping):
        raise InputError(f"moves are {told!r}; expected factor -> kind, such as {{'spot': 'log'}}")
    known: dict[FactorName, MoveKind] = {"spot": "relative", "atm_vol": "absolute"}
    factors = {(u, what) for u in names for what in known}
    for name, kind in told.items():
        if name not in known and name not in names and name not in factors:
            raise InputError(
                f"moves name {name!r}, which the history does not have; expected 'spot', 'atm_vol', an underlying of "
                f"{', '.join(names)}, or (underlying, 'spot' | 'atm_vol')"
            )
        if kind not in get_args(MoveKind):
            raise InputError(f"moves of {name!r} are {kind!r}; expected one of {', '.join(get_args(MoveKind))}")
    known |= {name: kind for name, kind in told.items() if name in known}
    spots = [told.get((u, "spot"), told.get(u, known["spot"])) for u in names]
    return (*spots, *(told.get((u, "atm_vol"), known["atm_vol"]) for u in names))


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
