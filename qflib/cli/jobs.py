"""`qflib jobs run|list`: notebooks run for a date by papermill, once a key."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from qflib.cli.output import emit, table

EXAMPLE_RUN = "Example: qflib jobs run daily_risk --as-of 2026-01-05 -p seed=11"
EXAMPLE_LIST = "Example: qflib jobs list"

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
    again: Annotated[bool, typer.Option("--again", help="Although it is done.")] = False,
    json: _Json = False,
) -> None:
    """Run a job for a date; one that is done already is not run again."""
    from qflib.jobs import load_job, run_job
    from qflib.jobs.parameters import from_text

    job = load_job(name)
    given = from_text(job.name, job.parameters, parameter or [])
    made = run_job(job, as_of, given, progress=not json and sys.stderr.isatty(), again=again)
    if json:
        emit({k: getattr(made, k) for k in ("job", "run_id", "status", "notebook", "html", "seconds")})
    elif made.status != "failed":
        print(f"{made.job} of {made.as_of}: {made.status.replace('_', ' ')} in {made.seconds:.1f} s\n{made.html}")
    if made.status == "failed":
        print(f"qflib: {made.reason}", file=sys.stderr)
        raise typer.Exit(1)


@app.command("list", epilog=EXAMPLE_LIST)
def listed(json: _Json = False) -> None:
    """List the jobs there are, with their parameters and when they are due."""
    from qflib.jobs import job_names, load_job

    jobs = [load_job(name) for name in job_names()]
    if json:
        emit({"jobs": [j.model_dump(mode="json") for j in jobs]})
        return
    rows = [
        (
            j.name,
            f"{j.cron} {j.time_zone}, {j.calendar}" if j.cron else "by hand",
            " ".join(f"{n}={p.default}" for n, p in j.parameters.items()),
            j.description,
        )
        for j in jobs
    ]
    table("jobs", ("name", "due", "parameters", "what"), rows)
