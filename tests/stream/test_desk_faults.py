"""The whole desk on real Kafka, killed and scaled: nothing lost, nothing doubled, every byte as it should be.

FAULT_KILLS says how often each stage is killed (default: once); recovery times are printed. `make faults` runs them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qflib import settings
from qflib.broker import reading
from qflib.cli import deploying
from qflib.desk.datasets import load
from qflib.errors import BrokerError
from qflib.history import DeltaHistory
from qflib.orderbook.books import Books
from qflib.stream.audit import audit, final_books
from qflib.stream.folder import DeskFolder
from qflib.stream.opening import opening
from qflib.stream.running import RunningDesk
from qflib.stream.stages import STAGES

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("FAULT_KILLS", "1"))
SPAN_S = 30 + 30 * KILLS  # of market time, at the wall's speed: longer than the faults take
RATE = 4_000.0
PARTITIONS = 2
STOPPED_S = 12.0
_SEEN_S = 150.0  # a machine may stand still for half a minute of it


class Watched:
    """A running desk, with what a test asks of it."""

    def __init__(self, folder: Path) -> None:
        wanted = deploying.Wanted("sim", rate=RATE, seed=7)
        chosen = settings.load(state=folder, desk={"rate": RATE, "n_historical": 300, "n_simulated": 700})
        market = deploying.market(wanted, chosen)
        made = deploying.deployment(wanted, chosen, market, PARTITIONS)
        made = replace(made, feed={**made.feed, "duration": f"{SPAN_S}s"})
        self.folder = DeskFolder(folder / "up")
        self.desk = RunningDesk(
            made, self.folder, chosen, lambda: opening(made, market.positions, deploying.scenario_set(market, chosen))
        )

    def committed(self, stage: str) -> int:
        """What the stage has committed of its inputs; 0 while the broker is away."""
        row = STAGES[stage]
        places = [(t, p) for t in row.inputs for p in range(self.desk.desk.partitions)]
        try:
            told = reading.committed(self.desk.connection, row.group, places, timeout_s=0.3)
        except BrokerError:
            return 0
        return sum(max(o, 0) for o in told.values())

    def until(self, condition: Callable[[], bool], what: str) -> None:
        assert self.desk.wait(condition, _SEEN_S), what

    def goes_on(self, stage: str, after: int, records: int = 1) -> float:
        """Seconds until the stage commits again."""
        began = time.monotonic()
        self.until(lambda: self.committed(stage) >= after + records, f"{stage} does not go on")
        return time.monotonic() - began


@pytest.fixture
def watched(tmp_path: Path):
    made = Watched(tmp_path)
    made.desk.start()
    yield made
    made.desk.stop()


def test_kills_scaling_and_a_stopped_worker_change_nothing(watched: Watched) -> None:
    desk = watched.desk
    watched.until(lambda: desk.opened and watched.committed("portfolio") > 10, "no report came")
    for _ in range(KILLS):
        for stage in desk.desk.stages:
            before = watched.committed(stage)
            desk.kill(stage)
            print(f"kill -9 {stage}: {watched.goes_on(stage, before):.1f} s")
        desk.kill("ingest")
        before = watched.committed("normalize")
        print(f"kill -9 ingest: {watched.goes_on('normalize', before):.1f} s")
        desk.kill("archive")
    before = watched.committed("exchange")
    own = desk.broker.pid
    assert own is not None
    os.kill(own, signal.SIGKILL)
    print(f"kill -9 broker: {watched.goes_on('exchange', before, 5):.1f} s")
    desk.scale("exchange", 2)
    log = watched.folder.logs / "exchange-1.log"
    watched.until(lambda: "restored" in log.read_text(), "no second worker")
    before = watched.committed("exchange")
    print(f"1 to 2 workers: {watched.goes_on('exchange', before, 5):.1f} s")
    # one of the two is stopped past its session: the other takes its partitions, and it dies on waking
    [stopped] = [w.pid for w in desk.supervisor.workers if (w.stage, w.ordinal) == ("exchange", 0)]
    assert stopped is not None
    seen = log.read_text().count("restored")
    os.kill(stopped, signal.SIGSTOP)
    watched.until(lambda: log.read_text().count("restored") >= seen + desk.desk.partitions, "nobody took over")
    os.kill(stopped, signal.SIGCONT)
    watched.until(
        lambda: [w.pid for w in desk.supervisor.workers if (w.stage, w.ordinal) == ("exchange", 0)] != [stopped],
        "the stopped worker lives on",
    )
    desk.scale("exchange", 1)
    before = watched.committed("exchange")
    print(f"2 to 1 workers: {watched.goes_on('exchange', before, 5):.1f} s")

    assert desk.wait_drained(2 * SPAN_S + _SEEN_S), str(desk.lag())
    assert desk.stop_stages() == []
    feed = load("sim", seed=7, duration=f"{SPAN_S}s", rate=RATE)
    undisturbed = Books(feed.instruments)
    for events in feed.events():
        undisturbed.apply(events)
    assert final_books(desk.connection, desk.desk) == undisturbed.digest()
    report = audit(desk.connection, desk.desk, history=DeltaHistory(watched.folder.history), replay=True)
    assert report.ok, report.document["findings"]
    replay = report.document["replay"]
    assert (replay["unequal"], replay["state_equal"]) == (0, True)
    assert replay["records"] > 1_000


def test_a_broker_that_stands_still_stops_nothing_for_good(watched: Watched) -> None:
    """Longer than sessions and transactions last: whoever lost his transaction or his partitions begins again."""
    desk = watched.desk
    watched.until(lambda: desk.opened and watched.committed("portfolio") > 10, "no report came")
    own = desk.broker.pid
    assert own is not None
    before = {stage: watched.committed(stage) for stage in desk.desk.stages}
    os.kill(own, signal.SIGSTOP)
    end = time.monotonic() + STOPPED_S
    desk.wait(lambda: time.monotonic() >= end, 2 * STOPPED_S)
    os.kill(own, signal.SIGCONT)
    began = time.monotonic()
    for stage in desk.desk.stages:
        watched.until(lambda s=stage: watched.committed(s) > before[s] + 3, f"{stage} does not go on")
        print(f"broker stopped for {STOPPED_S:g} s: {stage} goes on after {time.monotonic() - began:.1f} s")
    desk.end_sources()
    assert desk.wait_drained(_SEEN_S), str(desk.lag())
    assert desk.stop_stages() == []
    report = audit(desk.connection, desk.desk, history=DeltaHistory(watched.folder.history), replay=True)
    assert report.ok, report.document["findings"]
