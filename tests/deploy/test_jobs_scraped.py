"""The scheduler's figures under Debian's Prometheus, by its shipped settings: an alert knows a job by its own name."""

from __future__ import annotations

import datetime as dt
import subprocess
import time
from pathlib import Path

from prometheus_client import start_http_server

from qflib.broker.data_folder import free_port
from qflib.jobs.job_metrics import JobMetrics
from tests.deploy.asking import queried
from tests.deploy.tools import DEPLOY, tool

OVERDUE = 'ALERTS{alertname="QflibJobOverdue",alertstate="firing"}'
_PATIENCE_S = 60.0


def test_a_job_that_is_overdue_is_seen_beside_one_that_is_not(tmp_path: Path) -> None:
    metrics, now = JobMetrics(), dt.datetime.now(dt.UTC)
    metrics.due("daily_risk", now - dt.timedelta(hours=2))
    metrics.due("backtests", now + dt.timedelta(hours=2))
    server, thread = start_http_server(0, "127.0.0.1", metrics.registry)
    told = (DEPLOY / "prometheus" / "prometheus.yaml").read_text("utf-8")
    told = told.replace("127.0.0.1:9390", f"127.0.0.1:{server.server_port}").replace(": 5s", ": 1s")
    (tmp_path / "prometheus.yaml").write_text(told.replace("../../runs/up/", ""), "utf-8")
    for rules in (DEPLOY / "prometheus").glob("*.rules.yaml"):
        (tmp_path / rules.name).write_text(rules.read_text("utf-8").replace("for: 5m", "for: 1s"), "utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [tool("prometheus"), f"--config.file={tmp_path / 'prometheus.yaml'}", f"--web.listen-address={address}",
               f"--storage.tsdb.path={tmp_path / 'series'}"]  # fmt: skip
    with (tmp_path / "log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        end, jobs = time.monotonic() + _PATIENCE_S, list[str]()
        while not jobs:
            assert time.monotonic() < end, (tmp_path / "log").read_text("utf-8")[-2_000:]
            time.sleep(0.1)
            try:
                jobs = [r["metric"]["job"] for r in queried(address, OVERDUE)]
            except OSError:  # it has yet to start
                continue
        assert jobs == ["daily_risk"]
    finally:
        process.terminate()
        process.wait()
        server.shutdown()
        server.server_close()
        thread.join()
