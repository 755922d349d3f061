"""Jobs: which there are and when they are due, their runs, their reports, and what they propose."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from litestar import Request, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.response import Response
from msgspec import Struct

from qflib.api.approvals import approved_by, proposal_of
from qflib.api.problems import ProblemError
from qflib.api.requests import Approval
from qflib.api.routes.route import State, json, route
from qflib.api.state import ApiState
from qflib.errors import DataError, InputError
from qflib.jobs.history import ID, NAME, PastRun, runs
from qflib.jobs.report import HEADERS, report_of

JobName = Annotated[str, PathParameter(max_length=64, pattern=rf"^{NAME}$(?!\n)", description="a job's name")]
RunId = Annotated[str, PathParameter(pattern=rf"^{ID}$(?!\n)", description="a run's id")]
AsOf = Annotated[str | None, QueryParameter(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", description="a date")]
Last = Annotated[int, QueryParameter(ge=1, le=200, description="runs at most, the newest first")]


class RunForm(Struct, frozen=True):
    """A run; `report`: whether it has a page. Of one that proposes a scenario set, `set_id` and what it was against."""

    job: str
    as_of: str
    run_id: str
    status: Literal["done", "failed", "running", "lost"]
    started: str
    seconds: float | None
    attempts: int | None
    reason: str
    report: bool
    proposal: Literal["", "waiting", "approved"]
    set_id: str
    in_force: str
    figures: dict[str, Any]


class JobForm(Struct, frozen=True):
    """A job: when it is due, and its last run."""

    name: str
    description: str
    cron: str | None
    time_zone: str
    calendar: str
    missed: str
    publish: str
    next_due: str | None
    last: RunForm | None


class JobList(Struct, frozen=True):
    """All jobs."""

    items: list[JobForm]
    next: str | None


class RunList(Struct, frozen=True):
    """The newest runs of a job."""

    items: list[RunForm]
    next: str | None


class ApprovalAccepted(Struct, frozen=True):
    """A scenario set that Kafka has."""

    run_id: str
    set_id: str
    control_ids: list[str]


@get("/v1/jobs", **route("read", "jobs"))
async def listed(state_of: State) -> Response[JobList]:
    """The jobs there are."""
    return json(await state_of.encoded(_listed, _kept(state_of)))


@get("/v1/jobs/{name:str}/runs", **route("read", "jobs"))
async def past(state_of: State, name: JobName, as_of: AsOf = None, limit: Last = 50) -> Response[RunList]:
    """The newest runs of a job, those that go on among them."""
    kept = _kept(state_of)

    def work() -> RunList:
        _known(name)
        return RunList([run_form(r) for r in runs(kept, name, as_of, limit)], None)

    return json(await state_of.encoded(work))


@get("/v1/jobs/{name:str}/runs/{run_id:str}/report", **route("read", "jobs"), media_type="text/html")
async def report(state_of: State, name: JobName, run_id: RunId) -> Response[bytes]:
    """The report of a run, a page that needs no network."""
    kept = _kept(state_of)
    page: bytes = await state_of.compute(report_bytes, kept, name, run_id)
    return Response(page, media_type="text/html", headers=HEADERS)


@post("/v1/jobs/{name:str}/runs/{run_id:str}/approval", status_code=202, **route("admin", "jobs", Approval, (409,)))
async def approve(
    data: JSONBody[Approval], state_of: State, name: JobName, run_id: RunId, request: Request[Any, Any, Any]
) -> Response[ApprovalAccepted]:
    """Put the scenario set that a run proposes in force. 202: Kafka has it; reports tell it by its id."""
    state_of.accepts()
    kept = _kept(state_of)
    told = await state_of.compute(proposal_of, state_of.views, kept, name, run_id, data.set_id)
    await state_of.sender.publish(told.batches)
    await state_of.compute(approved_by, told, request.scope["user"])
    return json(ApprovalAccepted(run_id, told.scenarios.set_id, told.control_ids), 202)


def report_bytes(kept: Path, name: str, run_id: str) -> bytes:
    """The page of a run.

    Raises
    ------
    ProblemError
        404, if there is no such run, or it has none.
    """
    try:
        return report_of(kept, name, run_id)
    except InputError as e:
        raise ProblemError(404, "unknown_run", str(e)) from None
    except DataError as e:
        raise ProblemError(404, "no_report", str(e)) from None


def run_form(r: PastRun) -> RunForm:
    """A run as JSON shows it; where its files lie is nobody's business."""
    reason = r.reason.partition("; its notebook is")[0]
    return RunForm(
        r.job, r.as_of, r.run_id, r.status, r.started, r.seconds, r.attempts, reason,
        r.status == "done" and r.path is not None, r.proposal, r.set_id, r.in_force, r.figures,
    )  # fmt: skip


def _listed(kept: Path) -> JobList:
    from qflib.jobs import job_names, load_job
    from qflib.jobs.due import next_due

    now, made = dt.datetime.now(dt.UTC), []
    for name in job_names():
        try:
            job = load_job(name)
        except DataError:  # one that is being written; `qflib jobs list` tells what is wrong with it
            continue
        due, last = next_due(job, now), next(iter(runs(kept, name, limit=1)), None)
        made.append(
            JobForm(
                name, job.description, job.cron, job.time_zone, job.calendar, job.missed, job.publish,
                None if due is None else f"{due:%Y-%m-%dT%H:%M:%SZ}", None if last is None else run_form(last),
            )
        )  # fmt: skip
    return JobList(made, None)


def _known(name: str) -> None:
    from qflib.jobs import job_names

    if name not in (known := job_names()):
        raise ProblemError(404, "unknown_job", f"there is no job {name!r}; there are {', '.join(known) or 'none'}")


def _kept(state: ApiState) -> Path:
    if state.kept is None:
        raise ProblemError(404, "no_jobs", "this API knows no folder of jobs")
    return state.kept
