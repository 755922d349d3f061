"""Runs of small notebooks: done once; failed, killed and doubled ones."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import papermill
import pytest

from qflib.cli import main
from qflib.errors import DataError, InputError
from qflib.history import Archiver, DeltaHistory, Log
from qflib.jobs import execution, run_job, runs
from qflib.jobs.execution import FailedError, execute
from qflib.jobs.runner import date_of
from qflib.records.codec import encode
from qflib.records.topics import RISK_METRICS
from tests.jobs.conftest import TOML, Day, Project

COUNTED = "open(f'{folder}/ran', 'a').write('x')"


def command(*words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "qflib.cli.main", "jobs", "run", "tiny", "--as-of", "2026-01-05", "--json", *words]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_done_and_done_already(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(
        "from IPython.display import display\n"
        "display({'application/vnd.qflib.facts+json': {'source': {'kind': 'made up'}}, 'text/plain': ''}, raw=True)",
        "f'{as_of} & {n + 41}'",
    )
    run = run_job("tiny", dt.date(2026, 1, 5), {"n": 1})
    assert run.status == "done"
    assert run.html is not None
    assert run.html.parent == Path("runs/jobs/tiny/2026-01-05")
    page = run.html.read_text()
    assert "2026-01-05 &amp; 42" in page
    assert "f&#39;{as_of}" not in page  # code is hidden
    assert "as_of = " not in page
    told = json.loads(run.html.with_suffix(".json").read_text())
    assert told["parameters"] == {"n": 1, "folder": ""}
    assert told["source"] == {"kind": "made up"}
    assert (told["status"], told["attempts"], told["git"]) == ("done", 1, None)
    assert told["versions"]["numpy"]
    assert told["seconds"] > 0
    monkeypatch.setattr(papermill, "execute_notebook", None)
    assert run_job("tiny", "2026-01-05", {"n": 1}).status == "already_done"
    assert run_job("tiny", "2026-01-05").run_id == run.run_id
    assert "already_done" in run_job("tiny", "2026-01-05")._repr_html_()
    with pytest.raises(TypeError):  # it is run, and what was done stays until there is another
        run_job("tiny", "2026-01-05", force=True)
    assert run_job("tiny", "2026-01-05").status == "already_done"


def test_a_setting_that_it_names_makes_another_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("n", toml=TOML.replace("timeout_s", 'settings = ["limits.es"]\ntimeout_s'))
    first = run_job("tiny", "2026-01-05")
    monkeypatch.setenv("QFLIB_LIMITS__ES", "5000")
    second = run_job("tiny", "2026-01-05")
    assert (first.status, second.status) == ("done", "done")
    assert second.html is not None
    assert json.loads(second.html.with_suffix(".json").read_text())["settings"] == {"limits.es": 5000.0}
    monkeypatch.setenv("QFLIB_LIMITS__PRICE_BAND", "0.2")  # one that it does not name
    assert run_job("tiny", "2026-01-05").status == "already_done"


def test_a_run_after_more_was_archived_is_another(project: Project, day: Day, tmp_path: Path) -> None:
    project.write("import os", "os.environ['QFLIB_STATE']", toml=TOML.replace("timeout_s", "history = true\ntimeout_s"))
    state = tmp_path / "state"
    history = DeltaHistory(state / "up" / "history")
    history.register("c1", day.run.recorder.instruments)

    def archive(offset: int) -> None:
        archiver = Archiver(history)
        archiver.assign([Log("c1", RISK_METRICS, RISK_METRICS, 0)])
        archiver.take(RISK_METRICS, 0, offset, offset, b"DESK1", encode(day.run.recorder.latest["risk"]))
        archiver.store()

    archive(0)
    noon = run_job("tiny", "2026-01-05", state=state)
    assert noon.html is not None
    assert str(state) in noon.html.read_text()  # the kernel reads the history that the key is of
    assert run_job("tiny", "2026-01-05", state=state).status == "already_done"
    other = run_job("tiny", "2026-01-06", state=state)
    archive(1)
    evening = run_job("tiny", "2026-01-05", state=state)
    assert evening.status == "done"
    assert evening.run_id != noon.run_id
    assert run_job("tiny", "2026-01-06", state=state).run_id == other.run_id  # of another date


def test_failed(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    project.write("print('so far')\nopen('ran', 'a').write('x')", "raise ValueError('no\\nluck')")
    monkeypatch.setattr(sys, "argv", ["qflib", "jobs", "run", "tiny", "--as-of", "2026-01-05", "--json"])
    with pytest.raises(SystemExit) as end:
        main.run()
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert end.value.code == 1
    assert told["status"] == "failed"
    assert told["html"] is None
    assert "raised ValueError: no luck; its notebook is runs/jobs/tiny/2026-01-05/" in shown.err
    assert shown.err.strip().splitlines()[-1].startswith("qflib: job tiny of 2026-01-05 failed: cell 3")
    assert "so far" in Path(told["notebook"]).read_text()
    assert [f.name for f in sorted(Path("runs/jobs/tiny/2026-01-05").iterdir()) if not f.name.startswith(".")] == [
        f"{told['run_id']}.failed.ipynb",
        f"{told['run_id']}.failed.json",
    ]
    assert Path("ran").read_text() == "x"  # what raises is not tried again


def test_a_killed_kernel_is_tried_again(project: Project) -> None:
    project.write(
        COUNTED,
        "import os, signal\nif len(open(f'{folder}/ran').read()) == 1:\n    os.kill(os.getpid(), signal.SIGKILL)",
    )
    run = run_job("tiny", "2026-01-05", {"folder": str(project.root)})
    assert run.status == "done"
    assert run.html is not None
    assert json.loads(run.html.with_suffix(".json").read_text())["attempts"] == 2
    assert run.attempts == 2
    assert Path("ran").read_text() == "xx"


def test_a_store_that_does_not_answer_is_asked_again(project: Project) -> None:
    """What a cell raises of the moment is tried again, as often as the job says; then it has failed."""
    project.write(
        COUNTED, "raise TimeoutError('the store is away')", toml=TOML.replace("timeout_s", "retries = 1\ntimeout_s")
    )
    run = run_job("tiny", "2026-01-05", {"folder": str(project.root)})
    assert (run.status, run.attempts) == ("failed", 2)
    assert "raised TimeoutError: the store is away, 2 times; its notebook is" in run.reason
    assert Path("ran").read_text() == "xx"
    (past,) = runs(Path("runs"))
    assert (past.status, past.attempts, past.reason) == (
        "failed",
        2,
        run.reason.partition(" failed: ")[2].partition(";")[0],
    )
    assert past.path == run.notebook
    once = "import os\nif len(open(f'{folder}/ran').read()) == 3:\n    raise ConnectionResetError('again')"
    project.write(COUNTED, once, toml=TOML.replace("timeout_s", "retries = 1\ntimeout_s"))
    run = run_job("tiny", "2026-01-05", {"folder": str(project.root)})
    assert (run.status, run.attempts) == ("done", 2)


def test_the_kernel_is_spoken_to_by_sockets_of_this_user_alone(project: Project) -> None:
    told = "import json\nfrom ipykernel.connect import get_connection_info\nw = get_connection_info(unpack=True)"
    project.write(
        told,
        "import os\nopen('seen', 'w').write(json.dumps([w['transport'], os.stat(os.path.dirname(w['ip'])).st_mode]))",
    )
    assert run_job("tiny", "2026-01-05").status == "done"
    transport, mode = json.loads(next(project.root.rglob("seen")).read_text())
    assert transport == "ipc"
    assert mode & 0o077 == 0


def test_a_job_that_publishes_reports_proposes_nothing(project: Project) -> None:
    propose = (
        "from qflib.jobs.proposal import propose\nfrom qflib.shortfall import ScenarioSet\n"
        "propose(ScenarioSet(('A',), [[-0.02], [0.01]], [[0.01], [-0.005]], 10**9, 2)) is None"
    )
    project.write(propose)
    first = run_job("tiny", "2026-01-05")
    project.write(propose, "0", toml=TOML.replace("timeout_s", 'publish = "scenario_set"\ntimeout_s'))
    second = run_job("tiny", "2026-01-06")
    for run, left in ((first, False), (second, True)):
        assert run.html is not None
        assert run.html.with_suffix(".proposal.npz").exists() is left
        assert str(not left) in run.html.read_text()


def test_no_kernel_for_a_wrong_parameter(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papermill, "execute_notebook", None)  # a kernel would be a TypeError
    for given, sentence in (({"m": 1}, "no parameter 'm'"), ({"n": "1"}, "give a whole number")):
        with pytest.raises(InputError, match=sentence):
            run_job("tiny", "2026-01-05", given)
    assert not Path("runs").exists()


def test_a_killed_runner_then_two_at_once(project: Project, patient: Callable[[Callable[[], bool]], None]) -> None:
    project.write(COUNTED, "import os, time\nwhile not os.path.exists(f'{folder}/go'):\n    time.sleep(0.05)")
    given = ("-p", f"folder={project.root}")
    first = command(*given)
    patient(Path("ran").exists)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    folder = Path("runs/jobs/tiny/2026-01-05")
    assert {f.suffix for f in folder.iterdir()} == {".lease", ".part"}
    Path("go").touch()
    told = [json.loads(p.communicate(timeout=60)[0]) for p in [command(*given), command(*given)]]
    assert sorted(t["status"] for t in told) == ["already_done", "done"]
    assert told[0]["run_id"] == told[1]["run_id"]
    assert Path("ran").read_text() == "xx"  # the killed one's, and one more
    assert sorted(f.suffix for f in folder.iterdir()) == [".html", ".ipynb", ".json", ".lease"]


def test_only_a_lost_kernel_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def lost(*_: object, **__: object) -> None:
        tried.append("x")
        raise RuntimeError("Kernel didn't respond in 60 seconds")

    monkeypatch.setattr(papermill, "execute_notebook", lost)
    with pytest.raises(FailedError, match="its kernel did not start within 60 s, 3 times"):
        execute(tmp_path / "a", tmp_path / "b", {}, timeout_s=1.0, progress=False)
    assert len(tried) == 1 + execution.RETRIES

    def other(*_: object, **__: object) -> None:
        tried.append("y")
        raise RuntimeError("of another kind")

    monkeypatch.setattr(papermill, "execute_notebook", other)
    with pytest.raises(RuntimeError, match="of another kind"):
        execute(tmp_path / "a", tmp_path / "b", {}, timeout_s=1.0, progress=False)
    assert tried.count("y") == 1


@pytest.mark.parametrize("bad", ["2026-13-01", "2026-02-30", "20260105", "2026-W02-1", "today", "", "2026-01-05T00:00"])
def test_no_dates(bad: str) -> None:
    with pytest.raises(InputError, match="is no date; give one as 2026-01-05"):
        date_of(bad)


def test_a_parameter_that_changes_nothing_is_refused(project: Project) -> None:
    notebook = project.root / "notebooks" / "tiny.ipynb"
    notebook.write_text(notebook.read_text().replace("as_of = n = folder", "as_of = folder"))
    with pytest.raises(DataError, match=r"no cell tagged parameters that sets n; add `n = "):
        run_job("tiny", "2026-01-05")
    notebook.write_text("{}")
    with pytest.raises(DataError, match="is no notebook"):
        run_job("tiny", "2026-01-05")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "tiny", "--as-of", "soon"], "as-of 'soon' is no date"),
        (["run", "tinny", "--as-of", "2026-01-05"], "there is no job 'tinny'"),
        (["run", "tiny", "--as-of", "2026-01-05", "-p", "m=1"], "no parameter 'm'"),
        (["run", "tiny", "--as-of", "2026-01-05", "-p", "n=one"], "give a whole number"),
    ],
)
def test_wrong_use_is_one_sentence(
    project: Project,
    words: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["qflib", "jobs", *words])
    with pytest.raises(SystemExit) as end:
        main.run()
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert sentence in err
    assert err.count("\n") == 1


def test_the_list(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["qflib", "jobs", "list", "--json"])
    with pytest.raises(SystemExit) as end:
        main.run()
    assert end.value.code == 0
    (told,) = json.loads(capsys.readouterr().out)["jobs"]
    assert told["name"] == "tiny"
    assert told["parameters"]["n"] == {"type": "int", "default": 1, "help": "", "choices": []}
