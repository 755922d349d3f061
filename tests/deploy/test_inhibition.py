"""Alertmanager by its shipped settings: what a desk's silent broker explains is not told, and another desk's is."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qflib.broker.data_folder import free_port
from tests.deploy.tools import DEPLOY, tool

_PATIENCE_S = 60.0


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    settings = DEPLOY / "prometheus" / "alertmanager.yaml"
    command = [tool("prometheus-alertmanager"), f"--config.file={settings}", f"--storage.path={tmp_path}",
               f"--web.listen-address={address}", "--cluster.listen-address="]  # fmt: skip
    with (tmp_path / "log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield f"http://{address}/api/v2/alerts"
    finally:
        process.kill()
        process.wait()


def asked(url: str, body: list[dict[str, Any]] | None = None) -> Any:
    """The answer, once there is one."""
    made = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    made.add_header("Content-Type", "application/json")
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(made, timeout=10) as answer:
                return json.loads(answer.read() or "null")
        except OSError:
            assert time.monotonic() < end, "Alertmanager gives no answer"
            time.sleep(0.05)


def test_a_silent_broker_hides_what_waits_for_it_of_its_own_desk_alone(alertmanager: str) -> None:
    fired = [("QflibBrokerSilent", "a"), ("QflibDeskAway", ""), *((name, namespace) for namespace in ("a", "b", "")
             for name in ("QflibStageBehind", "QflibArchiveBehind", "QflibProcessDown"))]  # fmt: skip
    labels = [{"alertname": name} | ({"namespace": ns} if ns else {}) for name, ns in fired]
    asked(alertmanager, [{"labels": of} for of in labels])

    def hidden() -> set[tuple[str, str]]:
        told = asked(alertmanager)
        assert len(told) == len(fired)
        return {
            (a["labels"]["alertname"], a["labels"].get("namespace", "")) for a in told if a["status"]["inhibitedBy"]
        }

    wanted = {("QflibStageBehind", "a"), ("QflibArchiveBehind", "a"), ("QflibProcessDown", "")}
    end = time.monotonic() + _PATIENCE_S
    while (seen := hidden()) != wanted:
        assert time.monotonic() < end, f"hidden are {sorted(seen)}"
        time.sleep(0.05)
