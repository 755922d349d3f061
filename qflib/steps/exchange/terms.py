"""What few orders have: options, and a time at which they end."""

from __future__ import annotations

import heapq

import numpy as np

from qflib.records import OrderOption
from qflib.steps.state import State

TERMS = np.dtype([("slot", "i8"), ("options", "i8"), ("expire_ns", "i8"), ("told_ahead", "i8")])
_NEVER = 2**63 - 1
_FEW = 64  # ends that may be kept for nothing
_NAME = "orders.terms"


class Terms:
    """Options and ends of live orders, by slot; an order without either is not here."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[int, int]] = {}
        self._told: dict[int, int] = {}  # venue lots ahead as last told, of those with TELL_QUEUE
        self._ends: list[tuple[int, int]] = []  # a heap; may name orders that have gone or end at another time

    def set(self, slot: int, options: int, expire_ns: int) -> None:
        """An order has these from now on. Amortised O(log n)."""
        self.forget(slot)
        if options or expire_ns:
            self._of[slot] = options, expire_ns
        if options & OrderOption.TELL_QUEUE:
            self._told[slot] = 0
        if expire_ns:
            heapq.heappush(self._ends, (expire_ns, slot))
            self._pack()

    def forget(self, slot: int) -> None:
        """An order has gone."""
        self._of.pop(slot, None)
        self._told.pop(slot, None)
        self._pack()

    def _pack(self) -> None:
        """Drop ends of orders that have gone, where they are most of the heap. Amortised O(1)."""
        if len(self._ends) > _FEW + 2 * len(self._of):
            self._ends = [(expire_ns, slot) for slot, (_, expire_ns) in self._of.items() if expire_ns]
            heapq.heapify(self._ends)

    def has(self, slot: int, option: OrderOption) -> bool:
        """Whether an order has an option."""
        return bool(self._of.get(slot, (0, 0))[0] & option)

    @property
    def asking(self) -> list[int]:
        """Slots of orders with TELL_QUEUE, the oldest first."""
        return sorted(self._told)

    def tells(self, slot: int, ahead: int) -> bool:
        """Whether a place is another than was last told; it is the last one now."""
        changed = self._told[slot] != ahead
        self._told[slot] = ahead
        return changed

    def due_ns(self) -> int:
        """When the next order ends. Amortised O(log n)."""
        while self._ends and self._of.get(self._ends[0][1], (0, 0))[1] != self._ends[0][0]:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else _NEVER

    def due(self, now_ns: int) -> int:
        """Slot of an order whose time is over; -1: none."""
        return self._ends[0][1] if self.due_ns() <= now_ns else -1

    def state(self) -> State:
        """Nothing where no order has any."""
        rows = [(s, *t, self._told.get(s, 0)) for s, t in sorted(self._of.items())]
        return {_NAME: np.array(rows, TERMS)} if rows else {}

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._of, self._told, self._ends = {}, {}, []
        for slot, options, expire_ns, told in state.get(_NAME, np.zeros(0, TERMS)).tolist():
            self.set(slot, options, expire_ns)
            if slot in self._told:
                self._told[slot] = told
