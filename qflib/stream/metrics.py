"""A stage's metrics for Prometheus: counted by its one thread, read only when they are scraped.

`prometheus_client`'s own counters take a lock a call; at a thousand batches a second plain numbers are a tenth of that.
"""

from __future__ import annotations

import gc
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from qflib import logs
from qflib.errors import SettingsError
from qflib.records import DeadReason

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_SHORT = tuple(m * 10.0**e for e in range(-5, 0) for m in (1, 2, 5))  # 10 us to 0.5 s
LONG = tuple(m * 10.0**e for e in range(-3, 2) for m in (1, 2, 5))  # 1 ms to 50 s


class Buckets:
    """A histogram that is counted without a lock: one writer, and readers that may see it a call behind.

    Examples
    --------
    >>> h = Buckets((0.1, 1.0))
    >>> h.observe(0.1), h.observe(7.0), h.cumulative()
    (None, None, [('0.1', 1), ('1.0', 1), ('+Inf', 2)])
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.sum = tuple(bounds), [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count a value; O(log buckets)."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, int]]:
        """Upper bounds and how many lie at or below, as Prometheus has them."""
        out, n = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), tuple(self.counts), strict=True):
            n += count
            out.append((bound, n))
        return out


class StageMetrics(Collector):
    """What one worker of a stage counts.

    Parameters
    ----------
    stage, ordinal
        Whose they are: labels of every figure.
    registry
        Where they are scraped from.

    Examples
    --------
    >>> from prometheus_client import CollectorRegistry
    >>> registry = CollectorRegistry()
    >>> metrics = StageMetrics("exchange", 0, registry)
    >>> metrics.batch(0.002, 1_000)
    >>> registry.get_sample_value("qflib_events_total", {"stage": "exchange", "ordinal": "0"})
    1000.0
    """

    def __init__(self, stage: str, ordinal: int, registry: CollectorRegistry = REGISTRY) -> None:
        self._labels = {"stage": stage, "ordinal": str(ordinal)}
        self.events = 0
        self._gaps = 0
        self._dead = {reason.name.lower(): 0 for reason in DeadReason}  # from 0 on, so that the first is a rise
        self._batch, self._checkpoint = Buckets(_SHORT), Buckets(LONG)
        self._snapshot, self._restore = Buckets(LONG), Buckets(LONG)
        registry.register(self)

    def batch(self, seconds: float, events: int) -> None:
        """An input has been taken in: what the step cost, and the rows it held."""
        self.events += events
        self._batch.observe(seconds)

    def dead(self, reason: str, rows: int = 1) -> None:
        """Inputs have become dead letters."""
        self._dead[reason] = self._dead.get(reason, 0) + rows

    def gap(self, n: int = 1) -> None:
        """Numbers were missing in a stream that rises by 1."""
        self._gaps += n

    def checkpoint(self, seconds: float) -> None:
        """A commit has been made."""
        self._checkpoint.observe(seconds)

    def snapshot(self, seconds: float) -> None:
        """A partition's state has been written."""
        self._snapshot.observe(seconds)

    def restore(self, seconds: float) -> None:
        """A partition's state has been restored."""
        self._restore.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand."""
        names, values = list(self._labels), list(self._labels.values())
        yield _counter("qflib_events", "Rows of the inputs taken in.", names, [(values, self.events)])
        yield _counter("qflib_sequence_gaps", "Numbers missing in the inputs.", names, [(values, self._gaps)])
        dead = [([*values, reason], n) for reason, n in self._dead.copy().items()]
        yield _counter("qflib_dlq", "Dead letters.", [*names, "reason"], dead)
        yield _histogram("qflib_batch_seconds", "What the step costs, an input.", self._labels, self._batch)
        yield _histogram("qflib_checkpoint_seconds", "What a commit takes.", self._labels, self._checkpoint)
        yield _histogram("qflib_snapshot_seconds", "What a partition's snapshot takes.", self._labels, self._snapshot)
        yield _histogram("qflib_restore_seconds", "What a partition's restore takes.", self._labels, self._restore)


class GcPauses(Collector):
    """How long the garbage collector stops the process, a generation."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._pauses = [Buckets(_SHORT) for _ in range(3)]
        self._began = 0.0
        registry.register(self)
        gc.callbacks.append(self._on_gc)

    def stop(self) -> None:
        """Watch no more."""
        gc.callbacks.remove(self._on_gc)

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand."""
        made = HistogramMetricFamily("qflib_gc_pause_seconds", "Pauses of the collector.", labels=["generation"])
        for generation, pauses in enumerate(self._pauses):
            made.add_metric([str(generation)], pauses.cumulative(), pauses.sum)
        yield made

    def _on_gc(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        elif self._began:  # else this run had begun before it was watched
            self._pauses[info["generation"]].observe(time.perf_counter() - self._began)


class LogEvents(Collector):
    """How many events the process has logged, by level."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand."""
        rows = [([level], n) for level, n in logs.counts.copy().items()]
        yield _counter("qflib_log_events", "Events logged.", ["level"], rows)


def watch_gc(registry: CollectorRegistry = REGISTRY) -> GcPauses:
    """Measure the collector's pauses from now on."""
    return GcPauses(registry)


def serve(port: int, registry: CollectorRegistry = REGISTRY, address: str = "127.0.0.1") -> Callable[[], None]:
    """Serve the metrics over HTTP from a thread, with this process's memory and CPU; port 0: not at all.

    Returns
    -------
    callable
        Ends it, from another thread: nobody is answered any more.

    Raises
    ------
    SettingsError
        If the port is in use.
    """
    if not port:
        return lambda: None
    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as e:
        raise SettingsError(
            f"metrics port {port} of {address} cannot be opened ({e.strerror}); end what uses it, or give another port"
        ) from None

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end


def _counter(name: str, told: str, labels: list[str], rows: Iterable[tuple[list[str], int]]) -> CounterMetricFamily:
    made = CounterMetricFamily(name, told, labels=labels)
    for values, n in rows:
        made.add_metric(values, float(n))
    return made


def _histogram(name: str, told: str, labels: dict[str, str], buckets: Buckets) -> HistogramMetricFamily:
    made = HistogramMetricFamily(name, told, labels=list(labels))
    made.add_metric(list(labels.values()), buckets.cumulative(), buckets.sum)
    return made
