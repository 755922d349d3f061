"""A local broker's folder: whose data it holds, which ports it has, which process serves it."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import random
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from qflib.broker.server import HOST
from qflib.errors import BrokerError, DataError, SettingsError

# Below the range the system takes outgoing connections' ports from (32,768 on): a client that tries again and again
# to reach a dead broker at a port of that range is once given that very port, is connected to itself, and holds it.
_PORTS = range(20_000, 30_000)
_CHANCE = random.SystemRandom()  # not the generator that a user may have seeded, nor one that a fork doubles
_FRESH = "start with --fresh for an empty one, or name the folder this data came from"


@dataclass(frozen=True)
class Identity:
    """What stays the same over restarts."""

    cluster: str
    port: int
    controller_port: int


class DataFolder:
    """The folder, read and checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "kafka"
        self.properties = self.folder / "server.properties"
        self.log4j = self.folder / "log4j2.properties"
        self.log = self.folder / "server.log"
        self.out = self.folder / "out.log"  # what the JVM itself says
        self._identity = self.folder / "broker.json"
        self._pid = self.folder / "broker.pid"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder: two starts at once would both find no broker running."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as e:
            raise SettingsError(
                f"broker folder {self.folder} cannot be written ({e.strerror}); name one that can"
            ) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def wipe(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.data, ignore_errors=True)
        for file in (self._identity, self._pid, self.log, self.out):
            file.unlink(missing_ok=True)

    def identity(self) -> Identity | None:
        """What a former start wrote; None where there was none."""
        try:
            return Identity(**json.loads(self._identity.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as e:
            raise DataError(f"{self._identity} is not a broker's identity ({e}); {_FRESH}") from None

    def write_identity(self, identity: Identity) -> None:
        """Keep it."""
        part = self._identity.with_suffix(".part")
        part.write_text(json.dumps(asdict(identity)), encoding="utf-8")
        part.replace(self._identity)

    def stored_cluster(self) -> str | None:
        """The cluster the data belongs to; None where there is no data yet.

        Raises
        ------
        DataError
            If the data is another cluster's or node's, or does not say whose it is.
        """
        file = self.data / "meta.properties"
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            if (self.data / "__cluster_metadata-0").exists():
                raise DataError(f"broker data {self.data} has lost its meta.properties; {_FRESH}") from None
            shutil.rmtree(self.data, ignore_errors=True)  # at most a format that was cut short
            return None
        except (OSError, UnicodeDecodeError) as e:
            raise DataError(f"{file} cannot be read ({e}); {_FRESH}") from None
        meta = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        cluster, node = meta.get("cluster.id"), meta.get("node.id")
        if not cluster or not node:
            raise DataError(f"{file} names no cluster and node; {_FRESH}")
        known = self.identity()
        if node != "1" or (known is not None and known.cluster != cluster):
            ours = f"cluster {known.cluster}" if known else "a single node"
            raise DataError(
                f"broker data {self.data} belongs to node {node} of cluster {cluster}, not to {ours}; {_FRESH}"
            )
        return cluster

    def write_pid(self, pid: int) -> None:
        """Say which process serves the folder."""
        self._pid.write_text(str(pid), encoding="utf-8")

    def process(self) -> psutil.Process | None:
        """The broker that serves this folder, if one runs.

        A process of that number must also be a JVM started with this folder's own properties: numbers are used again.
        """
        try:
            process = psutil.Process(int(self._pid.read_text(encoding="utf-8")))
            while process.status() != psutil.STATUS_ZOMBIE and process.is_running():
                if command := process.cmdline():
                    return process if str(self.properties) in command else None
                time.sleep(0.001)  # spawned this instant: its command line is not yet laid out
        except (FileNotFoundError, ValueError, psutil.Error):
            pass
        return None


def new_cluster_id() -> str:
    """A random one, in Kafka's spelling."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass  # the storage tool takes a leading dash for an option
    return text


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError:
            return False
        return True


def free_port(*taken: int) -> int:
    """A port nobody listens on.

    Raises
    ------
    BrokerError
        If 200 were tried and none is free.
    """
    for port in _CHANCE.sample(_PORTS, 200):
        if port not in taken and is_free(port):
            return port
    raise BrokerError("200 ports were tried and none is free for the broker; set QFLIB_BROKER__PORT to one that is")
