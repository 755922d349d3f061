"""The exchange's time: the least over the sources of the greatest receipt time of each. It never falls."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from qflib.steps.state import State

NEVER = 2**63 - 1


class MarketTime:
    """Folds receipt times and clocks of the sources that the instrument table names."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._place = {s: i for i, s in enumerate(sources)}
        self._times = [0] * len(self._place)
        self._closed = [False] * len(self._place)
        self.now = 0
        self.first_ns = 0  # the first time at which every source had been heard of

    def place(self, source: str) -> int:
        """A source's place; -1: the table does not name it, so it does not move time."""
        return self._place.get(source, -1)

    def of(self, place: int) -> int:
        """The source's own time."""
        return self._times[place] if place >= 0 else 0

    def fold(self, place: int, time_ns: int) -> int:
        """The exchange's time after the source has reached a time."""
        if place >= 0 and time_ns > self._times[place]:
            self._times[place] = time_ns
            self.now = min(self._times)
            self.first_ns = self.first_ns or self.now
        return self.now

    def limit(self, place: int, due_ns: int) -> int:
        """The receipt time of this source at which the exchange's time reaches `due_ns`."""
        if place < 0 or any(t < due_ns for i, t in enumerate(self._times) if i != place):
            return NEVER
        return due_ns

    def close(self, place: int) -> None:
        """The source has ended."""
        if place >= 0:
            self._closed[place] = True

    @property
    def closed(self) -> bool:
        """Whether all sources have ended."""
        return bool(self._closed) and all(self._closed)

    def state(self) -> State:
        """Times and ends by source."""
        return {
            "time.sources": np.array(list(self._place), "S64"),
            "time.times": np.array(self._times, np.int64),
            "time.closed": np.array(self._closed, np.uint8),
            "time.first": np.array([self.first_ns], np.int64),
        }

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._times = state["time.times"].tolist()
        self._closed = state["time.closed"].astype(bool).tolist()
        self.now = min(self._times, default=0)
        self.first_ns = int(state["time.first"][0])
