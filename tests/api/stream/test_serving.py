"""The process as it is served: SIGTERM tells the stream's clients, and ends it at once."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from qflib.api import listener
from qflib.api.listener import connections
from qflib.api.stream import StreamLimits
from qflib.broker.data_folder import free_port
from tests.api.stream.playing import playing
from tests.api.stream.talking import ask, closed, told

_PROCESS = """
import sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from qflib.api.app import create_app
from qflib.api.keys import KeyStore
from qflib.api.serve import serve
from qflib.api.state import ApiState
from qflib.api.stream import Hub
from qflib.cli.benches.faces.market import BookMarket
from qflib.cli.benches.faces.server import AtOnce

views, keys = BookMarket(20.0).views, KeyStore(Path(sys.argv[1]))
state = ApiState(views, AtOnce(), keys, hub=Hub(views), registry=CollectorRegistry())
print(keys.create("test")[0], flush=True)
serve(create_app(state), "127.0.0.1", int(sys.argv[2]))
"""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int, dict[str, str]]]:
    """The process, its port, and a key as a header."""
    port = free_port()
    command = [sys.executable, "-c", _PROCESS, str(folder / "keys.json"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            headers = {"Authorization": f"Bearer {process.stdout.readline().strip()}"}
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert process.poll() is None
                    time.sleep(0.05)
            yield process, port, headers
        finally:
            process.kill()


def test_a_stop_is_told_and_waits_for_nobody(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, port, headers), ExitStack() as stack:
        opened = stack.enter_context(connect(f"ws://127.0.0.1:{port}/v1/stream", additional_headers=headers))
        ask(opened, "subscribe", channel="book", subject="ACME.F")
        assert told(opened)["type"] == "snapshot"
        process.terminate()
        closed(opened, 1012)
        assert process.wait(30) == 0


def test_idle_connections_lock_nobody_out(tmp_path: Path) -> None:
    idle = 1_100
    if connections() < 2 * idle:  # it raises this process's own limit too
        pytest.skip("this process may not open so many files")
    with serving(tmp_path) as (_, port, _headers), ExitStack() as stack:
        for _ in range(idle):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=20)
        assert answer.status_code == 200


def test_a_connection_that_sends_no_request_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_HEADERS_MS", 200)
    with playing(tmp_path, StreamLimits(heartbeat_s=0.1)) as server:
        for part in (b"", b"GET /healthz HTTP/1.1\r\nhost: x\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as idle:
                idle.sendall(part)
                assert idle.recv(100)[:12] in (b"", b"HTTP/1.1 408")
        with connect(server.ws, additional_headers=server.headers) as ws:  # a socket that is open is no request
            assert [json.loads(ws.recv(5))["type"] for _ in range(4)] == ["heartbeat"] * 4
