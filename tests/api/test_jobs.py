"""Jobs over the API: what there is, reports as pages of nobody's origin, and approvals that hold what was looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qflib.jobs.outputs import Outputs
from qflib.jobs.proposal import PROPOSAL, write
from qflib.records import Batch
from qflib.records.topics import ORDERS_INCOMING
from qflib.shortfall import ScenarioSet
from tests.api.served import Served, served

ID = "0123456789abcdef"


def run(
    state: Path, day: str = "2026-01-05", run_id: str = ID, proposed: ScenarioSet | None = None, against: str = ""
) -> Outputs:
    out = Outputs(state / "jobs" / "daily_risk" / day, run_id)
    made = out.begin()
    (made / "n").write_text("notebook")
    (made / "h").write_text("<p>a report</p>")
    told: dict[str, Any] = {"status": "done", "started": f"{day}T21:30:00+00:00", "seconds": 2.5, "attempts": 1}
    if proposed is not None:
        write(proposed, made / PROPOSAL)
        told["proposal"] = {"set_id": proposed.set_id, "in_force": against}
    out.publish(made / "n", made / "h", told, made / PROPOSAL if proposed is not None else None)
    return out


def recalibrated(of: ScenarioSet, **changed: Any) -> ScenarioSet:
    told = {"underlyings": of.underlyings, "spot_return": of.spot_return * 1.1, "vol_shift": of.vol_shift,
            "horizon_ns": of.horizon_ns, "n_historical": of.n_historical}  # fmt: skip
    return ScenarioSet(**(told | changed))


def in_force(api: Served) -> ScenarioSet:
    made, report = api.state.views.shortfall.scenarios, api.state.views.risk.latest("DESK1")
    assert made is not None
    assert report is not None
    assert report.batch.risk.set_id[0].decode() == made.set_id
    return made


def test_jobs_and_runs(tmp_path: Path) -> None:
    api = served(tmp_path)
    for n in range(3):
        run(tmp_path, f"2026-01-0{n + 5}", f"{n:016x}")
    failed = Outputs(tmp_path / "jobs" / "daily_risk" / "2026-01-09", ID)
    failed.keep_failed(
        failed.begin() / "n", {"reason": "cell 3 raised ValueError: no", "started": "2026-01-09T22:00:00+00:00"}
    )
    with api.client("read") as client:
        (told,) = [j for j in client.get("/v1/jobs").json()["items"] if j["name"] == "daily_risk"]
        assert (told["cron"], told["missed"], told["last"]["status"]) == ("30 16 * * mon-fri", "latest", "failed")
        assert told["next_due"] > "2026"
        items = client.get("/v1/jobs/daily_risk/runs?limit=2").json()["items"]
        assert [(r["as_of"], r["report"]) for r in items] == [("2026-01-09", False), ("2026-01-07", True)]
        assert str(tmp_path) not in client.get("/v1/jobs/daily_risk/runs").text
        assert len(client.get("/v1/jobs/daily_risk/runs?as_of=2026-01-06").json()["items"]) == 1
        assert client.get("/v1/jobs/no_job/runs").json()["code"] == "unknown_job"
        for bad in ("limit=0", "limit=201", "as_of=soon", "more=1"):
            assert client.get(f"/v1/jobs/daily_risk/runs?{bad}").status_code == 400


def test_a_report_is_a_page_of_nobodys_origin(tmp_path: Path) -> None:
    api = served(tmp_path)
    out = run(tmp_path)
    with api.client("read") as client:
        told = client.get(f"/v1/jobs/daily_risk/runs/{ID}/report")
        assert (told.status_code, told.text) == (200, "<p>a report</p>")
        assert told.headers["content-type"] == "text/html; charset=utf-8"
        assert told.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
        assert client.get(f"/v1/jobs/daily_risk/runs/{'1' * 16}/report").json()["code"] == "unknown_run"
        out.html.unlink()
        assert client.get(f"/v1/jobs/daily_risk/runs/{ID}/report").json()["code"] == "no_report"
    with api.client(None) as client:
        assert client.get(f"/v1/jobs/daily_risk/runs/{ID}/report").status_code == 401


@pytest.mark.parametrize("run_id", ["..", "%2e%2e%2f%2e%2e", "..%2f..%2fkeys", "0" * 15, "0" * 16 + "%0a", "keys.json"])
def test_no_path_leads_out(tmp_path: Path, run_id: str) -> None:
    api = served(tmp_path)
    run(tmp_path)
    with api.client("read") as client:
        for name in ("daily_risk", "..", "%2e%2e"):
            assert client.get(f"/v1/jobs/{name}/runs/{run_id}/report").status_code in (400, 404)


def test_an_approved_set_comes_into_force_as_it_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = served(tmp_path)
    old = in_force(api)
    new = recalibrated(old)
    out = run(tmp_path, proposed=new, against=old.set_id)
    path = f"/v1/jobs/daily_risk/runs/{ID}/approval"
    with api.client("trade") as client:
        assert client.get("/v1/jobs/daily_risk/runs").json()["items"][0]["proposal"] == "waiting"
        assert client.post(path, json={"set_id": new.set_id}).status_code == 403
        assert not api.sender.batches
    with api.client() as client:
        told = client.post(path, json={"set_id": new.set_id})
        assert told.status_code == 202, told.text
        sent = api.sender.batches
        assert {b.topic for b in sent} == {ORDERS_INCOMING}
        assert ScenarioSet.from_tables([(b.scenario_set, b.shocks) for b in sent]) == new
        ids = [b.controls.control_id[0].decode() for b in sent]
        assert told.json()["control_ids"] == ids
        assert len(set(ids)) == len(old.underlyings)
        assert all(len(i) <= 64 for i in ids)
        (row,) = client.get("/v1/jobs/daily_risk/runs").json()["items"]
        assert (row["proposal"], row["set_id"], row["in_force"]) == ("approved", new.set_id, old.set_id)
        again = client.post(path, json={"set_id": new.set_id})
        assert again.json()["control_ids"] == ids  # the exchange applies an id once
        report = api.state.views.risk.latest("DESK1")
        assert report is not None
        risk = report.batch.risk._replace(set_id=np.array([new.set_id] * len(report.batch.risk.level), "S64"))
        later = replace(report, batch=Batch("risk", {**report.batch.tables, "risk": risk}, report.batch.header))
        monkeypatch.setattr(api.state.views.risk, "latest", lambda _: later)
        assert client.post(path, json={"set_id": new.set_id}).json()["control_ids"] == []
    assert '"name": "test"' in out.approval.read_text()


@pytest.mark.parametrize(
    "what", ["another_set", "superseded", "underlyings_missing", "another_horizon", "torn", "no_proposal"]
)
def test_what_may_not_come_into_force(tmp_path: Path, what: str) -> None:
    api = served(tmp_path)
    old = in_force(api)
    new, against = recalibrated(old), old.set_id
    if what == "underlyings_missing":
        new = recalibrated(old, underlyings=tuple(f"OTHER{n}" for n in range(len(old.underlyings))))
    if what == "another_horizon":
        new = recalibrated(old, horizon_ns=2 * old.horizon_ns)
    if what == "superseded":
        against = "0" * 32
    out = run(tmp_path, proposed=None if what == "no_proposal" else new, against=against)
    if what == "torn":
        write(recalibrated(old, spot_return=np.zeros_like(old.spot_return)), out.proposal)
    body = {"set_id": "0" * 32 if what == "another_set" else new.set_id}
    with api.client() as client:
        told = client.post(f"/v1/jobs/daily_risk/runs/{ID}/approval", json=body)
    assert (told.status_code, told.json()["code"]) == (404 if what == "no_proposal" else 409, what)
    assert not api.sender.batches
    assert not out.approval.exists()
