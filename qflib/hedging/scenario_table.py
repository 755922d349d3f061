"""Scenario P&L of many scenarios at once: exactly, on all cores; or off a grid, refined until it is near enough."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.revaluation import VOL_FLOOR, Moves, Valued
from qflib.kernels.scenario_grid import grid_pnl
from qflib.records.schema import frozen

F8 = NDArray[np.float64]
Accuracy = Literal["full", "fast"]

#: Scenarios that a core takes at a time, and positions times scenarios from which more than one core is worth it.
_CHUNK, _MANY = 8_192, 2_000_000
#: A grid's greatest error at the scenarios it is tried at, as a share of their greatest P&L.
_NEAR_ENOUGH = 1e-6
_TRIED = 96
_FIRST, _FINEST = (49, 13), (385, 97)
#: Options with less time left are revalued one by one: a grid rounds their corner off.
_SHORT_YEARS = 5 / 365


def add_scenario_pnl(
    valued: tuple[Valued, ...], moves: tuple[Moves, ...], out: F8, accuracy: Accuracy = "full"
) -> None:
    """Add the P&L of positions in several underlyings to `out`.

    Parameters
    ----------
    valued, moves
        An entry an underlying.
    out
        (scenarios,) reporting currency.
    accuracy
        "full": every option in every scenario; "fast": off a grid of returns by vol shifts for each underlying, refined
        until scenarios tried are within 1e-6 of the greatest P&L, or else in full.

    Raises
    ------
    InputError
        If the accuracy is unknown.

    Notes
    -----
    Full: O(options * scenarios); fast: O(options * nodes + scenarios). The bits do not depend on the cores.
    """
    if accuracy not in ("full", "fast"):
        raise InputError(f"accuracy {accuracy!r} is unknown; expected 'full' or 'fast'")
    work: list[Callable[[int, int], None]] = []
    for v, m in zip(valued, moves, strict=True):
        work.append(_off_a_grid(v, m, out) if accuracy == "fast" else _in_full(v, m, out))

    def one(first: int) -> None:
        for each in work:
            each(first, min(first + _CHUNK, len(out)))

    positions = sum(len(v.option) for v in valued)
    starts = range(0, len(out), _CHUNK)
    if (positions if accuracy == "full" else len(valued) * 16) * len(out) < _MANY or os.cpu_count() == 1:
        for first in starts:
            one(first)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, starts))


def _in_full(v: Valued, m: Moves, out: F8, which: NDArray[np.bool_] | None = None) -> Callable[[int, int], None]:
    return lambda a, b: v.add_pnl(m.cut(a, b), out[a:b], which)


def _off_a_grid(v: Valued, m: Moves, out: F8) -> Callable[[int, int], None]:
    """Long options off a grid, what is left in full."""
    long = v.option & (v.years - m.years > _SHORT_YEARS) & (v.cash_qty != 0)
    wide = np.ptp(m.log_growth) > 0.0
    if len(out) < 4 * _FIRST[0] * _FIRST[1] or not long.any() or not wide:
        return _in_full(v, m, out)
    tried = np.linspace(0, len(out) - 1, _TRIED).astype(np.int64)
    tried[:4] = [np.argmin(m.log_growth), np.argmax(m.log_growth), np.argmin(m.vol_shift), np.argmax(m.vol_shift)]
    some, exact = m.take(tried), np.zeros(_TRIED)
    v.add_pnl(some, exact, long)
    nx, nv = _FIRST
    while True:
        table, place = _table(v, m, long, nx, nv)
        got = np.zeros(_TRIED)
        grid_pnl(table, *place, some.log_growth, some.vol_shift, got)
        if np.abs(got - exact).max() <= _NEAR_ENOUGH * np.abs(exact).max():
            break
        nx, nv = 2 * nx - 1, 2 * nv - 1
        if nx > _FINEST[0]:
            return _in_full(v, m, out)
    rest = _in_full(v, m, out, ~long)

    def work(a: int, b: int) -> None:
        part = m.cut(a, b)
        grid_pnl(table, *place, part.log_growth, part.vol_shift, out[a:b])
        rest(a, b)

    def weighted(a: int, b: int) -> None:
        part, made = m.cut(a, b), np.zeros(b - a)
        grid_pnl(table, *place, part.log_growth, part.vol_shift, made)
        out[a:b] += made if part.weight is None else part.weight * made
        if part.carried is not None:
            out[a:b] += float(np.sum(v.held[long])) * part.carried
        rest(a, b)

    return work if m.weight is None and m.carried is None else weighted


def _table(
    v: Valued, m: Moves, which: NDArray[np.bool_], nx: int, nv: int
) -> tuple[F8, tuple[float, float, float, float]]:
    """P&L at the nodes, a node beyond the scenarios on each side, and where they lie."""
    low, high = float(m.log_growth.min()), float(m.log_growth.max())
    least, most = float(m.vol_shift.min()), float(m.vol_shift.max())
    if most - least < 1e-12:  # vols that stay
        least, most = least - VOL_FLOOR, most + VOL_FLOOR
    step_x, step_v = (high - low) / (nx - 3), (most - least) / (nv - 3)
    x = low + step_x * np.arange(-1, nx - 1)
    shift = least + step_v * np.arange(-1, nv - 1)
    nodes = Moves.of(np.repeat(np.expm1(x), nv), np.tile(shift, nx), m.years)
    out = np.zeros(nx * nv)
    v.add_pnl(nodes, out, which)
    return frozen(out.reshape(nx, nv)), (float(x[0]), step_x, float(shift[0]), step_v)
