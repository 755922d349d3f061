"""A desk whose processes are started one by one, as the chart's pods are, with no `qflib up`; run by `make faults`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qflib import settings
from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.cli import deploying
from qflib.history.postgres.connections import Database
from tests.deploy.tools import ROOT
from tests.history.test_object_store import address, url
from tests.postgres_server import database, schema_of_its_own, server

__all__ = ["address", "database", "server", "url"]  # fixtures

pytestmark = pytest.mark.faults

STAGES = ("ingest", "normalize", "exchange", "exposures", "portfolio", "archive", "monitor")
_PATIENCE_S = 150.0
#: What a job's pod reads of the history.
_DAYS = """
from qflib import settings
from qflib.desk.history_day import days_of
from qflib.history.opening import desk_history

chosen = settings.load()
print(*days_of(desk_history(chosen.state / "up" / "history", chosen.store)))
"""


class Pods:
    """Processes by name, each with the folder and the variables that a pod has: a folder that no other one sees."""

    def __init__(self, folder: Path, c: Connection, claim: Path | None = None, **more: str) -> None:
        self.folder, self.bootstrap, self.claim = folder, c.bootstrap, claim
        self.root = folder / "root"  # where processes stand, and may not write
        self.root.mkdir()
        made = {"BROKER__BOOTSTRAP": c.bootstrap, "BROKER__PARTITIONS": "2",
                "DESK__N_HISTORICAL": "50", "DESK__N_SIMULATED": "100"} | more  # fmt: skip
        self.environment = os.environ | {f"QFLIB_{k}": v for k, v in made.items()}
        self.ports: dict[str, int] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        wanted = deploying.Wanted("sim", steps=())
        chosen = settings.load(desk={"rate": 2_000.0, "seed": 7})
        market = deploying.market(wanted, chosen)
        self.desk = deploying.deployment(wanted, chosen, market, 2)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, *words]

    def pod(self, name: str) -> tuple[str, dict[str, str]]:
        """The desk's file in a folder of its own, and what the process finds in its environment."""
        up = self.folder / name / "up"
        if not up.exists():
            self.desk.save(up / "deployment.json")
            if self.claim is not None:
                self.claim.mkdir(exist_ok=True)
                (up / "history").symlink_to(self.claim)
        return str(up / "deployment.json"), self.environment | {"QFLIB_STATE": str(up.parent)}

    def job(self, name: str, *words: str) -> str:
        told, environment = self.pod(name)
        command = self.command(*(told if w == "DESK" else w for w in words))
        done = subprocess.run(command, env=environment, cwd=self.root, timeout=_PATIENCE_S, check=False,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, stage: str) -> None:
        port = self.ports.setdefault(stage, free_port())
        desk, environment = self.pod(stage)
        words = [f"{ROOT}/pipelines/{stage}.py", "--deployment", desk, "--metrics-port", str(port), "--ordinal", "0"]
        with self.log(stage).open("ab") as out:
            self.running[stage] = subprocess.Popen(self.command(*words), env=environment, cwd=self.root, stderr=out)

    @property
    def days(self) -> str:
        """Dates of which a job finds reports."""
        return self.job("job", "-c", _DAYS).strip()

    def log(self, stage: str) -> Path:
        return self.folder / f"{stage}.log"

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
                assert process.poll() is None, (other, self.log(other).read_text()[-3_000:])
            assert time.monotonic() < end, f"{name} of {stage} stays {self.figure(stage, name)}"
            time.sleep(0.2)

    def stop(self) -> dict[str, int]:
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        return {stage: process.wait(20) for stage, process in self.running.items()}


@pytest.fixture
def begun(tmp_path: Path, own_kafka: Connection) -> Iterator[Callable[..., Pods]]:
    """Makes the pods of a desk with these settings, and ends them."""
    made: list[Pods] = []

    def begin(claim: Path | None = None, **settings: str) -> Pods:
        made.append(Pods(tmp_path, own_kafka, claim, **settings))
        return made[-1]

    yield begin
    for process in (p for pods in made for p in pods.running.values()):
        process.kill()
        process.wait()


def opened(pods: Pods) -> None:
    """Topics made, stages started, and the desk opened, by the commands of the chart."""
    pods.job("topics", "-m", "qflib.cli.main", "broker", "start")
    for stage in STAGES:
        pods.start(stage)
    pods.job("opening", "-m", "qflib.cli.opening", "--deployment", "DESK")
    pods.until("monitor", "qflib_risk_reports_total", 20.0)


def audited(pods: Pods) -> None:
    """Stages end gracefully; nothing is wrong with the topics, nor with what stands in the history."""
    pods.until("archive", "qflib_checkpoint_seconds_count", 2.0)
    assert pods.stop() == dict.fromkeys(pods.running, 0)
    pods.running.clear()
    assert list(pods.root.iterdir()) == []
    told = pods.job("audit", "-m", "qflib.cli.main", "audit", "--replay", "--bootstrap", pods.bootstrap, "--json")
    assert json.loads(told)["ok"]


def test_the_desk_opens_reports_and_passes_its_audit(begun: Callable[..., Pods], tmp_path: Path) -> None:
    pods = begun(tmp_path / "claim", STORE__RETENTION_DAYS="6")
    opened(pods)
    pods.until("monitor", "qflib_hedge_fills_total", 1.0)
    pods.running["exchange"].kill()  # a pod that dies is started again under its ordinal
    pods.running.pop("exchange").wait()
    pods.start("exchange")
    before = pods.figure("monitor", "qflib_risk_reports_total")
    pods.until("monitor", "qflib_risk_reports_total", before + 20.0)
    pods.until("exchange", "qflib_checkpoint_seconds_count", 5.0)
    assert json.loads(pods.job("tend", "-m", "qflib.cli.main", "store", "tend", "--json")) == {"dropped": 0}
    audited(pods)
    assert pods.days


def test_a_database_is_every_pods(begun: Callable[..., Pods], database: Database) -> None:
    """With neither a claim nor a command that decides, as in the chart's production set."""
    schema_of_its_own(database, "apart").database.close()
    pods = begun(STORE__DSN=str(database.dsn), STORE__NAMESPACE="apart")
    opened(pods)
    audited(pods)
    assert pods.days


def test_an_object_store_is_every_pods(begun: Callable[..., Pods], url: str) -> None:
    pods = begun(STORE__URL=url)
    opened(pods)
    audited(pods)
    assert pods.days
