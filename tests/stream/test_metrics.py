"""A stage's metrics: counted, served, read again."""

from __future__ import annotations

import gc
import socket
import urllib.request

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from qflib.errors import SettingsError
from qflib.stream.metrics import StageMetrics, serve, watch_gc


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_what_is_counted_is_served() -> None:
    registry = CollectorRegistry()
    metrics = StageMetrics("exchange", 1, registry)
    metrics.batch(0.003, 1_000)
    metrics.batch(0.3, 500)
    metrics.dead("torn")
    metrics.dead("torn", 2)
    metrics.checkpoint(0.004)
    metrics.restore(1.5)
    metrics.gap()
    port = free_port()
    end = serve(port, registry)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    end()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
    samples = {
        (s.name, s.labels.get("reason"), s.labels.get("le")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.labels.get("stage") == "exchange" and s.labels.get("ordinal") == "1"
    }
    assert samples["qflib_events_total", None, None] == 1_500
    assert samples["qflib_dlq_total", "torn", None] == 3
    assert samples["qflib_sequence_gaps_total", None, None] == 1
    assert samples["qflib_batch_seconds_count", None, None] == 2
    assert samples["qflib_batch_seconds_sum", None, None] == pytest.approx(0.303)
    assert samples["qflib_batch_seconds_bucket", None, "0.005"] == 1
    assert samples["qflib_batch_seconds_bucket", None, "+Inf"] == 2
    assert samples["qflib_checkpoint_seconds_count", None, None] == 1
    assert samples["qflib_restore_seconds_sum", None, None] == 1.5


def test_the_collector_s_pauses_are_counted() -> None:
    registry = CollectorRegistry()
    watched = watch_gc(registry)
    try:
        before = _pauses(registry)
        gc.collect()
        gc.collect()
        assert _pauses(registry) == before + 2
        assert registry.get_sample_value("qflib_gc_pause_seconds_sum", {"generation": "2"}) > 0
    finally:
        watched.stop()
    gc.collect()
    assert _pauses(registry) == before + 2


def _pauses(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("qflib_gc_pause_seconds_count", {"generation": "2"}) or 0.0


def test_a_port_in_use_is_said() -> None:
    registry = CollectorRegistry()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        with pytest.raises(SettingsError, match=r"metrics port .* give another port"):
            serve(s.getsockname()[1], registry)
    serve(0, registry)()  # none
