"""The image's replay gives its steps what a slim base image has and no more, and sees what was written to the image."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, loaded

replay = loaded("replay_image.py")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_the_base_has_a_shell_and_python_and_no_compiler(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = replay.based(tmp_path / "base", DOCKERFILE)
    there = {f.name for place in given["PATH"].split(":") for f in Path(place).iterdir()}
    assert {"sh", "cp", "mkdir", "python"} <= there
    assert not {"gcc", "cc", "make", "git", "curl", "wget", "uv"} & there
    asked = ["sh", "-c", "python -c 'import ssl, sys; print(sys.version_info[1], sys.prefix)'"]
    told = subprocess.run(asked, env=given, capture_output=True, text=True, check=True)
    minor, prefix = told.stdout.split()
    assert prefix == "/usr" or Path(prefix).is_relative_to(tmp_path)  # where another user may go
    other = f"python:3.{minor}-" not in DOCKERFILE
    assert other == (replay.interpreter(re.findall(r"python:(3\.\d+)", DOCKERFILE)[0]) is None)
    assert ("NOT the image's interpreter" in capsys.readouterr().err) == other


def test_a_file_that_was_written_again_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = 1\n")
    before, at = replay.contents(tmp_path), file.stat()
    assert replay.contents(tmp_path) == before
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns + 1))
    assert replay.contents(tmp_path) != before
    file.write_text("x = 2\n")
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert replay.contents(tmp_path) != before


def test_every_instruction_is_played_or_known(tmp_path: Path) -> None:
    names = {name for name, _ in replay.steps(DOCKERFILE)}
    assert {"HEALTHCHECK", "USER", "ENTRYPOINT", "CMD"} <= names
    assert dict(replay.steps(DOCKERFILE))["HEALTHCHECK"].count("CMD [") == 1


def test_a_cold_replay_leaves_out_the_kernels_alone() -> None:
    runs = [rest for name, rest in replay.steps(DOCKERFILE) if name == "RUN"]
    (warming,) = [rest for rest in runs if "qflib.warm" in rest]
    assert [replay._WARM.sub("", rest) for rest in runs if rest != warming] == [r for r in runs if r != warming]
    assert replay._WARM.sub("true", warming) == 'true && mkdir "$DATA"'
