"""Logs go to stderr, never to stdout."""

import json
import logging
import time

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


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogSettings.model_validate({"format": form}))

    def connect(config: dict[str, str]) -> None:
        raise OSError("no connection to " + config["bootstrap.servers"])

    for log in (structlog.get_logger().exception, logging.getLogger("quixstreams.app").exception):
        try:
            connect({"bootstrap.servers": "desk", "sasl.password": "".join(("s3", "cret"))})
        except OSError:
            log("ended")
    err = capsys.readouterr().err
    assert err.count("no connection to desk") == 2
    assert "connect" in err
    assert "s3cret" not in err


def test_what_clients_of_kafka_log_is_an_event_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogSettings(level="info", format="json"))
    logs.set_up(LogSettings(level="info", format="json"))  # once more: still one line
    logging.getLogger("quixstreams.kafka.consumer").error("FAIL [rdkafka#consumer-1] connection refused")
    logging.getLogger("quixstreams.kafka.consumer").error("FAIL [rdkafka#consumer-1] connection refused")
    logging.getLogger("quixstreams.app").error("no such topic")
    out, err = capsys.readouterr()
    said = [json.loads(line) for line in err.splitlines()]
    assert out == ""
    assert [(s["level"], s["event"][:4], s["logger"]) for s in said] == [
        ("warning", "FAIL", "quixstreams.kafka.consumer"), ("error", "no s", "quixstreams.app"),
    ]  # fmt: skip


def test_librdkafka_does_not_write_to_stderr_itself(capfd: pytest.CaptureFixture[str]) -> None:
    from qflib.broker.clients import Connection, producer

    logs.set_up(LogSettings(level="info", format="json"))
    client = producer(Connection("127.0.0.1:1"), client_id="test")  # nobody listens there
    said: list[str] = []
    end = time.monotonic() + 20
    while not said and time.monotonic() < end:
        client.poll(0.1)
        said += capfd.readouterr().err.splitlines()
    assert said
    assert all(json.loads(line)["logger"] == "qflib.kafka" for line in said)


def test_events_are_counted_by_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogSettings(level="warning", format="json"))
    before = logs.counts.copy()
    structlog.get_logger("qflib.test").warning("one")
    structlog.get_logger("qflib.test").error("two")
    structlog.get_logger("qflib.test").info("not written")
    told = {level: n - before[level] for level, n in logs.counts.items()}
    assert told == {"info": 0, "warning": 1, "error": 1, "critical": 0}
