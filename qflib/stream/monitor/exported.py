"""The monitor's own metrics for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from qflib.records.topics import TOPICS
from qflib.stream.monitor.lag_time import LagTime
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
        late: LagTime,
        stalled: Callable[[], Iterable[str]],
        registry: CollectorRegistry,
    ) -> None:
        self._observed, self._progress, self._processes = observed, progress, processes
        self._late, self._stalled = late, stalled
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand."""
        yield from self._lags()
        e2e = self._observed.e2e
        delay = HistogramMetricFamily("qflib_e2e_latency_seconds", "From an event's coming in to its first report.")
        delay.add_metric([], e2e.cumulative(), e2e.sum)
        yield delay
        gaps = CounterMetricFamily("qflib_sequence_gaps", "Numbers missing in what was read.", labels=["topic"])
        for topic in TOPICS:
            gaps.add_metric([topic], self._observed.gaps.get(topic, 0))
        yield gaps
        restarts: dict[str, int] = {}
        for p in self._processes():
            restarts[p.stage] = restarts.get(p.stage, 0) + p.restarts
        again = CounterMetricFamily("qflib_restarts", "Workers started again.", labels=["stage"])
        for stage, n in restarts.items():
            again.add_metric([stage], n)
        yield again

    def _lags(self) -> Iterator[Metric]:
        """Records and seconds behind, groups that stand still, and how far retention is from what is unread."""
        progress = self._progress()
        lag = GaugeMetricFamily(
            "kafka_consumergroup_lag",
            "Offsets between the committed and the last stable one, control markers among them.",
            labels=["consumergroup", "topic", "partition"],
        )
        for group in progress.groups:
            for (topic, partition), behind in progress.lags(group).items():
                lag.add_metric([group, topic, str(partition)], behind)
        yield lag
        late = GaugeMetricFamily(
            "qflib_lag_seconds",
            "How long ago the first record that is not committed was there.",
            labels=["consumergroup", "topic", "partition"],
        )
        now = time.monotonic()
        seconds = {group: self._late.seconds(group, now) for group in progress.groups}
        for group, of in seconds.items():
            for (topic, partition), s in of.items():
                late.add_metric([group, topic, str(partition)], s)
        yield late
        still = GaugeMetricFamily(
            "qflib_stage_stalled", "1: it commits nothing of what is there.", labels=["consumergroup"]
        )
        stalled = set(self._stalled())
        for group in progress.groups:
            still.add_metric([group], float(group in stalled))
        yield still
        kept = GaugeMetricFamily(
            "qflib_retention_headroom_ratio",
            "Of what a topic holds, the part before the group's offset: 0 is the moment at which records are lost.",
            labels=["consumergroup", "topic", "partition"],
        )
        for group, of in seconds.items():  # of one that has just started nothing is said
            for (topic, partition), ratio in progress.headrooms(group).items():
                if (topic, partition) in of:
                    kept.add_metric([group, topic, str(partition)], ratio)
        yield kept
