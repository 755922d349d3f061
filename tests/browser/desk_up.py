"""`qflib up` with its faces, as a person starts it, for tests that look at it from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from qflib.api import ticket
from qflib.broker.data_folder import free_port

T = TypeVar("T")
_STARTED_S = 120.0


class Up:
    """The command in a process of its own; its words are kept.

    Parameters
    ----------
    state
        The folder of the setting `state`.
    flags
        Beside the source.
    """

    def __init__(self, state: Path, *flags: str) -> None:
        self.state, self._log = state, state / "up.out"
        state.mkdir(parents=True, exist_ok=True)
        settings = {"STATE": str(state), "API__PORT": str(free_port()), "DASH__PORT": str(free_port())}
        self.environment = (
            os.environ | {f"QFLIB_{k}": v for k, v in settings.items()} | {"QFLIB_STREAM__METRICS_PORT": "0"}
        )
        command = [sys.executable, "-m", "qflib.cli.main", "up", "--source", "sim", "--faces", *flags]
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(command, env=self.environment, stdout=out, stderr=subprocess.STDOUT)

    def __enter__(self) -> Up:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    @property
    def said(self) -> str:
        """All it has printed."""
        return self._log.read_text(errors="replace")

    def told(self, pattern: str) -> str:
        """Wait for it to say something, and what the group of the pattern caught."""

        def found() -> str | None:
            assert self.process.poll() is None, self.said
            m = re.search(pattern, self.said)
            return m and m.group(1)

        return wait(found, _STARTED_S)

    @property
    def api(self) -> str:
        """Its address."""
        return self.told(r"API +(http://\S+)")

    @property
    def key(self) -> str:
        """The development key, which is told to a terminal alone."""
        kept = self.told(r"key +kept in (\S+)")
        return str(tomllib.loads(Path(kept).read_text(encoding="utf-8"))["key"])

    @property
    def dashboard(self) -> str:
        """The address that lets a browser in."""
        door = self.told(r"dashboard (http://\S+)  ticket")
        return f"{door}?ticket={ticket.read(self.state / 'up')}"

    def client(self) -> httpx.Client:
        """HTTP with the development key."""
        return httpx.Client(base_url=self.api, headers={"Authorization": f"Bearer {self.key}"}, timeout=10.0)

    def stop(self) -> float:
        """Ctrl-C; the seconds it took to end."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - began


def wait(until: Callable[[], T | None], timeout_s: float = 60.0) -> T:
    """Wait until something is there, and what it is."""
    end = time.monotonic() + timeout_s
    while not (found := until()):
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.02)
    return found


def answered(client: httpx.Client, path: str, where: Callable[[Any], Any], timeout_s: float = 60.0) -> Any:
    """Ask until what is answered is as wanted; what `where` makes of it."""

    def ask() -> Any:
        try:
            response = client.get(path)
        except httpx.TransportError:
            return None
        return where(response.json()) if response.status_code == 200 else None

    return wait(ask, timeout_s)


def positions(report: Mapping[str, Any], instrument: str, book: str) -> float:
    """Contracts of an instrument in the items of a positions answer."""
    rows = report["items"] if "items" in report else report["positions"]
    return sum(float(r["qty"]) for r in rows if r["instrument"] == instrument and r["book"] == book)
