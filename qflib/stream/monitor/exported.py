"""The monitor's own metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from qflib.stream.monitor.offsets import Progress
from qflib.stream.monitor.processes import Process

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from qflib.stream.monitor.observed import Observed


class Exported(Collector):
    """Lag of every group, latency of reports, gaps in the numbering, restarts; what is scraped is what is known."""

    def __init__(
        self,
        observed: Observed,
        progress: Callable[[], Progress],
        processes: Callable[[], Iterable[Process]],
        registry: CollectorRegistry,
    ) -> None:
        self._observed, self._progress, self._processes = observed, progress, processes
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand."""
        progress = self._progress()
        lag = GaugeMetricFamily(
            "kafka_consumergroup_lag",
            "Records between the committed offset and the last stable one.",
            labels=["consumergroup", "topic", "partition"],
        )
        for group in progress.committed:
            for (topic, partition), behind in progress.lags(group).items():
                lag.add_metric([group, topic, str(partition)], behind)
        yield lag
        e2e = self._observed.e2e
        delay = HistogramMetricFamily("qflib_e2e_latency_seconds", "From an event's coming in to its first report.")
        delay.add_metric([], e2e.cumulative(), e2e.sum)
        yield delay
        gaps = CounterMetricFamily("qflib_sequence_gaps", "Numbers missing in what was read.", labels=["topic"])
        for topic, n in self._observed.gaps.copy().items():
            gaps.add_metric([topic], n)
        yield gaps
        restarts: dict[str, int] = {}
        for p in self._processes():
            restarts[p.stage] = restarts.get(p.stage, 0) + p.restarts
        again = CounterMetricFamily("qflib_restarts", "Workers started again.", labels=["stage"])
        for stage, n in restarts.items():
            again.add_metric([stage], n)
        yield again
