"""The producer's queue is full before a broker that stands still: whoever sends waits, and nothing is dropped."""

from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import pytest
from structlog.testing import capture_logs

from qflib.broker import reading, topics
from qflib.broker.local import LocalBroker
from qflib.records import Partitions
from qflib.records.topics import MARKET_RAW
from qflib.stream.ingest import sender as ingest
from qflib.stream.ingest.metrics import Metrics
from tests.faults.table import Told
from tests.processes import stand_still

pytestmark = pytest.mark.faults

QUEUE = 200
FULL, WAITED = "the producer's queue is full", "qflib_backpressure_seconds_total"
RECORDS = 20_000
BYTES = 10_000


def test_who_sends_waits_and_nothing_is_dropped(
    own_broker: LocalBroker, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.create(own_broker.connection, 1)
    monkeypatch.setattr(ingest, "QUEUE", QUEUE)
    metrics = Metrics()
    sender, sent = ingest.Sender(own_broker.connection, Partitions(), waited=metrics.back_pressure.inc), 0

    def waited() -> float:
        return metrics.registry.get_sample_value(WAITED) or 0.0

    def send() -> None:
        nonlocal sent
        for n in range(RECORDS):
            sender.send("sim:0", b"%d " % n + bytes(BYTES))
            sent += 1
        sender.flush()

    row = told.row(11, f"of ingest, {QUEUE} records: who sends waits")
    pid, me = own_broker.pid, psutil.Process()
    assert pid is not None
    thread = threading.Thread(target=send)
    stood = time.monotonic()
    stand_still(pid)
    with capture_logs() as logs:
        try:
            before = me.memory_info().rss
            thread.start()
            while sender.pending() < QUEUE:
                assert thread.is_alive()
                time.sleep(0.01)
            full, counted = time.monotonic(), waited()
            for _ in range(20):  # of a second and more in all: it stays full, and no more is taken
                thread.join(0.1)
                assert sender.pending() == QUEUE
            assert sent <= QUEUE
            assert me.memory_info().rss - before < 100 << 20
            # what QflibBackPressure goes by: all of the time, but for the turn under way, and none of it twice
            assert waited() - counted > (time.monotonic() - full) / 2
            assert waited() <= time.monotonic() - stood
        finally:
            os.kill(pid, signal.SIGCONT)
        began = time.monotonic()
        while sent <= QUEUE:
            assert thread.is_alive()
            thread.join(0.01)
        row.took(time.monotonic() - began)
        thread.join(120)
    assert sent == RECORDS
    assert [e["event"] for e in logs if e["log_level"] == "warning"] == [FULL]
    row.seen = [f"log `{FULL}`", f"metric `{WAITED}`"]
    found = [int((m.value() or b"").split(b" ", 1)[0]) for m in reading.read(own_broker.connection, MARKET_RAW, 0, 0)]
    assert found == list(range(RECORDS))
    told.judged(None)
