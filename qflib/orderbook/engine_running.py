"""The kernels' engine with room for what comes: grown as it fills, emptied of its events, saved and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import engine
from qflib.kernels.book_state import MUCH, ORDER_LIVE, grow, short_of
from qflib.kernels.engine_auction import levels_in_call
from qflib.kernels.engine_clock import pack_expiries
from qflib.kernels.engine_codes import N_EVENTS, N_EXPIRIES, NOW
from qflib.kernels.engine_content import put_back, standing
from qflib.kernels.engine_state import new_engine

_INFO = ("last_ticks", "last_qty")
#: Of RULES what a row of another state cannot mean: rows of pools.
_ROWS = ("top_bid", "top_ask")


class Running:
    """An engine's state.

    Parameters
    ----------
    n_instruments
        Rows of its instrument table.
    orders
        First room for orders.
    """

    def __init__(self, n_instruments: int, orders: int = 1024) -> None:
        self.state = new_engine(n_instruments, orders)

    def run(self, commands: NDArray[Any]) -> NDArray[Any]:
        """Carry out commands (COMMAND); their events (EVENT)."""
        parts = [part.copy() for part in self.batches(commands)]
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def batches(self, commands: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """As `run`, by the buffer's fill and without a copy: each part holds until the next is asked for."""
        row: Any = 0
        status: Any = engine.EVENTS_FULL
        while status != engine.DONE:
            row, status = engine.run(self.state, commands, row, len(commands))
            n = int(self.state.work[N_EVENTS])
            self.state.work[N_EVENTS] = 0
            yield self.state.events[:n]
            if status not in (engine.DONE, engine.EVENTS_FULL):
                self._make_room(int(status), commands[row] if row < len(commands) else None)
        self._shrink()

    def room_for_auction(self, k: int) -> None:
        """Let an instrument's auction price be asked for."""
        while levels_in_call(self.state, k) > len(self.state.scratch):
            self._longer("scratch", 2 * len(self.state.scratch))

    def save(self) -> dict[str, NDArray[Any]]:
        """What stands in it, the same however it came about."""
        e = self.state
        rules = e.rules.copy()
        for name in _ROWS:
            rules[name] = 0
        killed = np.flatnonzero(e.killed).astype(np.int64)
        orders = standing(e, 0, len(rules)).copy()
        info = {f"info.{n}": e.book.info[n][: len(rules)].copy() for n in _INFO}
        return {"rules": rules, "killed": killed, "now": e.work[NOW : NOW + 1].copy(), "orders": orders} | info

    @classmethod
    def of(cls, saved: Mapping[str, NDArray[Any]]) -> Self:
        """One that goes on from what `save` gave."""
        n = len(saved["orders"])
        made = cls(len(saved["rules"]), max(1024, 2 * n))
        made.state.rules[:] = saved["rules"]
        made.state.work[NOW] = saved["now"][0]
        for name in _INFO:
            made.state.book.info[name][: len(saved["rules"])] = saved[f"info.{name}"]
        if len(saved["killed"]):
            made._longer("killed", int(saved["killed"].max()) + 1)
            made.state.killed[saved["killed"]] = 1
        made._longer("expiries", n + len(made.state.expiries))
        at: Any = 0
        while (at := put_back(made.state, saved["orders"], at)) < n:
            made._grow_book()
        return made

    @property
    def memory_bytes(self) -> int:
        """What its arrays take."""
        arrays = [*self.state.book, *(a for a in self.state[1:])]
        return sum(a.nbytes for a in arrays)

    def _make_room(self, status: int, command: Any) -> None:
        if status == engine.BOOK_FULL:
            self._grow_book()
        elif status == engine.EXPIRIES_FULL:
            if 2 * pack_expiries(self.state) > len(self.state.expiries):
                self._longer("expiries", 2 * len(self.state.expiries))
        elif status == engine.SCRATCH_FULL:
            self._longer("scratch", 2 * len(self.state.scratch))
        elif status == engine.ACCOUNTS_FULL:
            self._longer("killed", max(2 * len(self.state.killed), int(command["account"]) + 1))

    def _shrink(self) -> None:
        """Give back room where less than an eighth of much is used. O(content), seldom; nothing is under way."""
        e = self.state
        if max(len(e.book.orders), len(e.scratch), len(e.expiries)) <= MUCH:
            return
        live = int(e.book.heads[ORDER_LIVE])
        if 8 * live < len(e.book.orders):
            self.state = type(self).of(self.save()).state
            return
        if len(e.scratch) > MUCH and 8 * live < len(e.scratch):
            self.state = self.state._replace(scratch=np.zeros((64, 2), np.int64))
        if len(e.expiries) > MUCH and 8 * live < len(e.expiries):  # no more ends than live orders
            pack_expiries(e)
            kept = e.expiries[: 2 * int(e.work[N_EXPIRIES]) + 16].copy()
            self.state = self.state._replace(expiries=kept)

    def _grow_book(self) -> None:
        book = grow(self.state.book, short_of(self.state.book))
        self.state = self.state._replace(book=book)
        for name in ("tags", "more"):
            self._longer(name, len(book.orders))

    def _longer(self, name: str, room: int) -> None:
        """An array with so many rows."""
        had = getattr(self.state, name)
        made = np.zeros((room, *had.shape[1:]), had.dtype)
        made[: len(had)] = had
        grown: dict[str, Any] = {name: made}
        self.state = self.state._replace(**grown)
