"""The runs there were, from the files that they left."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflib.errors import InputError
from qflib.jobs.key import DIGITS
from qflib.jobs.outputs import STARTED, Outputs, read_json

State = Literal["done", "failed", "running", "lost"]
Approval = Literal["", "waiting", "approved"]
ID = rf"[0-9a-f]{{{DIGITS}}}"
NAME = r"[a-z][a-z0-9_]*"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_RECORD = re.compile(rf"({ID})(\.failed)?\.json")
_BUILDING = re.compile(rf"\.({ID})\.part")


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run, as its files tell it.

    Parameters
    ----------
    job, as_of, run_id
        Which.
    status
        "done", "failed"; "running"; "lost": it began, and the process that ran it is gone.
    started
        RFC 3339.
    seconds
        That it took; None while it runs.
    attempts
        Kernels it took; None while it runs.
    reason
        Of one that failed, a sentence.
    path
        Its page, or what there is of its notebook; None where there is neither.
    proposal
        "waiting" or "approved" where it proposes a scenario set, else empty.
    set_id, in_force
        Of one that proposes a scenario set: its id, and that of the set it was compared with.
    figures
        The chief ones that its notebook told.
    """

    job: str
    as_of: str
    run_id: str
    status: State
    started: str
    seconds: float | None
    attempts: int | None
    reason: str
    path: Path | None
    proposal: Approval
    set_id: str
    in_force: str
    figures: dict[str, Any]

    @property
    def outputs(self) -> Outputs | None:
        """Its files; None where it left none."""
        return None if self.path is None else Outputs(self.path.parent, self.run_id)


def runs(state: Path, job: str | None = None, as_of: str | None = None, limit: int = 50) -> list[PastRun]:
    """The last runs, the newest first.

    Parameters
    ----------
    state
        The setting's folder: runs lie in ``STATE/jobs/JOB/AS_OF``.
    job, as_of
        Only those of a job, of a date.
    limit
        At most so many of each job and date's newest.

    Raises
    ------
    InputError
        If the limit is below 1, or a name is none.

    Notes
    -----
    O(files of the newest `limit` dates of each job): older dates are not opened.

    Examples
    --------
    >>> from pathlib import Path
    >>> from qflib.jobs.history import runs
    >>> runs(Path("runs", "none"))
    []
    """
    if limit < 1:
        raise InputError(f"limit {limit} is below 1; give how many runs to show")
    if job is not None and not re.fullmatch(NAME, job):
        raise InputError(f"there is no job {job[:40]!r}; `qflib jobs list` shows those there are")
    folders = [state / "jobs" / job] if job else sorted(_folders(state / "jobs"))
    found = [run for folder in folders for run in _of_job(folder, as_of, limit)]
    return sorted(found, key=lambda r: (r.started, r.run_id), reverse=True)[:limit]


def run_of(state: Path, job: str, run_id: str) -> PastRun:
    """A run by its id; O(dates of the job).

    Raises
    ------
    InputError
        If the job has no such run that is done or failed; of one that is both, the done one is meant.
    """
    if re.fullmatch(NAME, job) and re.fullmatch(ID, run_id):
        for folder in _dates(state / "jobs" / job, None):
            for name in (f"{run_id}.json", f"{run_id}.failed.json"):
                if (made := _of_record(folder, folder / name, failed="failed" in name)) is not None:
                    return made
    raise InputError(f"job {job[:40]} has no run {run_id[:40]!r}; `qflib jobs history` shows those there are")


def job_of(state: Path, run_id: str) -> str:
    """The job that a run is of.

    Raises
    ------
    InputError
        If there is no such run.
    """
    if re.fullmatch(ID, run_id):
        for folder in _folders(state / "jobs"):
            if any((d / f"{run_id}.json").is_file() for d in _dates(folder, None)):
                return folder.name
    raise InputError(f"there is no run {run_id[:40]!r} that is done; `qflib jobs history` shows those there are")


def _of_job(folder: Path, as_of: str | None, limit: int) -> list[PastRun]:
    made: list[PastRun] = []
    for n, day in enumerate(_dates(folder, as_of)):
        if n >= limit:
            break
        made += _of_day(day)
    return made


def _of_day(folder: Path) -> Iterator[PastRun]:
    for file in _listed(folder):
        if (m := _RECORD.fullmatch(file.name)) is not None:
            run = _of_record(folder, file, failed=m[2] is not None)
            if run is not None:
                yield run
        elif (m := _BUILDING.fullmatch(file.name)) is not None:
            run = _begun(folder, m[1], file)
            if run is not None:
                yield run


def _of_record(folder: Path, file: Path, *, failed: bool) -> PastRun | None:
    told = read_json(file)
    if told is None:
        return None
    run_id = file.name.split(".", 1)[0]
    out = Outputs(folder, run_id)
    page = out.failed if failed else out.html
    approval: Approval = ""
    proposed = _dict(told.get("proposal")) if "proposal" in _dict(told.get("sha256")) else {}
    if proposed and not failed:
        approved = read_json(out.approval) or {}
        approval = "approved" if approved.get("set_id", "") == proposed.get("set_id") else "waiting"
    return PastRun(
        folder.parent.name, folder.name, run_id, "failed" if failed else "done", str(told.get("started", "")),
        _number(told.get("seconds")), None if (n := _number(told.get("attempts"))) is None else int(n),
        str(told.get("reason", "")), page if page.is_file() else None, approval,
        str(proposed.get("set_id") or ""), str(proposed.get("in_force") or ""), _dict(told.get("figures")),
    )  # fmt: skip


def _begun(folder: Path, run_id: str, building: Path) -> PastRun | None:
    told = read_json(building / STARTED)
    if told is None:
        return None
    status: State = "running" if _is_held(Outputs(folder, run_id).lease) else "lost"
    if status == "lost" and not building.is_dir():  # it ended between the two looks
        return None
    since, reason = str(told.get("started", "")), f"process {told.get('process', '?')} is gone" * (status == "lost")
    return PastRun(folder.parent.name, folder.name, run_id, status, since, None, None, reason, None, "", "", "", {})


def _is_held(file: Path) -> bool:
    try:
        fd = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look don't take each other for a runner
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _dates(folder: Path, as_of: str | None) -> list[Path]:
    """The newest first."""
    days = [f for f in _listed(folder) if _DATE.fullmatch(f.name) and as_of in (None, f.name)]
    return sorted(days, key=lambda f: f.name, reverse=True)


def _folders(folder: Path) -> Iterator[Path]:
    return (f for f in _listed(folder) if re.fullmatch(NAME, f.name))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _dict(told: Any) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}


def _number(told: Any) -> float | None:
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else None
