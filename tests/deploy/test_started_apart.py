"""A desk whose processes are started one by one, as the chart's pods are, with no `qflib up`; run by `make faults`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qflib import settings
from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.cli import deploying
from tests.deploy.tools import ROOT

pytestmark = pytest.mark.faults

STAGES = ("ingest", "normalize", "exchange", "exposures", "portfolio", "archive", "monitor")
_PATIENCE_S = 150.0


class Pods:
    """Processes by name, each with the folder and the variables that a pod has."""

    def __init__(self, folder: Path, c: Connection) -> None:
        self.state = folder / "data"
        made = {"STATE": str(self.state), "BROKER__BOOTSTRAP": c.bootstrap, "BROKER__PARTITIONS": "2",
                "DESK__N_HISTORICAL": "50", "DESK__N_SIMULATED": "100"}  # fmt: skip
        self.environment = os.environ | {f"QFLIB_{k}": v for k, v in made.items()}
        self.ports: dict[str, int] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        wanted = deploying.Wanted("sim", steps=())
        chosen = settings.load(desk={"rate": 2_000.0, "seed": 7})
        market = deploying.market(wanted, chosen)
        desk = replace(deploying.deployment(wanted, chosen, market, 2))
        desk.save(self.state / "up" / "deployment.json")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, *words]

    def job(self, *words: str) -> None:
        subprocess.run(self.command(*words), env=self.environment, cwd=ROOT, check=True, timeout=_PATIENCE_S)

    def start(self, stage: str) -> None:
        port = self.ports.setdefault(stage, free_port())
        words = [f"pipelines/{stage}.py", "--deployment", str(self.state / "up" / "deployment.json")]
        told = ["--metrics-port", str(port), "--ordinal", "0"]
        with (self.state / f"{stage}.log").open("ab") as out:
            command = self.command(*words, *told)
            self.running[stage] = subprocess.Popen(command, env=self.environment, cwd=ROOT, stderr=out)

    def figure(self, stage: str, name: str) -> float:
        """The sum of a metric's series; NaN while the process does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[stage]}/metrics", timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return float("nan")
        return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))

    def until(self, stage: str, name: str, least: float) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not self.figure(stage, name) >= least:
            for other, process in self.running.items():
                assert process.poll() is None, (other, (self.state / f"{other}.log").read_text()[-3_000:])
            assert time.monotonic() < end, f"{name} of {stage} stays {self.figure(stage, name)}"
            time.sleep(0.2)

    def stop(self) -> dict[str, int]:
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        return {stage: process.wait(20) for stage, process in self.running.items()}


@pytest.fixture
def pods(tmp_path: Path, own_kafka: Connection) -> Iterator[Pods]:
    made = Pods(tmp_path, own_kafka)
    yield made
    for process in made.running.values():
        process.kill()
        process.wait()


def test_the_desk_opens_reports_and_passes_its_audit(pods: Pods) -> None:
    pods.job("-m", "qflib.cli.main", "broker", "start")  # the chart's job of the topics
    for stage in STAGES:
        pods.start(stage)
    pods.job("-m", "qflib.cli.opening", "--deployment", str(pods.state / "up" / "deployment.json"))
    pods.until("monitor", "qflib_risk_reports_total", 20.0)
    pods.until("monitor", "qflib_hedge_fills_total", 1.0)
    pods.running["exchange"].kill()  # a pod that dies is started again under its ordinal
    pods.running.pop("exchange").wait()
    pods.start("exchange")
    before = pods.figure("monitor", "qflib_risk_reports_total")
    pods.until("monitor", "qflib_risk_reports_total", before + 20.0)
    pods.until("exchange", "qflib_checkpoint_seconds_count", 5.0)
    assert pods.stop() == dict.fromkeys(pods.running, 0)
    pods.running.clear()
    bootstrap = pods.environment["QFLIB_BROKER__BOOTSTRAP"]
    pods.job("-m", "qflib.cli.main", "audit", "--replay", "--bootstrap", bootstrap)
