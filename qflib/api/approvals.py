"""Approving what a job proposes: the scenario set that was looked at, against the one that is in force, and once."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qflib.api.problems import ProblemError
from qflib.desk.opening import scenario_controls
from qflib.errors import DataError, InputError
from qflib.jobs.history import run_of
from qflib.jobs.outputs import Outputs, write_json
from qflib.jobs.proposal import read

if TYPE_CHECKING:
    from qflib.api.auth import Principal
    from qflib.records import Batch
    from qflib.shortfall import ScenarioSet
    from qflib.views import Views
    from qflib.views.report import Report


@dataclass(frozen=True)
class Proposed:
    """A proposal that may be put in force.

    Parameters
    ----------
    outputs
        The run's files.
    scenarios
        The set.
    batches
        The controls that carry it; none where it is in force already.
    """

    outputs: Outputs
    scenarios: ScenarioSet
    batches: list[Batch]

    @property
    def control_ids(self) -> list[str]:
        """Of the controls."""
        return [b.controls.control_id[0].decode() for b in self.batches]


def proposal_of(views: Views, kept: Path, job: str, run_id: str, set_id: str) -> Proposed:
    """What a run proposes, if it may be put in force now.

    Raises
    ------
    ProblemError
        404 without such a run or proposal; 409 where it proposes another set than was looked at, its files are not
        what its record says, the set in force is not the one it was compared with, or it lacks an underlying or has
        another horizon.
    """
    try:
        found = run_of(kept, job, run_id)
    except InputError as e:
        raise ProblemError(404, "unknown_run", str(e)) from None
    out = found.outputs
    if out is None or not found.proposal:
        raise ProblemError(404, "no_proposal", f"run {run_id} of job {job} proposes nothing")
    if out.done() is None:
        raise ProblemError(409, "torn", f"the files of run {run_id} are not what its record says; run it with --force")
    try:
        scenarios = read(out.proposal)
    except DataError as e:
        raise ProblemError(409, "torn", str(e)) from None
    if scenarios.set_id != set_id:
        detail = f"run {run_id} proposes {scenarios.set_id}, not {set_id}: it was run again; look at its report"
        raise ProblemError(409, "another_set", detail)
    report = views.risk.latest(views.deployment.portfolio)
    if report is None:
        detail = "the desk reports no risk, so there is no scenario set that this one would replace; wait for a report"
        raise ProblemError(409, "no_scenarios", detail)
    if set_of(report) == set_id:
        return Proposed(out, scenarios, [])
    _fits(scenarios, report, found.in_force)
    version = f"{run_id}.{set_id[:24]}"
    controls = scenario_controls(scenarios, source=f"api.{uuid.uuid4().hex[:12]}", version=version)
    return Proposed(out, scenarios, list(controls))


def approved_by(told: Proposed, who: Principal) -> None:
    """Write down who put it in force; a second time changes nothing of the first."""
    if told.outputs.approval.is_file() and not told.batches:
        return
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    record = {"set_id": told.scenarios.set_id, "time": at, "key": who.key_id, "name": who.name}
    write_json(told.outputs.approval, record | {"control_ids": told.control_ids})


def set_of(report: Report) -> str:
    """The set in force: what was published last may be one that the exchange has applied before, and passes over."""
    return bytes(report.batch.risk.set_id[0]).decode()


def _fits(scenarios: ScenarioSet, report: Report, compared_with: str) -> None:
    if compared_with != (old := set_of(report)):
        detail = f"it was compared with {compared_with or 'none'}, and {old} is in force; run the job again"
        raise ProblemError(409, "superseded", detail)
    valued = {u.decode() for u in report.batch.greeks.underlying.tolist()}
    if missing := sorted(valued - set(scenarios.underlyings)):
        detail = f"it has no shocks of {', '.join(missing)}, which the desk values; run the job with all of them"
        raise ProblemError(409, "underlyings_missing", detail)
    if scenarios.horizon_ns != int(report.batch.risk.horizon_ns[0]):
        detail = "its horizon is another than that of the set in force, and so are limits; start the desk anew for that"
        raise ProblemError(409, "another_horizon", detail)
