"""Stress: moves by name, grids of moves, and the worst of a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qflib.errors import InputError
from qflib.shortfall.horizon import horizon_ns
from qflib.shortfall.inputs import whole
from qflib.shortfall.moves import Factors
from qflib.shortfall.scenario_set import ScenarioSet

#: Spot return and vol shift.
Shock: TypeAlias = tuple[float, float]
_COLUMNS = ("spot_return", "vol_shift")


def stress(
    table: Mapping[str, Shock | Mapping[str, Shock]] | pd.DataFrame,
    underlyings: Sequence[str] | None = None,
    horizon: str | pd.Timedelta = "1D",
) -> ScenarioSet:
    """Named scenarios; the names are the index of P&L under them.

    Parameters
    ----------
    table
        Name -> (spot_return, vol_shift) of all underlyings, or underlying -> that, "all" for those not named; left out,
        an underlying stays. A rate of exchange is named by its pair ("EUR/USD") and does not move with "all". Or a
        frame as `ScenarioSet.to_frame` gives it, indexed by name.
    underlyings
        Names; None: those of the table.
    horizon
        The time that passes with the moves; `Portfolio.scenario_pnl(decay=False)` lets none pass.

    Returns
    -------
    ScenarioSet

    Raises
    ------
    InputError
        If the table is empty, names an underlying that is not given, or a shock is no pair of numbers.

    Notes
    -----
    O(scenarios · underlyings).

    Examples
    --------
    >>> from qflib.shortfall import scenarios
    >>> table = {"crash": (-0.2, 0.15), "tech": {"ACME": (-0.3, 0.2), "all": (-0.05, 0.02)}}
    >>> s = scenarios.stress(table, ["ACME", "BETA"])
    >>> s.to_frame()["BETA"]
              spot_return  vol_shift
    scenario
    crash           -0.20       0.15
    tech            -0.05       0.02
    """
    told = _of_frame(table) if isinstance(table, pd.DataFrame) else dict(table)
    if not told:
        raise InputError("a stress table of no scenarios; give name -> (spot_return, vol_shift), one at least")
    by_name = {str(name): shock if isinstance(shock, Mapping) else {"all": shock} for name, shock in told.items()}
    named = dict.fromkeys(u for shock in by_name.values() for u in shock if u != "all")
    known = tuple(named) if underlyings is None else tuple(underlyings)
    if isinstance(underlyings, str) or not known:
        raise InputError(f"underlyings are {underlyings!r}; expected a list of names, as the table names none")
    made = np.zeros((len(by_name), len(known), 2))
    for i, (name, shock) in enumerate(by_name.items()):
        if unknown := [u for u in shock if u not in known and u != "all"]:
            raise InputError(f"scenario {name!r} moves {unknown[0]!r}, which is none of {', '.join(known)}; add it")
        for j, u in enumerate(known):
            made[i, j] = _pair(name, shock.get(u, (0.0, 0.0) if "/" in u else shock.get("all", (0.0, 0.0))))
    return ScenarioSet(known, made[:, :, 0], made[:, :, 1], horizon_ns(horizon), 0, tuple(by_name))


def grid(
    underlyings: Sequence[str],
    spot: Sequence[float],
    vol: Sequence[float] = (0.0,),
    horizon: str | pd.Timedelta = "1D",
) -> ScenarioSet:
    """Every return by every vol shift, of all underlyings at once; named by them, "spot -10%, vol +5%".

    Parameters
    ----------
    underlyings, horizon
        As in `stress`.
    spot, vol
        Returns and shifts, 0.05 = five points.

    Raises
    ------
    InputError
        As `stress`; or if two moves have one name, as they differ by less than a millionth.

    Examples
    --------
    >>> from qflib.shortfall import scenarios
    >>> list(scenarios.grid(["ACME"], [-0.1, 0.1], [0.0, 0.05]).index)[:2]
    ['spot -10%, vol +0%', 'spot -10%, vol +5%']
    """
    pairs = [(float(s), float(v)) for s in spot for v in vol]
    names = [f"spot {100 * s:+.6g}%, vol {100 * v:+.6g}%" for s, v in pairs]
    if len(set(names)) != len(names):
        raise InputError(f"a grid of {len(names)} moves, some of them alike; give each once")
    return stress(dict(zip(names, pairs, strict=True)), underlyings, horizon)


def worst(
    history: pd.DataFrame,
    n: int = 10,
    horizon: str | pd.Timedelta = "1D",
    by: str | ArrayLike | None = None,
    *,
    fx: Sequence[str] = (),
) -> ScenarioSet:
    """The worst moves that happened, worst first, named by the time at which they ended.

    Parameters
    ----------
    history, horizon, fx
        As in `historical`.
    n
        How many.
    by
        What is worst: an underlying, whose spot fell most; P&L (moves,), as `scenario_pnl` gives it under
        `historical(history, horizon, n=None)`; None: the mean return of all underlyings.

    Raises
    ------
    InputError
        If n is out of range, `by` is unknown or of another length, or as in `historical`.

    Notes
    -----
    Moves over several rows overlap, and so the worst of them are often alike.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.shortfall import scenarios
    >>> days = pd.date_range("2025-01-01", periods=6, tz="UTC")
    >>> history = pd.DataFrame({("ACME", "spot"): [100, 101, 99, 100, 102, 101.0], ("ACME", "atm_vol"): 0.2}, days)
    >>> list(scenarios.worst(history, n=2).index)
    ['2025-01-03', '2025-01-06']
    """
    factors, length = Factors.of(history, fx), horizon_ns(horizon)
    rows, _ = factors.span(length)
    spot, vol = factors.shocks(factors.moves(length))
    figure = _figure(by, factors.underlyings, fx, spot)
    if not whole(n, "n") <= len(spot):
        raise InputError(
            f"n is {n} and the history gives {len(spot)} moves over the horizon; give n of 1 to {len(spot)}"
        )
    at = np.argsort(figure, kind="stable")[:n]
    ends = factors.times[rows:][at]
    days = bool((factors.times == factors.times.normalize()).all())
    names = tuple(f"{t:%Y-%m-%d}" if days else t.isoformat() for t in ends)
    return ScenarioSet(factors.underlyings, spot[at], vol[at], length, n, names)


def _figure(by: object, names: tuple[str, ...], fx: Sequence[str], spot: np.ndarray) -> np.ndarray:
    if by is None:
        return np.asarray(spot[:, [u not in fx for u in names]].mean(axis=1))
    if isinstance(by, str):
        if by not in names:
            raise InputError(f"by is {by!r}; expected one of {', '.join(names)}, or P&L")
        return np.asarray(spot[:, names.index(by)])
    pnl = np.asarray(by, np.float64)
    if pnl.shape != (len(spot),) or not np.isfinite(pnl).all():
        raise InputError(
            f"by is P&L of shape {pnl.shape}; expected {len(spot)} finite values, one a move of the history"
        )
    return pnl


def _of_frame(table: pd.DataFrame) -> dict[str, Mapping[str, Shock]]:
    if table.columns.nlevels != 2:
        raise InputError("the stress table has no columns (underlying, 'spot_return' | 'vol_shift'); give them")
    names = list(dict.fromkeys(str(u) for u in table.columns.get_level_values(0)))
    zero = pd.Series(0.0, table.index)
    columns = {u: [table[(u, c)] if (u, c) in table.columns else zero for c in _COLUMNS] for u in names}
    if unknown := [c for c in table.columns if c[1] not in _COLUMNS]:
        raise InputError(f"the stress table has the column {unknown[0]!r}; expected 'spot_return' and 'vol_shift'")
    return {
        str(name): {u: (float(s.iloc[i]), float(v.iloc[i])) for u, (s, v) in columns.items()}
        for i, name in enumerate(table.index)
    }


def _pair(name: str, shock: Shock) -> Shock:
    try:
        spot, vol = shock
        return float(spot), float(vol)
    except (TypeError, ValueError):
        raise InputError(f"scenario {name!r} has the shock {shock!r}; expected (spot_return, vol_shift)") from None
