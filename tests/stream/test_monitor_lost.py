"""A desk under `qflib up` whose monitor fails goes on, and no scrape is told what is no longer true."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from qflib.stream.folder import DeskFolder

pytestmark = pytest.mark.faults

#: The command, whose monitor fails once there is a file of that name.
PROGRAM = """
import pathlib
import sys
from qflib.cli.main import app
from qflib.stream.monitor.stalls import Stalls

see = Stalls.see
fails = pathlib.Path(sys.argv.pop(1))
Stalls.see = lambda self, *told: 1 // 0 if fails.exists() else see(self, *told)
app()
"""


def figure(port: int, name: str) -> float | None:
    """A metric without labels; None where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(f"{name} ")), None)


def test_the_desk_goes_on_and_its_monitor_s_figures_are_gone(tmp_path: Path) -> None:
    told = {"STATE": str(tmp_path), "DESK__N_HISTORICAL": "50", "DESK__N_SIMULATED": "100"}
    desk, fails, log = DeskFolder(tmp_path / "up"), tmp_path / "fails", tmp_path / "log"
    command = [sys.executable, "-c", PROGRAM, str(fails), "up", "--source", "sim", "--rate", "2000", "--no-faces"]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, env=os.environ | {f"QFLIB_{k}": v for k, v in told.items()}, stdout=out, stderr=out
        )

    def until(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not condition():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)

    try:
        until(lambda: "up-0" in (desk.running() or {}).get("ports", {}))
        ports = (desk.running() or {})["ports"]
        until(lambda: (figure(ports["up-0"], "qflib_risk_reports_total") or 0) > 0)
        fails.touch()
        until(lambda: figure(ports["up-0"], "qflib_broker_silent_seconds") is None)  # it would rise, and raise an alert
        before = figure(ports["ingest-0"], "process_cpu_seconds_total")
        until(lambda: (figure(ports["ingest-0"], "process_cpu_seconds_total") or 0) > (before or 0))
        assert process.poll() is None
        assert log.read_text().count("monitor ended") == 1
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
