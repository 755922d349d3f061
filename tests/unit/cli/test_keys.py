"""`qflib keys`: a key is shown once, listed without its secret, and revoked."""

from __future__ import annotations

import json
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
    assert store.verify(made["key"]) is not None
    assert made["scopes"] == ["read", "trade"]
    listed = run("list", "--json")
    assert [k["name"] for k in listed["keys"]] == ["alice"]
    assert made["key"].rpartition("_")[2] not in json.dumps(listed)
    assert "alice" in run("list")
    assert run("revoke", made["id"], "--json") == {"id": made["id"], "changed": True}
    assert "already" in run("revoke", made["id"])
    store._looked = 0.0
    assert store.verify(made["key"]) is None
    assert "not shown again" in run("create", "--name", "bob")


def test_what_is_wrong_is_a_sentence() -> None:
    with pytest.raises(InputError, match="'root' is unknown; expected one of read, trade, admin"):
        run("create", "--name", "x", "--scope", "root")
    with pytest.raises(InputError, match="there is no key 'nobody'"):
        run("revoke", "nobody")


def test_the_api_needs_a_desk() -> None:
    with pytest.raises(QflibError, match="no desk runs in"):
        CliRunner().invoke(app, ["api"], catch_exceptions=False)
