"""Prometheus and Alertmanager of the system over a running desk, by the files that are shipped, in fast motion."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from qflib.broker.data_folder import free_port
from qflib.stream.folder import DeskFolder
from tests.deploy.asking import queried
from tests.deploy.receiving import Receiving
from tests.deploy.tools import DEPLOY, ROOT, RULES, tool
from tests.processes import listeners

#: A minute of the rules is so many seconds here.
MINUTE_S = 4.0
_SPAN = re.compile(r"(?<=\[)(\d+)([smh])(?=\])|(?<=for: )(\d+)([smh])|(?<=group_wait: )(\d+)([smh])|"
                   r"(?<=group_interval: )(\d+)([smh])")  # fmt: skip
_IN_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0}
_PATIENCE_S = 90.0


def fast(text: str) -> str:
    """A file's spans of time in fast motion; what they are held against stays."""

    def scaled(m: re.Match[str]) -> str:
        n, unit = (g for g in m.groups() if g)
        return f"{max(1, round(int(n) * _IN_MINUTES[unit] * MINUTE_S * 1_000))}ms"

    return _SPAN.sub(scaled, text)


class Receiver(Receiving):
    """Takes what Alertmanager sends, as a pager would."""

    def __init__(self) -> None:
        self.log: list[tuple[float, str, dict[str, Any]]] = []  # when, firing or resolved, labels
        super().__init__()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        now = time.monotonic()
        self.log += [(now, a["status"], a["labels"]) for a in json.loads(body)["alerts"]]
        return 200, b""

    def when(self, alert: str, status: str, since: float, **labels: str) -> float | None:
        """When it first came, after a moment."""
        wanted = {"alertname": alert} | labels
        return next((t for t, s, of in self.log if s == status and t >= since and wanted.items() <= of.items()), None)


class Spans(Receiving):
    """Takes what OpenTelemetry's exporters send, as a collector would."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []  # service and span
        super().__init__()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        told = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        for of in ExportTraceServiceRequest.FromString(told).resource_spans:
            names = {a.key: a.value.string_value for a in of.resource.attributes}
            self.log += [(names["service.name"], s) for scope in of.scope_spans for s in scope.spans]
        return 200, b""


class Watching:
    """A desk by `qflib up`, and who watches it."""

    def __init__(self, folder: Path, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self.receiver, self.ended = folder, Receiver(), False
        self.state = folder / "state"
        self.desk = DeskFolder(self.state / "up")
        for name in ("state", "etc"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.port, self._alert_port = free_port(), free_port()
        told = {"STATE": str(self.state), "API__PORT": str(free_port()), "DASH__PORT": str(free_port())}
        self.spans = Spans()
        self.environment = os.environ | {f"QFLIB_{k}": v for k, v in told.items()}
        self.environment |= {"QFLIB_STREAM__TRACES": "0.3", "OTEL_EXPORTER_OTLP_ENDPOINT": self.spans.address}
        self.environment |= {"OTEL_BSP_SCHEDULE_DELAY": "500"}
        own = self.environment
        self.environment = own | (environment or {})
        self._children = [self._up(*flags)]
        self.environment = own
        self._write_settings()
        settings = folder / "etc" / "prometheus.yaml"
        web = f"--web.listen-address=127.0.0.1:{self.port}"
        data = f"--storage.tsdb.path={folder / 'series'}"
        lookback = "--query.lookback-delta=5s"
        self._children.append(self._begin("prometheus", tool("prometheus"), f"--config.file={settings}", web, data,
                                          lookback))  # fmt: skip
        settings = folder / "etc" / "alertmanager.yaml"
        web = f"--web.listen-address=127.0.0.1:{self._alert_port}"
        data, alone = f"--storage.path={folder / 'alerts'}", "--cluster.listen-address="
        self._children.append(
            self._begin("alertmanager", tool("prometheus-alertmanager"), f"--config.file={settings}", web, data, alone)
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives now."""
        return queried(f"127.0.0.1:{self.port}", expression)

    def pid(self, process: str) -> int:
        """Of a process of the desk: who listens at its port."""
        return listeners()[self.desk.running()["ports"][process]]

    def send(self, process: str, number: int) -> float:
        """A signal to a process of the desk, once it is there; when."""
        self.until(lambda: os.kill(self.pid(process), number) is None, f"no {process}")  # it may just be dying
        return time.monotonic()

    def until(self, condition: Callable[[], Any], what: str, patience_s: float = _PATIENCE_S) -> Any:
        """Wait for something, and what it is."""
        end = time.monotonic() + patience_s
        while not (found := self._asked(condition)):
            up = self._children[0]
            assert self.ended or up.poll() is None, (self.folder / "up.log").read_text()
            assert time.monotonic() < end, (
                f"{what}; seen: {sorted({(s, a['alertname']) for _, s, a in self.receiver.log})}"
            )
            time.sleep(0.05)
        return found

    def begin_again(self, *flags: str) -> float:
        """Wait for the desk's end, and start another; when."""
        self._children[0].wait(_PATIENCE_S)
        self._children[0] = self._up(*flags)
        self.ended = False
        return time.monotonic()

    def fired(self, alert: str, since: float, **labels: str) -> float:
        """Seconds until the receiver has been told of an alert."""
        seen = self.until(lambda: self.receiver.when(alert, "firing", since, **labels), f"{alert} does not fire")
        return float(seen) - since

    def cleared(self, alert: str, since: float, patience_s: float = _PATIENCE_S, **labels: str) -> float:
        """Seconds until the receiver has been told that it is over."""
        seen = self.until(
            lambda: self.receiver.when(alert, "resolved", since, **labels), f"{alert} does not end", patience_s
        )
        return float(seen) - since

    def stop(self) -> None:
        """End all of it."""
        for child in self._children:
            child.send_signal(signal.SIGINT)
        for child in self._children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.receiver.stop()
        self.spans.stop()

    @staticmethod
    def _asked(condition: Callable[[], Any]) -> Any:
        try:
            return condition()
        except (OSError, TypeError, KeyError, StopIteration):  # it has yet to start
            return None

    def _up(self, *flags: str) -> subprocess.Popen[bytes]:
        return self._begin("up", sys.executable, "-m", "qflib.cli.main", "up", "--source", "sim", *flags)

    def _begin(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as out:
            return subprocess.Popen(command, env=self.environment, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)

    def _write_settings(self) -> None:
        etc, source = self.folder / "etc", DEPLOY / "prometheus"
        for file in RULES:
            (etc / file.name).write_text(fast(file.read_text("utf-8")), "utf-8")
        told = (source / "prometheus.yaml").read_text("utf-8")
        told = told.replace("../../runs/up/targets.json", str(self.desk.targets)).replace(": 5s", ": 1s")
        told = told.replace("127.0.0.1:9093", f"127.0.0.1:{self._alert_port}")
        (etc / "prometheus.yaml").write_text(told, "utf-8")
        told = fast((source / "alertmanager.yaml").read_text("utf-8"))
        (etc / "alertmanager.yaml").write_text(
            told.replace("127.0.0.1:9095", f"127.0.0.1:{self.receiver.port}"), "utf-8"
        )


def watching(
    folder: Path, *flags: str, processes: int = 8, environment: Mapping[str, str] | None = None
) -> Iterator[Watching]:
    """One, until it is no longer wanted; `environment` is its first desk's, beside what all have."""
    made = Watching(folder, *flags, environment=environment)
    try:
        made.until(lambda: len(made.query('up{job="qflib"} == 1')) >= processes, "the desk is not scraped")
        made.until(lambda: made.query("qflib_es"), "no risk is seen", 2 * _PATIENCE_S)
        yield made
    finally:
        made.stop()


def seen(one: Watching, alert: str, since: float, **labels: str) -> None:
    """It comes; the time it took is told."""
    print(f"{alert}: fired after {one.fired(alert, since, **labels):.1f} s", flush=True)


def over(one: Watching, alert: str, since: float, patience_s: float = _PATIENCE_S, **labels: str) -> None:
    """It ends; the time it took is told."""
    print(f"{alert}: cleared after {one.cleared(alert, since, patience_s, **labels):.1f} s", flush=True)
