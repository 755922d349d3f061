"""Debian's syslog-ng ships a process's real log lines to a receiver that speaks Loki's way; run by `make faults`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from qflib.stream.child import Child
from tests.deploy.receiving import Receiving
from tests.deploy.tools import DEPLOY, tool

pytestmark = pytest.mark.faults

#: A process that logs as a stage does, and dies of a bug.
DYING = """
import structlog
from qflib import logs
from qflib.settings import LogSettings
logs.set_up(LogSettings(level="info", format="json"))
log = structlog.get_logger("qflib.test")
log.info("starts", stage="exchange", path='C:\\\\temp "quoted"')
log.warning("dead letter", batch="normalize/0/17", trace_id="ab" * 16)
try:
    raise ValueError("two\\nlines\\tand a tab")
except ValueError:
    log.exception("failed")
raise SystemExit("\\tlast words of a crash")
"""


class Loki(Receiving):
    """Takes pushes; the first is refused, as Loki does while it starts."""

    def __init__(self) -> None:
        self.lines: list[tuple[dict[str, str], str]] = []
        self.refused = 0
        super().__init__()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        assert path == "/loki/api/v1/push"
        if self.refused == 0:
            self.refused = 1
            return 503, b""
        for stream in json.loads(body)["streams"]:
            self.lines += [(stream["stream"], line) for at, line in stream["values"] if len(at) == 19]
        return 204, b""

    def await_lines(self, n: int) -> None:
        """Wait until so many lines have come."""
        end = time.monotonic() + 30
        while len(self.lines) < n:
            assert time.monotonic() < end, self.lines
            time.sleep(0.05)


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[tuple[Path, Loki]]:
    """A folder of logs that is shipped, and where to."""
    loki, logs = Loki(), tmp_path / "logs"
    logs.mkdir()
    told = {"QFLIB_LOGS": str(logs), "QFLIB_LOKI": loki.address, "QFLIB_ENV": "test"}
    command = [tool("syslog-ng"), "-F", "--no-caps", "-f", str(DEPLOY / "logs" / "syslog-ng.conf")]
    places = ["-R", str(tmp_path / "at"), "-c", str(tmp_path / "ctl"), "-p", str(tmp_path / "pid")]
    with subprocess.Popen([*command, *places], env=os.environ | told) as shipper:
        yield logs, loki
        shipper.terminate()
    loki.stop()


def test_every_line_arrives_as_it_was_written(shipped: tuple[Path, Loki]) -> None:
    logs, loki = shipped
    with (logs / "exchange-0.log").open("w") as out:
        subprocess.run([sys.executable, "-c", DYING], stderr=out, check=False)
    written = (logs / "exchange-0.log").read_text().splitlines()
    assert len(written) == 4
    loki.await_lines(len(written))
    assert [line for _, line in loki.lines] == written
    assert [labels["level"] for labels, _ in loki.lines] == ["info", "warning", "error", "error"]
    assert {tuple(sorted(labels)) for labels, _ in loki.lines} == {("app", "env", "level")}
    assert json.loads(loki.lines[1][1])["batch"] == "normalize/0/17"
    assert json.loads(loki.lines[0][1])["path"] == 'C:\\temp "quoted"'
    assert loki.refused == 1


def test_a_process_started_again_ships_its_new_words_alone(shipped: tuple[Path, Loki]) -> None:
    logs, loki = shipped
    script = "import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))"
    said = [
        b'{"event": "first", "level": "info"}',
        b"\x1b[31mof the\rJVM",
        b"torn \xff\xe2\x82 here",
        "whole €".encode(),
    ]
    log = logs / "exchange-0.log"
    for n, words in enumerate(said):
        child = Child(log.stem, [sys.executable, "-c", script, (words + b"\n").hex()], log, os.environ)
        child.start()
        loki.await_lines(n + 1)
        while child.running:
            time.sleep(0.01)
    assert (logs / "exchange-0.3.log").read_bytes().startswith(b'{"event": "first"')
    for number in (12, 128):
        (logs / f"archive-{number}.log").write_text(f"of number {number}\n")
    loki.await_lines(len(said) + 2)
    told = [said[0].decode(), "?[31mof the?JVM", "torn ??? here", "whole €", "of number 12", "of number 128"]
    assert [line for _, line in loki.lines[:4]] == told[:4]
    assert sorted(line for _, line in loki.lines[4:]) == told[4:]


def test_the_settings_are_taken() -> None:
    told = {"QFLIB_LOGS": "/tmp", "QFLIB_LOKI": "http://127.0.0.1:1", "QFLIB_ENV": "x"}
    command = [tool("syslog-ng"), "--syntax-only", "--no-caps", "-f", str(DEPLOY / "logs" / "syslog-ng.conf")]
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
