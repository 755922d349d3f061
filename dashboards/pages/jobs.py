"""Jobs: which there are and when they are due, and the runs there were with their reports."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.components.table import Table
from dashboards.pages.page import Page
from dashboards.reports import PLACE
from dashboards.tile import Age, Tile
from qflib.errors import DataError
from qflib.jobs import PastRun, job_names, load_job, runs
from qflib.jobs.due import next_due

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk

JOBS = [
    {"k": "name", "label": "job"},
    {"k": "due", "label": "next due, UTC"},
    {"k": "cron", "label": "when", "cls": "mid"},
    {"k": "status", "label": "last run", "tone": "tone"},
    {"k": "as_of", "label": "of"},
    {"k": "report", "label": "report", "f": "link"},
    {"k": "what", "label": "what", "cls": "mid"},
]
RUNS = [
    {"k": "started", "label": "started, UTC"},
    {"k": "name", "label": "job"},
    {"k": "as_of", "label": "of"},
    {"k": "status", "label": "status", "tone": "tone"},
    {"k": "seconds", "label": "seconds", "f": "num", "d": 1},
    {"k": "attempts", "label": "kernels", "f": "num"},
    {"k": "report", "label": "report", "f": "link"},
    {"k": "proposal", "label": "proposal", "tone": "proposal_tone"},
    {"k": "reason", "label": "reason", "cls": "bad"},
]
_TONES = {"failed": "bad", "lost": "bad", "running": "warn"}
_RUNS = 100


class JobRows(NamedTuple):
    """What both tiles show."""

    jobs: list[dict[str, Any]]
    runs: list[dict[str, Any]]


class JobsPage(Page):
    """Jobs and their reports."""

    name, title = "jobs", "Jobs"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        self.listed = Table(JOBS, ready=self._restart, empty="There are no jobs in pipelines/jobs.")
        self.past = Table(RUNS, ready=self._restart, sortable=True, empty="No job has been run yet: `qflib jobs run`.")
        self._at_ns = self._n = 0
        self.tiles = [
            Tile("job_list", "Jobs", self.listed, self._age),
            Tile("job_runs", "Runs", self.past, self._age),
        ]

    def slow(self) -> None:
        """Both tables, as a thread has read them last."""
        kept = self.desk.kept
        made = self.desk.jobs.get("jobs", lambda: rows_of(kept))
        if made.value is None:
            return
        self._at_ns, self._n = made.at_ns, len(made.value.runs)
        self.listed.show(made.value.jobs)
        self.past.show(made.value.runs)

    def _restart(self) -> None:
        self.listed.again()
        self.past.again()
        self.slow()

    def _age(self) -> Age:
        return Age(self._n, self._at_ns, self._at_ns)


def rows_of(kept: Path | None) -> JobRows:
    """Rows of both tables; O(files of the newest runs)."""
    past, now = [] if kept is None else runs(kept, limit=_RUNS), dt.datetime.now(dt.UTC)
    last = {r.job: r for r in reversed(past)}
    return JobRows([_job_row(name, last.get(name), now) for name in job_names()], [_run_row(r) for r in past])


def _job_row(name: str, last: PastRun | None, now: dt.datetime) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name, "name": name, "status": "never run", "tone": "mid", "as_of": "", "report": None}
    try:
        job = load_job(name)
    except DataError as e:
        return row | {"due": "", "cron": "", "what": str(e), "status": "unreadable", "tone": "bad"}
    due = next_due(job, now)
    row |= {"due": "by hand" if due is None else f"{due:%a %Y-%m-%d %H:%M}", "what": job.description}
    row["cron"] = f"{job.cron} {job.time_zone}, {job.calendar}" if job.cron else ""
    if last is not None:
        row |= {"status": last.status, "tone": _TONES.get(last.status, ""), "as_of": last.as_of, "report": _link(last)}
    return row


def _run_row(r: PastRun) -> dict[str, Any]:
    return {
        "id": f"{r.job} {r.as_of} {r.run_id} {r.status}",
        "started": r.started.replace("T", " ")[:19],
        "name": r.job,
        "as_of": r.as_of,
        "status": r.status,
        "tone": _TONES.get(r.status, ""),
        "seconds": r.seconds,
        "attempts": r.attempts,
        "report": _link(r),
        "proposal": f"waits: qflib jobs approve {r.run_id}" if r.proposal == "waiting" else r.proposal,
        "proposal_tone": "warn" if r.proposal == "waiting" else "mid",
        "reason": r.reason,
    }


def _link(r: PastRun) -> list[str] | None:
    """Where the report is, and what is shown for it."""
    return [f"{PLACE}{r.job}/{r.run_id}", "open"] if r.status == "done" and r.path is not None else None
