"""Positions from executions: quantity, average cost, realised P&L and fees, an instrument and book of a portfolio."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.records import Book, ExecType, Instruments, Side
from qflib.records.lots import is_inverse_future, lot_units
from qflib.steps.state import State

#: A position: quantity, average cost, realised P&L and fees, of an instrument in one book of a portfolio.
ENTRY = np.dtype(
    [
        ("portfolio", "i8"),
        ("instrument", "i8"),
        ("book", "i8"),
        ("qty", "i8"),
        ("avg_value", "f8"),  # settlement currency a lot, quantity-weighted
        ("realised", "f8"),  # settlement currency
        ("fees", "f8"),
    ]
)
_MOVES = {
    ExecType.FILL,
    ExecType.BOOKING,
    ExecType.TRANSFER,
    ExecType.BUST,
    ExecType.SETTLEMENT,
    ExecType.EXERCISE,
    ExecType.ASSIGNMENT,
    ExecType.DELIVERY,
}


class Ledger:
    """Average-cost positions. Costs are kept as values of a lot, in which linear and inverse contracts add alike."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._units = lot_units(instruments)
        self._entries = np.zeros(16, ENTRY)
        self._n = 0
        self._index: dict[tuple[int, int, int], int] = {}
        self._order: dict[tuple[int, int], NDArray[np.int64]] = {}  # of entries, until one is added
        self._sorted: dict[tuple[int, int], NDArray[Any]] = {}  # copies, until an entry changes
        self.portfolios: list[str] = []

    def apply(self, row: Any, i: int) -> int | None:
        """Fold row `i` of Executions columns; the entry's position in the ledger where a position changed."""
        kind = int(row.exec_type[i])
        if kind == ExecType.VARIATION_MARGIN or kind in _MOVES:
            self._sorted.clear()
        if kind == ExecType.VARIATION_MARGIN:
            return self._settle_variation(row, i)
        if kind not in _MOVES:
            return None
        instrument, qty = int(row.instrument[i]), int(row.qty[i])
        price = float(row.price[i])
        if kind == ExecType.FILL:
            price = float(self._instruments.to_price(instrument, int(row.price_ticks[i])))
            qty = qty if row.side[i] == Side.BID else -qty
        value = lot_value(self._instruments, self._units, instrument, price)
        book = int(row.book[i]) or int(Book.CLIENT)
        if kind == ExecType.TRANSFER:
            arriving = self._entry(row.to_portfolio[i].decode(), instrument, book)
            self._trade(arriving, qty, value)
            qty = -qty
        at = self._entry(row.portfolio[i].decode(), instrument, book)
        self._trade(at, qty, value)
        self._entries["fees"][at] += float(row.fee[i])
        return at

    def of(self, portfolio: int, underlying: int) -> NDArray[Any]:
        """A portfolio's entries in one underlying, by instrument and book: not to be written to. O(1) until a trade."""
        known = self._sorted.get((portfolio, underlying))
        if known is not None:
            return known
        if (portfolio, underlying) not in self._order:
            rows = self._entries[: self._n]
            of_underlying = self._instruments.underlying_index[rows["instrument"]] == underlying
            mine = np.flatnonzero((rows["portfolio"] == portfolio) & of_underlying)
            order = np.lexsort((rows["book"][mine], rows["instrument"][mine]))
            self._order[portfolio, underlying] = mine[order]
        words = self._entries.view(np.int64).reshape(len(self._entries), -1)  # rows of a structure are taken slowly
        found: NDArray[Any] = words[self._order[portfolio, underlying]].view(ENTRY).reshape(-1)
        self._sorted[portfolio, underlying] = found
        return found

    def held(self, portfolio: int, instrument: int, book: int) -> int:
        """Signed lots of one position. O(1)."""
        at = self._index.get((portfolio, instrument, book))
        return 0 if at is None else int(self._entries["qty"][at])

    def state(self) -> State:
        """The entries and the portfolios' names."""
        return {
            "ledger.entries": self._entries[: self._n].copy(),
            "ledger.portfolios": np.array(self.portfolios, "S64"),
        }

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._n = len(state["ledger.entries"])
        self._entries = np.zeros(max(16, 2 * self._n), ENTRY)
        self._entries[: self._n] = state["ledger.entries"]
        self.portfolios = [p.decode() for p in state["ledger.portfolios"].tolist()]
        keys = self._entries[: self._n][["portfolio", "instrument", "book"]].tolist()
        self._index = {k: i for i, k in enumerate(keys)}
        self._order, self._sorted = {}, {}

    def _entry(self, portfolio: str, instrument: int, book: int) -> int:
        if portfolio not in self.portfolios:
            self.portfolios.append(portfolio)
        key = (self.portfolios.index(portfolio), instrument, book)
        at = self._index.get(key)
        if at is None:
            at = self._index[key] = self._n
            if at == len(self._entries):
                self._entries = np.concatenate([self._entries, np.zeros(at, ENTRY)])
            self._entries[at] = (*key, 0, 0.0, 0.0, 0.0)
            self._n += 1
            self._order = {}
        return at

    def _trade(self, at: int, qty: int, value: float) -> None:
        held, avg = int(self._entries["qty"][at]), float(self._entries["avg_value"][at])
        closed = 0 if held * qty >= 0 else min(abs(held), abs(qty)) * (1 if held > 0 else -1)
        self._entries["realised"][at] += (value - avg) * closed
        after = held + qty
        if held * qty >= 0 and after:
            avg = (avg * held + value * qty) / after
        elif abs(qty) > abs(held):  # turned round: what is left was opened here
            avg = value
        self._entries["qty"][at] = after
        self._entries["avg_value"][at] = avg if after else 0.0

    def _settle_variation(self, row: Any, i: int) -> int:
        instrument = int(row.instrument[i])
        at = self._entry(row.portfolio[i].decode(), instrument, int(row.book[i]) or int(Book.CLIENT))
        value = lot_value(self._instruments, self._units, instrument, float(row.price[i]))
        entry = self._entries
        entry["realised"][at] += (value - entry["avg_value"][at]) * entry["qty"][at]
        entry["avg_value"][at] = value if entry["qty"][at] else 0.0
        return at


def lot_value(instruments: Instruments, units: NDArray[np.float64], instrument: int, price: float) -> float:
    """Value of one lot in settlement currency, up to a constant: its change is the P&L."""
    if is_inverse_future(instruments.rows[instrument]):
        return float(-units[instrument] / price) if price > 0 else 0.0
    return float(units[instrument] * price)
