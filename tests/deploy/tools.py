"""Programs of the system that the checks of deploy/ run: by Debian's packages, named where one is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = tuple(sorted((DEPLOY / "prometheus").glob("*.rules.yaml")))
#: Of Loki's ruler, on lines of logs.
LOG_RULES = tuple(sorted((DEPLOY / "logs" / "rules" / "fake").glob("*.yaml")))
#: Tool -> the package that has it.
PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "syslog-ng": "syslog-ng-core syslog-ng-mod-http",
}


def tool(name: str) -> str:
    """Where a tool lies."""
    found = shutil.which(name)
    if found is None:
        by = (
            f"apt-get install --no-install-recommends {PACKAGES[name]}" if name in PACKAGES else "`make logs` builds it"
        )
        cannot(f"{name} is missing; {by}")
    return found


def cannot(reason: str) -> NoReturn:
    """What is tried needs something that is not here: CI and `make faults` fail, others skip."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run(name: str, *arguments: str | Path) -> str:
    """Run a tool; what it says, which is shown where it fails."""
    done = subprocess.run([tool(name), *map(str, arguments)], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def loaded(script: str) -> ModuleType:
    """A script of deploy/ as a module, by its path: deploy/ is no package."""
    path = DEPLOY / script
    spec = importlib.util.spec_from_file_location(f"deploy_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # as where it is run: what lies beside it is imported
    spec.loader.exec_module(made)
    return made


def alerts(files: Sequence[Path] = RULES) -> list[dict[str, Any]]:
    """Every rule there is of Prometheus; or of other files."""
    groups = [g for file in files for g in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return [r for g in groups for r in g["rules"]]
