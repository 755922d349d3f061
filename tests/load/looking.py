"""A desk of `qflib up` in a process of its own, and what it takes of the machine, looked at from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from qflib.broker.data_folder import free_port
from qflib.stream.folder import DeskFolder
from tests.processes import broker_in, listeners

ROOT = Path(__file__).parents[2]
_MB = 1 << 20
_STARTED_S, _ENDED_S = 120.0, 1_800.0  # the audit reads all that is kept


class Taken(NamedTuple):
    """What a process takes: resident memory in MB, open files, threads."""

    memory_mb: float
    files: int
    threads: int


class Looked:
    """The desk and its processes.

    Parameters
    ----------
    state
        The folder of the setting `state`; the desk begins anew in it.
    settings
        Others, as QFLIB_... without the prefix.
    flags
        Of `qflib up`, beside the simulator.
    """

    def __init__(self, state: Path, settings: dict[str, str], *flags: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.folder = DeskFolder(state / "up")
        told = {"STATE": str(state), "API__PORT": str(free_port()), "DASH__PORT": str(free_port())} | settings
        self.environment = os.environ | {f"QFLIB_{k}": v for k, v in told.items()}
        self._out, self._log = state / "up.json", state / "up.log"
        command = [sys.executable, "-m", "qflib.cli.main", "up", "--source", "sim", "--fresh", "--json", *flags]
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self._up = subprocess.Popen(command, stdout=out, stderr=log, env=self.environment, cwd=ROOT)
        self._known: dict[str, psutil.Process] = {"up": psutil.Process(self._up.pid)}

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._up.poll() is None

    def started(self) -> None:
        """Wait until all of it is there."""
        end = time.monotonic() + _STARTED_S
        while not ((running := self.folder.running() or {}).get("ports") and self._found(running["ports"])):
            if not self.runs or time.monotonic() > end:
                raise SystemExit(f"the desk does not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.1)

    def taken(self) -> dict[str, Taken]:
        """By process, and of the broker; a process that was started again is found again."""
        if any(not p.is_running() for p in self._known.values()):
            self._found((self.folder.running() or {}).get("ports", {}))
        made = {}
        for name, p in self._known.items():
            try:
                with p.oneshot():
                    made[name] = Taken(p.memory_info().rss / _MB, p.num_fds(), p.num_threads())
            except psutil.NoSuchProcess:
                continue
        return made

    def disk(self) -> dict[str, float]:
        """MB of the broker's data, the history, the logs, and the rest."""
        made: dict[str, float] = {}
        for path, _, files in os.walk(self.folder.path):
            of = (Path(path).relative_to(self.folder.path).parts or ("rest",))[0]
            for file in files:
                try:
                    made[of] = made.get(of, 0.0) + (Path(path) / file).stat().st_blocks * 512 / _MB
                except FileNotFoundError:  # it was just deleted
                    continue
        return made

    def port(self, process: str) -> int:
        """Where a process serves its metrics."""
        return int((self.folder.running() or {})["ports"][process])

    def scraped(self, process: str) -> dict[str, float] | None:
        """A process's metrics, by name and labels as they stand there; None where it gives no answer."""
        try:
            told = httpx.get(f"http://127.0.0.1:{self.port(process)}/metrics", timeout=2.0).text
        except (httpx.TransportError, KeyError):
            return None
        pairs = (line.rpartition(" ") for line in told.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def events(self, process: str) -> float | None:
        """What a process has counted of events, or records; None where it gives no answer."""
        told = self.scraped(process)
        return None if told is None else sum(v for k, v in told.items() if k.startswith("qflib_events_total{"))

    def ended(self) -> dict[str, Any]:
        """Wait for its end, the audit included, and what it tells."""
        try:
            self._up.wait(_ENDED_S)
        finally:
            self.stop()
        text = self._out.read_text()
        if not text:
            raise SystemExit(f"the desk told nothing:\n{self._log.read_text()[-2000:]}")
        return dict(json.loads(text))

    def stop(self) -> None:
        """End it, where it runs."""
        if self.runs:
            self._up.send_signal(signal.SIGINT)
            self._up.wait(30)

    def _found(self, ports: dict[str, int]) -> bool:
        heard = listeners()
        found = {name: heard[port] for name, port in ports.items() if port in heard}
        with suppress(StopIteration):  # it has yet to start
            found["broker"] = broker_in(self.folder.path)
        self._known |= {"up" if name == "up-0" else name: psutil.Process(pid) for name, pid in found.items()}
        return bool(ports) and set(ports) - {"up-0"} <= set(self._known) and "broker" in self._known


def audit_faults(figures: dict[str, Any]) -> dict[str, int]:
    """What the audit counted in all topics together: lost, duplicated, reordered, torn."""
    topics = (figures.get("audit") or {}).get("topics", {}).values()
    return {k: sum(int(t.get(k, 0)) for t in topics) for k in ("lost", "duplicated", "reordered", "torn")}
