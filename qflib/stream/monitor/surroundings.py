"""What a desk stands on, for Prometheus: whether its broker answers, the disk's room, the wall clock's steps."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client.core import Metric

#: The wall clock is corrected by less all the time.
_STEP_S: Final = 0.5


class Surroundings(Collector):
    """Looked at twice a second by the monitor's thread.

    Parameters
    ----------
    folder
        The desk's; None: no disk is told of.
    registry
        Where they are scraped from.
    now
        A clock that never steps, in s.
    """

    def __init__(
        self, folder: Path | None, registry: CollectorRegistry, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._now = folder, now
        self._answered = now()
        self._ahead: float | None = None
        self.clock_steps = 0
        registry.register(self)

    def see(self, answered: bool, wall: float) -> None:
        """Note whether the broker answered, and hold the wall clock against the one that never steps."""
        steady = self._now()
        if answered:
            self._answered = steady
        if self._ahead is not None and abs(wall - steady - self._ahead) > _STEP_S:
            self.clock_steps += 1
        self._ahead = wall - steady

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand."""
        told, silent = "Since the broker's last answer.", self._now() - self._answered
        yield GaugeMetricFamily("qflib_broker_silent_seconds", told, value=silent)
        yield CounterMetricFamily("qflib_clock_steps", "Times the wall clock has jumped.", value=self.clock_steps)
        if self._folder is None or not self._folder.is_dir():
            return
        room = shutil.disk_usage(self._folder)
        yield GaugeMetricFamily("qflib_disk_free_bytes", "Room left where the desk keeps its data.", value=room.free)
        yield GaugeMetricFamily("qflib_disk_size_bytes", "Size of the disk it keeps them on.", value=room.total)
