"""`qflib dash` beside the dashboard of `qflib up`: a port and a ticket of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from qflib.broker.data_folder import free_port
from qflib.cli.faces import dashboard
from qflib.stream.folder import DeskFolder
from tests.browser.player import run_of
from tests.browser.test_door import ask


class _Other(BaseHTTPRequestHandler):
    """The other dashboard: it is well, and has nothing for us."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def other(port: int) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), _Other)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskFolder]:
    """A desk's folder as `qflib up` holds it; its broker is away."""
    folder = DeskFolder(tmp_path / "up")
    folder.hold()
    folder.keep(run_of()[0])
    folder.tell({"bootstrap": f"127.0.0.1:{free_port()}"})
    yield folder
    folder.release()


@contextmanager
def command(state: Path, port: int, *flags: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"QFLIB_STATE": str(state), "QFLIB_DASH__PORT": str(port)}
    argv = [sys.executable, "-m", "qflib.cli.main", "dash", *flags]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)


def test_dash_takes_the_setting_and_the_next_free_port(desk: DeskFolder) -> None:
    port = free_port()
    with other(port), command(desk.path.parent, port) as process:
        assert process.stdout is not None
        # this output is no terminal's, and may be kept: it names the file of the ticket
        told = re.match(r"http://127\.0\.0\.1:(\d+)/login  ticket in (\S+)\n", process.stdout.readline())
        assert told is not None
        url, place = told[1], Path(told[2])
        assert place.stat().st_mode & 0o777 == 0o600
        ticket = place.read_text()
        assert port < int(url) < port + 50
        # it listens when it says so; its ticket opens it, and there is no key yet: that is its own word
        code, text, _ = ask(f"http://127.0.0.1:{url}/login?ticket={ticket}")
        assert code == 401
        assert "key is not in force" in text
        assert "ticket is not in force" in ask(f"http://127.0.0.1:{url}/login?ticket=x")[1]
    assert not place.exists()


def test_a_port_in_use_is_a_sentence_and_no_address(desk: DeskFolder) -> None:
    port = free_port()
    argv = [sys.executable, str(dashboard()), "--deployment", str(desk.deployment), "--bootstrap", "127.0.0.1:9"]
    with other(port):
        told = subprocess.run([*argv, "--port", str(port)], capture_output=True, text=True, check=False, timeout=120)
    assert (told.returncode, told.stdout) == (1, "")
    assert f"cannot listen at 127.0.0.1:{port} (Address already in use)" in told.stderr
    assert "Traceback" not in told.stderr
