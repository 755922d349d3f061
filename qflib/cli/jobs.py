"""`qflib jobs list|run|schedule|history|approve`: notebooks run for a date by papermill, once a key."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from qflib.cli.output import emit, table

if TYPE_CHECKING:
    from qflib.jobs import Job

EXAMPLE_RUN = "Example: qflib jobs run daily_risk --as-of 2026-01-05 -p seed=11"
EXAMPLE_LIST = "Example: qflib jobs list"
EXAMPLE_SCHEDULE = "Example: qflib jobs schedule"
EXAMPLE_HISTORY = "Example: qflib jobs history daily_risk --limit 10"
EXAMPLE_APPROVE = "Example: qflib jobs approve 0123456789abcdef"

app = typer.Typer(help="Jobs: reports by papermill.", no_args_is_help=True, rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.callback()
def _group() -> None:
    """Jobs: reports by papermill."""


@app.command("run", epilog=EXAMPLE_RUN)
def run(
    name: Annotated[str, typer.Argument(help="The job; `qflib jobs list` tells which there are.")],
    as_of: Annotated[str, typer.Option("--as-of", help="The date (UTC) it is about, as 2026-01-05.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", "--parameter", help="name=value, any number.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Although it is done.")] = False,
    json: _Json = False,
) -> None:
    """Run a job for a date; one that is done already is not run again."""
    from qflib.jobs import load_job, run_job
    from qflib.jobs.parameters import from_text

    job = load_job(name)
    given = from_text(job.name, job.parameters, parameter or [])
    made = run_job(job, as_of, given, progress=not json and sys.stderr.isatty(), force=force)
    if json:
        shown = ("job", "as_of", "run_id", "status", "notebook", "html", "seconds", "attempts", "reason")
        emit({k: getattr(made, k) for k in shown})
    elif made.status != "failed":
        print(f"{made.job} of {made.as_of}: {made.status.replace('_', ' ')} in {made.seconds:.1f} s\n{made.html}")
    if made.status == "failed":
        print(f"qflib: {made.reason}", file=sys.stderr)
        raise typer.Exit(1)


@app.command("list", epilog=EXAMPLE_LIST)
def listed(json: _Json = False) -> None:
    """List the jobs there are, with their parameters and when they are due."""
    from qflib.jobs.due import next_due

    jobs, now = _jobs(), dt.datetime.now(dt.UTC)
    due = {j.name: next_due(j, now) for j in jobs}
    if json:
        emit({"jobs": [j.model_dump(mode="json") | {"next_due": _utc(due[j.name])} for j in jobs]})
        return
    rows = [
        (
            j.name,
            f"{j.cron} {j.time_zone}, {j.calendar}" if j.cron else "by hand",
            _utc(due[j.name]),
            " ".join(f"{n}={p.default}" for n, p in j.parameters.items()),
            j.description,
        )
        for j in jobs
    ]
    table("jobs", ("name", "due", "next (UTC)", "parameters", "what"), rows)


@app.command("schedule", epilog=EXAMPLE_SCHEDULE)
def schedule(
    name: Annotated[list[str] | None, typer.Argument(help="Only these jobs; default: all that have a cron.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Setting jobs.metrics_port: where Prometheus scrapes; 0: nowhere.")
    ] = None,
) -> None:
    """Run the jobs at their times, until SIGTERM or Ctrl-C; two schedulers share the work.

    Runs that go on when it is to stop get the setting jobs.stop_s to end in. A second signal ends them at once.
    """
    from qflib import settings
    from qflib.cli.scheduling import serve
    from qflib.jobs import load_job

    jobs = [load_job(n) for n in name] if name else _jobs()
    serve(jobs, settings.load(jobs=None if metrics_port is None else {"metrics_port": metrics_port}))


@app.command("history", epilog=EXAMPLE_HISTORY)
def history(
    name: Annotated[str | None, typer.Argument(help="Only this job's runs.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Only those of a date.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    json: _Json = False,
) -> None:
    """Show the runs there were, and those that go on."""
    from qflib import settings
    from qflib.jobs import load_job, runs
    from qflib.jobs.runner import date_of

    if name is not None:
        load_job(name)
    made = runs(settings.load().state, name, None if as_of is None else date_of(as_of), limit)
    shown = ("job", "as_of", "run_id", "status", "started", "seconds", "attempts", "reason", "proposal", "path")
    if json:
        emit({"runs": [{k: getattr(r, k) for k in shown} for r in made]})
    elif not made:
        print("there are no runs; `qflib jobs run NAME --as-of DATE` makes one")
    else:
        table("runs", shown, [[getattr(r, k) if getattr(r, k) != "" else None for k in shown] for r in made])


@app.command("approve", epilog=EXAMPLE_APPROVE)
def approve(
    run_id: Annotated[str, typer.Argument(help="The run; `qflib jobs history` shows those whose proposal waits.")],
    json: _Json = False,
) -> None:
    """Put the scenario set that a run proposes in force on the running desk, as its report shows it.

    It takes an API key of scope admin: QFLIB_API_KEY's, else the desk's own.
    """
    import qflib as qf
    from qflib import settings
    from qflib.errors import InputError
    from qflib.jobs.history import job_of, run_of

    state = settings.load().state
    past = run_of(state, job_of(state, run_id), run_id)
    if not past.proposal:
        raise InputError(f"run {run_id} of job {past.job} proposes nothing; `qflib jobs history` shows what does")
    with qf.connect() as live:
        controls = live.approve(past.job, run_id, past.set_id)
    if json:
        emit(
            {"job": past.job, "run_id": run_id, "set_id": past.set_id, "in_force": past.in_force, "controls": controls}
        )
    elif controls:
        print(f"scenario set {past.set_id} comes into force, in the place of {past.in_force}")
    else:
        print(f"scenario set {past.set_id} is in force already")


def _jobs() -> list[Job]:
    from qflib.jobs import job_names, load_job

    return [load_job(name) for name in job_names()]


def _utc(at: dt.datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
