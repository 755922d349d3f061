"""What became of the hedge orders: the last one reflected, and lots still working, a portfolio and instrument."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.records import ExecType, OrderStatus, Side
from qflib.steps.state import State

_ENDED = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
_HEDGE = np.dtype(
    [
        ("portfolio", "S64"),
        ("instrument", "i8"),
        ("last_no", "i8"),
        ("last_rejected", "i8"),
        ("working", "i8"),
    ]
)


class HedgeOrders:
    """Follows hedge orders through their executions."""

    def __init__(self) -> None:
        self._rows: dict[tuple[bytes, int], Any] = {}

    def apply(self, row: Any, i: int) -> bool:
        """Fold row `i` of Executions columns; True where it was a hedge order's."""
        no = int(row.hedge_no[i])
        if no == 0:
            return False
        key = (bytes(row.portfolio[i]), int(row.instrument[i]))
        if key not in self._rows:
            self._rows[key] = np.array([(*key, 0, 0, 0)], _HEDGE)
        r = self._rows[key][0]
        r["last_no"] = max(int(r["last_no"]), no)
        if row.exec_type[i] == ExecType.REJECTED:
            r["last_rejected"] = no
        # the hedger has one order alive an instrument, so what its newest row says is all that works
        sign = 1 if row.side[i] == Side.BID else -1
        r["working"] = 0 if int(row.ord_status[i]) in _ENDED else sign * int(row.leaves_qty[i])
        return True

    def of(self, portfolio: bytes, instrument: int) -> tuple[int, int, int]:
        """Last number reflected, last number refused, signed lots working."""
        found = self._rows.get((portfolio, instrument))
        if found is None:
            return 0, 0, 0
        r = found[0]
        return int(r["last_no"]), int(r["last_rejected"]), int(r["working"])

    def state(self) -> State:
        """All rows."""
        return {"hedge_orders": np.array([self._rows[k][0] for k in sorted(self._rows)], _HEDGE)}

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._rows = {
            (bytes(r["portfolio"]), int(r["instrument"])): np.array([r], _HEDGE) for r in state["hedge_orders"]
        }
