"""What ingest tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from qflib.records import Batch
from qflib.venues import sim


class Metrics:
    """Counters of one ingest process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = made = CollectorRegistry()
        ProcessCollector(registry=made)
        stage = ("stage",)
        self._events = Counter("qflib_events", "Events sent; frames, where a venue's frame is not decoded here.", stage,
                               registry=made).labels("ingest")  # fmt: skip
        self._batches = Counter("qflib_batches", "Records sent.", stage, registry=made).labels("ingest")
        self.reconnects = Counter("qflib_reconnects", "Connections ended.", ("source",), registry=made)
        self.checksum_failures = Counter("qflib_checksum_failures", "Venue checksums wrong.", ("source",),
                                         registry=made)  # fmt: skip
        self.back_pressure = Counter("qflib_backpressure_seconds", "Time waited for consumers, or for room to send.",
                                     registry=made)  # fmt: skip
        self.lag = Gauge("qflib_ingest_lag_records", "What back-pressure goes by: records behind.", ("group",),
                         registry=made)  # fmt: skip

    def count(self, batch: Batch, events: int | None = None) -> None:
        """A batch was sent; `events` where the caller knows them."""
        self._batches.inc()
        if batch.kind == "raw":
            self._events.inc(events_in(batch) if events is None else events)


def events_in(batch: Batch) -> int:
    """Events of a raw batch as far as its bytes tell without decoding. O(1)."""
    if batch.header.source.startswith(f"{sim.VENUE}:"):
        return sim.rows_in(batch.frames.payload.nbytes, len(batch.frames.length))
    return len(batch.frames.length)
