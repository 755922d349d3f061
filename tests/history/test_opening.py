"""Which of the stores a desk has, and that its way there keeps secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qflib.errors import DataError, InputError, SettingsError
from qflib.history import DeltaHistory, opened
from qflib.history.opening import archived_history, desk_history, establish, kept_in, remove
from qflib.history.postgres import PostgresHistory, migrate
from qflib.history.postgres.connections import Database, shown
from qflib.settings import StoreSettings, load
from tests.history.some_days import filled


def test_a_folder_tells_where_its_history_is(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    assert isinstance(opened(folder), DeltaHistory)
    secret = f"{database.dsn} password=secret"
    with pytest.raises(DataError, match=r"has not seen migration 0001.places; run `qflib store migrate`"):
        establish(folder, "postgres", secret, "told")
    own = Database(database.dsn, "told")
    migrate(own)
    own.close()
    establish(folder, None, secret, "told")
    assert "secret" not in (folder / "store.json").read_text()
    history = opened(folder, secret)
    assert isinstance(history, PostgresHistory)
    assert "secret" not in repr(history)
    assert "schema told" in history.name
    filled(history, 1)
    establish(folder, None)  # as it is
    assert opened(folder).count("events") == 10
    with pytest.raises(InputError, match=r"kept by postgres, .* schema told, not by delta in the folder"):
        establish(folder, "delta")
    with pytest.raises(InputError, match=r"schema told, not by postgres, .* schema other"):
        establish(folder, "postgres", database.dsn, "other")
    remove(folder)
    assert history.count("events") == 10
    history.database.close()


def test_a_new_beginning_throws_nothing_away_before_its_database_is_ready(database: Database, tmp_path: Path) -> None:
    files = [tmp_path / "up" / name for name in ("deployment.json", "booked.json", "history/kept", "logs/kept")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    told = {"QFLIB_STATE": str(tmp_path), "QFLIB_STORE__DSN": database.dsn, "QFLIB_STORE__NAMESPACE": "not_made"}
    command = [sys.executable, "-m", "qflib.cli.main", "up", "--fresh", "--for", "1s"]
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has not seen migration" in done.stderr
    assert "throwing away" not in done.stderr
    assert all(file.is_file() for file in files)


def test_files_stay_files(tmp_path: Path) -> None:
    filled(DeltaHistory(tmp_path), 1)
    establish(tmp_path, None)
    with pytest.raises(
        InputError,
        match="kept by delta in the folder, not by postgres, a server of its own, schema qflib; leave --store out",
    ):
        establish(tmp_path, "postgres")
    assert kept_in(tmp_path).kind == "delta"


def test_a_dsn_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown("host=h user=u password=secret sslpassword=secret") == "user=u host=h"
    monkeypatch.setenv("QFLIB_STORE__DSN", "postgresql://u:secret@h/d")
    assert "secret" not in repr(load())
    monkeypatch.setenv("QFLIB_STORE__NAMESPACE", "No Name")
    with pytest.raises(SettingsError, match=r"store\.namespace") as e:
        load()
    assert "secret" not in str(e.value)
    with pytest.raises(InputError, match="no DSN of PostgreSQL") as told:
        shown("secret")
    assert "secret" not in str(told.value)


def test_where_no_folder_tells_the_settings_do(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pod has a folder of its own: what the archive stores, the others have to find by the settings."""
    settings = StoreSettings(dsn=f"{database.dsn} password=secret", namespace="apart")
    with pytest.raises(DataError, match=r"has not seen migration 0001.places; run `qflib store migrate`"):
        archived_history(tmp_path / "archive", settings)
    own = Database(database.dsn, "apart")
    migrate(own)
    own.close()
    stored = archived_history(tmp_path / "archive", settings)
    filled(stored, 1)
    read = desk_history(tmp_path / "api", settings.model_copy(update={"dsn": None, "reader_dsn": settings.dsn}))
    assert isinstance(read, PostgresHistory)
    assert read.count("events") == stored.count("events") == 10
    assert not (tmp_path / "api").exists()
    with pytest.raises(InputError, match="no files to keep at s3://"):
        desk_history(tmp_path / "api", settings.model_copy(update={"url": "s3://market/desk"}))

    assert desk_history(tmp_path / "api", StoreSettings()).name == str(tmp_path / "api")
    files = tmp_path / "files"
    filled(DeltaHistory(files), 1)
    assert isinstance(desk_history(files, settings), DeltaHistory)
    with pytest.raises(InputError, match="kept by delta in the folder, not by postgres"):
        archived_history(files, settings)
    read.database.close()


def test_what_a_command_decided_stands_over_the_settings(database: Database, tmp_path: Path) -> None:
    """`qflib up --store delta` decides before there is a table, and its processes see the settings, not the flag."""
    establish(tmp_path, "delta")
    settings = StoreSettings(dsn=database.dsn)
    assert isinstance(archived_history(tmp_path, settings), DeltaHistory)
    assert isinstance(desk_history(tmp_path, settings), DeltaHistory)
