"""What the API counts for Prometheus: requests by route and status, how long they took, what went to Kafka."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_BOUNDS = tuple(m * 10.0**e for e in range(-5, 1) for m in (1, 2, 5))  # 10 us to 5 s


class ApiMetrics(Collector):
    """Counted by the one thread that serves, read when they are scraped.

    Parameters
    ----------
    registry
        Where they are scraped from.

    Examples
    --------
    >>> registry = CollectorRegistry()
    >>> ApiMetrics(registry).request("GET /v1/books/{instrument}", 200, 0.001)
    >>> registry.get_sample_value("qflib_api_requests_total", {"route": "GET /v1/books/{instrument}", "status": "200"})
    1
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, list[float]] = {}  # counts a bucket, then the sum
        self.sent = {"orders": 0, "signals": 0, "controls": 0, "bookings": 0}
        self.unknown = 0  # sent, and not confirmed in time
        registry.register(self)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request; routes are few, whatever is asked for."""
        key = route, status
        self._requests[key] = self._requests.get(key, 0) + 1
        row = self._seconds.get(route)
        if row is None:
            row = self._seconds[route] = [0.0] * (len(_BOUNDS) + 2)
        row[bisect_left(_BOUNDS, seconds)] += 1
        row[-1] += seconds

    def text(self) -> bytes:
        """All of the process's metrics, as Prometheus reads them."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """What is scraped."""
        requests = CounterMetricFamily("qflib_api_requests", "requests", labels=("route", "status"))
        for (route, status), count in list(self._requests.items()):
            requests.add_metric((route, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily("qflib_api_seconds", "from the door to the reply", labels=("route",))
        for route, row in list(self._seconds.items()):
            n, buckets = 0.0, []
            for bound, more in zip((*map(str, _BOUNDS), "+Inf"), row, strict=False):
                n += more
                buckets.append((bound, n))
            seconds.add_metric((route,), buckets, row[-1])
        yield seconds
        sent = CounterMetricFamily("qflib_api_sent", "records' rows that Kafka has confirmed", labels=("kind",))
        for kind, rows in self.sent.items():
            sent.add_metric((kind,), rows)
        yield sent
        yield CounterMetricFamily("qflib_api_unknown_outcomes", "sent, and not confirmed in time", value=self.unknown)
