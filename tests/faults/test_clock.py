"""The wall clock of a whole machine jumps, back and forth, under a running desk: no byte of it depends on that."""

from __future__ import annotations

import itertools
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
_LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def jump(file: Path, seconds: float) -> None:
    """All processes' wall clocks stand so far beside the machine's."""
    half = file.with_suffix(".part")
    half.write_text(f"{seconds:+.0f}\n")
    half.replace(file)


def test_a_clock_that_steps_back_changes_no_byte(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    if _LIBRARY is None:
        pytest.fail("libfaketime is missing; apt-get install --no-install-recommends libfaketime")
    clock = tmp_path / "clock"
    jump(clock, 0)
    told_to_all = {
        "LD_PRELOAD": str(_LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    for name, value in told_to_all.items():
        monkeypatch.setenv(name, value)
    with running(tmp_path) as faulty:
        onlooker, port = monitor(faulty)
        try:
            row = told.row(17, "of all processes", goal="stateful")
            faulty.until(lambda: scraped(port, STEPS) == 0, "no monitor")
            for n, at in enumerate(JUMPS_S, 1):
                jump(clock, at)
                faulty.until(lambda n=n: (scraped(port, STEPS) or 0) >= n, "the jump is not told")
                row.took(faulty.goes_on(*faulty.core), f"to {at} s")
            row.seen = ["metric `qflib_clock_steps_total`", "alert `QflibClockStepped`"]
            times = [m.timestamp()[1] for m in reading.read(faulty.desk.connection, MARKET_RAW, 0, 0)]
            assert min(times) / 1e3 < time.time() + JUMPS_S[-1] + 600, "the broker's clock did not step"
            assert any(b < a for a, b in itertools.pairwise(times))
        finally:
            onlooker.terminate()
            onlooker.wait(20)
        faulty.end()
        monkeypatch.undo()
        faulty.audited(told)


def monitor(faulty: FaultyDesk) -> tuple[subprocess.Popen[bytes], int]:
    """The process that looks on, as in a cluster."""
    port = free_port()
    script = ROOT / "pipelines" / "monitor.py"
    command = python(script, "--deployment", str(faulty.folder.deployment), "--metrics-port", str(port))
    log = (faulty.folder.logs / "monitor.log").open("wb")
    return subprocess.Popen([*command, "--bootstrap", faulty.desk.connection.bootstrap], stdout=log, stderr=log), port
