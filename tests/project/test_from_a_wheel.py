"""A project of one's own from the wheel alone: made, promoted in, run, reported on."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import yaml

from qflib.cli.init import NEXT
from qflib.history import DeltaHistory
from tests.project.conftest import ROOT, Installed

BROUGHT = ("pipelines", "dashboards", "notebooks/promotion", "notebooks/reports", "template")


@pytest.fixture
def desk(installed: Installed, tmp_path: Path) -> Path:
    made = installed.run(tmp_path, "qflib", "init", "desk")
    assert made.returncode == 0, made.stderr
    assert [line.strip() for line in made.stdout.splitlines()[1:]] == ["cd desk", *NEXT]
    return tmp_path / "desk"


def test_the_wheel_brings_the_toolkit_along(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as made:
        held = {n.removeprefix("qflib/toolkit/") for n in made.namelist() if n.startswith("qflib/toolkit/")}
    files = {f.relative_to(ROOT) for part in BROUGHT for f in (ROOT / part).rglob("*") if f.is_file()}
    left = ("__pycache__", ".ipynb_checkpoints")
    assert held == {f.as_posix() for f in files if not set(left) & set(f.parts)}


def test_commands_work_on_the_project_they_stand_in(installed: Installed, desk: Path) -> None:
    below = desk / "notebooks" / "promotion"
    place = installed.run(below, "python", "-c", "from qflib.project import *; print(toolkit(), project())")
    assert place.stdout.split() == [str(next(installed.environment.rglob("qflib/toolkit"))), str(desk)]
    jobs = json.loads(installed.run(below, "qflib", "jobs", "list", "--json").stdout)["jobs"]
    assert [(j["name"], j["notebook"]) for j in jobs] == [
        ("daily_risk", str(desk / "notebooks/reports/daily_risk.ipynb"))
    ]
    assert json.loads(installed.run(below, "qflib", "steps", "--json").stdout) == {"steps": []}
    book = below / "first_step.ipynb"
    book.write_text(book.read_text(encoding="utf-8").replace("import numpy as np", "import pandas as np"))
    refused = installed.run(below, "qflib", "promote", "first_step.ipynb", "--json")
    assert refused.returncode == 1, refused.stderr
    assert json.loads(refused.stdout)["violations"][0]["rule"] == "import"


@pytest.mark.faults  # minutes: an installation compiles its kernels anew
def test_from_nothing_to_a_desk_with_a_step_and_a_report(installed: Installed, desk: Path) -> None:
    warm = installed.run(desk, "python", "-m", "qflib.warm", "desk", timeout_s=600)
    assert warm.returncode == 0, warm.stderr
    promoted = installed.run(desk, "qflib", "promote", "notebooks/promotion/first_step.ipynb", "--json", timeout_s=300)
    assert promoted.returncode == 0, promoted.stdout + promoted.stderr
    told = json.loads(promoted.stdout)["steps"]
    assert [(s["name"], set(s["rungs"].values())) for s in told] == [("quoted_spread", {True})]
    for job in yaml.safe_load((desk / ".github" / "workflows" / "ci.yaml").read_text())["jobs"].values():
        checked = installed.run(desk, "bash", "-ec", job["steps"][-1]["run"], timeout_s=300)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "step quoted_spread" in checked.stdout  # the check's table, and no drift
    [step] = json.loads(installed.run(desk, "qflib", "steps", "--json").stdout)["steps"]
    assert (step["name"], step["state"]) == ("quoted_spread", "not running")

    up = installed.run(desk / "notebooks", "qflib", "up", "--for", "20s", "--rate", "2000", "--json", timeout_s=300)
    assert up.returncode == 0, up.stderr
    figures = json.loads(up.stdout)
    assert (figures["drained"], figures["audit"]["ok"]) == (True, True)
    # the history is files, whoever wrote them
    rows = DeltaHistory(desk / "runs" / "up" / "history").scan("figures", ["step", "field"]).to_pylist()
    assert {(r["step"], r["field"]) for r in rows} == {("quoted_spread", "spread"), ("quoted_spread", "against_usual")}

    shorter = ("-p", "source=sim", "-p", "duration=30s")
    run = installed.run(
        desk, "qflib", "jobs", "run", "daily_risk", "--as-of", "2026-01-05", *shorter, "--json", timeout_s=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(run.stdout)["status"] == "done"
    [page] = (desk / "runs" / "jobs" / "daily_risk" / "2026-01-05").glob("*.html")
    assert "Daily risk" in page.read_text(encoding="utf-8")
