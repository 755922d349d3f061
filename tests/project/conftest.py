"""The library as people have it: its wheel in an environment of its own, with no checkout around."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from qflib.broker import java

ROOT = Path(__file__).parents[2]


class Installed(NamedTuple):
    """An environment that holds the wheel and what it needs."""

    wheel: Path
    environment: Path

    def run(self, folder: Path, *argv: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """A command of its `bin`, in a folder, of which nothing leads to the checkout."""
        told = {k: v for k, v in os.environ.items() if not k.startswith(("QFLIB_", "PYTHON", "VIRTUAL_ENV", "NUMBA_"))}
        bin_ = self.environment / "bin"
        told["PATH"] = f"{bin_}:/usr/local/bin:/usr/bin:/bin"
        told["JAVA_HOME"] = str(java.find().executable.resolve().parents[1])  # may be the checkout's, of PyPI
        told |= {"QFLIB_STREAM__METRICS_PORT": "0", "QFLIB_KERNEL_CACHE": str(self.environment / "kernels")}
        command = [shutil.which(argv[0], path=told["PATH"]) or argv[0], *argv[1:]]
        return subprocess.run(
            command, cwd=folder, env=told, capture_output=True, text=True, timeout=timeout_s, check=False
        )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built by the build's own backend; what it needs as locked, from uv's cache where `make setup` has it."""
    folder = tmp_path_factory.mktemp("installed")
    uv = shutil.which("uv") or str(ROOT / ".venv-tools" / "bin" / "uv")
    environment = folder / "environment"

    def done(*argv: str) -> None:
        told = os.environ | {"UV_PROJECT_ENVIRONMENT": str(environment)}
        made = subprocess.run(argv, cwd=ROOT, env=told, capture_output=True, text=True, timeout=300, check=False)
        assert made.returncode == 0, made.stderr

    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    [wheel] = folder.glob("*.whl")
    done(uv, "sync", "--frozen", "--no-default-groups", "--no-install-project", "--python", sys.executable)
    done(uv, "pip", "install", "--no-deps", "--python", str(environment / "bin" / "python"), str(wheel))
    return Installed(wheel, environment)
