"""`qflib api`: what `qf.connect()` finds is an API that serves."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from qflib.api import serve
from qflib.api.keys import CLIENT_FILE, development_key
from qflib.broker.data_folder import free_port, is_free
from qflib.cli.api import command
from qflib.desk.deployment import Deployment
from qflib.errors import DataError, SettingsError
from qflib.records import Instrument, Instruments
from qflib.stream.folder import DeskFolder

OWN = "http://127.0.0.1:1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeskFolder:
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    made = DeskFolder(tmp_path / "up")
    made.path.mkdir()
    Deployment(Instruments((Instrument("ACME", source="s"),)), partitions=4).save(made.deployment)
    development_key(made.path, OWN)
    return made


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    monkeypatch.setattr(serve, "run", lambda *a: made.append(a[2:]))
    return made


def _serve(port: int, host: str = "127.0.0.1") -> None:
    command(host=host, port=port, bootstrap="127.0.0.1:9")


def _url(folder: DeskFolder) -> str:
    return (folder.path / CLIENT_FILE).read_text().splitlines()[0]


def test_it_is_found_where_it_serves(folder: DeskFolder, served: list[Any]) -> None:
    port = free_port()
    _serve(port)
    assert served == [("127.0.0.1", port)]
    assert _url(folder) == f'url = "http://127.0.0.1:{port}"'


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "127.0.0.2"])
def test_a_port_in_use_changes_nothing(folder: DeskFolder, served: list[Any], host: str) -> None:
    with socket.create_server((host, 0)) as held:
        port = held.getsockname()[1]
        assert not is_free(port, host)
        with pytest.raises(SettingsError, match="in use"):
            _serve(port, host)
    assert (_url(folder), served) == (f'url = "{OWN}"', [])


def test_a_desk_that_is_not_there_changes_nothing(folder: DeskFolder, served: list[Any]) -> None:
    folder.deployment.unlink()
    with pytest.raises(DataError):
        _serve(free_port())
    assert (_url(folder), served) == (f'url = "{OWN}"', [])


def test_the_desks_own_api_stays_the_one_that_is_found(
    folder: DeskFolder, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder.hold()
    try:
        folder.tell({"bootstrap": "127.0.0.1:9", "api": OWN})
        _serve(free_port())
    finally:
        folder.release()
    assert len(served) == 1
    assert _url(folder) == f'url = "{OWN}"'
    assert OWN in capsys.readouterr().out
