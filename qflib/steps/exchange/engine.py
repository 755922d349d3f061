"""The matching engine: the venue's books, our orders beside them, and the room both need."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import StateError
from qflib.kernels import own_orders as own
from qflib.kernels.book import NO_PRICE, best, grow, level_qty, new_state
from qflib.kernels.book_content import load as load_books
from qflib.kernels.book_content import save as save_books
from qflib.kernels.book_state import MUCH, ORDER_LIVE
from qflib.kernels.venue_matching import DONE, MARKET, available, fillable, rest, take
from qflib.kernels.venue_rows import FULL, SPARE, run_rows
from qflib.orderbook.books import row_digests
from qflib.records import Instruments, OrderType, Side, TradingStatus
from qflib.steps.state import State

#: Overlay arrays that are state; the others are made from the instrument table.
_SAVED = (
    "own", "head", "consumed", "consumed_head", "watch", "changed", "changed_underlying", "newest", "trades", "counts",
)  # fmt: skip

#: A resting order of ours; `queue_ahead` is the venue's lots in front of it at its price.
STANDING = np.dtype(
    [
        ("order_id", "u8"),
        ("instrument", "i8"),
        ("side", "i8"),
        ("price_ticks", "i8"),
        ("leaves_qty", "i8"),
        ("queue_ahead", "i8"),
    ]
)


class Engine:
    """Venue books and our overlay; grows both as needed.

    Parameters
    ----------
    instruments
        The instrument table.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._n = len(instruments)
        self.book = new_state(self._n)
        self.o = own.new_overlay(instruments.underlying_index, np.array([r.levels for r in instruments], np.uint8))

    def run(self, events: Any, row: int, time_ns: int, limit_ns: int) -> tuple[int, int, int]:
        """Rows from `row` on until something is to be told: (next row, why, the source's time)."""
        while True:
            row, stop = run_rows(
                self.book, self.o, events.kind, events.flags, events.instrument, events.side, events.order_id,
                events.price_ticks, events.qty, events.venue_ns, events.receipt_ns, row, time_ns, limit_ns,
            )  # fmt: skip
            time_ns = int(self.o.counts[own.SOURCE_TIME])
            if stop != FULL:
                self._shrink()
                return row, stop, time_ns
            if not self._make_room():
                self.book = grow(self.book)

    def place(self, instrument: int, side: int, price: int, qty: int) -> int:
        """A slot for a new order that neither rests nor has traded."""
        slot = int(self.o.counts[own.N_OWN])
        if slot == len(self.o.own):
            self.o = self.o._replace(own=_doubled(self.o.own), fills=np.zeros(2 * slot + own.SPARE_FILLS, own.FILL))
        self.o.own[slot] = (instrument, side, price, qty, qty, 0, -1, -1, 0, 0, 0)
        self.o.counts[own.N_OWN] = slot + 1
        return slot

    def take(self, slot: int, ord_type: int) -> list[tuple[int, ...]]:
        """Match an order as far as it goes; its fills."""
        fills: list[tuple[int, ...]] = []
        market = MARKET if ord_type == OrderType.MARKET else 0
        while True:
            self._make_room()
            status = take(self.book, self.o, slot, market)
            fills += self.fills()
            if status == DONE:
                return fills

    def fillable(self, instrument: int, side: int, price: int, ord_type: int, want: int) -> int:
        """Lots to be had now, up to `want`."""
        market = MARKET if ord_type == OrderType.MARKET else 0
        return int(fillable(self.book, self.o, instrument, side, price, market, want))

    def ahead(self, instrument: int, side: int, price: int) -> int:
        """Venue lots that an order would have in front of it at a price."""
        return int(available(self.book, self.o, instrument, side, price))

    def rest(self, slot: int) -> None:
        """Leave an order in its queue."""
        rest(self.book, self.o, slot)

    def withdraw(self, slot: int) -> None:
        """Take an order out of its queue, if it is in one."""
        if self.o.own[slot]["resting"]:
            own.unlink(self.o, slot)

    def fills(self) -> list[tuple[int, ...]]:
        """Fills since the last call, as rows of FILL."""
        n = int(self.o.counts[own.N_FILLS])
        self.o.counts[own.N_FILLS] = 0
        return [tuple(f) for f in self.o.fills[:n].tolist()]

    def resting(self, instrument: int = -1) -> list[int]:
        """Slots of resting orders, of an instrument or all, by arrival. O(resting log resting + queues)."""
        queues = (2 * instrument, 2 * instrument + 1) if instrument >= 0 else np.flatnonzero(self.o.head >= 0).tolist()
        return sorted(slot for queue in queues for slot in self.queue(queue))

    def standing(self) -> NDArray[Any]:
        """Resting orders and where they stand (dtype STANDING), by arrival. O(resting log resting + queues)."""
        slots = self.resting()
        made = np.zeros(len(slots), STANDING)
        made["order_id"] = np.array(slots, np.uint64) + np.uint64(1)
        for name, of in (("instrument", "instrument"), ("side", "side"), ("price_ticks", "price"),
                         ("leaves_qty", "leaves"), ("queue_ahead", "ahead")):  # fmt: skip
            made[name] = self.o.own[of][slots]
        return made

    def queue(self, place: int) -> list[int]:
        """Slots of the resting orders of a side (2 * instrument + side - 1), best first. O(its orders)."""
        slots, following = [], self.o.own["next"]
        slot = int(self.o.head[place])
        while slot >= 0:
            slots.append(slot)
            slot = int(following[slot])
        return slots

    def top(self, instrument: int) -> tuple[int | None, int | None]:
        """Best bid and ask of the venue in ticks; None: no such side."""
        prices = (int(best(self.book, instrument, s)) for s in _SIDES)
        bid, ask = (None if p == NO_PRICE else p for p in prices)
        return bid, ask

    def last(self, instrument: int) -> int | None:
        """Last trade in ticks; None: none yet."""
        info = self.book.info[instrument]
        return int(info["last_ticks"]) if info["last_qty"] else None

    def level_qty(self, instrument: int, side: int, price: int) -> int:
        """The venue's lots at a price."""
        return int(level_qty(self.book, instrument, side, price))

    def status(self, instrument: int) -> TradingStatus:
        """What the venue last told of an instrument's trading."""
        code = int(self.book.info[instrument]["status"])
        return TradingStatus(code) if code in _STATUSES else TradingStatus.UNKNOWN

    def take_trades(self) -> NDArray[Any]:
        """Venue trades since the last call (dtype TRADE)."""
        n = int(self.o.counts[own.N_TRADES])
        self.o.counts[own.N_TRADES] = 0
        return self.o.trades[:n].copy()

    @property
    def book_digests(self) -> list[str]:
        """Digest of the venue's book alone of each row of the table."""
        return row_digests(self.book)

    def _shrink(self) -> None:
        """Give back the books' room where less than an eighth of much is used. O(content), seldom."""
        b = self.book
        if len(b.orders) > MUCH and 8 * int(b.heads[ORDER_LIVE]) < len(b.orders):
            self.book = load_books(save_books(b))

    def _make_room(self) -> bool:
        """Double what of the overlay is nearly full; whether anything was."""
        o, grown = self.o, False
        if o.counts[own.N_TRADES] == len(o.trades):
            o, grown = o._replace(trades=_doubled(o.trades)), True
        if o.counts[own.N_CONSUMED] + SPARE > len(o.consumed):
            had = len(o.consumed)
            consumed = _doubled(o.consumed)
            consumed["next"][had:] = np.arange(had + 1, 2 * had + 1)
            consumed["next"][-1] = o.counts[own.CONSUMED_FREE]
            o.counts[own.CONSUMED_FREE] = had
            o, grown = o._replace(consumed=consumed), True
        self.o = o
        return grown

    def state(self) -> State:
        """Books and overlay."""
        made = {f"book.{k}": v for k, v in save_books(self.book).items()}
        for name in _SAVED:
            made[f"own.{name}"] = getattr(self.o, name).copy()
        made["own.own"] = made["own.own"][: self.o.counts[own.N_OWN]]
        made["own.trades"] = made["own.trades"][: self.o.counts[own.N_TRADES]]
        return made

    def load(self, state: State) -> None:
        """Go on from a state. O(content).

        Raises
        ------
        StateError
            If another version of qflib made it.
        """
        if state["own.own"].dtype != own.OWN:
            raise StateError("the state was made by another version of qflib; start the exchange anew and replay")
        self.book = load_books({k.removeprefix("book."): v for k, v in state.items() if k.startswith("book.")})
        saved = {name: state[f"own.{name}"].copy() for name in _SAVED}
        room = 256
        while room < len(saved["own"]) or room < len(saved["trades"]):
            room *= 2
        for name in ("own", "trades"):
            rows = np.zeros(room, saved[name].dtype)
            rows[: len(saved[name])] = saved[name]
            saved[name] = rows
        self.o = self.o._replace(**saved, fills=np.zeros(room + own.SPARE_FILLS, own.FILL))


_STATUSES = frozenset(int(s) for s in TradingStatus)
_SIDES = int(Side.BID), int(Side.ASK)  # plain: a kernel takes ten times as long to be called with a member of an enum


def _doubled(a: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([a, np.zeros_like(a)])
