"""The process as it is served: SIGTERM tells the stream's clients, and ends it at once."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from websockets.sync.client import connect

from qflib.broker.data_folder import free_port
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


def test_a_stop_is_told_and_waits_for_nobody(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", _PROCESS, str(tmp_path / "keys.json"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, ExitStack() as stack:
        assert process.stdout is not None
        headers = {"Authorization": f"Bearer {process.stdout.readline().strip()}"}
        end = time.monotonic() + 30
        while True:
            try:
                opened = stack.enter_context(connect(f"ws://127.0.0.1:{port}/v1/stream", additional_headers=headers))
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
                continue
            break
        ask(opened, "subscribe", channel="book", subject="ACME.F")
        assert told(opened)["type"] == "snapshot"
        process.terminate()
        closed(opened, 1012)
        assert process.wait(30) == 0
