"""One process that has imported what the desk's processes share, and forks them: they start in a fifth of the time.

It has no client and no thread but its allocators', which know of forks. A worker is forked twice, so that the kernel
gives it to the process that asked for it: a child like any other, on the same leash.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import structlog

from qflib.stream import leash

#: What the stages of a desk share.
SHARED = ("qflib.desk.deployment", "qflib.stream.worker", "qflib.stream.archive", "qflib.stream.ingest.run")
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
_LONGEST = 1 << 17  # bytes of an order: a command line and an environment
_PATIENCE_S = 60.0  # with its imports, under load

_log = structlog.get_logger(__name__)


class Forked:
    """A forked process, as `subprocess` has one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code; a signal's number is negative; None while it runs."""
        return self._look(os.WNOHANG)

    def wait(self) -> int | None:
        """Wait for its end."""
        return self._look(0)

    def send_signal(self, number: int) -> None:
        """Send a signal; one that is gone does not mind."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _look(self, options: int) -> int | None:
        if self._code is None and (found := os.waitpid(self.pid, options))[0]:
            self._code = os.waitstatus_to_exitcode(found[1])
        return self._code


class Nursery:
    """Forks Python programs; where it cannot, whoever asks starts them as programs are started.

    To be used from the main thread, as the kernel ends a child when the thread that started it ends.

    Parameters
    ----------
    modules
        What it imports.
    """

    def __init__(self, modules: Sequence[str] = SHARED) -> None:
        self._modules, self._environment = tuple(modules), os.environ | worker_environment()
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._process: subprocess.Popen[bytes] | None = None
        self._door: socket.socket | None = None

    def begin(self) -> None:
        """Start it, where this system has what it takes; it imports while others go on."""
        if self._process is not None or sys.platform != "linux":
            return
        ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)
        self._door, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.settimeout(_PATIENCE_S)
        with inside:
            command = [sys.executable, "-m", "qflib.stream.nursery", str(inside.fileno()), *self._modules]
            self._process = subprocess.Popen(
                [sys.executable, "-ISE", leash.__file__, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a module that cannot be imported is told by the process that needs it
                env=self._environment,
                process_group=0,
                pass_fds=[inside.fileno()],
            )

    def fork(self, argv: Sequence[str], words: IO[bytes], environment: Mapping[str, str]) -> Forked | None:
        """A process that runs a Python file or module, once the imports are through; None where it has to be executed.

        Parameters
        ----------
        argv
            The program and its arguments.
        words
            The file that takes its stdout and stderr.
        environment
            Of the process.
        """
        if self._door is None or not _python(argv):
            return None
        order = json.dumps({"argv": list(argv[1:]), "environment": dict(environment), "parent": os.getpid()})
        told = b""
        with suppress(OSError):  # it is gone, or keeps silent
            socket.send_fds(self._door, [order.encode()], [words.fileno()])
            told = self._door.recv(64)
        if told:
            return Forked(int(told))
        _log.warning("processes are executed from now on: the one that forks them is gone")
        self.end()
        return None

    def end(self) -> None:
        """End it; what it has forked goes on."""
        if self._door is not None and self._process is not None:
            self._door.close()
            self._door = None
            self._process.kill()
            self._process.wait()


def worker_environment() -> dict[str, str]:
    """One thread a worker, and an allocator that gives memory back: the stages share the cores."""
    threads = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(threads, "1") | {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}


def _python(argv: Sequence[str]) -> bool:
    """Whether it is this interpreter, with a file or a module."""
    return len(argv) > 1 and argv[0] == sys.executable and (argv[1] == "-m" or not argv[1].startswith("-"))


def _serve(door: socket.socket) -> list[str] | None:
    """Fork a worker an order, until nobody is there to order one; in a worker, what it is to run."""
    while True:
        told, files, _, _ = socket.recv_fds(door, _LONGEST, 1)
        if not told:
            return None
        if (between := os.fork()) == 0:
            if os.fork():
                os._exit(0)
            return _born(door, json.loads(told), files[0])
        os.close(files[0])
        os.waitpid(between, 0)


def _born(door: socket.socket, order: dict[str, Any], words: int) -> list[str]:
    """Become what was ordered."""
    parent = int(order["parent"])
    os.setpgid(0, 0)
    end = time.monotonic() + _PATIENCE_S
    while os.getppid() != parent and time.monotonic() < end:
        time.sleep(0.001)
    leash.hold(parent)
    door.send(str(os.getpid()).encode())
    door.close()
    for stream in (1, 2):
        os.dup2(words, stream)
    os.close(words)
    os.environ.clear()
    os.environ.update(order["environment"])
    argv = [str(word) for word in order["argv"]]
    _show(argv)
    return argv


def _show(argv: list[str]) -> None:
    """Stand in the list of processes as what is run, as far as there is room."""
    numbers = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    start, end = map(
        int, numbers[45:47]
    )  # where the kernel reads the command line: fields 48 and 49 of proc_pid_stat(5)
    words = "\0".join([sys.executable, *argv]).encode()
    ctypes.memmove(start, words[: end - start - 1].ljust(end - start, b"\0"), end - start)


def _run(argv: list[str]) -> None:
    """As the interpreter does with its command line."""
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        return
    sys.argv, sys.path[0] = argv, str(Path(argv[0]).parent)
    runpy.run_path(argv[0], run_name="__main__")


def main(door: socket.socket, modules: Sequence[str]) -> None:
    """Import, then fork what is ordered."""
    for name in modules:
        importlib.import_module(name)
    if (version := sys.modules.get("qflib.stream.version")) is not None:
        version.code_version()  # of the sources as they are imported now, whenever a worker is forked
    gc.collect()
    gc.freeze()  # a collection in a worker would copy every page that it walks
    if (argv := _serve(door)) is not None:
        _run(argv)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
