"""Holds a market that can wait until the desk has opened: positions booked, hedged, reported on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from qflib.broker.clients import Connection
from qflib.broker.reading import ends
from qflib.errors import QflibError
from qflib.records.topics import ORDERS_INCOMING, RISK_METRICS
from qflib.stream.ingest.pace import Pace

if TYPE_CHECKING:
    from qflib.stream.process import Stop

_ASK_S = 0.05
_ANSWER_S = 1.0
#: A desk that has not opened by then is not waited for: its market shows why.
_PATIENCE_S = 30.0
#: Parts of the market's beginning: books, on which positions are booked; on the next the first hedges are sent; on the
#: last they are reflected.
_PARTS = 3

_log = structlog.get_logger("qflib.ingest")


class UntilOpened:
    """A pace that lets the market's beginning through part by part, and the rest once the desk has opened.

    A desk opens on books: what it holds is booked once every underlying has one. Until it has taken that in and made
    its first hedges, a market that went on would only pile up before it.

    Parameters
    ----------
    pace
        The market's own, of the rest.
    part_ns
        Market time of a part.
    quiet
        Whether the desk has worked off what it got.
    opened
        Called once, before the rest.
    """

    def __init__(
        self, pace: Pace, part_ns: int, quiet: Callable[[], bool], opened: Callable[[], object] = lambda: None
    ) -> None:
        self._pace, self._part_ns, self._quiet, self._opened = pace, part_ns, quiet, opened
        self._part, self._until_ns = 0, 0

    def wait(self, time_ns: int, stop: Stop) -> bool:
        """Wait until a market time has come; False where a stop was asked for."""
        if self._part == 0:
            self._part, self._until_ns = 1, time_ns + self._part_ns
            self._began = time.monotonic()
        while self._part <= _PARTS and time_ns > self._until_ns:
            if not self._await(stop):
                return False
            self._part += 1
            self._until_ns += self._part_ns
            if self._part > _PARTS:
                _log.info("opened", seconds=round(time.monotonic() - self._began, 3))
                self._opened()
        return not stop.asked if self._part <= _PARTS else self._pace.wait(time_ns, stop)

    def _await(self, stop: Stop) -> bool:
        while not self._quiet():
            if time.monotonic() - self._began > _PATIENCE_S:
                _log.warning("the desk has not opened; the market goes on", waited_s=_PATIENCE_S)
                return True
            if stop.wait(_ASK_S):
                return False
        return True


def has_reported(c: Connection, partitions: int) -> bool:
    """Whether a desk has reported before: it has opened.

    Raises
    ------
    BrokerError
        If the broker does not answer.
    """
    return any(ends(c, [(RISK_METRICS, p) for p in range(partitions)]).values())


class Quiet:
    """Whether a desk has been published what it opens with, has reported, and has nothing left before any stage.

    Parameters
    ----------
    c
        The cluster.
    partitions
        Of every topic.
    look
        Records behind, by group.
    """

    def __init__(self, c: Connection, partitions: int, look: Callable[[], Mapping[str, int]]) -> None:
        self._c, self._look = c, look
        self._places = [(t, p) for t in (ORDERS_INCOMING, RISK_METRICS) for p in range(partitions)]
        self._looks = 0

    def __call__(self) -> bool:
        """Whether it is; False while the broker is away."""
        try:
            written = {topic for (topic, _), end in ends(self._c, self._places, timeout_s=_ANSWER_S).items() if end}
            quiet = len(written) == 2 and not any(self._look().values())
        except QflibError:
            quiet = False
        self._looks = self._looks + 1 if quiet else 0
        if self._looks < 2:  # what one look does not see may lie between two stages
            return False
        self._looks = 0
        return True
