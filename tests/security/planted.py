"""A desk whose settings hold secrets, run as a person runs it, beside faults; what it left is looked through."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from qflib.api import ticket
from qflib.api.client.finding import find
from qflib.api.keys import CLIENT_FILE, FILE, KeyStore
from qflib.broker.data_folder import free_port
from qflib.history.postgres import PrivateServer
from qflib.stream.folder import DeskFolder

NAMESPACE = "planted"
#: By where it is set: in the file, in the environment.
IN_FILE = {"sasl.password": "kafka-1c7f5a-s3cret", "ssl.key.password": "passphrase-88e0d2-s3cret"}
IN_ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": "object-store-4b90cc-s3cret",
    "AWS_SESSION_TOKEN": "session-29d1ee-s3cret",
    "PGPASSWORD": "libpq-0a4417-s3cret",
}
_DSN, _READER, _MIRROR = "writer-6e02b1-s3cret", "reader-f3378d-s3cret", "mirror-5d5ac0-s3cret"
SECRETS = (*IN_FILE.values(), *IN_ENVIRONMENT.values(), _DSN, _READER, _MIRROR)
_STARTED_S = 150.0
#: Who is let in reads these, and nobody else may.
OWN_FILES = (FILE, CLIENT_FILE, ticket.FILE)


def environment(folder: Path, dsn: str) -> dict[str, str]:
    """Of a process whose settings hold every kind of secret there is."""
    told = folder / "qflib.toml"
    options = "".join(f'"{name}" = "{value}"\n' for name, value in IN_FILE.items())
    told.write_text(f'[broker]\nrepository = "https://me:{_MIRROR}@mirror.example/maven"\n[broker.options]\n{options}')
    ours = {
        "SETTINGS": str(told), "STATE": str(folder / "runs"), "LOG__LEVEL": "debug",
        "STORE__DSN": f"{dsn} password={_DSN}", "STORE__READER_DSN": f"{dsn} password={_READER}",
        "STORE__NAMESPACE": NAMESPACE, "API__PORT": str(free_port()), "DASH__PORT": str(free_port()),
    }  # fmt: skip
    return os.environ | IN_ENVIRONMENT | {f"QFLIB_{k}": v for k, v in ours.items()}


def command(told: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """`qflib` as a process; output of both kinds in `stdout`."""
    asked = [sys.executable, "-m", "qflib.cli.main", *words]
    return subprocess.run(asked, env=told, stdout=-1, stderr=subprocess.STDOUT, text=True, check=False, timeout=150)


def wait(until: Callable[[], Any], seconds: float = _STARTED_S) -> Any:
    end = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)
    return found


class Planted:
    """The desk while it runs, and all that was seen of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "runs" / "up"
        self.server = PrivateServer(tempfile.mkdtemp(prefix="qflib-planted-"))
        self.server.ensure()
        self.told = environment(folder, self.server.dsn)
        self.seen: dict[str, str] = {"migrate": command(self.told, "store", "migrate").stdout}
        self._out = folder / "up.out"
        asked = [sys.executable, "-m", "qflib.cli.main", "up", "--source", "sim", "--rate", "500", "--steps", "none"]
        with self._out.open("wb") as out:
            self.process = subprocess.Popen([*asked, "--faces"], env=self.told, stdout=out, stderr=subprocess.STDOUT)
        self.secrets = SECRETS
        try:
            wait(self._listens)
            place = find_of(self.state)
            self.secrets += (place[1], ticket.read(self.state))
            self._talk(*place)
        except BaseException:
            self.stop()
            raise

    def _listens(self) -> bool:
        assert self.process.poll() is None, self._out.read_text()
        told = DeskFolder(self.state).running() or {}
        if "api" not in told or not (self.state / CLIENT_FILE).is_file():
            return False
        try:
            return all(httpx.get(f"{told[face]}/healthz").status_code == 200 for face in ("api", "dash")) and (
                httpx.get(f"{told['api']}/readyz").status_code == 200
            )
        except httpx.HTTPError:
            return False

    @property
    def running(self) -> dict[str, Any]:
        """What the desk tells of itself."""
        return DeskFolder(self.state).running() or {}

    @property
    def tree(self) -> list[psutil.Process]:
        """Every process of it."""
        mother = psutil.Process(self.process.pid)
        return [mother, *mother.children(recursive=True)]

    def _talk(self, api: str, key: str) -> None:
        """Right and wrong requests, keys in right and wrong places; deaths; pages of metrics; the list of processes."""
        dash, wrong = self.running["dash"], KeyStore(self.folder / "other.json").create("other", "read")[0]
        self.secrets += (wrong,)
        mine = {"Authorization": f"Bearer {key}"}
        answers = [
            httpx.get(f"{api}/v1/instruments", headers=mine),
            httpx.get(f"{api}/v1/instruments", headers={"Authorization": f"Bearer {wrong}"}),
            httpx.get(f"{api}/v1/instruments?key={key}"),
            httpx.get(f"{api}/v1/books/{key}", headers=mine),
            httpx.get(f"{api}/v1/instruments?{key}=1", headers=mine),
            httpx.post(f"{api}/v1/orders", headers=mine, json={"client_order_id": "o-1", "api_key": 1}),
            httpx.post(f"{dash}/login", data={"key": wrong}),
            httpx.post(f"{dash}/login", data={"key": key}),
            httpx.get(f"{dash}/login?ticket={wrong}"),
        ]
        assert [a.status_code for a in answers] == [200, 401, 401, 404, 400, 400, 401, 200, 401], answers
        names = ("right", "wrong", "query", "path", "name", "body", "dash wrong", "dash right", "dash ticket")
        # who sent a key in an address is told of the address, and nobody else is
        self.seen |= {f"answer: {n}": a.text for n, a in zip(names, answers, strict=True) if n not in ("path", "name")}
        self.server.kill()
        exchange = next(p for p in self.tree if "exchange.py" in " ".join(p.cmdline()))
        exchange.send_signal(signal.SIGKILL)
        logs = self.state / "logs"
        wait(lambda: "waiting for PostgreSQL" in (logs / "archive-0.log").read_text())
        self.server.ensure()
        wait((logs / "exchange-0.1.log").exists)
        for name, port in self.running["ports"].items():
            if port and not name.startswith("exchange"):  # it is just being started
                self.seen[f"metrics of {name}"] = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        self.seen["processes"] = "\n".join(" ".join(p.cmdline()) for p in self.tree)
        self.listening = [
            (" ".join(p.cmdline())[-120:], c.laddr.ip, c.laddr.port)
            for p in self.tree for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN
        ]  # fmt: skip

    def stop(self) -> None:
        """End it, and look through all that it has left."""
        if "output" in self.seen:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        self.seen["output"] = self._out.read_text(errors="replace")
        self.seen["log of PostgreSQL"] = (self.server.data / "server.log").read_text(errors="replace")
        for file in (self.folder / "runs").rglob("*"):
            if file.is_file() and file.name not in OWN_FILES:
                self.seen[str(file.relative_to(self.folder))] = file.read_bytes().decode("latin-1")
        self.server.remove()

    def leaked(self) -> list[tuple[str, str]]:
        """Where a secret stands."""
        return [(place, secret) for place, text in self.seen.items() for secret in self.secrets if secret in text]


def find_of(state: Path) -> tuple[str, str]:
    """Address and key, as a client of this machine's user finds them."""
    text = (state / CLIENT_FILE).read_text(encoding="utf-8")
    told = dict(re.findall(r'(\w+) = "([^"]*)"', text))
    place = find(told["url"], told["key"])
    return place.url, place.key


@contextmanager
def planted(folder: Path) -> Iterator[Planted]:
    made = Planted(folder)
    try:
        yield made
    finally:
        made.stop()
