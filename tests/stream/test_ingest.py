"""Ingest on a real Kafka: it goes on after its own last record, waits for consumers, and mends a live connection."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.request
from itertools import islice
from pathlib import Path

import pytest

from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.broker.local import LocalBroker
from qflib.broker.reading import read, watermarks
from qflib.broker.topics import create
from qflib.desk.deployment import Deployment
from qflib.errors import BrokerError
from qflib.market.instruments import START, simulated_instruments
from qflib.records import Batch
from qflib.records.codec import encode
from qflib.records.topics import MARKET_RAW
from qflib.stream.ingest import left, metrics, sender
from qflib.stream.ingest.feeds import batches_of
from qflib.stream.ingest.lag import Gate
from qflib.stream.ingest.metrics import Metrics
from qflib.stream.ingest.pace import Pace
from qflib.stream.ingest.play import play
from qflib.stream.ingest.positions import Position, ended, position_of, positions
from qflib.stream.ingest.run import ingest
from qflib.stream.ingest.sender import LeftOff, Sender
from qflib.stream.process import FAILED, Stop

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


def test_a_simulated_market_is_taken_up_where_it_was_left(
    own_kafka: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(own_kafka, 4)
    desk = _deployment(duration="6s")
    whole = [encode(b) for b in batches_of(desk)]
    monkeypatch.setattr(left.LeftMarket.__init__, "__defaults__", (0.0,))  # after every period
    stop = Stop()
    count = metrics.Metrics.count

    def stopped(self: Metrics, batch: Batch) -> None:
        count(self, batch)
        if batch.kind == "clock" and batch.tick.time_ns[0] - START.as_unit("ns").value >= 4 * 10**9:
            stop.ask()

    with monkeypatch.context() as m:
        m.setattr(Metrics, "count", stopped)
        ingest(desk, own_kafka, stop, kept=tmp_path)
    at, _ = positions(own_kafka, desk.table, desk.sources)
    rest = [b.header for b in batches_of(desk, left.LeftMarket(tmp_path, desk, 1e9), at)]
    assert 0 < len(rest) < len(whole) / 2  # of it the last records that were sent, to compare them
    assert {h.source for h in rest if at[h.source].seq == h.seq} == set(desk.sources)
    fewer = {s: p._replace(seq=p.seq // 2) for s, p in at.items()}  # Kafka lost what the files count on
    assert len(list(batches_of(desk, left.LeftMarket(tmp_path, desk, 1e9), fewer))) == len(whole)
    faster = _deployment(duration="6s", speed=4)
    assert [b.header for b in batches_of(faster, left.LeftMarket(tmp_path, faster, 1e9), at)] == rest
    other = _deployment(duration="6s", seed=8)
    assert left.LeftMarket(tmp_path, other).find(at) is None
    ingest(desk, own_kafka, Stop(), kept=tmp_path)
    assert sorted(_sent(own_kafka)) == sorted(whole)


def test_torn_files_of_a_left_market_are_passed_over(tmp_path: Path) -> None:
    desk = _deployment()
    kept = left.LeftMarket(tmp_path, desk, 0.0)
    batches = batches_of(desk, kept)
    at = {b.header.source: position_of(b) for b in islice(batches, 200)}
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["market-0.npz", "market-1.npz"]
    found = left.LeftMarket(tmp_path, desk).find(at)
    assert found is not None
    for file in files:
        file.write_bytes(file.read_bytes()[:-3_000])
    assert left.LeftMarket(tmp_path, desk).find(at) is None
    files[0].write_bytes(b"")
    files[1].unlink()
    assert left.LeftMarket(tmp_path, desk).find(at) is None


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


@pytest.mark.faults
def test_a_stop_is_heard_while_the_broker_is_away_and_the_queue_full(own_broker: LocalBroker, tmp_path: Path) -> None:
    c = own_broker.connection
    create(c, 4)
    desk = _deployment(speed=5, duration="20s")
    desk.save(tmp_path / "desk.json")
    short = "from qflib.stream.ingest import sender; sender.QUEUE = 20; import runpy, sys; del sys.argv[0]; "
    command = [sys.executable, "-c", f"{short}runpy.run_path(sys.argv[0], run_name='__main__')", str(PIPELINE)]
    log = tmp_path / "log"
    port = free_port()
    told = ["--deployment", str(tmp_path / "desk.json"), "--bootstrap", c.bootstrap, "--metrics-port", str(port)]

    def waited() -> float:  # for room in the queue: of consumers nobody is waited for
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            [line] = [ln for ln in answer.read().decode().splitlines() if ln.startswith("qflib_backpressure_seconds_t")]
        return float(line.split()[1])

    with log.open("w") as err, subprocess.Popen([*command, *told], stderr=err) as process:
        until = time.monotonic() + 60
        while _count(c) < 40 and time.monotonic() < until:
            time.sleep(0.02)
        own_broker.crash()
        while "broker is gone" not in log.read_text() and time.monotonic() < until:
            time.sleep(0.1)
        while (counted := waited()) < 1.0 and time.monotonic() < until:  # of 320 records a second the queue takes 20
            time.sleep(0.1)
        process.terminate()
        try:
            process.wait(60)  # what it waits for its records is in its last words
        finally:
            process.kill()
    assert counted >= 1.0
    assert process.returncode == FAILED
    assert "20 records were not delivered in 1.5 s" in log.read_text().splitlines()[-1]
    assert log.read_text().count("the producer's queue is full") == 1
    own_broker.start()
    ingest(_deployment(duration="20s"), c, Stop())
    assert sorted(_sent(c)) == sorted(encode(b) for b in batches_of(desk))


def _full(monkeypatch: pytest.MonkeyPatch, stop: Stop) -> Sender:
    """A sender whose broker is away and whose queue has room for two more."""
    monkeypatch.setattr(sender, "QUEUE", 2)
    return Sender(Connection("127.0.0.1:1"), _deployment().table, lambda: stop.leaving)


@pytest.mark.parametrize("ending", [False, True])
def test_what_a_stop_leaves_in_hand_does_not_count_as_sent(ending: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, desk, at = Stop(), _deployment(), dict[str, Position]()
    out, said = _full(monkeypatch, stop), list[BaseException]()

    def work() -> None:
        try:
            play(batches_of(desk), at, out, Gate([], dict), Pace(None), stop, Metrics())
        except LeftOff as e:
            said.append(e)

    monkeypatch.setattr(Gate, "wait", lambda *_: 0.0)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while out.pending() < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    if ending:
        stop.ask(end=True)  # closing clocks would wait for the broker too: it takes a signal more
        thread.join(0.5)
        assert thread.is_alive()
    stop.ask()
    thread.join(10)
    assert said
    first = list(islice(batches_of(desk), 2))
    assert at == {b.header.source: position_of(b) for b in first}
    with pytest.raises(LeftOff):  # nor is a later record sent, that would pass over its number
        out.send(first[0].header.source, b"")
    with pytest.raises(BrokerError, match=r"2 records were not delivered in 0\.1 s"):
        out.flush(0.1)


def test_an_end_waits_for_the_broker_until_a_stop_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, said = Stop(), list[BaseException]()
    out = _full(monkeypatch, stop)
    out.send("sim:ACME", b"a closing clock")
    stop.ask(end=True)

    def work() -> None:
        try:
            out.flush(0.1)
        except BrokerError as e:
            said.append(e)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()  # another process would not know that the market is to end
    stop.ask()
    thread.join(10)
    assert said


def test_a_flush_that_delivers_nothing_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_STUCK_S", 0.5)
    out = _full(monkeypatch, Stop())
    out.send(_deployment().sources[0], b"1")
    with pytest.raises(BrokerError, match=r"1 records were not delivered in 0\.5 s; a new start sends them"):
        out.flush()
