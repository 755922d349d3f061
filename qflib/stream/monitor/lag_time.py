"""How late a group is, in seconds: how long ago the first record that it has not committed was there."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

from qflib.records.topics import MARKET_RAW
from qflib.stream.monitor.offsets import Place, Progress

_MOST = 8_192  # rises of an end that are kept; at two looks a second an hour


class LagTime:
    """The ends of partitions as they rose, and how long ago each was passed.

    Reads no record: it is right to within the time between two looks at the offsets. A topic that is written in
    transactions ends in a control marker that nobody commits, so that one record behind counts as none there.

    Examples
    --------
    >>> from qflib.stream.monitor.offsets import Progress
    >>> lag, place = LagTime(), ("market.data.raw", 0)
    >>> for second in range(4):
    ...     lag.see(Progress({"g": {place: 1}}, {place: second}), now=float(second))
    >>> lag.seconds("g", now=3.5)
    {('market.data.raw', 0): 1.5}
    """

    def __init__(self) -> None:
        self._rises: dict[Place, deque[tuple[float, int]]] = {}
        self._committed: Mapping[str, Mapping[Place, int]] = {}
        self._lock = threading.Lock()  # the monitor's thread writes, a scrape's reads

    def see(self, progress: Progress, now: float) -> None:
        """Take note of what the broker told."""
        with self._lock:
            self._see(progress, now)

    def seconds(self, group: str, now: float) -> dict[Place, float]:
        """How late a group is in each partition it has committed an offset of; 0 where it has all."""
        out = {}
        with self._lock:
            for place, offset in self._committed.get(group, {}).items():
                ahead = offset if place[0] == MARKET_RAW else offset + 1
                since = next((at for at, end in self._rises.get(place, ()) if end > ahead), None)
                out[place] = 0.0 if since is None else max(now - since, 0.0)
        return out

    @property
    def groups(self) -> list[str]:
        """Those that have committed something."""
        return list(self._committed)

    def _see(self, progress: Progress, now: float) -> None:
        self._committed = progress.committed
        least: dict[Place, int] = {}
        for of in progress.committed.values():
            for place, offset in of.items():
                least[place] = min(offset, least.get(place, offset))
        for place, end in progress.ends.items():
            rises = self._rises.setdefault(place, deque(maxlen=_MOST))
            if not rises or end > rises[-1][1]:
                rises.append((now, end))
            while len(rises) > 1 and rises[0][1] <= least.get(place, 0):
                rises.popleft()
