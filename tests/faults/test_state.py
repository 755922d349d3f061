"""What a stage goes on from is wiped, overtaken or corrupt: rebuilt, or refused with the reason; never taken in."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from qflib.broker import reading
from qflib.records import SNAPSHOTS
from qflib.records.codec import decode, encode
from qflib.records.topics import EXCHANGE_MARKS, MARKET_RAW, RISK_EXPOSURES, journal, snapshots
from qflib.stream.audit import audit, final_books
from qflib.stream.process import REFUSED
from qflib.stream.running import ARCHIVE
from qflib.stream.stages import STAGES
from qflib.stream.supervisor import DeskStoppedError
from tests.faults.desk import FaultyDesk, running
from tests.faults.table import Told
from tests.processes import stand_still

pytestmark = pytest.mark.faults

SEED = 13


def stopped(faulty: FaultyDesk, stage: str) -> None:
    """A stage stands still until it is killed: it takes no snapshot any more."""
    stand_still(faulty.pid(stage))


def wiped(faulty: FaultyDesk, stage: str) -> None:
    """All of a stage's snapshots are gone."""
    topic = snapshots(stage)
    faulty.trim(topic, dict(enumerate(faulty.ends(topic))))


def tail(faulty: FaultyDesk, stage: str) -> int:
    """Inputs that a stage's last start has taken in again."""
    return sum(int(line.split('"tail": ')[1].split(",")[0]) for line in faulty.words(stage).splitlines()
               if '"tail": ' in line)  # fmt: skip


def test_states_are_wiped_and_rebuilt(tmp_path: Path, told: Told) -> None:
    with running(tmp_path) as faulty:
        row = told.row(9, "rebuilt from the journal and the inputs", goal="stateful")
        for stage in ("exchange", "exposures", "portfolio"):
            stopped(faulty, stage)
            wiped(faulty, stage)
            row.took(faulty.ended(stage, lambda s=stage: faulty.desk.kill(s)), stage)
            assert tail(faulty, stage) > 100, stage
        row.seen = ["log `restored` with its tail", "metric `qflib_restore_seconds`"]
        assert faulty.metric("portfolio", "qflib_restore_seconds_count") >= faulty.partitions
        # normalize's inputs too: retention has taken them, and the archive has their bytes
        archived = told.row(9, "and its inputs: rebuilt from the archive", goal="stateful")
        low = {p: faulty.reached("normalize", MARKET_RAW, p) - 1 for p in range(faulty.partitions)}
        faulty.until(lambda: all(stored(faulty, p) > o for p, o in low.items()), "not archived")
        stopped(faulty, "normalize")
        wiped(faulty, "normalize")
        faulty.trim(MARKET_RAW, {p: o for p, o in low.items() if o > 0})
        archived.took(faulty.ended("normalize", lambda: faulty.desk.kill("normalize")), "normalize")
        assert tail(faulty, "normalize") >= sum(low.values())
        archived.seen = row.seen
        faulty.judge(told)


def stored(faulty: FaultyDesk, partition: int) -> int:
    """How far the archive is in the raw records."""
    place = MARKET_RAW, partition
    return reading.committed(faulty.desk.connection, f"qflib.{ARCHIVE}", [place])[place]


def last_record(faulty: FaultyDesk, topic: str, partition: int) -> bytes:
    """The value of the last one that is committed."""
    low, _ = reading.watermarks(faulty.desk.connection, topic, partition)
    *_, last = reading.read(faulty.desk.connection, topic, partition, low)
    value: bytes = last.value() or b""
    return value


def flipped(value: bytes, rng: random.Random) -> bytes:
    """With one bit changed."""
    at = rng.randrange(len(value))
    return value[:at] + bytes([value[at] ^ (1 << rng.randrange(8))]) + value[at + 1 :]


def of_other_content(value: bytes) -> bytes:
    """A snapshot's record, whole by its own checksum, that does not have the content of its name."""
    batch = decode(value)
    row = batch.snapshot
    changed = {n: getattr(row, n) for n in row._fields if n != "payload"}
    payload = bytearray(row.payload.tobytes())
    payload[len(payload) // 2] ^= 1
    return encode(replace(batch, tables=batch.tables | {"snapshot": SNAPSHOTS.make(**changed, payload=bytes(payload))}))


def test_a_corrupt_snapshot_is_passed_over_and_the_one_before_used(tmp_path: Path, told: Told) -> None:
    rng = random.Random(SEED)
    with running(tmp_path, environment={"QFLIB_STREAM__SNAPSHOT_S": "3"}) as faulty:
        row = told.row(16, "a snapshot: the one before is used", goal="stateful")
        for stage in ("exchange", "portfolio", "exposures"):
            topic, p = snapshots(stage), min(faulty.moving(stage))
            sound = last_record(faulty, topic, p)
            bad = [
                faulty.send(topic, broken, b"%d" % p, p) for broken in (flipped(sound, rng), of_other_content(sound))
            ]
            row.took(faulty.ended(stage, lambda s=stage: faulty.desk.kill(s)), stage)
            assert all(faulty.said(stage, "snapshot broken", topic=topic, partition=p, offset=at) for at in bad), stage
            assert faulty.metric(stage, "qflib_log_events_total", level="error") >= 2
            # the stage itself deletes what lies before its last but one
            last = max(bad)
            faulty.until(
                lambda t=topic, p=p, at=last: reading.watermarks(faulty.desk.connection, t, p)[0] > at,
                "the broken ones stay",
            )
        row.seen = ["log `snapshot broken`", "metric `qflib_log_events_total`"]
        faulty.judge(told)
        # what nobody has trimmed yet an audit tells, and replays from the snapshots that are whole
        for stage in ("exchange", "portfolio", "exposures"):
            topic, p = snapshots(stage), min(faulty.moving(stage))
            sound = last_record(faulty, topic, p)
            for broken in (flipped(sound, rng), of_other_content(sound)):
                faulty.send(topic, broken, b"%d" % p, p)
        found = audit(faulty.desk.connection, faulty.desk.desk, replay=True)
        assert [f["fault"] for f in found.document["findings"]] == ["torn"] * 6
        assert found.replay is not None
        assert found.replay.records > 300
        assert found.replay.ok
        assert final_books(faulty.desk.connection, faulty.desk.desk) == faulty.undisturbed()


def test_what_cannot_be_gone_on_from_is_refused_with_the_reason(tmp_path: Path, told: Told) -> None:
    """A journal that somebody else wrote in, a wiped state whose inputs are gone, and inputs gone before they came."""
    rng = random.Random(SEED)
    with running(tmp_path) as faulty:
        stopped(faulty, "portfolio")  # what comes meanwhile it does not read
        faulty.rest(4.0)
        assert faulty.desk.stop_stages() == ["portfolio-0"]
        report = audit(faulty.desk.connection, faulty.desk.desk, replay=True)
        rows = {
            "exchange": told.row(16, "a journal", ended="refused, exit code 2"),
            "exposures": told.row(9, "and inputs that the archive has not", ended="refused, exit code 2"),
            "portfolio": told.row(10, "of a stage", ended="refused, exit code 2"),
        }
        [p] = faulty.moving("portfolio")
        faulty.trim(RISK_EXPOSURES, {p: faulty.reached("portfolio", RISK_EXPOSURES, p) + 3})
        wiped(faulty, "exposures")
        faulty.trim(EXCHANGE_MARKS, {0: faulty.reached("exposures", EXCHANGE_MARKS, 0) - 1})
        topic = journal("exchange")
        faulty.send(topic, flipped(last_record(faulty, topic, 0), rng), b"0", 0)
        written = {t: faulty.ends(t) for stage in rows for t in STAGES[stage].topics}
        said = {
            "exchange": f"{topic}[0] is no mark",
            "exposures": "does not have their bytes",
            "portfolio": "retention has taken all below",
        }
        for stage, row in rows.items():
            done = subprocess.run(
                faulty.desk._program(stage).argv(0), capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == REFUSED, done.stderr[-3000:]
            assert said[stage] in done.stderr.splitlines()[-1]
            print(done.stderr.splitlines()[-1], flush=True)
            row.times, row.seen = 1, [f"last words `{said[stage]}`"]
        assert {t: faulty.ends(t) for t in written} == written  # who refuses writes nothing
        assert report.ok, report.document["findings"]
        after = audit(faulty.desk.connection, faulty.desk.desk)
        told.judged(after, {topic: {"torn": 1}})
        assert [(f["topic"], f["partition"], f["fault"]) for f in after.document["findings"]] == [(topic, 0, "torn")]
        with pytest.raises(DeskStoppedError):  # the whole desk, which says why
            faulty.again()
