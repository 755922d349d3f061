"""What the lock brings is looked at: a file without its sum, a licence that binds, a known vulnerability are told."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "uv.lock").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", ROOT / "deploy" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


audit = script("audit")


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


@contextmanager
def osv(known: set[str]) -> Iterator[str]:
    """A service of vulnerabilities that speaks as OSV does."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = asked["package"]["name"]
            affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "versions": [asked["version"]]}]
            found: dict[str, Any] = {"id": f"TEST-{name}", "aliases": [], "summary": "one", "affected": affected}
            body = json.dumps({"vulns": [found]} if name in known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("known", "code", "said"),
    [
        ({"jinja2", "six"}, 1, "six 1.17.0: TEST-six"),
        (set(), 0, "NOT LOOKED UP"),  # who knows nothing of the canary is not believed
    ],
)
def test_a_known_vulnerability_fails_the_audit(known: set[str], code: int, said: str, tmp_path: Path) -> None:
    version = re.search(r"PIP_AUDIT_VERSION := (\S+)", MAKEFILE)
    assert version is not None
    uv = shutil.which("uv") or str(ROOT / ".venv-tools" / "bin" / "uv")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    run = [uv, "run", "--frozen", "--no-sync", "--with", f"pip-audit=={version[1]}", "python", "deploy/audit.py"]
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "UV_PROJECT_ENVIRONMENT": sys.prefix}
    with osv(known) as url:
        done = subprocess.run([*run, str(requirements), "--osv-url", url], capture_output=True, text=True, check=False,
                              cwd=ROOT, env=environment)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
