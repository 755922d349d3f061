"""Scenario P&L of many options off a grid that lives on between revaluations; of few, option by option.

A grid is of one book's options on one forward. Its nodes are forwards and vol shifts, so a move of the forward leaves
it as it is; an option is put on anew where its volatility or quantity changed, and, because time passes, at every
`_ROUNDS`-th revaluation and after 10 s of market time at the latest.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.option_grid import REFERENCES, changed_since, refresh_grid
from qflib.kernels.scenario_grid import grid_pnl
from qflib.records import Book
from qflib.records.schema import frozen
from qflib.steps.exposures.revaluation import VOL_FLOOR, Revaluation, Shocks, Valued
from qflib.steps.state import State

F8 = NDArray[np.float64]

#: A grid's greatest error at the scenarios it is tried at when it is made, as a share of their greatest P&L: a trial,
#: not a bound; between trials, and at the scenarios not tried, the tests allow five times as much.
NEAR_ENOUGH = 1e-5
_TRIED = 192  # scenarios: half of all, half of those with the lowest volatilities, where values bend most
_LOW = frozen(np.concatenate([np.arange(64), 64 + 16 * np.arange(_TRIED // 2 - 64)]))
_SIZES = ((65, 9), (129, 9), (129, 17), (257, 17))  # nodes of forwards, of vol shifts
_DRIFT = 0.02  # log move of the forward beyond which a grid is made anew around it
_CHANGED = 0.1  # relative changes of volatility and quantity, over all, beyond which a grid is made anew and tried,
_CHANGED_ONE = 0.5  # or of one option's volatility
_SHORT_YEARS = 2 / 365
_STALE_YEARS = 10 / (365 * 86_400)
_ROUNDS = 96


class _Nodes(NamedTuple):
    """A grid's nodes, a forward a row, and where they lie."""

    log: F8
    move: F8
    shift: F8
    shape: tuple[int, int]
    place: tuple[float, float, float, float]


class _Table:
    """Values after the horizon at the nodes around one forward, and the error found; last size: none was near."""

    def __init__(self, forward: float, size: int, values: F8, error: float) -> None:
        self.forward, self.size, self.values, self.error = forward, size, values, error


class _Grid:
    """The tables of one book, a carrier each, and what of each position stands on them."""

    def __init__(self, set_id: str, n: int) -> None:
        self.set_id, self.first = set_id, 0
        self.references = np.zeros((len(REFERENCES), n))
        self.tried = np.zeros((2, n))  # quantities, and volatilities times the root of time, when a table was made
        self.tables: dict[int, _Table] = {}


class Grids:
    """Scenario P&L vectors, off grids where there are many options."""

    def __init__(self, revaluation: Revaluation, rate: float, many: int) -> None:
        self._revaluation = revaluation
        self._terms = revaluation.terms
        self._rate = rate
        self._least = many  # options times scenarios
        self._grids: dict[tuple[int, int, int], _Grid] = {}
        self._work = np.zeros((7, 0))
        self._seen: dict[int, tuple[NDArray[Any], NDArray[np.bool_]]] = {}  # the last rows of each book, looked up

    def vector(self, portfolio: int, underlying: int, book: int, v: Valued, shocks: Shocks) -> F8:
        """Scenario P&L of one book's positions, gains positive.

        O(positions * scenarios); many options: O(positions + changed options * nodes + scenarios).
        """
        key = (portfolio, underlying, book)
        options = self._many(book, v, shocks)
        if options is None:
            self._grids.pop(key, None)
            return self._revaluation.vector(v, book, shocks)
        grid = self._grids.get(key)
        if grid is None or grid.set_id != shocks.set_id or grid.references.shape[1] != len(v.entries):
            grid = self._grids[key] = _Grid(shocks.set_id, len(v.entries))
        return self._read(grid, book, options, v, shocks)

    def error(self, portfolio: int, underlying: int) -> float:
        """Greatest errors found in both books' scenario P&L when grids were tried, summed; 0: there is none."""
        found = (self._grids.get((portfolio, underlying, int(book))) for book in (Book.CLIENT, Book.HEDGE))
        return sum((t.error for grid in found if grid is not None for t in grid.tables.values()), 0.0)

    def once(self, book: int, v: Valued, shocks: Shocks) -> F8:
        """As `vector`, of shocks that are not soon asked for again."""
        options = self._many(book, v, shocks)
        if options is None:
            return self._revaluation.vector(v, book, shocks)
        return self._read(_Grid(shocks.set_id, len(v.entries)), book, options, v, shocks)

    def _many(self, book: int, v: Valued, shocks: Shocks) -> NDArray[np.bool_] | None:
        """Which positions are options of the book; None where a grid would not pay."""
        options = self._options(book, v.entries) & (v.cash_qty != 0.0)
        few = np.count_nonzero(options) * len(shocks.spot_return) < self._least
        return None if few or np.ptp(shocks.log_growth) == 0.0 else options

    def _options(self, book: int, entries: NDArray[Any]) -> NDArray[np.bool_]:
        """Of the book; looked up once, for the ledger gives the same rows until a trade."""
        known = self._seen.get(book)
        if known is None or known[0] is not entries:
            found = (entries["book"] == book) & (self._terms.right[entries["instrument"]] != 0.0)
            known = self._seen[book] = (entries, found)
        return known[1]

    def _read(self, grid: _Grid, book: int, options: NDArray[np.bool_], v: Valued, shocks: Shocks) -> F8:
        n = len(v.entries)
        if self._work.shape[1] < 2 * n:
            self._work = np.empty((7, 2 * n))
        out, on_grid = np.zeros(len(shocks.spot_return)), np.zeros(n, bool)
        carriers = self._terms.carrier[v.entries["instrument"]]
        for carrier in (np.flatnonzero(np.bincount(carriers[options] + 1)) - 1).tolist():
            mine = options & (carriers == carrier)
            forward = float(v.own_forward[np.argmax(mine)])
            table = self._refreshed(grid, book, carrier, forward, v, shocks, mine)
            if table.size < len(_SIZES):
                nodes = _nodes(shocks, table.size)
                low, step, least, step_shift = nodes.place
                low -= math.log(forward / table.forward)
                values = table.values.reshape(nodes.shape)
                grid_pnl(values, low, step, least, step_shift, shocks.log_growth, shocks.vol_shift, out)
                on_grid |= mine & (grid.references[0] != 0.0)
        grid.first = (grid.first + -(-n // _ROUNDS)) % n
        self._revaluation.add(v, book, shocks, on_grid, out)
        return out

    def _refreshed(
        self, grid: _Grid, book: int, carrier: int, forward: float, v: Valued, shocks: Shocks, mine: NDArray[np.bool_]
    ) -> _Table:
        table = grid.tables.get(carrier)
        if (
            table is None
            or abs(math.log(forward / table.forward)) > _DRIFT
            or self._changed(grid, book, carrier, v, shocks)
        ):
            self._changed(grid, book, carrier, v, shocks, keep=True)
            table = grid.tables[carrier] = self._made(grid, book, carrier, forward, v, shocks, mine)
        elif table.size < len(_SIZES):
            share = -(-len(v.entries) // _ROUNDS)
            nodes = _nodes(shocks, table.size)
            self._put(grid.references, book, carrier, table.forward, v, shocks, nodes, table.values, grid.first, share)
        return table

    def _changed(self, grid: _Grid, book: int, carrier: int, v: Valued, shocks: Shocks, keep: bool = False) -> bool:
        """Whether the options are others than a grid was tried with."""
        share, most = changed_since(
            v.entries, book, carrier, self._terms, v.figures, v.vol, v.time_ns, shocks.horizon_ns, _SHORT_YEARS,
            grid.tried, keep,
        )  # fmt: skip
        return bool(share > _CHANGED or most > _CHANGED_ONE)

    def _made(
        self, grid: _Grid, book: int, carrier: int, forward: float, v: Valued, shocks: Shocks, mine: NDArray[np.bool_]
    ) -> _Table:
        """The coarsest grid that is near enough at some scenarios, the outermost among them."""
        n = len(shocks.spot_return)
        every = np.linspace(0, n - 1, _TRIED // 2).astype(np.int64)
        low = np.argsort(shocks.vol_shift, kind="stable")[np.minimum(_LOW, n - 1)]
        tried = np.concatenate([every, low])
        for k, of in enumerate((shocks.log_growth, shocks.vol_shift)):
            tried[2 * k : 2 * k + 2] = np.argmin(of), np.argmax(of)
        log, move, shift = (frozen(a[tried]) for a in (shocks.log_growth, shocks.spot_return, shocks.vol_shift))
        some = _Nodes(log, move, shift, (_TRIED, 1), (0.0, 0.0, 0.0, 0.0))
        exact = np.zeros(_TRIED)
        fresh = np.zeros_like(grid.references)
        self._put(fresh, book, carrier, forward, v, shocks, some, exact, 0, 0)
        worth = float((v.cash_qty * v.price)[mine & (fresh[0] != 0.0)].sum())
        bound = NEAR_ENOUGH * float(np.abs(exact - worth).max())
        for size in range(len(_SIZES)):
            nodes, got = _nodes(shocks, size), np.zeros(_TRIED)
            values = np.zeros(len(nodes.log))
            fresh[:] = 0.0
            self._put(fresh, book, carrier, forward, v, shocks, nodes, values, 0, 0)
            grid_pnl(values.reshape(nodes.shape), *nodes.place, some.log, some.shift, got)
            error = float(np.abs(got - exact).max())
            if error <= bound:
                grid.references[:, mine] = fresh[:, mine]
                return _Table(forward, size, values, error)
        grid.references[:, mine] = 0.0
        return _Table(forward, len(_SIZES), np.zeros(0), 0.0)

    def _put(
        self, references: F8, book: int, carrier: int, forward: float, v: Valued, shocks: Shocks, nodes: _Nodes,
        values: F8, first: int, share: int,
    ) -> None:  # fmt: skip
        refresh_grid(
            v.entries, book, carrier, self._terms, v.figures, v.vol, v.time_ns, shocks.horizon_ns, self._rate,
            _SHORT_YEARS, _STALE_YEARS, first, share, references, self._work, forward, nodes.log, nodes.move,
            nodes.shift, VOL_FLOOR, values,
        )  # fmt: skip

    def state(self) -> State:
        """Grids and what stands on them."""
        out: State = {"grids.of": np.array(sorted(self._grids), np.int64).reshape(-1, 3)}
        for i, key in enumerate(sorted(self._grids)):
            grid = self._grids[key]
            out[f"grids.{i}.set"] = np.array([grid.set_id], "S64")
            out[f"grids.{i}.references"] = grid.references.copy()
            out[f"grids.{i}.tried"] = grid.tried.copy()
            rows = sorted(grid.tables.items())
            out[f"grids.{i}.first"] = np.array([grid.first, *(x for c, t in rows for x in (c, t.size))], np.int64)
            out[f"grids.{i}.forwards"] = np.array([t.forward for _, t in rows])
            out[f"grids.{i}.errors"] = np.array([t.error for _, t in rows])
            for k, (_, table) in enumerate(rows):
                out[f"grids.{i}.{k}"] = table.values.copy()
        return out

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._grids = {}
        for i, (p, u, book) in enumerate(state.get("grids.of", np.zeros((0, 3), np.int64)).tolist()):
            first, *rows = state[f"grids.{i}.first"].tolist()
            references = state[f"grids.{i}.references"].copy()
            grid = self._grids[p, u, book] = _Grid(state[f"grids.{i}.set"][0].decode(), references.shape[1])
            grid.first, grid.references = first, references
            grid.tried = state.get(f"grids.{i}.tried", grid.tried).copy()
            forwards = state[f"grids.{i}.forwards"].tolist()
            errors = state.get(f"grids.{i}.errors", np.zeros(len(forwards))).tolist()
            for k, (forward, error) in enumerate(zip(forwards, errors, strict=True)):
                carrier, size = rows[2 * k : 2 * k + 2]
                grid.tables[carrier] = _Table(forward, size, state[f"grids.{i}.{k}"].copy(), error)


@lru_cache(32)
def _nodes_of(low: float, high: float, least: float, most: float, size: int) -> _Nodes:
    nx, nv = _SIZES[size]
    step_x, step_v = (high - low + 2 * _DRIFT) / (nx - 3), (most - least) / (nv - 3)
    x = low - _DRIFT + step_x * np.arange(-1, nx - 1)
    shift = least + step_v * np.arange(-1, nv - 1)
    log = np.repeat(x, nv)
    place = float(x[0]), step_x, float(shift[0]), step_v
    return _Nodes(frozen(log), frozen(np.expm1(log)), frozen(np.tile(shift, nx)), (nx, nv), place)


def _nodes(shocks: Shocks, size: int) -> _Nodes:
    """A node beyond the scenarios on each side, wherever the forward drifts meanwhile."""
    least, most = float(shocks.vol_shift.min()), float(shocks.vol_shift.max())
    if most - least < 1e-12:  # vols that stay
        least, most = least - VOL_FLOOR, most + VOL_FLOOR
    return _nodes_of(float(shocks.log_growth.min()), float(shocks.log_growth.max()), least, most, size)
