"""P&L explained since the first valuation, a portfolio and underlying: sums, and the start of the next period."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.position_explain import BROUGHT, KEPT, KEYS, LEFT, PARTS, SLIPPAGE, explain_positions, keep_start
from qflib.kernels.position_values import Terms
from qflib.records import EXPLAIN, Book, ExecType
from qflib.records.schema import frozen
from qflib.steps.exposures.quotes import Quotes
from qflib.steps.exposures.revaluation import Valued
from qflib.steps.state import State

#: Figures are told in these parts of the reporting currency. Whole numbers below 2^53 add and subtract without
#: rounding, so figures below 2^33 do.
GRID = 2.0**20
_NO_PAIRS = np.zeros((0, 2), np.int64)
_BOOKS = frozen(np.array([Book.CLIENT, Book.HEDGE], np.uint32))
_TRADES = {
    ExecType.FILL: SLIPPAGE,
    ExecType.BUST: SLIPPAGE,
    ExecType.BOOKING: BROUGHT,
    ExecType.TRANSFER: BROUGHT,
}


class _Since:
    """Sums of one portfolio's P&L in one underlying, and what the next period starts from."""

    def __init__(self, from_ns: int, pnl: NDArray[np.float64]) -> None:
        self.from_ns = self.time_ns = from_ns
        self.reference, self.forward = -1, np.nan
        self.base = pnl  # P&L not made since from_ns, a book
        self.parts = np.zeros((2, len(PARTS)))
        self.keys = np.zeros((len(KEYS), 0), np.int64)
        self.kept = np.zeros((len(KEPT), 0))


class Explained:
    """Attributes the P&L between revaluations to Greeks, carry, fees and slippage."""

    def __init__(self, quotes: Quotes, terms: Terms) -> None:
        self._quotes = quotes
        self._terms = terms
        self._since: dict[tuple[int, int], _Since] = {}
        self._older: set[tuple[int, int]] = set()  # held since before there were sums, and not valued since

    def take(self, portfolio: int, underlying: int, v: Valued, cause: int) -> tuple[_Since, NDArray[np.float64]]:
        """A revaluation: sums up to it, and the P&L a book it tells.

        Parameters
        ----------
        portfolio, underlying
            Whose positions, in what.
        v
            The revaluation.
        cause
            `ExecType` of the one execution since the last; 0: none.
        """
        pnl = v.sums["realised"] + v.sums["unrealised"]
        mine = self._since.get((portfolio, underlying))
        if (portfolio, underlying) in self._older:
            self._older.remove((portfolio, underlying))
            cause = 0
        if mine is None:
            # what a first trade finds is an empty book; other positions bring the P&L they have
            begun = np.zeros(2) if cause == ExecType.FILL else pnl.copy()
            mine = self._since[portfolio, underlying] = _Since(v.time_ns, begun)
        if mine.keys.shape[1] or cause == ExecType.FILL:
            moved = self._quotes.mid_or(mine.reference, v.forward) - mine.forward if mine.keys.shape[1] else 0.0
            trade = _TRADES.get(ExecType(cause), LEFT) if cause else LEFT
            explain_positions(
                mine.keys, mine.kept, v.entries, self._terms, v.figures, v.vol, mine.time_ns, v.time_ns, moved, trade,
                mine.parts, mine.base,
            )  # fmt: skip
        if mine.keys.shape[1] != len(v.entries):
            mine.keys = np.empty((len(KEYS), len(v.entries)), np.int64)
            mine.kept = np.empty((len(KEPT), len(v.entries)))
        keep_start(v.entries, v.figures, v.vol, mine.keys, mine.kept)
        mine.time_ns, mine.forward = v.time_ns, v.forward
        mine.reference = self._quotes.reference(underlying, v.time_ns)
        return mine, pnl

    def rows(self, mine: _Since, pnl: NDArray[np.float64], portfolio: Any, underlying: Any) -> Any:
        """Rows of Explain: parts and total on the grid, the rest between them."""
        parts = np.rint(mine.parts * GRID)
        total = np.rint((pnl - mine.base) * GRID)
        told = dict(zip(PARTS, (parts / GRID).T.copy(), strict=True))
        return EXPLAIN.make(
            portfolio=portfolio, underlying=underlying, book=_BOOKS, from_ns=mine.from_ns, time_ns=mine.time_ns,
            unexplained=(total - parts.sum(axis=1)) / GRID, total=total / GRID, **told,
        )  # fmt: skip

    def state(self) -> State:
        """Sums and starts."""
        out: State = {"explained.of": np.array(sorted(self._since), np.int64).reshape(-1, 2)}
        for i, key in enumerate(sorted(self._since)):
            mine = self._since[key]
            out[f"explained.{i}.times"] = np.array([mine.from_ns, mine.time_ns, mine.reference], np.int64)
            out[f"explained.{i}.sums"] = np.concatenate([mine.parts.ravel(), mine.base, [mine.forward]])
            out[f"explained.{i}.keys"], out[f"explained.{i}.kept"] = mine.keys.copy(), mine.kept.copy()
        if self._older:
            out["explained.older"] = np.array(sorted(self._older), np.int64)
        return out

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._since, self._older = {}, {(p, u) for p, u in state.get("explained.older", _NO_PAIRS).tolist()}
        if "explained.of" not in state:
            held = state["ledger.entries"]
            of = self._quotes.underlying[held["instrument"]]
            self._older = set(zip(held["portfolio"].tolist(), of.tolist(), strict=True))
        for i, (p, u) in enumerate(state.get("explained.of", _NO_PAIRS).tolist()):
            sums = state[f"explained.{i}.sums"]
            n = 2 * len(PARTS)
            from_ns, time_ns, reference = state[f"explained.{i}.times"].tolist()
            mine = self._since[p, u] = _Since(from_ns, sums[n : n + 2].copy())
            mine.time_ns, mine.reference, mine.forward = time_ns, reference, float(sums[-1])
            mine.parts = sums[:n].reshape(2, len(PARTS)).copy()
            mine.keys, mine.kept = state[f"explained.{i}.keys"].copy(), state[f"explained.{i}.kept"].copy()
