"""HTTPS with a private authority: who trusts it is served, REST and stream; who does not, or speaks HTTP, is not."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.sync.client import connect as stream

import qflib as qf
from qflib.api.client import ApiError
from qflib.api.keys import FILE, KeyStore
from qflib.api.serve import tls
from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.errors import SettingsError
from qflib.settings import ApiSettings, load
from tests.api.test_serve import desk, process, ready

__all__ = ["desk"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    made = {name: tmp_path / f"{name}.pem" for name in ("authority", "certificate", "key")}
    authority.cert_pem.write_to_path(made["authority"])
    issued.private_key_pem.write_to_path(made["key"])
    for blob in issued.cert_chain_pems:
        blob.write_to_path(made["certificate"], append=True)
    return made


def test_the_api_over_https(
    desk: Path, kafka: Connection, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in files.items():
        monkeypatch.setenv(f"QFLIB_API__TLS_{name.upper()}", str(file))
    port = free_port()
    url, key = f"https://127.0.0.1:{port}", KeyStore(desk.parent / FILE).create("test", "read")[0]
    trusting = ssl.create_default_context(cafile=files["authority"])
    with process(desk, kafka, port):
        ready(url, verify=trusting)
        with qf.connect(url, key) as live:
            assert [i.symbol for i in live.instruments] == ["ACME"]
            with stream(live.place.stream, ssl=live.place.tls, additional_headers={"Authorization": f"Bearer {key}"}):
                pass  # the handshake of the stream, too
        with pytest.raises(ssl.SSLCertVerificationError):
            stream(f"wss://127.0.0.1:{port}/v1/stream")
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(f"{url}/healthz")
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/healthz")
        monkeypatch.delenv("QFLIB_API__TLS_AUTHORITY")
        with qf.connect(url, key) as live, pytest.raises(ApiError, match="certificate verify failed"):
            live.instruments  # noqa: B018


def test_half_a_setting_and_files_that_do_not_fit_are_told(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tls(ApiSettings()) == {}
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(other)
    with pytest.raises(SettingsError, match="give PEM files that belong together"):
        tls(ApiSettings(tls_certificate=files["certificate"], tls_key=other))
    with pytest.raises(SettingsError, match="cannot be used"):
        tls(ApiSettings(tls_certificate=tmp_path / "none.pem", tls_key=other))
    monkeypatch.setenv("QFLIB_API__TLS_KEY", str(other))
    with pytest.raises(SettingsError, match="tls_certificate and tls_key go together"):
        load()
