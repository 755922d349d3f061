"""The wall clock jumps, back and forth, under all processes of a running desk: no byte of it depends on that.

Kafka keeps its own: what it does then is not asked here.
"""

from __future__ import annotations

import itertools
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from qflib.broker import reading
from qflib.broker.data_folder import free_port
from qflib.records.topics import MARKET_RAW
from qflib.stream.supervisor import python
from tests.deploy.tools import ROOT
from tests.faults.desk import FaultyDesk, running, scraped
from tests.faults.table import Told

pytestmark = pytest.mark.faults

JUMPS_S = (-20, -3_620, -3_600, -7_200)  # where it stands after each: back, back by an hour, a little on, back again
STEPS = "qflib_clock_steps_total"
_SOURCE = Path(__file__).with_name("stepping_clock.c")


def jump(clock: Path, seconds: float) -> None:
    """The wall clocks stand so far beside the machine's."""
    with clock.open("r+b" if clock.exists() else "wb") as out:
        out.write(struct.pack("=q", int(seconds * 1e9)))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    compiler, made = shutil.which("cc"), tmp_path / "stepping_clock.so"
    if compiler is None:
        pytest.fail("no C compiler; apt-get install --no-install-recommends gcc libc6-dev")
    subprocess.run([compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", made, _SOURCE, "-ldl"], check=True)
    return made


def test_a_clock_that_steps_back_changes_no_byte(tmp_path: Path, told: Told, library: Path) -> None:
    clock = tmp_path / "clock"
    jump(clock, 0)
    moved = {"LD_PRELOAD": str(library), "STEPPING_CLOCK": str(clock)}
    with running(tmp_path, environment=moved) as faulty:
        onlooker, port = monitor(faulty, moved)
        try:
            row = told.row(17, "of all processes", goal="stateful")
            faulty.until(lambda: scraped(port, STEPS) == 0, "no monitor")
            faulty.rest(1.0)  # it has to have looked at the clock before
            for n, at in enumerate(JUMPS_S, 1):
                began = time.monotonic()
                jump(clock, at)
                row.took(faulty.goes_on(*faulty.core, since=began), f"to {at} s")
                faulty.until(lambda n=n: (scraped(port, STEPS) or 0) >= n, "the jump is not told")
            row.seen = [f"metric `{STEPS}`"]
        finally:
            onlooker.kill()
            onlooker.wait()
        steps = sum(b < a - 10e9 for a, b in itertools.pairwise(ingested(faulty)))
        assert steps == sum(b < a for a, b in itertools.pairwise((0, *JUMPS_S)))
        faulty.judge(told)


def monitor(faulty: FaultyDesk, environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """The process that looks on, as in a cluster."""
    port, script = free_port(), ROOT / "pipelines" / "monitor.py"
    command = python(script, "--deployment", str(faulty.folder.deployment), "--metrics-port", str(port))
    command += ["--bootstrap", faulty.desk.connection.bootstrap]
    with (faulty.folder.logs / "monitor.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment), port


def ingested(faulty: FaultyDesk) -> list[int]:
    """When the raw records of a partition came in, by the clock of ingest."""
    p = min(faulty.moving("normalize"))
    headers = (dict(m.headers() or []) for m in reading.read(faulty.desk.connection, MARKET_RAW, p, 0))
    return [int(h["ingest_ns"]) for h in headers]
