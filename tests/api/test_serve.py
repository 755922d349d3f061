"""The API as a process: it serves, and ends when it is told to."""

from __future__ import annotations

import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from qflib.api.keys import FILE, KeyStore
from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.desk.deployment import Deployment
from qflib.records import Instrument, Instruments

ORDER = {"client_order_id": "served-1", "account": "SERVED", "portfolio": "P", "instrument": "ACME", "side": "sell",
         "price": "100.25", "qty": "1"}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    file = tmp_path / "deployment.json"
    Deployment(Instruments((Instrument("ACME", source="sim:ACME"),)), partitions=4).save(file)
    return file


@contextmanager
def process(desk: Path, kafka: Connection, port: int, metrics: int = 0) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "qflib.api", "--deployment", str(desk), "--bootstrap", kafka.bootstrap,
               "--port", str(port), "--metrics-port", str(metrics)]  # fmt: skip
    made = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield made
    finally:
        made.kill()
        made.communicate()


def ready(url: str, seconds: float = 60.0, verify: ssl.SSLContext | bool = True) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/readyz", verify=verify).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("not ready")


def test_a_process_serves_and_tells_the_same_after_a_restart(desk: Path, kafka: Connection) -> None:
    port, metrics = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    key = KeyStore(desk.parent / FILE).create("test", "trade")[0]
    headers = {"authorization": f"Bearer {key}"}
    order = ORDER | {"client_order_id": f"served-{time.time_ns()}"}  # the topic is other tests' too
    replies = []
    for _ in range(2):
        with process(desk, kafka, port, metrics) as made:
            ready(url)
            replies.append(httpx.post(f"{url}/v1/orders", json=order, headers=headers))
            changed = httpx.post(f"{url}/v1/orders", json=order | {"qty": "2"}, headers=headers)
            assert changed.status_code == 409
            assert "qflib_api_requests_total" in httpx.get(f"http://127.0.0.1:{metrics}/metrics").text
            assert httpx.get(f"{url}/schema").status_code == 200
            big = httpx.post(
                f"{url}/v1/orders", content=b" " * (2 << 20), headers=headers | {"content-type": "application/json"}
            )
            assert big.status_code == 413
            with httpx.stream("GET", f"{url}/healthz"):  # a connection that stays open holds nobody
                made.send_signal(signal.SIGTERM)
                assert made.wait(30) == 0
    assert [r.status_code for r in replies] == [202, 202]
    assert replies[0].content == replies[1].content


def test_a_port_in_use_is_a_sentence(desk: Path, kafka: Connection) -> None:
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with process(desk, kafka, held.getsockname()[1]) as made:
            assert made.wait(60) == 2
            assert made.stderr is not None
            assert "is in use" in made.stderr.read()
