"""Where a value comes from and how old it is; and what a record changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from qflib.views.books import BookState
    from qflib.views.executions import Execution
    from qflib.views.report import Report

_MS = 1_000_000


class Stamp(NamedTuple):
    """Sequence, times and age of a value.

    Parameters
    ----------
    seq
        Offset of the record it comes from: it rises with every change of the same subject, after a restart too.
    prev_seq
        That of the same subject's value before; -1: none is known.
    time_ns
        Market time it reflects.
    append_ns
        When Kafka had it.

    Examples
    --------
    >>> Stamp(7, 5, 0, 1_000_000_000).age_s(now_ns=3_500_000_000)
    2.5
    """

    seq: int = -1
    prev_seq: int = -1
    time_ns: int = 0
    append_ns: int = 0

    def age_s(self, now_ns: int | None = None) -> float:
        """Seconds since Kafka had it."""
        return max(0, (time.time_ns() if now_ns is None else now_ns) - self.append_ns) / 1e9


class Trades(NamedTuple):
    """The venue's trades of one instrument in one record, in order."""

    instrument: int
    stamp: Stamp
    rows: Any  # structured array: side, price_ticks, qty, venue_ns, receipt_ns


class Executions(NamedTuple):
    """The executions of one record: one underlying's, in order."""

    underlying: str
    stamp: Stamp
    rows: list[Execution]


class Changed(NamedTuple):
    """What a record changed; what a listener of `Views` is told."""

    books: tuple[BookState, ...] = ()
    trades: tuple[Trades, ...] = ()
    executions: tuple[Executions, ...] = ()
    report: Report | None = None


def stamp(offset: int, prev: int, time_ns: int, append_ms: int) -> Stamp:
    """A stamp from what Kafka tells."""
    return Stamp(offset, prev, time_ns, append_ms * _MS)
