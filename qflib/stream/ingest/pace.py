"""When a record of a deterministic feed is due on the wall."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from qflib.stream.process import Stop

#: A market that is later than this stays late: catching up would be a burst that the recording never had.
_LATE_NS = 1_000_000_000


class Burst(NamedTuple):
    """A while in which the market goes faster.

    Parameters
    ----------
    factor
        How many times as fast.
    for_s
        How long, in seconds of the wall.
    after_s
        Seconds of the wall from the first record to its beginning.
    """

    factor: float
    for_s: float
    after_s: float

    @classmethod
    def of(cls, feed: Mapping[str, Any]) -> Burst | None:
        """The deployment's; None where it has none."""
        return cls(*feed["burst"]) if feed.get("burst") else None


class Pace:
    """Market time to wall time, from the first record sent.

    Parameters
    ----------
    speed
        Market seconds a wall second; None: as fast as it goes.
    burst
        When it goes faster for a while.
    clock
        The wall's, in nanoseconds.
    """

    def __init__(
        self, speed: float | None, burst: Burst | None = None, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._speed, self._burst, self._clock = speed, burst, clock
        self._at: tuple[int, int] | None = None  # a moment of the wall, and what the market's time was then
        self._changes: list[tuple[int, float]] = []

    def wait(self, time_ns: int, stop: Stop) -> bool:
        """Wait until a market time has come; False where a stop was asked for."""
        if self._speed is None:
            return not stop.asked
        now = self._clock()
        early = self._due(time_ns, now) - now
        if early < -_LATE_NS:
            wall, market = self._at or (now, time_ns)
            self._at = wall - early, market
        return not (stop.wait(early / 1e9) if early > 0 else stop.asked)

    def _due(self, time_ns: int, now: int) -> int:
        assert self._speed is not None
        if self._at is None:
            self._at = now, time_ns
            if (b := self._burst) is not None:
                begins, ends = (now + int(s * 1e9) for s in (b.after_s, b.after_s + b.for_s))
                self._changes = [(begins, self._speed * b.factor), (ends, self._speed)]
        wall, market = self._at
        due = wall + int((time_ns - market) / self._speed)
        while self._changes and max(due, now) >= self._changes[0][0]:
            changed, speed = self._changes.pop(0)
            self._at = wall, market = changed, market + int((changed - wall) * self._speed)
            self._speed = speed
            due = wall + int((time_ns - market) / speed)
        return due
