"""Jobs of the running desk as frames, and a report that shows itself."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from qflib.api.client import asking
from qflib.api.client.asking import Asking, in_path
from qflib.errors import InputError

_JOB = ("name", "description", "cron", "time_zone", "calendar", "missed", "publish", "next_due")
_LAST = ("as_of", "status", "reason", "run_id")
_RUN = ("as_of", "status", "started", "seconds", "attempts", "reason", "report", "proposal", "set_id", "in_force")


@dataclass(frozen=True)
class LiveReport:
    """The page of a run.

    Parameters
    ----------
    job, run_id
        Which.
    text
        The whole document.

    Examples
    --------
    >>> LiveReport("daily_risk", "0123456789abcdef", "<p>a page</p>")
    <LiveReport daily_risk 0123456789abcdef, 13 characters>
    """

    job: str
    run_id: str
    text: str

    def save(self, file: str | Path) -> Path:
        """Keep it as a file that a browser opens."""
        place = Path(file)
        place.write_text(self.text, encoding="utf-8")
        return place

    def __repr__(self) -> str:
        return f"<LiveReport {self.job} {self.run_id}, {len(self.text):,} characters>"

    def _repr_html_(self) -> str:
        """In a frame of its own: its styles and scripts are its own."""
        page = html.escape(self.text, quote=True)
        return f'<iframe sandbox="allow-scripts" style="width: 100%; height: 80vh; border: 0" srcdoc="{page}"></iframe>'


def jobs_frame(items: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row a job, indexed by its name; of its last run as_of, status, reason and run_id."""
    rows = []
    for item in items:
        last = item["last"] or {}
        row = {k: v for k, v in item.items() if k != "last"}
        rows.append(row | {f"last_{k}": last.get(k) for k in _LAST})
    frame = pd.DataFrame(rows, columns=[*_JOB, *(f"last_{k}" for k in _LAST)]).set_index("name")
    return frame.assign(next_due=pd.to_datetime(frame["next_due"], utc=True))


def runs_frame(items: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row a run, indexed by its id, the newest first."""
    rows = [{"run_id": r["run_id"], **{k: r[k] for k in _RUN}} for r in items]
    frame = pd.DataFrame(rows, columns=["run_id", *_RUN]).set_index("run_id")
    return frame.assign(started=pd.to_datetime(frame["started"], utc=True))


def jobs() -> Asking[pd.DataFrame]:
    """The jobs there are."""
    return jobs_frame((yield from asking.get("/v1/jobs"))["items"])


def job_runs(name: str, as_of: str | None, limit: int) -> Asking[pd.DataFrame]:
    """The newest runs of a job."""
    told = yield from asking.get(f"/v1/jobs/{in_path(name)}/runs", as_of=as_of, limit=limit)
    return runs_frame(told["items"])


def job_report(name: str, run_id: str | None) -> Asking[LiveReport]:
    """The page of a run; without an id, of the newest that has one."""
    if run_id is None:
        items = (yield from asking.get(f"/v1/jobs/{in_path(name)}/runs", limit=200))["items"]
        run_id = next((r["run_id"] for r in items if r["report"]), None)
        if run_id is None:
            raise InputError(f"job {name} has no report yet; `qflib jobs run {name} --as-of DATE` makes one")
    path = f"/v1/jobs/{in_path(name)}/runs/{in_path(run_id)}/report"
    reply = asking.checked((yield asking.Request("GET", path, accept="text/html")))
    return LiveReport(name, run_id, reply.body.decode())


def approve(name: str, run_id: str, set_id: str) -> Asking[list[str]]:
    """Put what a run proposes in force; the ids of the controls."""
    path = f"/v1/jobs/{in_path(name)}/runs/{in_path(run_id)}/approval"
    return list((yield from asking.send("POST", path, {"set_id": set_id}))["control_ids"])
