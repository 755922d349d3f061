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
from qflib.history import Archiver, DeltaHistory
from qflib.history.opening import establish, remove
from qflib.history.postgres import PrivateServer
from qflib.history.retiring import retire
from qflib.records import MARKET_EVENTS, Batch, Header
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED
from qflib.stream.folder import DeskFolder
from tests.history.some_days import DAY, LOGS, NS, filled
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
    told = CliRunner().invoke(app, ["store", "roles"])
    assert told.exit_code == 0
    told = CliRunner().invoke(app, ["store", "migrate"])
    assert isinstance(told.exception, InputError)
    establish(state / "up" / "history", "postgres")
    assert "process" in found().found
    assert "0 indexed" in CliRunner().invoke(app, ["store", "tend"]).stdout
    remove(state / "up" / "history")
    assert "does not run" in found().found


def test_days_that_files_need_no_longer_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    desk = DeskFolder(tmp_path / "up")
    history = DeltaHistory(desk.history)
    filled(history, days=4)
    whole = {name: history.scan(name) for name in ("events", "executions", "batches")}
    days = {name: sorted(set(rows["date"].to_pylist())) for name, rows in whole.items()}
    files = len(list(desk.history.rglob("*.parquet")))

    def tend(days: int) -> Result:
        monkeypatch.setenv("QFLIB_STORE__RETENTION_DAYS", str(days))
        return CliRunner().invoke(app, ["store", "tend", "--json"])

    monkeypatch.delenv("QFLIB_STORE__RETENTION_DAYS", raising=False)
    told = CliRunner().invoke(app, ["store", "tend"])
    assert isinstance(told.exception, InputError)
    assert "keeps all days" in str(told.exception)
    assert json.loads(tend(9).stdout) == {"dropped": 0}
    desk.hold()  # a desk runs: its readers may hold what goes
    assert json.loads(tend(2).stdout) == {"dropped": 3}
    assert len(list(desk.history.rglob("*.parquet"))) == files
    desk.release()
    with monkeypatch.context() as patch:  # on a cluster the archive may be another machine's, as in the chart
        patch.setenv("QFLIB_BROKER__BOOTSTRAP", "kafka.example.com:9093")
        assert json.loads(tend(2).stdout) == {"dropped": 0}
        assert len(list(desk.history.rglob("*.parquet"))) == files
    assert json.loads(tend(1).stdout) == {"dropped": 3}
    for name, rows in whole.items():
        left = history.scan(name)
        assert sorted(set(left["date"].to_pylist())) == days[name][-2:]
        kept = rows.filter([d in days[name][-2:] for d in rows["date"].to_pylist()])
        order = [(k, "ascending") for k in ("topic", "partition", "offset", "row") if k in rows.column_names]
        assert left.sort_by(order).to_pandas().equals(kept.sort_by(order).to_pandas())  # a price may be none
    assert len(list(desk.history.rglob("*.parquet"))) <= files // 2
    # what was stored once is not stored again
    assert {handle.next_offset(LOGS[0]) for handle in (history.handle("events"), history.handle("batches"))} == {4}


def test_an_old_day_of_the_market_that_was_stored_today_stays(tmp_path: Path) -> None:
    """A simulator's market is in January, some of its rows are of the wall's time."""
    history, archiver = DeltaHistory(tmp_path), Archiver(DeltaHistory(tmp_path))
    archiver.assign([LOGS[0]])
    for offset, (time_ns, stored_ns) in enumerate([(NS, NS), (NS + DAY, NS + 40 * DAY), (NS + 40 * DAY,) * 2]):
        rows = MARKET_EVENTS.make(kind=[1], instrument=[0], receipt_ns=[time_ns])
        record = encode(Batch.of("market", Header("sim:0", 0, offset), events=rows))
        archiver.take(MARKET_NORMALIZED, 0, offset, stored_ns, b"k", record)
    archiver.store()
    assert retire(tmp_path, 7, at_once=True) == 2
    assert sorted(history.scan("events")["offset"].to_pylist()) == [1, 2]
    assert sorted(history.scan("batches")["offset"].to_pylist()) == [1, 2]
    assert retire(tmp_path / "none", 7) == 0


def test_a_server_that_is_away_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QFLIB_STORE__DSN", f"host={tmp_path} user=u password=secret")
    assert not found().ok
    assert "cannot be reached" in found().found
    assert "secret" not in found().found
