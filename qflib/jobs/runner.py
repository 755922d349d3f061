"""Run a job for a date: once a key, one runner at a time, its outputs whole or not there."""

from __future__ import annotations

import ast
import datetime as dt
import html as markup
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflib import settings
from qflib.errors import DataError, InputError
from qflib.jobs.definition import AS_OF, Job, load_job
from qflib.jobs.execution import FailedError, execute
from qflib.jobs.key import archived, cells_of, code_hash, run_key
from qflib.jobs.lease import lease
from qflib.jobs.outputs import Outputs, read_json
from qflib.jobs.page import page
from qflib.jobs.parameters import Value, resolved
from qflib.jobs.proposal import FOLDER, PROPOSAL
from qflib.jobs.provenance import commit, facts_of, versions

_KEPT = 20  # failures of a key that its record tells
Status = Literal["done", "already_done", "failed"]


@dataclass(frozen=True, slots=True)
class JobRun:
    """What became of a run.

    Parameters
    ----------
    job, as_of, run_id
        Which: the key is a hash of job, date, parameters, settings, how far the date has been archived, and code.
    status
        "done"; "already_done": an earlier run of the same key was, and nothing was run; "failed".
    notebook, html
        Its files; of one that failed the notebook as far as it came.
    seconds
        That this call took.
    attempts
        Kernels it took; 0: none was started.
    reason
        Of one that failed, a sentence; else empty.
    """

    job: str
    as_of: str
    run_id: str
    status: Status
    notebook: Path | None
    html: Path | None
    seconds: float
    attempts: int = 0
    reason: str = ""

    def _repr_html_(self) -> str:
        links = " · ".join(
            f'<a href="{markup.escape(str(f))}">{markup.escape(f.name)}</a>' for f in (self.html, self.notebook) if f
        )
        return f"<p><b>{self.job}</b>, {self.as_of}: {self.status}, {self.seconds:.1f} s {links}</p>"


def run_job(
    job: Job | str,
    as_of: str | dt.date,
    parameters: Mapping[str, Any] | None = None,
    *,
    state: Path | None = None,
    progress: bool = False,
    force: bool = False,
) -> JobRun:
    """Run a job for a date, if it has not been run.

    Parameters
    ----------
    job
        Its name, or `load_job`'s.
    as_of
        The UTC date it is about, as 2026-01-05.
    parameters
        By name; the others have their defaults.
    state
        Where outputs go: ``STATE/jobs/JOB/AS_OF/KEY.{ipynb,html,json}``; the notebook reads its history too; default:
        the setting.
    progress
        Show a bar, a cell a step.
    force
        Run it although it was done.

    Returns
    -------
    JobRun

    Raises
    ------
    InputError
        If the job, a parameter or the date is none.
    DataError
        If the job's file or notebook is unreadable, or outputs cannot be written.
    StateError
        If another runner holds the key for longer than the job's time-out.

    Notes
    -----
    A kernel that dies or does not start, and a cell that raises an error of the moment (`execution.TRANSIENT`), is
    tried again in a fresh kernel, as often as the job's ``retries`` say; nothing else is.
    """
    began = time.monotonic()
    told = load_job(job) if isinstance(job, str) else job
    day = date_of(as_of)
    values = resolved(told.name, told.parameters, parameters or {})
    _takes(told)
    code = code_hash(told.notebook)
    chosen = settings.load()
    place = chosen.state if state is None else state
    used = {name: _setting(chosen, name) for name in told.settings}
    key = run_key(told.name, day, values, code, archived(place, day) if told.history else "", used)
    out = Outputs(place / "jobs" / told.name / day, key)
    if not force and out.done() is not None:
        return JobRun(told.name, day, key, "already_done", out.notebook, out.html, time.monotonic() - began)
    with lease(out.lease, told.timeout_s):
        if not force and out.done() is not None:  # while this one waited
            return JobRun(told.name, day, key, "already_done", out.notebook, out.html, time.monotonic() - began)
        try:
            return _run(told, day, values, used, place, code, out, began, progress)
        except OSError as e:
            raise DataError(f"outputs of job {told.name} cannot be written ({e.strerror or e}); see to the disk") from e
        finally:
            out.clear()


def date_of(as_of: str | dt.date) -> str:
    """A date as ``2026-01-05``.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> date_of("2026-01-05")
    '2026-01-05'
    """
    if isinstance(as_of, dt.date) and not isinstance(as_of, dt.datetime):
        return as_of.isoformat()
    try:
        if isinstance(as_of, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", as_of, re.ASCII):
            return dt.date.fromisoformat(as_of).isoformat()
    except ValueError:
        pass
    raise InputError(f"as-of {str(as_of)!r} is no date; give one as 2026-01-05")


def _setting(chosen: settings.Settings, name: str) -> Any:
    part, _, field = name.partition(".")
    return getattr(getattr(chosen, part), field)


def _run(
    job: Job,
    day: str,
    values: dict[str, Value],
    used: dict[str, Any],
    state: Path,
    code: str,
    out: Outputs,
    began: float,
    progress: bool,
) -> JobRun:
    started = dt.datetime.now(dt.UTC)
    record = {
        "job": job.name,
        "run_id": out.run_id,
        "as_of": day,
        "started": started.isoformat(timespec="seconds"),
        "parameters": values,
        "settings": used,
        "code_hash": code,
        "git": commit(job.notebook.parent),
        "versions": versions(),
    }
    before = _failures(out)
    folder = out.begin(record | {"process": os.getpid()})
    made = folder / f"{out.run_id}.ipynb"
    shown = made.with_suffix(".html")
    try:
        attempts = execute(
            job.notebook,
            made,
            {AS_OF: day, **values},
            timeout_s=job.timeout_s,
            progress=progress,
            retries=job.retries,
            environment=_environment(job, state, folder),
        )
        shown.write_text(page(made, f"{job.name}, {day}"), encoding="utf-8")
    except FailedError as e:
        seconds = time.monotonic() - began
        last = {"reason": str(e), "seconds": round(seconds, 3), "attempts": e.attempts}
        told = {"status": "failed", **last, "failures": [*before, last | {"started": record["started"]}][-_KEPT:]}
        kept = out.keep_failed(made, record | told)
        seen = f"; its notebook is {kept}" if kept else ""
        reason = f"job {job.name} of {day} failed: {e}{seen}"
        return JobRun(job.name, day, out.run_id, "failed", kept, None, seconds, e.attempts, reason)
    seconds = time.monotonic() - began
    proposal = folder / PROPOSAL
    told = {
        "status": "done",
        "notebook": out.notebook.name,
        "html": out.html.name,
        "seconds": round(seconds, 3),
        "attempts": attempts,
        "failures": before,
        **{k: v for k, v in facts_of(made).items() if k in ("source", "figures", "proposal")},
    }
    out.publish(made, shown, record | told, proposal if proposal.is_file() else None)
    return JobRun(job.name, day, out.run_id, "done", out.notebook, out.html, seconds, attempts)


def _environment(job: Job, state: Path, folder: Path) -> dict[str, str]:
    """The history that the key is of; and where a proposal goes, of a job that may make one."""
    made = {"QFLIB_STATE": str(state.absolute())}
    return made | ({FOLDER: str(folder.absolute())} if job.publish == "scenario_set" else {})


def _failures(out: Outputs) -> list[Any]:
    """Of earlier runs of the key, for whoever asks how often."""
    told = (read_json(out.failure) or {}).get("failures")
    return told if isinstance(told, list) else []


def _takes(job: Job) -> None:
    """A parameter that the notebook does not set is one that changes nothing: papermill only warns."""
    cells = [c for c in cells_of(job.notebook) if "parameters" in c.get("metadata", {}).get("tags", [])]
    try:
        tree = ast.parse("".join(cells[0]["source"])) if cells else ast.Module([], [])
    except SyntaxError:
        raise DataError(f"the cell tagged parameters of {job.notebook} is no Python; mend it") from None
    targets = [t for node in ast.walk(tree) for t in _targets(node)]
    for name in (AS_OF, *job.parameters):
        if name not in targets:
            raise DataError(f"{job.notebook} has no cell tagged parameters that sets {name}; add `{name} = ...` to it")


def _targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    return [node.target.id] if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else []
