"""A real Loki takes a process's real log lines from syslog-ng, and its ruler tells of a crash: `make logs`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from qflib.broker.data_folder import free_port
from tests.deploy.test_log_shipping import DYING
from tests.deploy.tools import DEPLOY, LOG_RULES, alerts, run, tool
from tests.deploy.watching import Receiver, fast

pytestmark = pytest.mark.loki

LOGS = DEPLOY / "logs"
RUNBOOKS = DEPLOY.parent / "docs" / "runbooks"
_PATIENCE_S = 90.0


class Shipped:
    """A folder of logs, the Loki that has them, and who is told by its ruler."""

    def __init__(self, folder: Path, processes: ExitStack) -> None:
        self.logs, self.receiver, self._processes = folder / "logs", Receiver(), processes
        self._folder, self._port, alert_port = folder, free_port(), free_port()
        self.logs.mkdir()
        (folder / "rules" / "fake").mkdir(parents=True)
        for file in LOG_RULES:
            (folder / "rules" / "fake" / file.name).write_text(fast(file.read_text("utf-8")), "utf-8")
        told = fast((DEPLOY / "prometheus" / "alertmanager.yaml").read_text("utf-8"))
        settings = folder / "alertmanager.yaml"
        settings.write_text(told.replace("127.0.0.1:9095", f"127.0.0.1:{self.receiver.port}"), "utf-8")
        self._begin(
            tool("prometheus-alertmanager"), f"--config.file={settings}", f"--storage.path={folder / 'alerts'}",
            f"--web.listen-address=127.0.0.1:{alert_port}", "--cluster.listen-address=",
        )  # fmt: skip
        self._begin(
            tool("loki"), "-config.expand-env=true", f"-config.file={LOGS / 'loki.yaml'}",
            f"-server.http-listen-port={self._port}", f"-server.grpc-listen-port={free_port(self._port)}",
            "-ruler.evaluation-interval=1s", "-ruler.resend-delay=4s",
            environment={
                "QFLIB_LOKI_DATA": str(folder / "loki"), "QFLIB_LOKI_RULES": str(folder / "rules"),
                "QFLIB_ALERTMANAGER": f"http://127.0.0.1:{alert_port}",
            },
        )  # fmt: skip
        self._begin(
            tool("syslog-ng"), "-F", "--no-caps", "-f", str(LOGS / "syslog-ng.conf"),
            "-R", str(folder / "at"), "-c", str(folder / "ctl"), "-p", str(folder / "pid"),
            environment={
                "QFLIB_LOGS": str(self.logs), "QFLIB_LOKI": f"http://127.0.0.1:{self._port}", "QFLIB_ENV": "test",
            },
        )  # fmt: skip

    def _begin(self, program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        log = self._processes.enter_context((self._folder / f"{Path(program).name}.log").open("wb"))
        process = subprocess.Popen(
            [program, *arguments], env=os.environ | (environment or {}), stdout=log, stderr=log, cwd=self._folder
        )
        self._processes.callback(process.wait)
        self._processes.callback(process.kill)

    def lines(self, query: str) -> list[tuple[dict[str, str], str]]:
        """What Loki has; nothing while it starts."""
        asked = urllib.parse.urlencode({"query": query, "since": "1h", "limit": 1000})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/loki/api/v1/query_range?{asked}") as answer:
                streams = json.load(answer)["data"]["result"]
        except OSError:
            return []
        return [(stream["stream"], line) for stream in streams for _, line in stream["values"]]

    def until(self, alert: str, status: str, since: float, **labels: str) -> None:
        """Wait until the receiver was told; the time it took is told."""
        while (at := self.receiver.when(alert, status, since, **labels)) is None:
            assert time.monotonic() < since + _PATIENCE_S, (alert, status, self.receiver.log)
            time.sleep(0.05)
        print(f"{alert}: {status} after {at - since:.1f} s", flush=True)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    with ExitStack() as processes:
        made = Shipped(tmp_path_factory.mktemp("loki"), processes)
        yield made
        made.receiver.stop()


def test_its_own_tools_take_settings_and_rules() -> None:
    run("loki", "-verify-config", "-config.expand-env=true", f"-config.file={LOGS / 'loki.yaml'}")
    for file in LOG_RULES:
        run("lokitool", "rules", "check", file)


def test_each_alert_has_its_page() -> None:
    for rule in alerts(LOG_RULES):
        page, _, anchor = rule["annotations"]["runbook_url"].removeprefix("docs/runbooks/").partition("#")
        sections = re.findall(r"^## (\w+)$", (RUNBOOKS / page).read_text("utf-8"), re.MULTILINE)
        assert anchor in [name.lower() for name in sections]


def test_lines_are_kept_as_they_were_written_and_a_crash_is_told_until_it_is_over(shipped: Shipped) -> None:
    with (shipped.logs / "exchange-0.log").open("w") as out:
        subprocess.run([sys.executable, "-c", DYING], stderr=out, check=False)
    since = time.monotonic()
    shipped.until("QflibCrashLogged", "firing", since, env="test")
    shipped.until("QflibErrorEvents", "firing", since, event="failed")
    found = shipped.lines('{app="qflib"}')
    written = (shipped.logs / "exchange-0.log").read_text().splitlines()
    levels = ["info", "warning", "error", "error"]  # what came at once has one time, and no order across levels
    assert sorted((labels["level"], line) for labels, line in found) == sorted(zip(levels, written, strict=True))
    [(labels, line)] = shipped.lines('{app="qflib"} | json | batch="normalize/0/17"')
    assert (labels["event"], json.loads(line)["trace_id"]) == ("dead letter", "ab" * 16)
    shipped.until("QflibCrashLogged", "resolved", since)
    shipped.until("QflibErrorEvents", "resolved", since, event="failed")
