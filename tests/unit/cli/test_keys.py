"""`qflib keys`: a key is shown once, listed without its secret, and revoked."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qflib.api.keys import KeyStore
from qflib.cli.main import app
from qflib.errors import InputError, QflibError


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))


def run(*args: str) -> Any:
    made = CliRunner().invoke(app, ["keys", *args], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    return json.loads(made.output) if "--json" in args else made.output


def test_a_key_from_its_making_to_its_end(tmp_path: Path) -> None:
    assert "no keys" in run("list")
    made = run("create", "--name", "alice", "--scope", "trade", "--json")
    store = KeyStore(tmp_path / "up" / "keys.json")
    place = Path(made["key_file"])  # this output is no terminal's, and may be kept
    key = place.read_text().strip()
    assert "key" not in made
    assert key not in json.dumps(made)
    assert place.stat().st_mode & 0o777 == 0o600
    assert store.verify(key) is not None
    assert made["scopes"] == ["read", "trade"]
    listed = run("list", "--json")
    assert [k["name"] for k in listed["keys"]] == ["alice"]
    assert key.rpartition("_")[2] not in json.dumps(listed)
    assert "alice" in run("list")
    assert run("revoke", made["id"], "--json") == {"id": made["id"], "changed": True}
    assert "already" in run("revoke", made["id"])
    store._looked = 0.0
    assert store.verify(key) is None
    told = run("create", "--name", "bob")
    assert "not shown again" in told
    assert re.search(r"the key is in (\S+);", told) is not None


def test_a_terminal_is_shown_the_key(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "qflib.cli.main", "keys", "create", "--name", "carol"]
        subprocess.run(command, stdout=theirs, check=True)
        told = os.read(ours, 4_096).decode().split()
    finally:
        os.close(ours)
        os.close(theirs)
    assert KeyStore(tmp_path / "up" / "keys.json").verify(told[0]) is not None
    assert list((tmp_path / "up").glob("key-*")) == []


def test_what_is_wrong_is_a_sentence() -> None:
    with pytest.raises(InputError, match="'root' is unknown; expected one of read, trade, admin"):
        run("create", "--name", "x", "--scope", "root")
    with pytest.raises(InputError, match="there is no key 'nobody'"):
        run("revoke", "nobody")


def test_the_api_needs_a_desk() -> None:
    with pytest.raises(QflibError, match="no desk runs in"):
        CliRunner().invoke(app, ["api"], catch_exceptions=False)
