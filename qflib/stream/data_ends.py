"""Where the records of a partition end: each transaction leaves a marker after them, which no reader is given."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import structlog

from qflib.broker.clients import Connection
from qflib.broker.reading import ends, last_data_offset
from qflib.errors import QflibError
from qflib.records.topics import MARKET_RAW

_PATIENCE_S = 2.0  # who asks also does other things: it asks anew soon
_REST_S = 10.0  # after a question that was not answered
_log = structlog.get_logger(__name__)

Place = tuple[str, int]


def usual_end(place: Place, end: int) -> int:
    """Where records end as a rule: all but the raw market is written in transactions, and a partition by one at a time.

    It is a guess, at most one off where nothing is written in transactions: after an order that came by the API, or in
    a desk that delivers at least once. `DataEnds` knows.

    Examples
    --------
    >>> usual_end(("market.data.raw", 0), 9), usual_end(("risk.metrics", 0), 9)
    (9, 8)
    """
    return end if place[0] == MARKET_RAW else end - 1


class DataEnds:
    """Looks back from an end for the last record before it, once an end.

    Of one writer there is one marker at the end, and of several as many as they were that wrote at a time: a group
    that has taken in every record is behind by so many offsets for as long as nothing comes.

    Parameters
    ----------
    c
        The cluster.
    committed
        Whether what an open transaction has written does not count.
    """

    def __init__(self, c: Connection, *, committed: bool = True) -> None:
        self._c, self._committed = c, committed
        self._known: dict[Place, tuple[int, int]] = {}
        self._rests_until = 0.0
        self._since: dict[Place, tuple[int, float]] = {}

    def see(self, ends: Mapping[Place, int]) -> None:
        """Take note of where partitions end now."""
        now = time.monotonic()
        for place, end in ends.items():
            if self._since.get(place, (-1, now))[0] != end:
                self._since[place] = end, now

    def still_s(self, place: Place) -> float:
        """For how long its end has been seen where it is."""
        return time.monotonic() - self._since.get(place, (0, math.inf))[1]

    def of(self, place: Place, end: int) -> int:
        """The offset after the last record before an end.

        Raises
        ------
        DataError, BrokerError
            If there is no such partition, or what was looked at is gone; if the broker keeps silent.
        """
        if self._known.get(place, (-1, 0))[0] != end:
            # where no transaction is open, what an aborted one has left there is nothing to be read
            committed = self._committed or ends(self._c, [place], timeout_s=_PATIENCE_S)[place] == end
            told = last_data_offset(self._c, *place, committed=committed, patience_s=_PATIENCE_S) + 1
            self._known[place] = end, told
        return self._known[place][1]

    def if_told(self, place: Place, end: int) -> int | None:
        """As `of`; None where the broker does not tell: that is logged, and it is not asked for a while."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            return self.of(place, end)
        except QflibError as e:
            self._rests_until = time.monotonic() + _REST_S
            _log.warning("the broker does not tell where records end", topic=place[0], partition=place[1], error=str(e))
            return None
