"""When a record of a deterministic feed is due on the wall."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qflib.stream.process import Stop

#: A market that is later than this stays late: catching up would be a burst that the recording never had.
_LATE_NS = 1_000_000_000


class Pace:
    """Market time to wall time, from the first record sent.

    Parameters
    ----------
    speed
        Market seconds a wall second; None: as fast as it goes.
    """

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._offset_ns: int | None = None

    def wait(self, time_ns: int, stop: Stop) -> bool:
        """Wait until a market time has come; False where a stop was asked for."""
        if self._speed is None:
            return not stop.asked
        now, market = time.monotonic_ns(), int(time_ns / self._speed)
        if self._offset_ns is None:
            self._offset_ns = now - market
        early = market + self._offset_ns - now
        if early < -_LATE_NS:
            self._offset_ns -= early
        return not (stop.wait(early / 1e9) if early > 0 else stop.asked)
