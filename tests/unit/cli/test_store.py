"""`qflib store` and what doctor says of the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from qflib.cli import doctor
from qflib.cli.main import app
from qflib.errors import InputError
from qflib.history.opening import establish, remove
from qflib.history.postgres import PrivateServer
from tests.postgres_server import server

__all__ = ["server"]  # a fixture
Run = Callable[..., Result]


@pytest.fixture
def run(server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("QFLIB_STORE__DSN", f"{server.dsn} password=secret")
    monkeypatch.setenv("QFLIB_STORE__NAMESPACE", "commanded")
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(app, ["store", *arguments])


def found() -> doctor.Finding:
    return doctor._store()


def test_a_schema_is_made_and_looked_at(run: Run, server: PrivateServer) -> None:
    assert not found().ok
    assert "without migration 0001.places" in found().found
    before = run("migrate", "--check", "--json")
    assert before.exit_code == 1
    names = json.loads(before.stdout)["pending"]
    assert json.loads(run("migrate", "--json").stdout)["applied"] == names
    assert "no migrations are missing" in run("migrate", "--check").stdout
    told = run("roles")
    assert "secret" not in told.stdout
    with psycopg.connect(server.dsn, autocommit=True) as c:
        c.execute(told.stdout.encode())
        granted = c.execute("SELECT has_schema_privilege('qflib_reader', 'commanded', 'USAGE')").fetchone()
    assert granted == (True,)
    made = json.loads(run("tend", "--json").stdout)
    assert made["made"] > 3
    assert found().ok
    assert "secret" not in found().found


def test_a_private_server_is_found(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    state = server.folder / "state"
    monkeypatch.setenv("QFLIB_STATE", str(state))
    assert found().found.startswith("Delta Lake")
    told = CliRunner().invoke(app, ["store", "tend"])
    assert isinstance(told.exception, InputError)
    establish(state / "up" / "history", "postgres")
    assert "process" in found().found
    assert "0 indexed" in CliRunner().invoke(app, ["store", "tend"]).stdout
    remove(state / "up" / "history")
    assert "does not run" in found().found


def test_a_server_that_is_away_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QFLIB_STORE__DSN", f"host={tmp_path} user=u password=secret")
    assert not found().ok
    assert "cannot be reached" in found().found
    assert "secret" not in found().found
