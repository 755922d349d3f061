"""The scheduler: each time once, what was missed by the job's policy, stopped and killed."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from qflib.errors import InputError
from qflib.jobs import Job, Scheduler, load_job, runs
from qflib.jobs.job_metrics import JobMetrics
from qflib.jobs.outputs import write_json
from qflib.jobs.process import Outcome
from tests.jobs.conftest import TOML, Project

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "jobs.rules.yaml"
NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
EVERY_MINUTE = TOML.replace("timeout_s", 'cron = "* * * * *"\nmissed = "latest"\ntimeout_s')
Patient = Callable[[Callable[[], bool]], None]


class Clock:
    """Runs are told here instead of run, each taking an hour."""

    def __init__(self, status: str = "done") -> None:
        self.at, self.ran, self.status = NOON, [], status
        self.ran: list[str]

    def now(self) -> dt.datetime:
        return self.at

    def run(self, job: str, as_of: str, ending: threading.Event) -> Outcome | None:
        self.ran.append(as_of)
        self.at += dt.timedelta(hours=1)
        return None if self.status == "ended" else Outcome(self.status, 3600.0, 2, "k", "no luck")


def daily(missed: str = "run") -> Job:
    told = {"cron": "0 6 * * *", "time_zone": "UTC", "calendar": "24/7", "missed": missed}
    return load_job("daily_risk").model_copy(update=told)


def scheduler(job: Job, state: Path, clock: Clock) -> tuple[Scheduler, JobMetrics]:
    metrics = JobMetrics()
    metrics.known(job.name)
    return Scheduler([job], state, clock.run, metrics, clock.now), metrics


def value(metrics: JobMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"qflib_job_{name}", {"job": "daily_risk", **labels})


@pytest.mark.parametrize(
    ("policy", "ran", "left_out"),
    [("run", ["2026-01-06", "2026-01-07", "2026-01-08"], 0), ("latest", ["2026-01-08"], 2), ("skip", [], 3)],
)
def test_what_was_missed(tmp_path: Path, policy: str, ran: list[str], left_out: int) -> None:
    clock = Clock()
    first, metrics = scheduler(daily(policy), tmp_path, clock)
    first.catch_up(first.jobs[0])
    assert clock.ran == []  # a new job has missed nothing
    clock.at = NOON + dt.timedelta(days=3)
    again, metrics = scheduler(daily(policy), tmp_path, clock)  # whoever starts next goes on there
    again.catch_up(again.jobs[0])
    assert clock.ran == ran
    assert value(metrics, "missed_total") == left_out
    assert value(metrics, "runs_total", status="done") == len(ran)
    assert value(metrics, "due_time_seconds") == dt.datetime(2026, 1, 9, 6, tzinfo=dt.UTC).timestamp()
    again.catch_up(again.jobs[0])
    assert clock.ran == ran  # dealt with


def test_times_that_come_during_a_run_are_dealt_with(tmp_path: Path) -> None:
    clock = Clock()

    def at_most_three(job: str, as_of: str, ending: threading.Event) -> Outcome | None:
        return clock.run(job, as_of, ending) if len(clock.ran) < 3 else None

    told = Scheduler([daily().model_copy(update={"cron": "*/30 * * * *"})], tmp_path, at_most_three, now=clock.now)
    told.catch_up(told.jobs[0])
    clock.at += dt.timedelta(minutes=30)
    told.catch_up(told.jobs[0])
    assert len(clock.ran) == 3  # that of 12:30, and those that came while it ran


def test_a_failed_run_is_dealt_with_and_counted(tmp_path: Path) -> None:
    clock = Clock("failed")
    told, metrics = scheduler(daily(), tmp_path, clock)
    told.catch_up(told.jobs[0])
    clock.at += dt.timedelta(days=1)
    told.catch_up(told.jobs[0])
    told.catch_up(told.jobs[0])
    assert clock.ran == ["2026-01-06"]
    assert value(metrics, "runs_total", status="failed") == 1
    assert value(metrics, "kernels_total") == 2
    assert value(metrics, "last_success_time_seconds") is None


def test_one_that_was_ended_is_not_dealt_with(tmp_path: Path) -> None:
    clock = Clock("ended")
    told, metrics = scheduler(daily(), tmp_path, clock)
    told.catch_up(told.jobs[0])
    clock.at += dt.timedelta(days=1)
    told.catch_up(told.jobs[0])
    assert value(metrics, "due_time_seconds") == dt.datetime(2026, 1, 6, 6, tzinfo=dt.UTC).timestamp()
    clock.status = "done"
    told.catch_up(told.jobs[0])
    assert clock.ran == ["2026-01-06", "2026-01-06"]


def test_two_at_once_deal_with_a_time_once(tmp_path: Path) -> None:
    clock, entered, go = Clock(), threading.Event(), threading.Event()
    slow = Clock()

    def run(job: str, as_of: str, ending: threading.Event) -> Outcome | None:
        entered.set()
        assert go.wait(30)
        return slow.run(job, as_of, ending)

    first, _ = scheduler(daily(), tmp_path, clock)
    first.catch_up(first.jobs[0])
    clock.at = slow.at = NOON + dt.timedelta(days=1)
    first._run = run
    other, _ = scheduler(daily(), tmp_path, clock)
    threads = [threading.Thread(target=s.catch_up, args=[s.jobs[0]]) for s in (first, other)]
    threads[0].start()
    assert entered.wait(30)
    threads[1].start()  # it waits for the first one's lease
    go.set()
    for thread in threads:
        thread.join(30)
    assert (slow.ran, clock.ran) == (["2026-01-06"], [])


@pytest.mark.parametrize(("back", "ran"), [(dt.timedelta(hours=5), []), (dt.timedelta(days=3650), ["2026-01-06"])])
def test_a_clock_that_steps_back(tmp_path: Path, back: dt.timedelta, ran: list[str]) -> None:
    """By some hours: what it ran is not run again. By years: it was wrong, and the job must not wait for it."""
    clock = Clock()
    told, _ = scheduler(daily(), tmp_path, clock)
    file = tmp_path / "jobs" / "daily_risk" / "schedule.json"
    told.catch_up(told.jobs[0])
    file.write_text(json.dumps({"through": (clock.at + back).isoformat()}))
    told.catch_up(told.jobs[0])
    assert clock.ran == []
    clock.at += dt.timedelta(hours=3 if not ran else 20)
    told.catch_up(told.jobs[0])
    assert clock.ran == ran


def test_nothing_to_schedule(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no job has a cron"):
        Scheduler([daily().model_copy(update={"cron": None})], tmp_path, Clock().run)


def test_a_torn_state_is_none(tmp_path: Path) -> None:
    told, _ = scheduler(daily(), tmp_path, Clock())
    told.catch_up(told.jobs[0])
    file = tmp_path / "jobs" / "daily_risk" / "schedule.json"
    for torn in ("", "[]", '{"through": 7}', '{"through": "soon"}', '{"through": "2026-01-05T00:00:00"}'):
        file.write_text(torn)
        assert told.through(told.jobs[0]) is None


def command(port: int = 0) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "qflib.cli.main", "--log-level", "info", "--log-format", "json", "jobs", "schedule"]
    return subprocess.Popen(
        [*line, "--metrics-port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def due_now(project: Project) -> None:
    """A time a minute ago that nobody has dealt with, and none to come for a while."""
    folder = project.root / "runs" / "jobs" / "tiny"
    folder.mkdir(parents=True)
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=1, minutes=1)
    write_json(folder / "schedule.json", {"through": since.isoformat()})


def of_a_time_gone() -> str:
    """A daily cron whose last time was some minutes ago."""
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=3)
    return TOML.replace("timeout_s", f'cron = "{at.minute} {at.hour} * * *"\nmissed = "latest"\ntimeout_s')


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_killed_one_is_followed_by_two_with_one_result(project: Project, patient: Patient) -> None:
    project.write(
        f"open('{project.root}/ran', 'a').write('x')",
        f"import os, time\nwhile not os.path.exists('{project.root}/go'):\n    time.sleep(0.05)",
        toml=of_a_time_gone(),
    )
    due_now(project)
    first = command()
    patient(Path("ran").exists)
    (going,) = runs(Path("runs"))
    assert (going.status, going.seconds) == ("running", None)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second, third = command(), command()
    Path("go").touch()  # the killed one's run goes on without it, and is the result
    patient(lambda: any(r.status == "done" for r in runs(Path("runs"))))
    said = []
    for one in (second, third):
        patient(lambda one=one: one.poll() is not None or has_begun(one))  # type: ignore[misc]
        one.send_signal(signal.SIGTERM)
        said.append(one.communicate(timeout=60)[1])
        assert one.returncode == 0
    assert [r.status for r in runs(Path("runs"))] == ["done"]
    assert Path("ran").read_text() == "x"
    told = [json.loads(line) for text in said for line in text.splitlines() if line.startswith("{")]
    assert [t["status"] for t in told if t.get("event") == "job is done"] in (["done"], ["already_done"])


def has_begun(process: subprocess.Popen[str]) -> bool:
    """Whether it takes signals: its first line says so."""
    assert process.stdout is not None
    return process.stdout.readline().startswith("scheduling")


def test_stopped_in_the_middle_it_lets_the_run_end(project: Project, patient: Patient) -> None:
    project.write(
        f"open('{project.root}/ran', 'a').write('x')",
        f"import os, time\nwhile not os.path.exists('{project.root}/go'):\n    time.sleep(0.05)",
        toml=of_a_time_gone(),
    )
    due_now(project)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = command(port)
    patient(Path("ran").exists)
    one.send_signal(signal.SIGTERM)
    Path("go").touch()
    patient(lambda: any(r.status == "done" for r in runs(Path("runs"))))
    out, err = one.communicate(timeout=60)
    assert one.returncode == 0, err
    assert out.startswith(f"scheduling tiny, metrics at http://127.0.0.1:{port}/metrics")
    kept: dict[str, Any] = json.loads(Path("runs/jobs/tiny/schedule.json").read_text())
    assert dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(kept["through"]) < dt.timedelta(minutes=10)


def test_a_run_that_does_not_end_in_time_is_begun_anew(
    project: Project, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        f"import os\nopen('{project.root}/ran', 'a').write(f'{{os.getpid()}} ')",
        f"import time\nwhile not os.path.exists('{project.root}/go'):\n    time.sleep(0.05)",
        toml=of_a_time_gone(),
    )
    due_now(project)
    monkeypatch.setenv("QFLIB_JOBS__STOP_S", "0")
    one = command()
    patient(lambda: Path("ran").exists() and Path("ran").read_text().endswith(" "))
    one.send_signal(signal.SIGTERM)
    one.communicate(timeout=60)
    assert one.returncode == 0
    kernel = int(Path("ran").read_text())
    patient(lambda: not Path(f"/proc/{kernel}").exists() or "Z (" in Path(f"/proc/{kernel}/status").read_text())
    assert [r.status for r in runs(Path("runs"))] == ["lost"]
    Path("go").touch()
    monkeypatch.setenv("QFLIB_JOBS__STOP_S", "60")
    other = command()
    patient(lambda: any(r.status == "done" for r in runs(Path("runs"))))
    other.send_signal(signal.SIGTERM)
    other.communicate(timeout=60)
    assert [r.status for r in runs(Path("runs"))] == ["done"]
    assert len(Path("ran").read_text().split()) == 2


def test_the_alerts_are_of_metrics_there_are(tmp_path: Path) -> None:
    told = yaml.safe_load(RULES.read_text())
    metrics = JobMetrics()
    metrics.known("daily_risk", 1.0)
    metrics.ran("daily_risk", Outcome("done", 1.0, 1), NOON)
    metrics.due("daily_risk", NOON)
    known = {s.name for family in metrics.registry.collect() for s in family.samples}
    rules = [r for group in told["groups"] for r in group["rules"]]
    assert {r["alert"] for r in rules} >= {"QflibJobFailed", "QflibJobOverdue"}
    for rule in rules:
        used = set(re.findall(r"qflib_job_\w+", rule["expr"]))
        assert used
        assert used <= known, rule["alert"]
        assert {"summary", "description"} <= rule["annotations"].keys()
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_metrics_are_served(project: Project) -> None:
    from prometheus_client import start_http_server

    metrics = JobMetrics()
    metrics.known("daily_risk")
    server, thread = start_http_server(0, "127.0.0.1", metrics.registry)
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as reply:
            assert b'qflib_job_runs_total{job="daily_risk",status="failed"} 0.0' in reply.read()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
