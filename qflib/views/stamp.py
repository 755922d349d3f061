"""Where a value comes from and how old it is."""

from __future__ import annotations

import time
from typing import NamedTuple

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


def stamp(offset: int, prev: int, time_ns: int, append_ms: int) -> Stamp:
    """A stamp from what Kafka tells."""
    return Stamp(offset, prev, time_ns, append_ms * _MS)
