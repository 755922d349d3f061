"""One desk under load: strangers' records, stops that must drain, a broker that stands still."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from qflib.records import DeadReason
from qflib.records.codec import MAX_BYTES
from qflib.records.topics import dead_letters
from qflib.stream.running import ARCHIVE, INGEST
from qflib.stream.stages import STAGES
from tests.faults.desk import FaultyDesk, running
from tests.faults.table import Told
from tests.processes import stopped

pytestmark = pytest.mark.faults

SEED = 11
POISONS = 3  # of each stage's each input
STOPPED_S = 12.0  # longer than sessions and transactions last


def test_strangers_records_stops_and_a_broker_that_stands_still(tmp_path: Path, told: Told) -> None:
    with running(tmp_path) as faulty:
        poisoned(faulty, told)
        drained(faulty, told)
        standing_still(faulty, told)
        faulty.judge(told)


def poisoned(faulty: FaultyDesk, told: Told) -> None:
    """Records that nobody can read, and some that are too long, in every topic that a stage reads."""
    rng = random.Random(SEED)
    poison, oversized = told.row(6), told.row(12)
    for stage in faulty.core:
        letters = faulty.metric(stage, "qflib_dlq_total")
        for topic in STAGES[stage].inputs:
            for value in [*(rng.randbytes(rng.randrange(1, 2_000)) for _ in range(POISONS)), bytes(MAX_BYTES + 1)]:
                began, row = time.monotonic(), oversized if len(value) > MAX_BYTES else poison
                p = rng.randrange(faulty.partitions)
                at = faulty.send(topic, value, partition=p)
                faulty.until(
                    lambda s=stage, t=topic, p=p, at=at: faulty.reached(s, t, p) > at, f"{stage} does not come past it"
                )
                row.took(time.monotonic() - began, f"{stage}, {topic}")
        sent = (POISONS + 1) * len(STAGES[stage].inputs)
        assert faulty.metric(stage, "qflib_dlq_total") >= letters + sent
        assert faulty.said(stage, "dead letter", reason=DeadReason.OVERSIZED.name.lower())
    for topic in STAGES["exchange"].inputs:
        assert sum(faulty.ends(dead_letters(topic))) >= POISONS + 1
    poison.seen = ["log `dead letter`", "metric `qflib_dlq_total`"]
    oversized.seen = ["log `dead letter`, reason `oversized`"]


def drained(faulty: FaultyDesk, told: Told) -> None:
    """SIGTERM to every process by turns: it leaves its work whole, and its successor takes nothing in again."""
    row = told.row(13, "seconds to its end", goal="stop")
    for stage in (INGEST, *faulty.core, ARCHIVE):
        faulty.rest(0.5)
        began = time.monotonic()
        faulty.desk.supervisor.restart(stage)
        row.took(time.monotonic() - began, stage)
        assert not faulty.noted("process killed"), stage
        if stage in STAGES:
            assert faulty.said(stage, "revoked")
            faulty.until(lambda s=stage: faulty.words(s).count('"restored"') >= faulty.partitions, f"no new {stage}")
            assert faulty.words(stage).count('"tail": 0,') == faulty.partitions, stage
            faulty.goes_on(stage)
    row.seen = ["log `revoked`"]


def standing_still(faulty: FaultyDesk, told: Told) -> None:
    """The broker answers nobody for longer than sessions last."""
    still = told.row(4, f"for {STOPPED_S:g} s")
    with stopped(faulty.desk.broker.pid):
        faulty.rest(STOPPED_S)
    began = time.monotonic()
    still.took(faulty.goes_on(*faulty.core, records=2, since=began), "every stage goes on")
    most = max(w.peak_memory for w in faulty.desk.supervisor.workers)
    assert 0 < faulty.metric("exchange", "process_resident_memory_bytes") <= most < 1e9
    still.seen = ["metric `process_resident_memory_bytes`"]
