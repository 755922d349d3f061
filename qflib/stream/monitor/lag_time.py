"""How late a group is, in seconds: how long ago the first record that it has not committed was there."""

from __future__ import annotations

import threading
from collections import deque

from qflib.stream.data_ends import Place, usual_end
from qflib.stream.monitor.offsets import Progress

#: Seconds within which a group that begins commits its first: its process starts, imports, and takes in what is there.
STARTING_S = 30.0
_MOST = 8_192  # rises of an end that are kept; at two looks a second an hour


class LagTime:
    """The ends of partitions as they rose, and how long ago each was passed.

    It is right to within the time between two looks at the offsets. A topic that is written in transactions ends in a
    control marker that nobody commits, and where several write in as many: so much behind counts as none there, nor do
    they make a record late that comes after them.

    Where a group should be and has committed nothing, it is as late as the first record kept; but nothing is said of
    one that may only just have started: before that record has been there for `STARTING_S`.

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
        self._through: dict[tuple[str, Place], int] = {}  # the end by which a group was last known to have all
        self._progress = Progress()
        self._lock = threading.Lock()  # the monitor's thread writes, a scrape's reads

    def see(self, progress: Progress, now: float) -> None:
        """Take note of what the broker told."""
        with self._lock:
            self._see(progress, now)

    def seconds(self, group: str, now: float) -> dict[Place, float]:
        """How late a group is in each partition it has committed an offset of, or should have; 0 where it has all."""
        out = {}
        with self._lock:
            committed, unread = self._progress.committed.get(group, {}), self._progress.unread(group)
            for place, offset in self._progress.offsets(group).items():
                rises = self._rises.get(place, ()) if unread.get(place) else ()
                past = max(offset, self._through.get((group, place), 0))
                since = next((at for at, end in rises if end > past and usual_end(place, end) > offset), now)
                late = max(now - since, 0.0)
                if place in committed or not 0.0 < late < STARTING_S:
                    out[place] = late
        return out

    def _see(self, progress: Progress, now: float) -> None:
        self._progress = progress
        least: dict[Place, int] = {}
        for group in progress.groups:
            for place, offset in progress.offsets(group).items():
                end = progress.ends.get(place, offset)
                if progress.data_ends.get(place, end) <= offset:
                    self._through[group, place] = end
                least[place] = min(max(offset, self._through.get((group, place), 0)), least.get(place, end))
        for place, end in progress.ends.items():
            rises = self._rises.setdefault(place, deque(maxlen=_MOST))
            if not rises or end > rises[-1][1]:
                rises.append((now, end))
            while len(rises) > 1 and rises[0][1] <= least.get(place, 0):
                rises.popleft()
