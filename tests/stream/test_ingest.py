"""Ingest on a real Kafka: it goes on after its own last record, waits for consumers, and mends a live connection."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from qflib.broker.clients import Connection
from qflib.broker.reading import read, watermarks
from qflib.broker.topics import create
from qflib.desk.deployment import Deployment
from qflib.market.instruments import simulated_instruments
from qflib.records.codec import encode
from qflib.records.topics import MARKET_RAW
from qflib.stream.ingest.feeds import batches_of
from qflib.stream.ingest.positions import ended
from qflib.stream.ingest.run import ingest
from qflib.stream.process import Stop

FLAT_OUT = 1_000_000
PIPELINE = Path(__file__).parents[2] / "pipelines" / "ingest.py"


def _deployment(**told: object) -> Deployment:
    feed = {"seed": 7, "rate": 20_000, "speed": "max", "duration": "3s", "cut_ns": 25_000_000, "archive": False}
    return Deployment(simulated_instruments(), partitions=4, feed=feed | {"in_flight": FLAT_OUT} | told)


def _sent(c: Connection) -> list[bytes]:
    ends = [watermarks(c, MARKET_RAW, p, committed=False)[1] for p in range(4)]
    return [m.value() for p, end in enumerate(ends) for m in read(c, MARKET_RAW, p, 0, end, committed=False)]


def _count(c: Connection) -> int:
    return sum(watermarks(c, MARKET_RAW, p, committed=False)[1] for p in range(4))


def test_killed_midway_it_goes_on_to_exactly_the_whole_feed(own_kafka: Connection, tmp_path: Path) -> None:
    create(own_kafka, 4)
    desk = _deployment(speed=1, duration="20s")
    desk.save(tmp_path / "desk.json")
    command = [sys.executable, str(PIPELINE), "--deployment", str(tmp_path / "desk.json")]
    process = subprocess.Popen([*command, "--bootstrap", own_kafka.bootstrap])
    until = time.monotonic() + 60
    while _count(own_kafka) < 40 and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.wait()
    whole = [encode(b) for b in batches_of(desk)]
    assert 40 <= _count(own_kafka) < len(whole)
    assert not ended(own_kafka, desk.table, desk.instruments.sources)
    desk = _deployment(duration="20s")  # the pace is no part of the numbering
    ingest(desk, own_kafka, Stop())
    assert sorted(_sent(own_kafka)) == sorted(whole)
    assert ended(own_kafka, desk.table, desk.instruments.sources)
    ingest(desk, own_kafka, Stop())
    assert _count(own_kafka) == len(whole)


def test_without_consumers_it_stops_at_the_bound_and_ends_with_closing_clocks(own_kafka: Connection) -> None:
    create(own_kafka, 4)
    desk, stop = _deployment(in_flight=32), Stop()
    work = threading.Thread(target=ingest, args=(desk, own_kafka, stop))
    work.start()
    until = time.monotonic() + 60
    while _count(own_kafka) < 32 and time.monotonic() < until:
        time.sleep(0.02)
    work.join(0.5)
    assert work.is_alive()
    assert _count(own_kafka) == 32
    stop.ask(end=True)
    work.join(10)
    assert _count(own_kafka) == 36
