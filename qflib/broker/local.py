"""A broker of one's own: Apache Kafka of one node, a child process with a data folder that outlives it."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from qflib.broker import jars, java
from qflib.broker.clients import Connection
from qflib.broker.data_folder import DataFolder, Identity, free_port, is_free, new_cluster_id
from qflib.broker.reading import cluster_id
from qflib.broker.server import HOST, jvm_options, log4j_properties, server_properties
from qflib.errors import BrokerError, DataError

if TYPE_CHECKING:
    from qflib.settings import BrokerSettings

__all__ = ["LocalBroker", "Status", "cluster_id"]

_READY_S = 60.0  # after a kill under load the log is read again: 26 s were seen for 23 GB
_HELD_S = 5.0
_STOP_S = 10.0
_NO_PROCESS = (errno.ENOMEM, errno.EAGAIN)


@dataclass(frozen=True)
class Status:
    """What is to say of a local broker."""

    running: bool
    folder: Path
    version: str  # of Apache Kafka
    bootstrap: str | None = None
    cluster: str | None = None
    pid: int | None = None
    port: int | None = None
    memory_bytes: int | None = None
    uptime_s: float | None = None
    started_in_s: float | None = None  # None: it ran already


class LocalBroker:
    """Apache Kafka, one node, with its own folder.

    Parameters
    ----------
    folder
        Holds data, properties, logs, and the ports once chosen.
    port
        Where clients reach it; None: a free one, chosen at the first start and kept.
    heap
        The JVM's heap at most.
    light
        Quick to start and small, as tests want it, instead of ready for load.
    patience_s
        How long a silent broker keeps its partitions: a machine that stands still for longer costs the transactions
        under way, and a killed broker's next start waits for it.
    repository, cache
        Where the jars come from and are kept.
    progress
        Show a bar while they come.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        heap: str = "1g",
        light: bool = False,
        patience_s: float = 2.0,
        repository: str | None = None,
        cache: Path | None = None,
        progress: bool = True,
    ) -> None:
        from qflib.settings import BrokerSettings

        self._place = DataFolder(folder)
        self._port = port
        self._heap = heap
        self._light, self._patience_s = light, patience_s
        self._repository = repository or BrokerSettings().repository
        self._jars = jars.cache_folder(cache)
        self._progress = progress

    @classmethod
    def of(cls, settings: BrokerSettings, folder: Path) -> LocalBroker:
        """As the settings say."""
        return cls(folder, port=settings.port, heap=settings.heap, repository=settings.repository, cache=settings.cache)

    @property
    def connection(self) -> Connection:
        """Its address, once it was started."""
        if (known := self._place.identity()) is None:
            raise BrokerError(f"no broker was ever started in {self._place.folder}; `qflib broker start` does")
        return Connection(f"{HOST}:{known.port}")

    @property
    def pid(self) -> int | None:
        """Its process; None where it does not run."""
        process = self._place.process()
        return None if process is None else process.pid

    @property
    def memory(self) -> int | None:
        """Its resident bytes; None where it does not run."""
        return self.status().memory_bytes

    def status(self) -> Status:
        """Whether it runs, and as what."""
        known = self._place.identity()
        out = Status(False, self._place.folder, jars.kafka_version())
        if known is not None:
            out = replace(out, bootstrap=f"{HOST}:{known.port}", cluster=known.cluster, port=known.port)
        try:
            if (process := self._place.process()) is None:
                return out
            return replace(
                out,
                running=True,
                pid=process.pid,
                memory_bytes=process.memory_info().rss,
                uptime_s=time.time() - process.create_time(),
            )
        except psutil.NoSuchProcess:  # it ended while it was looked at
            return out

    def start(self, *, fresh: bool = False) -> Status:
        """Start it, unless it runs, and wait until it answers.

        Parameters
        ----------
        fresh
            Stop a running one, throw its data away and begin anew.

        Raises
        ------
        MissingPartError
            If there is no Java, or the jars cannot be had.
        DataError
            If the folder holds another cluster's data.
        BrokerError
            If a port is taken, its folder cannot be written, or the broker ends or keeps silent: the reason is in the
            sentence.
        """
        if fresh:
            self.stop()
        with self._place.alone():
            if fresh:
                self._place.wipe()
            if self._place.process() is not None:
                self._wait(time.monotonic() + _READY_S, 0)
                return self.status()
            runtime = java.find()
            paths = jars.fetch(self._jars, self._repository, progress=self._progress)
            began = time.monotonic()
            try:
                self._lay_out(runtime, paths)
                marked = self._place.log.stat().st_size if self._place.log.exists() else 0
                self._begin(runtime, paths)
            except OSError as e:
                if e.errno in _NO_PROCESS:
                    raise BrokerError(
                        f"{runtime.executable} cannot be started ({e.strerror}); end other processes, or set "
                        "QFLIB_BROKER__HEAP lower"
                    ) from None
                raise BrokerError(
                    f"the broker's folder {self._place.folder} cannot be written ({e.strerror}); make room, or mend it"
                ) from None
            self._wait(time.monotonic() + _READY_S, marked)
            return replace(self.status(), started_in_s=time.monotonic() - began)

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """End it in order; what has not ended in time is killed, which costs no data, but a longer next start."""
        if (process := self._place.process()) is None:
            return
        try:
            process.terminate()
            process.wait(timeout_s)
        except psutil.TimeoutExpired:
            self.crash()
        except psutil.NoSuchProcess:
            pass

    def crash(self) -> None:
        """Kill it with -9, as a fault test does."""
        if process := self._place.process():
            try:
                process.kill()
                process.wait(_STOP_S)
            except psutil.NoSuchProcess:
                pass
            except psutil.TimeoutExpired:
                if process.status() != psutil.STATUS_ZOMBIE:  # dead; whoever started it has not looked yet
                    raise

    def prepare(self) -> None:
        """Fetch the jars and, once for a Java, archive the classes a start loads: it halves every later start."""
        runtime = java.find()
        jars.fetch(self._jars, self._repository, progress=self._progress)
        archive = self._archive(runtime)
        with DataFolder(self._jars / "training.lock").alone():
            if archive.exists():
                return
            part = archive.with_suffix(".part")
            trained = _Training(self._jars / "training", part, self._jars.parent)
            trained.start(fresh=True)
            trained.stop(60.0)
            trained._place.wipe()
            if not part.exists():
                part.touch()  # this Java has no archives: an empty file says so, and nobody tries again
            part.replace(archive)

    def _archive(self, runtime: java.Java) -> Path:
        return self._jars / f"classes-{re.sub(r'[^0-9A-Za-z.]', '_', runtime.version)}.jsa"

    def _lay_out(self, runtime: java.Java, paths: Sequence[Path]) -> None:
        """The folder's identity, its storage formatted, its properties written."""
        place = self._place
        stored, known = place.stored_cluster(), place.identity()
        port = self._port or (known.port if known else free_port())
        controller = known.controller_port if known and known.controller_port != port else free_port(port)
        # its own port is held for a moment more by a process that was killed
        end = time.monotonic() + (_HELD_S if known and known.port == port else 0.0)
        while not is_free(port):
            if time.monotonic() < end:
                time.sleep(0.05)
                continue
            raise BrokerError(
                f"port {port} of {HOST} is in use; end what listens there, or set QFLIB_BROKER__PORT to a free one"
            )
        if not is_free(controller):  # nobody but the broker itself uses it
            controller = free_port(port)
        identity = Identity(stored or new_cluster_id(), port, controller)
        place.properties.write_text(server_properties(place.data, port, controller, self._patience_s), encoding="utf-8")
        place.log4j.write_text(log4j_properties(place.folder), encoding="utf-8")
        if stored is None:
            tool = ["kafka.tools.StorageTool", "format", "-t", identity.cluster, "-c", str(place.properties)]
            # after a kill, eligible leader replicas make every partition wait for an election among one
            tool += ["--feature", "eligible.leader.replicas.version=0"]
            quick = [*jvm_options(self._heap, light=True), *_shared_classes(self._archive(runtime))]
            command = [*self._java(runtime, quick, paths), *tool]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise DataError(f"broker data {place.data} cannot be laid out: {_reason(done.stdout + done.stderr)}")
        place.write_identity(identity)

    def _java(self, runtime: java.Java, options: Sequence[str], paths: Sequence[Path]) -> list[str]:
        log4j = f"-Dlog4j2.configurationFile={self._place.log4j.as_uri()}"
        return [str(runtime.executable), *options, log4j, "-cp", os.pathsep.join(map(str, paths))]

    def _begin(self, runtime: java.Java, paths: Sequence[Path]) -> None:
        """The process, and its number on file: one that nobody finds again may not stay."""
        options = jvm_options(self._heap, light=self._light) + _shared_classes(self._archive(runtime))
        pid = self._spawn(runtime, options, paths)
        try:
            self._place.write_pid(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            raise

    def _spawn(self, runtime: java.Java, options: Sequence[str], paths: Sequence[Path]) -> int:
        """A process of its own session: the terminal's Ctrl-C reaches the command, which ends the stages first."""
        command = [*self._java(runtime, options, paths), "kafka.Kafka", str(self._place.properties)]
        return os.posix_spawn(
            command[0],
            command,
            os.environ,
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._place.out), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )

    def _wait(self, until: float, marked: int) -> None:
        """Until it answers a request for metadata."""
        connection, pause = self.connection, 0.01
        address = (HOST, int(connection.bootstrap.rpartition(":")[2]))
        while True:
            process = self._place.process()
            if process is None:
                raise BrokerError(f"the broker in {self._place.folder} ended at its start: {self._said(marked)}")
            if time.monotonic() > until:
                raise BrokerError(
                    f"the broker in {self._place.folder} (process {process.pid}) gives no answer after "
                    f"{_READY_S:.0f} s; look at {self._place.log}, or end it with `qflib broker stop`"
                )
            try:
                socket.create_connection(address, 0.2).close()
                cluster_id(connection, timeout_s=2.0)
            except (OSError, BrokerError):
                time.sleep(pause)
                pause = min(pause * 1.5, 0.1)
                continue
            return

    def _said(self, marked: int) -> str:
        """Why it ended, from what it wrote since."""
        text = ""
        for file, start in ((self._place.out, 0), (self._place.log, marked)):
            if file.exists():
                with file.open("rb") as f:
                    f.seek(start if start <= file.stat().st_size else 0)
                    text += f.read().decode("utf-8", "replace")
        return f"{_reason(text)} ({self._place.log})"


class _Training(LocalBroker):
    """A broker that, at its end, archives the classes it loaded."""

    def __init__(self, folder: Path, archive: Path, cache: Path) -> None:
        super().__init__(folder, light=True, cache=cache)
        self._written = archive

    def _spawn(self, runtime: java.Java, options: Sequence[str], paths: Sequence[Path]) -> int:
        return super()._spawn(runtime, [*options, f"-XX:ArchiveClassesAtExit={self._written}"], paths)


def _shared_classes(archive: Path) -> list[str]:
    """A JVM that finds the archive of another build goes on without it."""
    return [f"-XX:SharedArchiveFile={archive}"] if archive.exists() and archive.stat().st_size else []


_REASONS = (
    (r"No space left on device", "the disk is full; free some space and start again"),
    (r"Address already in use|BindException", "a port is in use; end what listens there, or set QFLIB_BROKER__PORT"),
    (r"Could not reserve|OutOfMemoryError", "there is no memory for its heap; set QFLIB_BROKER__HEAP lower"),
    (r"Failed to acquire lock on file", "another process holds its data; end that process first"),
    (r"meta\.properties|cluster\.id", "its data is another cluster's; start with --fresh for an empty one"),
)


def _reason(text: str) -> str:
    for pattern, sentence in _REASONS:
        if re.search(pattern, text):
            return sentence
    telling = [line for line in text.splitlines() if re.search(r"\b(FATAL|ERROR|Exception|Error)\b", line)]
    lines = telling[:1] or [line for line in text.splitlines() if line.strip()][-1:]
    return lines[0].strip()[:300] if lines else "it said nothing"
