"""The history of runs: from their files alone, bounded, and nothing that is not theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qflib.cli import main
from qflib.errors import InputError
from qflib.jobs import runs
from qflib.jobs.history import job_of, run_of
from qflib.jobs.lease import lease
from qflib.jobs.outputs import Outputs
from tests.jobs.conftest import Project

IDS = [f"{n:016x}" for n in range(40)]


def done(state: Path, day: str, run_id: str, job: str = "tiny", started: str = "") -> Outputs:
    out = Outputs(state / "jobs" / job / day, run_id)
    made = out.begin()
    (made / "n").write_text("notebook")
    (made / "h").write_text("html")
    told = {"status": "done", "started": started or f"{day}T21:30:00+00:00", "seconds": 2.5, "attempts": 1}
    out.publish(made / "n", made / "h", told)
    return out


def test_newest_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    for n, run_id in enumerate(IDS[:20]):
        done(tmp_path, f"2026-01-{n + 1:02}", run_id)
    done(tmp_path, "2026-01-05", IDS[30], "other")
    assert [r.as_of for r in runs(tmp_path, "tiny", limit=3)] == ["2026-01-20", "2026-01-19", "2026-01-18"]
    assert len(runs(tmp_path)) == 21
    assert [r.job for r in runs(tmp_path, as_of="2026-01-05")] == ["other", "tiny"]
    assert runs(tmp_path, "tiny", limit=1)[0].path == tmp_path / "jobs" / "tiny" / "2026-01-20" / f"{IDS[19]}.html"


def test_failed_running_and_lost(tmp_path: Path) -> None:
    failed = Outputs(tmp_path / "jobs" / "tiny" / "2026-01-05", IDS[0])
    failed.keep_failed(failed.begin() / "none", {"reason": "no luck", "attempts": 3, "seconds": 1.0, "started": "c"})
    going, lost = (Outputs(failed.folder, i) for i in IDS[1:3])
    for out, since in ((going, "b"), (lost, "a")):
        out.begin({"started": since, "process": 7})
    with lease(going.lease, 1.0):
        told = runs(tmp_path)
    assert [(r.status, r.reason, r.attempts) for r in told] == [
        ("failed", "no luck", 3), ("running", "", None), ("lost", "process 7 is gone", None),
    ]  # fmt: skip
    assert told[0].path is None
    with lease(going.lease, 0.0):  # who looks holds nothing
        pass


def test_what_is_no_run_is_passed_over(tmp_path: Path) -> None:
    folder = done(tmp_path, "2026-01-05", IDS[0]).folder
    for name in ("x.json", f"{IDS[1]}.json.swp", f"{IDS[2][:-1]}.json", f".{IDS[3]}.lease"):
        (folder / name).write_text("{}")
    (folder / f"{IDS[4]}.json").write_text("{torn")
    (folder / f"{IDS[5]}.failed.json").write_text("[]")
    (folder.parent / "soon").mkdir()
    (tmp_path / "jobs" / "Not A Job").mkdir()
    assert [r.run_id for r in runs(tmp_path)] == [IDS[0]]


@pytest.mark.parametrize("bad", ["../tiny", "..", "", "0" * 15, "0" * 17, "0" * 16 + "\n", "G" * 16, "/etc/passwd"])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, bad: str) -> None:
    done(tmp_path, "2026-01-05", IDS[0])
    with pytest.raises(InputError, match="has no run"):
        run_of(tmp_path, "tiny", bad)
    with pytest.raises(InputError, match="has no run"):
        run_of(tmp_path, bad, IDS[0])
    with pytest.raises(InputError, match="there is no run"):
        job_of(tmp_path, bad)
    with pytest.raises(InputError, match="there is no job"):
        runs(tmp_path, bad)


def test_one_by_its_id(tmp_path: Path) -> None:
    out = done(tmp_path, "2026-01-05", IDS[0])
    assert run_of(tmp_path, "tiny", IDS[0]).path == out.html
    assert job_of(tmp_path, IDS[0]) == "tiny"


def test_the_command(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["qflib", "jobs", "history", *words])
        with pytest.raises(SystemExit):
            main.run()
        return capsys.readouterr().out

    assert "there are no runs" in said()
    done(Path("runs"), "2026-01-05", IDS[7])
    (told,) = json.loads(said("tiny", "--json"))["runs"]
    assert told == {
        "job": "tiny", "as_of": "2026-01-05", "run_id": IDS[7], "status": "done", "attempts": 1, "seconds": 2.5,
        "started": "2026-01-05T21:30:00+00:00", "reason": "", "proposal": "",
        "path": f"runs/jobs/tiny/2026-01-05/{IDS[7]}.html",
    }  # fmt: skip
    monkeypatch.setenv("COLUMNS", "300")
    assert IDS[7] in said("--as-of", "2026-01-05")
    assert json.loads(said("--as-of", "2026-01-06", "--json")) == {"runs": []}


def test_approving_what_proposes_nothing_is_one_sentence(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done(Path("runs"), "2026-01-05", IDS[7])
    for run_id, sentence in ((IDS[7], "proposes nothing"), (IDS[8], "that is done"), ("../x", "there is no run")):
        monkeypatch.setattr("sys.argv", ["qflib", "jobs", "approve", run_id])
        with pytest.raises(SystemExit) as end:
            main.run()
        err = capsys.readouterr().err
        assert end.value.code == 2
        assert sentence in err
        assert err.count("\n") == 1
