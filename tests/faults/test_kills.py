"""Workers and brokers killed, stopped and scaled on one desk under load, in a seeded order, at seeded moments.

FAULT_KILLS says how many workers are killed (20), and a broker for every four of them.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from qflib.stream.application import LOST
from qflib.stream.running import ARCHIVE, INGEST
from tests.faults.desk import FaultyDesk, running
from tests.faults.table import Told
from tests.processes import stand_still

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("FAULT_KILLS", "20"))
BROKER_KILLS = max(1, KILLS // 4)
SEED = 20
_REST_S = 1.0  # at most, between one recovery and the next kill


def test_kills_scaling_and_a_stopped_worker_change_nothing(tmp_path: Path, told: Told) -> None:
    with running(tmp_path) as faulty:
        killed(faulty, told)
        scaled(faulty, told)
        stopped(faulty, told)
        faulty.judge(told)


def killed(faulty: FaultyDesk, told: Told) -> None:
    """Every process by turns, the broker among them."""
    rng, desk = random.Random(SEED), faulty.desk
    names = [*faulty.core, *faulty.core, *faulty.core, INGEST, ARCHIVE]
    order = [*(names[k % len(names)] for k in range(KILLS)), *["broker"] * BROKER_KILLS]
    rng.shuffle(order)
    stages = told.row(1, "a stage", goal="stateful")
    rows = dict.fromkeys(faulty.core, stages) | {
        INGEST: told.row(1, "ingest", goal="stateless"),
        ARCHIVE: told.row(1, "the archive", goal="stateless"),
        "broker": told.row(2, goal="broker"),
    }
    for name in order:
        faulty.rest(rng.random() * _REST_S)
        seconds = broker_killed(faulty) if name == "broker" else faulty.ended(name, lambda n=name: desk.kill(n))
        rows[name].took(seconds, name)
    assert faulty.noted("process died", how="signal SIGKILL")
    assert sum(w.restarts for w in desk.supervisor.workers) >= KILLS
    for row in (*{id(r): r for r in rows.values()}.values(),)[:3]:
        row.seen = ["log `process died`"]
    assert faulty.noted("broker died")
    assert desk.broker.restarts >= BROKER_KILLS
    rows["broker"].seen = ["log `broker died`"]


def broker_killed(faulty: FaultyDesk) -> float:
    """Seconds until every stage has gone on."""
    broker, began = faulty.desk.broker, time.monotonic()
    pid, restarts = broker.pid, broker.restarts
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # nobody is asked before: to wait for an answer would hold up the supervisor, which this process is
    faulty.until(lambda: broker.restarts > restarts and broker.ready, "no broker")
    print(f"the broker answers after {time.monotonic() - began:.1f} s", flush=True)
    # two, for one may have been on its way
    return faulty.goes_on(*faulty.core, records=2, since=began)


def scaled(faulty: FaultyDesk, told: Told) -> None:
    """1 to 3 to 1 workers, first of the exchange, then of what computes the exposures."""
    desk = faulty.desk
    up = told.row(5, "up", goal="stateful")
    down = told.row(5, "down: a session of 10 s ends")
    for stage in ("exchange", "exposures"):
        began = time.monotonic()
        desk.scale(stage, 3)
        faulty.until(lambda s=stage: all("restored" in faulty.words(s, k) for k in (1, 2)), "no three workers")
        up.took(faulty.goes_on(stage, since=began), f"{stage} 1 to 3")
        faulty.rest(1.0)
        began = time.monotonic()
        desk.scale(stage, 1)
        down.took(faulty.goes_on(stage, since=began), f"{stage} 3 to 1")
        assert faulty.said(stage, "revoked")
    up.seen = down.seen = ["log `restored`, `revoked`", "metric `qflib_restore_seconds`"]
    assert faulty.metric("exposures", "qflib_restore_seconds_count") >= faulty.partitions


def stopped(faulty: FaultyDesk, told: Told) -> None:
    """A worker past its session: another has its partitions, and it dies on waking."""
    row, desk = told.row(3, "a session of 10 s ends"), faulty.desk
    desk.scale("exchange", 2)
    faulty.until(lambda: "restored" in faulty.words("exchange", 1), "no second worker")
    faulty.goes_on("exchange")
    zombie, seen = faulty.pid("exchange"), faulty.words("exchange", 1).count("restored")
    assert zombie is not None
    began, whole = time.monotonic(), seen + faulty.partitions
    stand_still(zombie)
    faulty.until(lambda: faulty.words("exchange", 1).count("restored") >= whole, "nobody took over")
    row.took(faulty.goes_on("exchange", since=began))
    os.kill(zombie, signal.SIGCONT)
    faulty.until(lambda: faulty.pid("exchange") not in (zombie, None), "the stopped worker lives on")
    assert faulty.noted("process died", process="exchange-0", how=f"exit code {LOST}")
    row.seen = [f"log `process died`, exit code {LOST}"]
    desk.scale("exchange", 1)
    faulty.goes_on("exchange")
