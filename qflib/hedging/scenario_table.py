"""Scenario P&L of many scenarios at once: exactly, on all cores; or off grids whose error is bounded beforehand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.bounded_grid import BoundedGrid, bounded_grid
from qflib.hedging.revaluation import Moves, Valued

F8 = NDArray[np.float64]
Accuracy = Literal["full", "fast"]

#: Of "fast": the greatest error, as a share of the greatest P&L.
NEAR_ENOUGH = 1e-6
#: Scenarios that a core takes at a time, and positions times scenarios from which more than one core is worth it.
_CHUNK, _MANY = 8_192, 2_000_000
#: Scenarios revalued in full beforehand, evenly, to know how great the P&L is: besides the farthest ones.
_TRIED = 256


def add_scenario_pnl(
    valued: tuple[Valued, ...], moves: tuple[Moves, ...], out: F8, accuracy: Accuracy = "full"
) -> float:
    """Add the P&L of positions in several underlyings to `out`.

    Parameters
    ----------
    valued, moves
        An entry an underlying.
    out
        (scenarios,) reporting currency.
    accuracy
        "full": every option in every scenario; "fast": European options off a grid of returns by vol shifts for each
        underlying where that is cheaper, the others and the farthest scenarios in full.

    Returns
    -------
    float
        No scenario's P&L is farther than this from "full", in reporting currency, but for the last bits of its sum: at
        most 1e-6 of the greatest. 0 of "full" itself.

    Raises
    ------
    InputError
        If the accuracy is unknown.

    Notes
    -----
    Full: O(options * scenarios); fast: O(options * nodes + scenarios). The bits do not depend on the cores.
    The bound is proven, not tried: see `qflib.kernels.grid_error`.
    """
    if accuracy not in ("full", "fast"):
        raise InputError(f"accuracy {accuracy!r} is unknown; expected 'full' or 'fast'")
    positions = sum(len(v.option) for v in valued)
    with _cores((positions if accuracy == "full" else len(valued) * 16) * len(out) >= _MANY) as each:
        grids: list[BoundedGrid | None] = [None] * len(valued)
        if accuracy == "fast":
            allowed = _allowed(valued, moves, len(out), each)
            grids = each(bounded_grid, valued, moves, allowed)

        def one(first: int) -> None:
            at = slice(first, min(first + _CHUNK, len(out)))
            for v, m, grid in zip(valued, moves, grids, strict=True):
                if grid is None:
                    v.add_pnl(m.take(at), out[at])
                else:
                    grid.add_pnl(m, at, out[at])

        each(one, range(0, len(out), _CHUNK))
    return sum(g.error for g in grids if g is not None)


@contextmanager
def _cores(many: bool) -> Iterator[Callable[..., list[Any]]]:
    """A map over all cores, or over one."""
    if not many or os.cpu_count() == 1:
        yield lambda *args: list(map(*args))
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield lambda *args: list(pool.map(*args))


def _allowed(
    valued: tuple[Valued, ...], moves: tuple[Moves, ...], n: int, each: Callable[..., list[Any]]
) -> list[float]:
    """Errors that the underlyings may make: shares, by their own P&L, of what all may make together."""
    tried = [np.linspace(0, n - 1, min(n, _TRIED)).astype(np.int64)]
    for m in moves:
        ends = (np.argmin(m.log_growth), np.argmax(m.log_growth), np.argmin(m.vol_shift), np.argmax(m.vol_shift))
        tried.append(np.array(ends))
    which = np.unique(np.concatenate(tried))

    def some(v: Valued, m: Moves) -> F8:
        pnl = np.zeros(len(which))
        v.add_pnl(m.take(which), pnl)
        return pnl

    made = each(some, valued, moves)
    # of scenarios that happen: the greatest P&L is this at least
    greatest = float(np.abs(np.sum(made, axis=0)).max())
    own = np.array([np.abs(pnl).max() for pnl in made])
    shares = own / own.sum() if own.sum() > 0.0 else own
    return [float(x) for x in NEAR_ENOUGH * greatest * shares]
