"""What the lock brings is looked at: a file without its sum, a licence that binds, a known vulnerability are told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.receiving import Receiving
from tests.deploy.tools import ROOT, loaded

LOCK = (ROOT / "uv.lock").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


audit = loaded("audit.py")


def test_every_file_of_the_lock_has_its_sum() -> None:
    assert audit.unpinned(LOCK) == []
    torn = re.sub(r'(jinja2-[^"]*-any\.whl"), hash = "[^"]*"', r"\1", LOCK, count=1)
    assert [line.partition(" ")[0] for line in audit.unpinned(torn)] == ["jinja2:"]
    weak = '[[package]]\nname = "a"\nsource = { git = "https://host/a" }\n'
    assert audit.unpinned(weak) == ["a comes from {'git': 'https://host/a'}, which pins no file"]


def test_nothing_that_the_library_needs_binds_who_uses_it() -> None:
    needed = audit.closure("qflib")
    assert {"numpy", "litestar", "quixstreams", "confluent-kafka"} <= needed
    assert audit.copyleft(needed) == []
    more = audit.closure("qflib", frozenset({"dask", "postgres", "traces"}))
    assert audit.copyleft(more) == []
    # the lesser one is asked for by name, and by nobody but the extra that says so
    assert {n for n in more if "LGPL" in audit.licence(n)} == {"psycopg", "psycopg-binary", "psycopg-pool"}


@pytest.mark.parametrize(
    ("told", "binds"),
    [
        ("GPL-3.0-only", True), ("AGPL-3.0-or-later", True), ("MIT OR GPL-2.0", True), ("", True),
        ("GNU General Public License v3 (GPLv3)", True), ("GNU Affero General Public License v3", True),
        ("LGPL-3.0-only", False), ("GNU Lesser General Public License v3 (LGPLv3)", False), ("BSD-3-Clause", False),
    ],
)  # fmt: skip
def test_which_licences_bind(told: str, binds: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "licence", lambda _: told)
    assert bool(audit.copyleft({"some"})) == binds


class Osv(Receiving):
    """A service of vulnerabilities that speaks as OSV does, and knows one of each of some packages."""

    def __init__(self, known: set[str]) -> None:
        self._known = known
        super().__init__()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        asked = json.loads(body)
        name = asked["package"]["name"]
        affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "versions": [asked["version"]]}]
        found: dict[str, Any] = {"id": f"TEST-{name}", "aliases": [], "summary": "one", "affected": affected}
        return 200, json.dumps({"vulns": [found]} if name in self._known else {}).encode()


_PINNED = f"six==1.17.0 --hash=sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("known", "lock", "code", "said"),
    [
        ({"jinja2", "six"}, _PINNED, 1, "six 1.17.0: TEST-six"),
        (set(), _PINNED, 0, "NOT LOOKED UP, as nobody"),  # who knows nothing of the canary is not believed
        ({"jinja2"}, "six==1.17.0", 1, "pip-audit made no report"),  # no sum: it refuses, whatever the service knows
    ],
)
def test_a_known_vulnerability_fails_the_audit(
    known: set[str], lock: str, code: int, said: str, tmp_path: Path
) -> None:
    version = re.search(r"PIP_AUDIT_VERSION := (\S+)", MAKEFILE)
    assert version is not None
    uv = shutil.which("uv") or str(ROOT / ".venv-tools" / "bin" / "uv")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"{lock}\n")
    run = [uv, "run", "--frozen", "--no-sync", "--with", f"pip-audit=={version[1]}", "python", "deploy/audit.py"]
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "UV_PROJECT_ENVIRONMENT": sys.prefix}
    service = Osv(known)
    try:
        url = f"{service.address}/v1/query"
        done = subprocess.run([*run, str(requirements), "--osv-url", url], capture_output=True, text=True, check=False,
                              cwd=ROOT, env=environment)  # fmt: skip
    finally:
        service.stop()
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
