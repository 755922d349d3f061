"""Outputs are whole or not there; a key changes with what decides it; a lease is one runner's."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from qflib.errors import StateError
from qflib.jobs.key import code_hash, run_key
from qflib.jobs.lease import lease
from qflib.jobs.outputs import Outputs, read_json
from tests.jobs.conftest import notebook_of


def published(folder: Path) -> Outputs:
    out = Outputs(folder, "k")
    made = out.begin()
    (made / "n").write_text("notebook")
    (made / "h").write_text("html")
    out.publish(made / "n", made / "h", {"status": "done"})
    return out


def test_whole_outputs_are_done(tmp_path: Path) -> None:
    out = published(tmp_path)
    told = out.done()
    assert told is not None
    assert told["status"] == "done"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["k.html", "k.ipynb", "k.json"]


@pytest.mark.parametrize("name", ["notebook", "html", "record"])
@pytest.mark.parametrize("fault", ["gone", "half"])
def test_half_of_them_are_not(tmp_path: Path, name: str, fault: str) -> None:
    out = published(tmp_path)
    file: Path = getattr(out, name)
    if fault == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-3])
    assert out.done() is None
    published(tmp_path)
    assert out.done() is not None


def test_a_crash_between_the_files_leaves_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, replace = published(tmp_path), Path.replace
    out.html.write_text("of another code")

    def crash(self: Path, to: Path) -> Path:
        if to == out.record:
            raise KeyboardInterrupt
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        published(tmp_path)
    assert not out.record.exists()
    assert out.done() is None


def test_what_failed_is_kept_under_another_name(tmp_path: Path) -> None:
    out = Outputs(tmp_path, "k")
    (out.begin() / "n").write_text("as far as it came")
    assert out.keep_failed(out.building / "n") == out.failed
    assert sorted(f.name for f in tmp_path.iterdir()) == ["k.failed.ipynb", "k.failed.json"]
    published(tmp_path)
    assert not out.failed.exists()
    assert not out.failure.exists()


def test_a_key_is_of_job_date_parameters_and_code(tmp_path: Path) -> None:
    keys = {
        run_key("a", "2026-01-05", {"n": 1, "m": 2}, "c"),
        run_key("b", "2026-01-05", {"n": 1, "m": 2}, "c"),
        run_key("a", "2026-01-06", {"n": 1, "m": 2}, "c"),
        run_key("a", "2026-01-05", {"n": 2, "m": 2}, "c"),
        run_key("a", "2026-01-05", {"n": 1, "m": 2}, "d"),
        run_key("a", "2026-01-05", {"n": 1, "m": 2}, "c", [["risk", "c1", 0, 8]]),
        run_key("a", "2026-01-05", {"n": 1, "m": 2}, "c", [["risk", "c1", 0, 9]]),
        run_key("a", "2026-01-05", {"n": 1, "m": 2}, "c", settings={"limits.es": None}),
        run_key("a", "2026-01-05", {"n": 1, "m": 2}, "c", settings={"limits.es": 1.0}),
    }
    assert len(keys) == 9
    assert run_key("a", "2026-01-05", {"m": 2, "n": 1}, "c") in keys
    first = tmp_path / "n.ipynb"
    first.write_text(notebook_of("a = 1"))
    code, told = code_hash(first), json.loads(first.read_text())
    told["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "seen"}]
    told["metadata"] = {"kernelspec": {"name": "python3"}}
    first.write_text(json.dumps(told))
    assert code_hash(first) == code  # a notebook looked at is the same code
    told["cells"][0]["source"] = ["a = ", "1"]
    first.write_text(json.dumps(told))
    assert code_hash(first) == code
    told["cells"][0]["source"] = "a = 2"
    first.write_text(json.dumps(told))
    assert code_hash(first) != code


def test_a_lease_waits_and_then_gives_up(tmp_path: Path) -> None:
    file, go, held = tmp_path / ".k.lease", threading.Event(), threading.Event()

    def hold() -> None:
        with lease(file, 1.0):
            held.set()
            go.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(30)
    with pytest.raises(StateError, match="k is being run by process"), lease(file, 0.2):
        pass
    threading.Timer(0.3, go.set).start()
    with lease(file, 30.0):
        pass
    other.join(30)


LOOP = """
import sys
from pathlib import Path
from qflib.jobs.outputs import Outputs, read_json
out, n = Outputs(Path(sys.argv[1]), "k"), 0
while True:
    n += 1
    made = out.begin()
    for name in ("n", "h"):
        (made / name).write_text(f"{n}\\n" + "x" * 200_000 + "end")
    out.publish(made / "n", made / "h", {"status": "done", "n": n})
    if n == 3:
        print("going", flush=True)
"""


def test_killed_at_any_moment_nothing_torn_is_seen(tmp_path: Path) -> None:
    """A runner that publishes again and again is killed; whoever looks meanwhile or later sees whole files, or none."""
    out, rng, seen = Outputs(tmp_path / "k", "k"), random.Random(7), 0
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", LOOP, str(out.folder)], stdout=subprocess.PIPE) as runner:
            assert runner.stdout is not None
            runner.stdout.readline()
            for _ in range(rng.randrange(5, 60)):
                for file in (out.html, out.notebook):
                    text = file.read_text()
                    assert text.endswith("end")
                    assert len(text) > 200_000
                if (told := read_json(out.record)) is not None:
                    assert told["status"] == "done"
                    seen += 1
            runner.send_signal(signal.SIGKILL)
        told = out.done()
        if told is not None:
            assert (
                out.html.read_text().split("\n", 1)[0] == out.notebook.read_text().split("\n", 1)[0] == str(told["n"])
            )
    assert seen
