"""The client's questions about jobs, answered by the application itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from litestar.testing import TestClient

from qflib.api.client import ApiError, LiveReport
from qflib.api.client import jobs as j
from qflib.api.client.asking import Asking, Reply
from qflib.errors import InputError
from tests.api.served import served
from tests.api.test_jobs import ID, in_force, recalibrated, run


def answered(client: TestClient[Any], question: Asking[Any]) -> Any:
    """What `Live` does, over the application in this process."""
    try:
        r = next(question)
        while True:
            headers = {"Accept": r.accept} | ({} if r.body is None else {"Content-Type": "application/json"})
            reply = client.request(r.method, r.path, params=dict(r.params), content=r.body, headers=headers)
            r = question.send(Reply(reply.status_code, reply.headers, reply.content))
    except StopIteration as done:
        return done.value


def test_jobs_runs_and_reports(tmp_path: Path) -> None:
    api = served(tmp_path)
    with api.client("read") as client:
        empty = answered(client, j.job_runs("daily_risk", None, 5))
        assert len(empty) == 0
        assert isinstance(empty["started"].dtype, pd.DatetimeTZDtype)
        with pytest.raises(InputError, match="job daily_risk has no report yet"):
            answered(client, j.job_report("daily_risk", None))
        run(tmp_path)
        jobs = answered(client, j.jobs())
        assert jobs.loc["daily_risk", "last_status"] == "done"
        assert jobs["next_due"].min() > pd.Timestamp("2026-01-01", tz="UTC")
        runs = answered(client, j.job_runs("daily_risk", "2026-01-05", 5))
        assert runs.loc[ID, "started"] == pd.Timestamp("2026-01-05T21:30Z")
        for asked in (None, ID):
            report = answered(client, j.job_report("daily_risk", asked))
            assert report == LiveReport("daily_risk", ID, "<p>a report</p>")
        assert 'sandbox="allow-scripts"' in report._repr_html_()
        assert "&lt;p&gt;a report" in report._repr_html_()
        assert report.save(tmp_path / "page.html").read_text() == "<p>a report</p>"
        with pytest.raises(ApiError, match="has no run"):
            answered(client, j.job_report("daily_risk", "1" * 16))


def test_an_approval(tmp_path: Path) -> None:
    api = served(tmp_path)
    old = in_force(api)
    new = recalibrated(old)
    run(tmp_path, proposed=new, against=old.set_id)
    with api.client() as client:
        controls = answered(client, j.approve("daily_risk", ID, new.set_id))
        assert controls == [b.controls.control_id[0].decode() for b in api.sender.batches]
        with pytest.raises(ApiError) as e:
            answered(client, j.approve("daily_risk", ID, old.set_id))
        assert e.value.code == "another_set"


def test_a_project_without_jobs_has_an_empty_frame() -> None:
    assert j.jobs_frame([]).empty
    assert "last_status" in j.jobs_frame([]).columns
