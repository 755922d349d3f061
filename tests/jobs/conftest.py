"""Small jobs in a project of their own, and a desk's day in a history."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import qflib as qf
from qflib.desk import desk as desk_module
from qflib.desk.deployment import Deployment
from qflib.desk.record import Recorder
from qflib.desk.run import Run
from qflib.history import Archiver, DeltaHistory, Log
from qflib.records import Batch
from qflib.records.codec import encode
from qflib.records.topics import (
    ANALYTICS_RESULTS,
    MARKET_NORMALIZED,
    ORDERS_EXECUTED,
    ORDERS_INCOMING,
    RISK_METRICS,
)

TOML = """notebook = "notebooks/tiny.ipynb"
description = "A tiny one."
timeout_s = 30

[parameters.n]
type = "int"
default = 1

[parameters.folder]
type = "str"
default = ""
"""
LIMIT = 40_000.0  # on the ES of the day; some reports are beyond it
DATE = "2026-01-05"  # of the simulated market


def notebook_of(*cells: str) -> str:
    """A notebook's file; its first cell is tagged parameters."""
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for i, source in enumerate(cells)
    ]
    made[0]["metadata"] = {"tags": ["parameters"]}
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


class Project(NamedTuple):
    """A folder with one job, `tiny`."""

    root: Path

    @property
    def jobs(self) -> Path:
        return self.root / "pipelines" / "jobs"

    def write(self, *cells: str, toml: str = TOML) -> None:
        (self.jobs / "tiny.toml").write_text(toml)
        (self.root / "notebooks" / "tiny.ipynb").write_text(notebook_of("as_of = n = folder = None", *cells))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path)
    made.jobs.mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    made.write("n + 1")
    return made


class Day(NamedTuple):
    """A run, and the state's folder whose history holds what it sent."""

    run: Run
    state: Path
    scenarios: Any


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Two and a half minutes of a hedged desk, archived as the stream does, with one dead letter."""
    state, sent = tmp_path_factory.mktemp("state"), []

    class Keeping(Recorder):
        def take(self, batch: Batch) -> None:
            super().take(batch)
            sent.append(batch)

    feed = qf.datasets.load("sim", seed=7, duration="150s", rate=1_000)
    scenarios = qf.scenarios.default(feed.history, n_historical=200, n_simulated=300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk_module, "Recorder", Keeping)
        config = qf.DeskConfig(period_ns=2 * 10**9, limits={"max_es": LIMIT})
        run = qf.Desk(feed, hedger=qf.hedgers.Band(1.0), scenarios=scenarios, config=config).run()
    topics = (RISK_METRICS, ANALYTICS_RESULTS, ORDERS_EXECUTED, ORDERS_INCOMING, MARKET_NORMALIZED)
    Deployment(feed.instruments, config, source="sim", feed={"seed": 7}).save(state / "up" / "deployment.json")
    history = DeltaHistory(state / "up" / "history")
    history.register("c1", feed.instruments)
    archiver = Archiver(history)
    archiver.assign(Log("c1", t, t, 0) for t in (*topics, f"{ORDERS_INCOMING}.dead"))
    now, offsets = time.time_ns(), dict.fromkeys(topics, 0)
    for i, batch in enumerate(sent):
        if batch.topic in offsets and batch.kind != "dead":
            archiver.take(batch.topic, 0, offsets[batch.topic], now + i, batch.key.encode(), encode(batch))
            offsets[batch.topic] += 1
    archiver.take(f"{ORDERS_INCOMING}.dead", 0, 0, now + len(sent) // 2, b"", b"not a record")
    archiver.store()
    return Day(run, state, scenarios)


@pytest.fixture
def patient() -> Callable[[Callable[[], bool]], None]:
    """Wait for what is expected, never for a time."""

    def wait(until: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not until():
            assert time.monotonic() < end
            time.sleep(0.05)

    return wait
