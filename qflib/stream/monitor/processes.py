"""What a desk's processes cost: CPU seconds over all their starts, memory, and the events they say they took in."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil

_TIMEOUT_S = 0.3  # a worker that is stopped does not answer
_ALL_S = 1.0  # for asking all of them: a desk that is told to end has five seconds
_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a desk, as it stands.

    Parameters
    ----------
    stage
        "exchange", "broker", ...
    ordinal
        Which worker of it.
    pid
        None while it is not running.
    restarts
        How often it was started again.
    port
        Where it serves its metrics; 0: nowhere.
    """

    stage: str
    ordinal: int
    pid: int | None
    restarts: int = 0
    port: int = 0


@dataclass(slots=True)
class Rising:
    """A counter that begins at zero again with every start of its process: the sum of its rises."""

    total: float = 0.0
    _of: object = None
    _last: float = 0.0

    def see(self, of: object, value: float) -> None:
        """Its value now, of the process `of`."""
        begun = of != self._of or value < self._last
        self.total += value - (0.0 if begun else self._last)
        self._of, self._last = of, value


@dataclass(slots=True)
class Cost:
    """What one worker has cost; of one that has ended, its memory when it was last seen."""

    cpu: Rising = field(default_factory=Rising)
    events: Rising = field(default_factory=Rising)
    memory: int = 0
    peak: int = 0
    restarts: int = 0


class Costs:
    """Looks at processes now and then, and adds up."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, int], Cost] = {}

    def see(self, processes: Iterable[Process]) -> None:
        """CPU and memory now. Some 50 us a process."""
        for p in processes:
            cost = self._of.setdefault((p.stage, p.ordinal), Cost())
            cost.restarts = p.restarts
            if p.pid is None:
                continue
            try:
                process = psutil.Process(p.pid)
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info().rss
                cost.cpu.see((p.pid, process.create_time()), times.user + times.system)
            except psutil.Error:  # it has just ended
                continue
            cost.memory = memory or cost.memory  # one that has ended, and was not yet waited for, has none
            cost.peak = max(cost.peak, cost.memory)

    def scrape(self, processes: Iterable[Process]) -> None:
        """Ask each process for its events. Some ms a process."""
        end = time.monotonic() + _ALL_S
        for p in processes:
            if time.monotonic() > end:
                return
            if p.port and p.pid is not None and (events := _events(p.port)) is not None:
                self._of.setdefault((p.stage, p.ordinal), Cost()).events.see(p.pid, events)

    def stages(self) -> list[str]:
        """Of which stages there are, or were, processes."""
        return list(dict.fromkeys(stage for stage, _ in self._of))

    def figures(self, stage: str) -> dict[str, float]:
        """Restarts, memory and CPU of all workers of a stage, and events taken in."""
        mine = [c for (s, _), c in self._of.items() if s == stage]
        return {
            "events": sum(c.events.total for c in mine),
            "restarts": sum(c.restarts for c in mine),
            "memory_mb": sum(c.memory for c in mine) / _MB,
            "peak_memory_mb": sum(c.peak for c in mine) / _MB,
            "cpu_s": sum(c.cpu.total for c in mine),
        }


def _events(port: int) -> float | None:
    """`qflib_events_total` of a process; None where it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_S) as answer:
            text = answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None
    lines = [line for line in text.splitlines() if line.startswith("qflib_events_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines) if lines else None
