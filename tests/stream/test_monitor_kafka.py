"""The monitor against a real broker: what a group has committed, its lag, the reports' delays."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from qflib.broker.clients import Connection, consumer_config, producer_config
from qflib.broker.local import LocalBroker
from qflib.broker.reading import ends
from qflib.broker.topics import create
from qflib.desk.deployment import Deployment
from qflib.records import GREEKS, MARKET_EVENTS, RISK, Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, RISK_METRICS
from qflib.stream.monitor import lag_time
from qflib.stream.monitor.monitor import Monitor
from qflib.stream.monitor.processes import Costs, Process, Rising
from qflib.stream.process import FAILED

EVENTS, BATCHES = 500, 40
PIPELINE = Path(__file__).parents[2] / "pipelines" / "monitor.py"
DESK = Deployment(Instruments((Instrument("ACME.F", underlying="ACME", source="sim:ACME"),)), risk=True, partitions=2)


def market(seq: int) -> Batch:
    events = MARKET_EVENTS.make(kind=[1] * EVENTS, receipt_ns=[1_000 * seq + k for k in range(1, EVENTS + 1)])
    return Batch.of("market", Header("sim:ACME", 0, seq), MARKET_NORMALIZED, "ACME", events=events)


def report(seq: int, as_of_ns: int) -> Batch:
    risk = RISK.make(portfolio=["DESK1"], level=[0.975], es_unhedged=[3.0], es_current=[2.0], es_target=[1.0])
    greeks = GREEKS.make(portfolio=["DESK1"], underlying=["ACME"], as_of_ns=[as_of_ns])
    return Batch.of("risk", Header("portfolio/0", 0, seq), RISK_METRICS, "DESK1", risk=risk, greeks=greeks)


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end, "not within 20 s"
        time.sleep(0.02)


def send(producer: Producer, batches: list[Batch], ingest_ns: int = 0) -> None:
    producer.begin_transaction()
    for b in batches:
        headers = [("ingest_ns", str(ingest_ns or time.time_ns()))]
        producer.produce(b.topic, encode(b), DESK.table.key(b.key), headers=headers)
    producer.commit_transaction()


def test_it_sees_throughput_lag_and_delays(own_kafka: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    create(own_kafka, DESK.partitions)
    producer = Producer(producer_config(own_kafka, client_id="test", transactional_id="test.0"))
    producer.init_transactions()
    send(producer, [market(0)])  # a former run's: it does not count
    place = MARKET_NORMALIZED, DESK.table.place("ACME")
    wait(lambda: ends(own_kafka, [place])[place] == 2)  # a commit returns before its marker stands
    registry = CollectorRegistry()
    monitor = Monitor(own_kafka, DESK, lambda: [Process("exchange", 0, os.getpid(), restarts=3)], registry)
    monitor.start()
    try:
        for seq in range(1, BATCHES + 1):
            send(producer, [market(seq)])
        made = time.time_ns()
        send(producer, [market(BATCHES + 1)], ingest_ns=made - 250_000_000)
        send(producer, [report(0, 1_000 * (BATCHES + 1) + 7)])
        reader = Consumer(consumer_config(own_kafka, group="qflib.exchange"))
        at = TopicPartition(MARKET_NORMALIZED, DESK.table.place("ACME"), 2 * (BATCHES // 2 + 1))  # a marker a record
        reader.commit(offsets=[at], asynchronous=False)
        reader.close()
        wait(lambda: monitor.figures()["stages"]["exchange"]["events"] > 0 and monitor.progressed().events >= 20_500)
    finally:
        monitor.stop()
    figures = monitor.figures()
    stages = figures["stages"]
    whole = Monitor(own_kafka, DESK, registry=None, whole=True)
    whole.start()
    whole.stop()
    assert whole.figures()["stages"]["normalize"]["events"] == (BATCHES + 2) * EVENTS
    assert whole.figures()["events"] == (BATCHES // 2 + 1) * EVENTS
    assert stages["normalize"]["events"] == stages["ingest"]["events"] == (BATCHES + 1) * EVENTS
    assert stages["exchange"]["events"] == figures["events"] == BATCHES // 2 * EVENTS
    assert stages["exchange"]["lag"] == BATCHES + 1  # as many records, and the markers between them
    assert stages["exchange"]["restarts"] == 3
    assert stages["exchange"]["memory_mb"] > 1
    assert 250 <= figures["latency_ms"]["max"] < 5_000
    assert figures["staleness_ms"]["max"] == figures["latency_ms"]["max"]  # the rest of the same batch is left out
    assert figures["es"]["unhedged_median"] == 3.0
    labels = {"consumergroup": "qflib.exchange", "topic": MARKET_NORMALIZED, "partition": str(at.partition)}
    assert registry.get_sample_value("kafka_consumergroup_lag", labels) == BATCHES + 2
    stored = labels | {"consumergroup": "qflib.archive"}  # it never came: all is before it
    assert registry.get_sample_value("kafka_consumergroup_lag", stored) == 2 * (BATCHES + 2)
    assert registry.get_sample_value("qflib_stage_stalled", {"consumergroup": "qflib.archive"}) == 0
    headroom, late = "qflib_retention_headroom_ratio", "qflib_lag_seconds"
    assert registry.get_sample_value(late, stored) is registry.get_sample_value(headroom, stored) is None
    monkeypatch.setattr(lag_time, "STARTING_S", 0.0)
    assert registry.get_sample_value(headroom, stored) == 0
    assert registry.get_sample_value(late, stored) > 0
    assert stages["archive"]["lag"] > stages["exchange"]["lag"]
    assert registry.get_sample_value("qflib_e2e_latency_seconds_count") == 1
    assert registry.get_sample_value("qflib_restarts_total", {"stage": "exchange"}) == 3


@pytest.mark.faults
def test_it_outlives_the_broker(own_broker: LocalBroker) -> None:
    create(own_broker.connection, DESK.partitions)
    monitor = Monitor(own_broker.connection, DESK, registry=None)
    monitor.start()
    try:
        own_broker.crash()
        own_broker.start()
        producer = Producer(producer_config(own_broker.connection, client_id="test", transactional_id="test.0"))
        producer.init_transactions()
        send(producer, [market(0)])
        wait(lambda: monitor.progressed().events == EVENTS)
    finally:
        monitor.stop()
    assert monitor.progressed().events == EVENTS


def broken() -> list[Process]:
    raise ZeroDivisionError("in the monitor's thread")


def test_one_that_fails_says_so(own_kafka: Connection) -> None:
    create(own_kafka, DESK.partitions)
    lost = threading.Event()
    monitor = Monitor(own_kafka, DESK, broken, registry=None, lost=lost.set)
    with capture_logs() as logs:
        monitor.start()
        assert lost.wait(20)
        assert monitor.failed
        monitor.stop()
    assert [e["event"] for e in logs if e["log_level"] == "error"] == ["monitor ended"]


def test_a_process_whose_monitor_fails_ends_to_be_started_again(own_kafka: Connection, tmp_path: Path) -> None:
    create(own_kafka, DESK.partitions)
    DESK.save(tmp_path / "desk.json")
    failing = "from qflib.stream.monitor.offsets import Offsets; Offsets.ask = lambda self: 1 // 0; "
    program = f"{failing}import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    told = [PIPELINE, "--deployment", tmp_path / "desk.json", "--bootstrap", own_kafka.bootstrap]
    command = [sys.executable, "-c", program, *map(str, told)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == FAILED
    assert done.stderr.count("monitor ended") == 1


def test_one_that_has_ended_keeps_its_memory() -> None:
    """Until it is waited for, an ended process is there, and has none."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    costs, there = Costs(), Process("exchange", 0, child.pid)
    costs.see([there])
    known = costs.figures("exchange")["memory_mb"]
    child.stdin.close()
    wait(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    costs.see([there])
    child.wait()
    costs.see([there])
    assert costs.figures("exchange")["memory_mb"] == known > 0


def test_a_counter_that_begins_again_goes_on() -> None:
    rising = Rising()
    for process, value in ((1, 5.0), (1, 8.0), (2, 2.0), (2, 3.0)):
        rising.see(process, value)
    assert rising.total == 11.0
