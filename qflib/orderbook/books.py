"""Books of all instruments of a table: events in, tops and depth out, content for snapshots and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.figures import Figures
from qflib.kernels import book_content as content
from qflib.kernels.book_batch import N_COUNTERS, NOTED, apply_events, apply_fitting
from qflib.kernels.book_handle import handle
from qflib.kernels.book_state import (
    ID_BOUND,
    INFO,
    ORDER_LIVE,
    BookState,
    grow,
    needed,
    new_state,
    vacant,
    with_instruments,
)
from qflib.orderbook.torn import COLUMNS, refuse_torn
from qflib.records import DEPTH, TOPS, Instruments

#: What is known of an instrument, but for the time of its newest event: the exchange keeps time by source.
_DIGESTED = tuple(n for n in INFO.names or () if n != "time_ns")


@dataclass(frozen=True, slots=True)
class Counters(Figures):
    """What a batch of events did: events seen, and those refused by reason; crossed and locked books at rows with LAST;
    gaps.

    Refused events change no book. They add up: ``a + b``.
    """

    events: int = 0
    unknown_ids: int = 0
    duplicate_ids: int = 0
    bad_quantities: int = 0
    bad_sides: int = 0
    bad_prices: int = 0
    bad_instruments: int = 0
    unknown_kinds: int = 0
    crossed: int = 0
    locked: int = 0
    gaps: int = 0  # rows before which something is missing
    overdrawn: int = 0  # executions and cancels of more than the order had, which then went
    passed_over: int = 0  # between an event that did not fit and the next snapshot, where that is the policy

    @property
    def refused(self) -> int:
        """Events that changed nothing."""
        return (
            self.unknown_ids
            + self.duplicate_ids
            + self.bad_quantities
            + self.bad_sides
            + self.bad_prices
            + self.bad_instruments
            + self.unknown_kinds
        )

    @property
    def misfits(self) -> int:
        """Events that the book cannot be trusted after: refused ones, gaps, and more taken than there was."""
        return self.refused + self.gaps + self.overdrawn

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))


#: By place in the kernels' counters; what they are called where one event is named.
REASONS = ("", "unknown id", "duplicate id", "bad quantity", "bad side", "bad price", "bad instrument", "unknown kind",
            "crossed", "locked", "missing data", "overdrawn")  # fmt: skip


class Books:
    """The books of an instrument table: full queues, told levels and quotes alike.

    Parameters
    ----------
    instruments
        The table, or how many rows it has.
    ids
        Ids below this bound index an array, 4 bytes an id, that grows with the ids that come: faster where a venue
        counts its ids, as ITCH does. Any other id, and all by default, are hashed.

    Examples
    --------
    >>> from qflib.orderbook.books import Books
    >>> from qflib.records import MARKET_EVENTS
    >>> books = Books(1)
    >>> books.apply(MARKET_EVENTS.make(kind=[1, 1], side=[1, 2], order_id=[1, 2], price_ticks=[99, 101], qty=[5, 7]))
    Counters(events=2, ...)
    >>> top = books.tops()
    >>> int(top.bid_ticks[0]), int(top.ask_ticks[0])
    (99, 101)
    """

    def __init__(self, instruments: Instruments | int, ids: int = 0) -> None:
        n = instruments if isinstance(instruments, int) else len(instruments)
        self.state = new_state(n, ids=ids)

    @property
    def state(self) -> BookState:
        """The books' arrays."""
        return self._state

    @state.setter
    def state(self, state: BookState) -> None:
        self._state = state
        self._handle = handle(state)
        #: Of the state's handle, for `apply_row`.
        self.address = self._handle.ctypes.data

    def __len__(self) -> int:
        return len(self.state.info)

    def extend(self, instruments: Instruments | int) -> None:
        """Make room for a longer table; rows there keep their books."""
        self.state = with_instruments(self.state, instruments if isinstance(instruments, int) else len(instruments))

    def apply(self, events: Any) -> Counters:
        """Apply the columns of `MARKET_EVENTS`, in order. O(1) an event but for far levels that come or go.

        Returns
        -------
        Counters
            What was refused, and why.
        """
        return told(self.count(events, new_counters()))

    def count(self, events: Any, counters: NDArray[np.int64]) -> NDArray[np.int64]:
        """As `apply`, added to an array of `new_counters`, which is given back."""
        row, n = 0, len(events.kind)
        while row < n:
            row = self._rows(apply_events, events, row, counters)
            if row < n:
                self.grow()
        self.shrink()
        return counters

    def fit(self, events: Any, counters: NDArray[np.int64]) -> int:
        """As `count`, up to the first misfit, or row after a gap; how many events were taken, that one among them."""
        row, n, misfits = 0, len(events.kind), told(counters).misfits
        while row < n and told(counters).misfits == misfits:
            row = self._rows(apply_fitting, events, row, counters)
            if row < n and told(counters).misfits == misfits:
                self.grow()
        self.shrink()
        return row

    def _rows(self, kernel: Any, e: Any, row: int, counters: NDArray[np.int64]) -> int:
        """Apply events from a row on; the row to go on from."""
        done: int = kernel(
            self.state, e.kind, e.flags, e.instrument, e.side, e.order_id, e.price_ticks, e.qty, e.receipt_ns,
            row, len(e.kind), counters,
        )  # fmt: skip
        return done

    def grow(self) -> None:
        """Double what is full."""
        self.state = grow(self.state, needed(self.state))

    def shrink(self) -> None:
        """Give back room where less than an eighth of much is used. O(content), seldom."""
        s = self.state
        if vacant(len(s.orders), s.heads[ORDER_LIVE]):
            self.state = content.load(content.save(s), int(s.heads[ID_BOUND]))

    def tops(self, instruments: NDArray[Any] | None = None) -> Any:
        """`TOPS` columns of some instruments (all). O(instruments)."""
        which = np.asarray(np.arange(len(self)) if instruments is None else instruments, np.uint32)
        bid, bid_qty, ask, ask_qty, bid_depth, ask_depth = content.tops_of(self.state, which)
        info = self.state.info[which]
        return TOPS.make(
            instrument=which,
            bid_ticks=bid,
            bid_qty=bid_qty,
            ask_ticks=ask,
            ask_qty=ask_qty,
            last_ticks=info["last_ticks"],
            last_qty=info["last_qty"],
            status=info["status"],
            time_ns=info["time_ns"],
            bid_depth=bid_depth,
            ask_depth=ask_depth,
        )

    def depth(self, instrument: int, n: int) -> Any:
        """`DEPTH` columns of the best `n` levels a side of an instrument, bids first. O(n)."""
        side, level, price, qty, _ = content.depth_of(self.state, self._known(instrument), n)
        return DEPTH.make(instrument=np.uint32(instrument), side=side, level=level, price_ticks=price, qty=qty)

    def levels_of(self, instrument: int) -> dict[str, NDArray[Any]]:
        """All levels of an instrument, bids first, best first: side, price_ticks, qty, orders. O(levels)."""
        i = self._known(instrument)
        return dict(zip(content.LEVEL_COLUMNS[1:], content.levels_of(self.state, i, i + 1)[1:], strict=True))

    def orders_of(self, instrument: int) -> dict[str, NDArray[Any]]:
        """All orders of an instrument in the order of `levels_of`, each queue from its head. O(orders)."""
        i = self._known(instrument)
        _, side, price, _, count = content.levels_of(self.state, i, i + 1)
        ids, qty = content.orders_of(self.state, i, i + 1)
        return {"side": np.repeat(side, count), "price_ticks": np.repeat(price, count), "order_id": ids, "qty": qty}

    def save(self) -> dict[str, NDArray[Any]]:
        """The content as named arrays: queues in order, levels, and what is known of each instrument."""
        return content.save(self.state)

    def load(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `save` gave, bit for bit.

        Raises
        ------
        StateError
            If it is not that: see `qflib.orderbook.torn`.
        """
        refuse_torn(saved)
        self.state = content.load({n: saved[n] for n in COLUMNS}, int(self.state.heads[ID_BOUND]))

    def digest(self) -> str:
        """SHA-256 over the digests of all rows; equal for equal books however they came about. O(content)."""
        return digest_of_rows(row_digests(self.state))

    def digest_of(self, instrument: int) -> str:
        """SHA-256 of one instrument's content."""
        return _row_digest(self.state, self._known(instrument))

    def _known(self, instrument: int) -> int:
        if not 0 <= instrument < len(self):
            raise InputError(f"instrument {instrument} is not in the table; it has rows 0 to {len(self) - 1}")
        return int(instrument)


def new_counters(noted: int = 0) -> NDArray[np.int64]:
    """Zeros to count with, and room to note so many events that did not fit."""
    return np.zeros(N_COUNTERS + (1 + 2 * noted if noted else 0), np.int64)


def told(counters: NDArray[np.int64]) -> Counters:
    """What an array of `new_counters` counted."""
    return Counters(*counters[:N_COUNTERS].tolist())


def noted(counters: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The events that an array of `new_counters` noted: number among those counted, and the place that counts it."""
    if len(counters) <= NOTED:
        return []
    pairs = counters[NOTED + 1 :][: 2 * int(counters[NOTED])].reshape(-1, 2).tolist()
    return [(event, place) for event, place in pairs]


def row_digests(books: BookState) -> list[str]:
    """SHA-256 of each instrument's content, in table order. O(content)."""
    return [_row_digest(books, i) for i in range(len(books.info))]


def digest_of_rows(digests: Iterable[str]) -> str:
    """The digest of books from those of their rows, wherever each row's book is kept."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _row_digest(books: BookState, i: int) -> str:
    _, side, price, qty, count = content.levels_of(books, i, i + 1)
    ids, order_qty = content.orders_of(books, i, i + 1)
    arrays = {"side": side, "price_ticks": price, "qty": qty, "orders": count, "order.id": ids, "order.qty": order_qty}
    info = books.info[i : i + 1]
    return _digest(arrays | {n: info[n] for n in _DIGESTED})


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    h = hashlib.sha256()
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        h.update(f"{name}|{a.dtype.str}|{a.shape}|".encode())
        h.update(a.tobytes())
    return h.hexdigest()
