"""Net positions an account, portfolio, book and instrument, with the price that variation margin counts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.records import Instrument
from qflib.steps.exchange.growing import Rows
from qflib.steps.state import State

POSITION = np.dtype(
    [("account", "i8"), ("portfolio", "i8"), ("book", "i8"), ("instrument", "i8"), ("qty", "i8"), ("avg_price", "f8")]
)
Key = tuple[int, int, int, int]


def blended(instrument: Instrument, qty: int, avg: float, change: int, price: float) -> float:
    """Average price after a change: weighted where the position grows, kept where it shrinks, new where it turns.

    Prices of inverse futures are averaged harmonically, as their P&L is linear in 1 / price.
    """
    after = qty + change
    if after == 0:
        return 0.0
    if qty == 0 or (qty > 0) != (after > 0):
        return price
    if (qty > 0) != (change > 0):
        return avg
    if instrument.inverse and instrument.kind != "option" and avg > 0 and price > 0:
        return after / (qty / avg + change / price)
    return (qty * avg + change * price) / after


class Positions:
    """A row a key; rows stay when they are flat."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self._instruments = instruments
        self._table = Rows(POSITION)
        self._at: dict[Key, int] = {}
        self._of: dict[int, list[int]] = {}

    def apply(self, key: Key, change: int, price: float) -> None:
        """Change a position by signed lots at a price. O(1)."""
        at = self._at.get(key)
        if at is None:
            at = self._table.add(*key, 0, 0.0)
            self._index(key, at)
        row = self._table.rows[at]
        qty, avg = int(row["qty"]), float(row["avg_price"])
        row["avg_price"] = blended(self._instruments[key[3]], qty, avg, change, price)
        row["qty"] = qty + change

    def get(self, key: Key) -> tuple[int, float]:
        """Signed lots and average price."""
        at = self._at.get(key)
        if at is None:
            return 0, 0.0
        row = self._table.rows[at]
        return int(row["qty"]), float(row["avg_price"])

    def of_portfolio(self, portfolio: int, instrument: int) -> int:
        """Signed lots of a portfolio, over its accounts and books. O(positions of the instrument)."""
        rows, places = self._table.rows, self._of.get(instrument, ())
        return sum(int(rows[at]["qty"]) for at in places if rows[at]["portfolio"] == portfolio)

    def mark(self, key: Key, price: float) -> None:
        """Move the average price, after variation margin has been paid up to it."""
        self._table.rows[self._at[key]]["avg_price"] = price

    def open_in(self, instrument: int) -> list[tuple[Key, int, float]]:
        """Positions of an instrument that are not flat, by first use."""
        out = []
        for at in self._of.get(instrument, ()):
            a, p, b, i, qty, avg = self._table.rows[at].tolist()
            if qty:
                out.append(((a, p, b, i), qty, avg))
        return out

    @property
    def rows(self) -> NDArray[np.void]:
        """The table (dtype POSITION)."""
        return self._table.rows

    def _index(self, key: Key, at: int) -> None:
        self._at[key] = at
        self._of.setdefault(key[3], []).append(at)

    def state(self) -> State:
        """The table."""
        return {"positions": self._table.rows.copy()}

    def load(self, state: State) -> None:
        """Go on from a state. O(rows)."""
        self._table.load(state["positions"])
        self._at, self._of = {}, {}
        for at, (a, p, b, i, _, _) in enumerate(self._table.rows.tolist()):
            self._index((a, p, b, i), at)
