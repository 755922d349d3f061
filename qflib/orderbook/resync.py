"""What a book does with an event that does not fit it: it empties itself and waits for the next snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.orderbook.books import Books, Counters, new_counters, noted, told
from qflib.records import MARKET_EVENTS, EventFlag, EventKind


def lost_after(kind: NDArray[np.uint32], flags: NDArray[np.uint32], lost: bool) -> bool:
    """Whether a book of one instrument awaits a snapshot after its events: something was missing since the last one."""
    gaps = np.flatnonzero(flags & EventFlag.GAP)
    begins = np.flatnonzero((kind == EventKind.CLEAR) & (flags & EventFlag.GAP == 0))
    if len(gaps) == 0 and len(begins) == 0:
        return lost
    return bool((gaps[-1] if len(gaps) else -1) > (begins[-1] if len(begins) else -1))


class Heard:
    """Passes events on, and knows whether the book awaits a snapshot."""

    def __init__(self) -> None:
        self.lost = False

    def through(self, batches: Iterable[Any], instrument: int) -> Iterator[Any]:
        """The batches, as they are."""
        for e in batches:
            mine = e.instrument == instrument
            self.lost = lost_after(e.kind[mine], e.flags[mine], self.lost)
            yield e


class Resync:
    """Applies events of one instrument to row 0 of some books, up to a misfit or a gap; then from a snapshot on.

    Parameters
    ----------
    books
        The books.
    """

    def __init__(self, books: Books) -> None:
        self.books = books
        self.lost = False  # a snapshot is awaited
        self.total = Counters()  # of `through`
        self.noted: list[tuple[int, int]] = []  # of the last `apply`: what did not fit, or crossed or locked the book

    def ends(self, rows: NDArray[Any]) -> bool:
        """Whether a snapshot is awaited, and may begin in rows of a structured array."""
        return self.lost and bool((rows["kind"] == EventKind.CLEAR).any())

    def apply(self, events: Any) -> tuple[Any, Counters]:
        """Apply `MARKET_EVENTS` columns. O(events).

        Returns
        -------
        through
            The events that were let through, with a CLEAR in the place of each that did not fit.
        counters
            What was seen, refused and passed over.
        """
        n = len(events.kind)
        begins = (events.kind == EventKind.CLEAR) & (events.flags & EventFlag.GAP == 0)
        ends = [*np.flatnonzero(begins).tolist(), n]
        parts, total, at = [], Counters(), 0
        self.noted = []
        for end in ends:  # pieces that begin with the CLEAR of a snapshot, but the first
            if self.lost:
                total += Counters(passed_over=end - at)
            elif end > at:
                part, counters = self._piece(MARKET_EVENTS.slice(events, at, end), at)
                parts.append(part)
                total += counters
            self.lost &= end == n
            at = end
        return (MARKET_EVENTS.concat(parts) if parts else MARKET_EVENTS.empty), total

    def through(self, batches: Iterable[Any], instrument: int) -> Iterator[Any]:
        """Batches with the events of one instrument that are let through in the place of all of its own.

        Afterwards `total` and `noted` tell of all of them.
        """
        seen, all_noted = 0, list[tuple[int, int]]()
        for e in batches:
            rows = np.flatnonzero(e.instrument == instrument)
            mine = MARKET_EVENTS.take(e, rows)
            let, counters = self.apply(mine._replace(instrument=np.zeros_like(mine.instrument)))
            all_noted += [(seen + row, place) for row, place in self.noted]
            self.total += counters
            seen += len(rows)
            yield let._replace(instrument=np.full_like(let.instrument, instrument))
        self.noted = all_noted

    def _piece(self, events: Any, first: int) -> tuple[Any, Counters]:
        """Events that hold no snapshot's CLEAR but as the first, which is the `first` of those given."""
        n, counters = len(events.kind), new_counters(len(events.kind))
        taken = self.books.fit(events, counters)
        self.noted += [(first + row, place) for row, place in noted(counters)]
        made = told(counters)
        if not made.misfits:
            return events, made
        self.lost = True
        clear = _clear(events, taken - 1)
        self.books.apply(clear)
        through = MARKET_EVENTS.concat([MARKET_EVENTS.slice(events, 0, taken - 1), clear])
        return through, replace(made, passed_over=n - taken)


def _clear(events: Any, row: int) -> Any:
    """A CLEAR at the time of a row."""
    one = MARKET_EVENTS.slice(events, row, row + 1)
    return MARKET_EVENTS.make(
        kind=[EventKind.CLEAR], flags=[EventFlag.LAST | EventFlag.GAP], instrument=one.instrument,
        venue_ns=one.venue_ns, receipt_ns=one.receipt_ns,
    )  # fmt: skip
