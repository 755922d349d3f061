"""Logs go to stderr, never to stdout."""

import json

import pytest
import structlog

from qflib import logs
from qflib.settings import LogSettings


def test_json_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogSettings(level="info", format="json"))
    structlog.get_logger().info("resync", venue="kraken", gap=3)
    structlog.get_logger().debug("not shown")
    out, err = capsys.readouterr()
    assert out == ""
    said = json.loads(err)
    assert (said["event"], said["venue"], said["gap"], said["level"]) == ("resync", "kraken", 3, "info")


def test_console_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogSettings(level="info", format="console"))
    structlog.get_logger().warning("resync", venue="kraken")
    out, err = capsys.readouterr()
    assert out == ""
    assert "resync" in err
    assert "venue=kraken" in err
