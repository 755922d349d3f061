"""What a submission must pass forgives a test that fails beside others and passes alone, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_MAKE = """#!/bin/sh
echo "make $1" >> told
case "$1" in
lint) exit $LINT ;;
test) test $LINT = 0 || exit 1
      test -z "$FAILED" && exit
      mkdir -p .pytest_cache/v/cache && echo "$FAILED" > .pytest_cache/v/cache/lastfailed
      mkdir -p .pytest_cache/v/qflib && echo "$STATUS" > .pytest_cache/v/qflib/status; exit 2 ;;
esac
"""
_PYTHON = f"""#!/bin/sh
if [ "$1" = -m ]; then echo pytest >> told; exit $ALONE; fi
exec {sys.executable} "$@"
"""


def ended(folder: Path, *, lint: int = 0, failed: int = 0, alone: int = 0, status: int = 1) -> tuple[bool, list[str]]:
    """Whether it passes, and what it called: `make` and the tests tell what they are told to."""
    tools = folder / "bin"
    for place, text in {
        **{tools / name: "#!/bin/sh\n" for name in ("promtool", "prometheus-alertmanager", "chromium")},
        tools / "make": _MAKE,
        folder / ".venv" / "bin" / "python": _PYTHON,
        folder / ".ci" / "run": (ROOT / ".ci" / "run").read_text(encoding="utf-8"),
    }.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755)
    names = json.dumps({f"tests/test_a.py::test_{k}": True for k in range(failed)}) if failed else ""
    told = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "LINT": str(lint), "FAILED": names,
                         "ALONE": str(alone), "STATUS": str(status)}  # fmt: skip
    done = subprocess.run(["bash", folder / ".ci" / "run"], env=told, capture_output=True, check=False)
    return done.returncode == 0, (folder / "told").read_text().splitlines()


@pytest.mark.parametrize(
    ("told", "passes"),
    [
        ({}, True),
        ({"failed": 1}, True),
        ({"failed": 3}, True),
        ({"failed": 4}, False),
        ({"failed": 1, "alone": 1}, False),
        ({"lint": 1}, False),
        ({"failed": 1, "status": 2}, False),  # it broke off
        ({"failed": 1, "status": 3}, False),
    ],
)
def test_what_is_forgiven(told: dict[str, int], passes: bool, tmp_path: Path) -> None:
    former = tmp_path / ".pytest_cache" / "v" / "cache"
    former.mkdir(parents=True)
    (former / "lastfailed").write_text('{"tests/test_of_a_former_run.py::test_it": true}')
    ok, called = ended(tmp_path, **told)
    assert ok == passes
    assert ("make docs" in called) == passes
    assert called[:4] == ["make audit", "make chart", "make image", "make test"]


def test_how_a_run_ended_is_kept(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_sessionfinish\n")
    (tmp_path / "test_a.py").write_text("import nothing_of_that_name")
    asked = [sys.executable, "-m", "pytest", "-q", "--rootdir", tmp_path, "-c", os.devnull, tmp_path]
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(asked, env=own, cwd=tmp_path, capture_output=True, text=True, check=False)
    kept = tmp_path / ".pytest_cache" / "v" / "qflib" / "status"
    assert (done.returncode, json.loads(kept.read_text())) == (2, 2), done.stdout
