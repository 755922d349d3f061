"""What the archive writes to dies, records go before they are stored, a state cannot be rebuilt, the clock steps.

As tests/deploy/test_alerts_of_faults.py, of a desk whose history is in PostgreSQL; `make faults` runs it. The clock
is that of Python in all of the desk's processes: libfaketime breaks their sleep on a clock that it should leave alone.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from qflib.broker import reading
from qflib.broker.clients import Connection, admin
from qflib.history.opening import database_of, remove
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, snapshots
from qflib.stream.stages import ARCHIVE_GROUP
from tests.deploy.watching import Watching, over, seen, watching
from tests.processes import stopped

pytestmark = pytest.mark.faults

_FLAGS = ("--rate", "2000", "--no-faces", "--store", "postgres")
#: Imported by every interpreter at its start: its wall clock is off by what a file says.
_OFF = """
import os, time

def _off(clock, unit, file=os.environ["TEST_CLOCK"]):
    def told():
        with open(file) as f:
            return clock() + unit * int(f.read() or 0)
    return told

time.time, time.time_ns = _off(time.time, 1), _off(time.time_ns, 10**9)
"""
#: The rules' hour is so many seconds here, and some.
_HOUR_S = 300.0
_BACK_S = 30


@pytest.fixture(scope="module")
def clock() -> Iterator[Path]:
    """A file that says by how much the wall clock of the desk is off."""
    with tempfile.TemporaryDirectory(prefix="qflib-test-clock-") as folder:
        file = Path(folder) / "offset"
        file.write_text("0")
        (file.parent / "sitecustomize.py").write_text(_OFF)
        yield file


@pytest.fixture(scope="module")
def watched(clock: Path) -> Iterator[Watching]:
    environment = {"PYTHONPATH": str(clock.parent), "TEST_CLOCK": str(clock)}
    folder = Path(tempfile.mkdtemp(prefix="qflib-test-"))  # pytest's own would be closed to the server's user
    state = folder / "state" / "up"
    try:
        yield from watching(folder, *_FLAGS, processes=7, environment=environment)
    finally:
        remove(state / "history")
        shutil.rmtree(folder)


def connection(one: Watching) -> Connection:
    return Connection(one.desk.running()["bootstrap"])


def delete(c: Connection, topic: str, offset: int) -> None:
    """As retention would."""
    for told in admin(c).delete_records([TopicPartition(topic, 0, offset)]).values():
        told.result(20)


def test_the_wall_clock_steps_back(watched: Watching, clock: Path) -> None:
    since = time.monotonic()
    clock.write_text(f"-{_BACK_S}")
    seen(watched, "QflibClockStepped", since)
    over(watched, "QflibClockStepped", since)


def test_retention_comes_near_and_overtakes(watched: Watching) -> None:
    c, place = connection(watched), (MARKET_RAW, 0)
    with stopped(watched.pid("archive-0")) as since:
        stored = reading.committed(c, ARCHIVE_GROUP, [place])[place]
        delete(c, MARKET_RAW, stored)
        seen(watched, "QflibRetentionNear", since, consumergroup=ARCHIVE_GROUP, topic=MARKET_RAW)
        gone = (stored + reading.ends(c, [place])[place]) // 2
        delete(c, MARKET_RAW, gone)
    mended = time.monotonic()
    seen(watched, "QflibRecordsGone", mended)
    over(watched, "QflibRetentionNear", mended, consumergroup=ARCHIVE_GROUP, topic=MARKET_RAW)
    over(watched, "QflibRecordsGone", mended, _HOUR_S)


def test_the_database_is_killed_whenever_it_begins(watched: Watching) -> None:
    server = database_of(watched.desk.history).server
    assert server is not None
    since = time.monotonic()
    while watched.receiver.when("QflibArchiveBehind", "firing", since) is None:
        server.kill()
        time.sleep(0.02)  # what comes up in between may not be there for a commit
        assert time.monotonic() < since + 120
    seen(watched, "QflibArchiveBehind", since)
    over(watched, "QflibArchiveBehind", time.monotonic())


def test_snapshots_are_wiped_and_their_inputs_gone(watched: Watching) -> None:
    """Without the inputs a state is not rebuilt: the desk ends, and says so; another begins."""
    c = connection(watched)
    since = time.monotonic()
    for topic in (snapshots("exchange"), MARKET_NORMALIZED):
        delete(c, topic, reading.ends(c, [(topic, 0)])[topic, 0])
    watched.ended = True
    watched.send("exchange-0", signal.SIGKILL)
    seen(watched, "QflibDeskAway", since)
    assert "exchange" in (watched.folder / "up.log").read_text()
    began = watched.begin_again(*_FLAGS, "--fresh")
    over(watched, "QflibDeskAway", began)
