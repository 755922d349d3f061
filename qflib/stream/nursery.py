"""One process that has imported what the desk's processes share, and forks them: they start in a fifth of the time.

It has no client and no thread but its allocators', which know of forks. A worker is forked twice, so that the kernel
gives it to the process that asked for it: a child like any other, on the same leash.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any

import structlog

from qflib.stream import leash

#: What the stages of a desk share.
SHARED = ("qflib.desk.deployment", "qflib.stream.worker", "qflib.stream.archive", "qflib.stream.ingest.run")
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
_LONGEST = 1 << 17  # bytes of an order: a command line and an environment
_PATIENCE_S = 60.0  # with its imports, under load
_ANSWER_S = 5.0  # afterwards

_log = structlog.get_logger(__name__)


class Forked:
    """A forked process, as `subprocess` has one.

    Parameters
    ----------
    pid
        Of a child of this process.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None
        self._asked = Lock()

    def poll(self) -> int | None:
        """The exit code; a signal's number is negative; None while it runs."""
        return self._look(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        while (code := self.poll()) is None:
            time.sleep(0.005)  # nobody else is kept from asking
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal; one that is gone does not mind."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _look(self, options: int) -> int | None:
        with self._asked:  # by the supervisor and those who show what runs
            if self._code is None:
                try:
                    pid, status = os.waitpid(self.pid, options)
                except ChildProcessError:  # its end was told to somebody else: where SIGCHLD is ignored, to the kernel
                    pid, status = self.pid, 0
                if pid:
                    self._code = os.waitstatus_to_exitcode(status)
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
        self._sources = ""
        self._ready = False

    @property
    def pid(self) -> int | None:
        """Of the process; None where it does not run."""
        return None if self._door is None or self._process is None else self._process.pid

    def begin(self) -> None:
        """Start it, where this system has what it takes; it imports while others go on."""
        if self._process is not None or sys.platform != "linux" or not _adopt(True):
            return
        self._sources = _sources()
        door, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
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
        self._door = door

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

        Returns
        -------
        Forked or None
            None, too, where a source of qflib has changed since `begin`: what is imported tells another version.
        """
        order = json.dumps({"argv": list(argv[1:]), "environment": dict(environment), "parent": os.getpid()}).encode()
        if self._door is None or not _python(argv) or len(order) > _LONGEST or self._sources != _sources():
            return None
        pid = 0
        answer, inside = socket.socketpair()  # one an order: no answer is taken for another's
        with answer:
            with inside, suppress(OSError):
                self._door.settimeout(_ANSWER_S)
                socket.send_fds(self._door, [order], [words.fileno(), inside.fileno()])
            with suppress(OSError, ValueError):  # it is gone, keeps silent, or could not fork
                answer.settimeout(_ANSWER_S if self._ready else _PATIENCE_S)
                pid = int(answer.recv(16) or b"0")
                answer.send(b"!")  # a process that is not waited for any more does not begin
        if pid:
            self._ready = True
            return Forked(pid)
        _log.warning("processes are executed from now on: the one that forks them does not answer")
        self.end()
        return None

    def end(self) -> None:
        """End it; what it has forked goes on."""
        if self._door is not None and self._process is not None:
            self._door.close()
            self._door = None
            self._process.kill()
            self._process.wait()
            _adopt(False)


def _adopt(whether: bool) -> bool:
    """Have the kernel give this process the children of its children that have ended, or no longer."""
    return bool(ctypes.CDLL(None).prctl(_ADOPT, int(whether), 0, 0, 0) == 0)


def _sources() -> str:
    """A hash of names, lengths and times of qflib's sources. O(files): a few ms."""
    root = Path(__file__).parents[1]
    told = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in sorted(root.rglob("*.py"))]
    return hashlib.sha256(repr(told).encode()).hexdigest()


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
        told, files, _, _ = socket.recv_fds(door, _LONGEST, 2)
        if not told:
            return None
        between = _split()
        if between == 0:
            if _split():  # in between: whoever ordered gets the next one for its child
                os._exit(0)
            door.close()
            return _born(json.loads(told), files[0], socket.socket(fileno=files[1]))
        if between > 0:
            os.waitpid(between, 0)
        for file in files:
            os.close(file)


def _split() -> int:
    """As `os.fork`; -1 where there is no room for another process: the end of the answer tells."""
    try:
        return os.fork()
    except OSError:
        return -1


def _born(order: dict[str, Any], words: int, answer: socket.socket) -> list[str]:
    """Become what was ordered, if whoever ordered it is still there."""
    parent = int(order["parent"])
    os.setpgid(0, 0)
    end = time.monotonic() + _ANSWER_S
    while os.getppid() != parent and time.monotonic() < end:
        time.sleep(0.001)
    leash.hold(parent)
    with answer:
        answer.send(str(os.getpid()).encode())
        if answer.recv(1) != b"!":
            os._exit(0)
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
    start, end = map(int, numbers[45:47])  # of the command line: fields 48 and 49 of proc_pid_stat(5)
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
    """Import, then fork what is ordered.

    Parameters
    ----------
    door
        Where orders come from.
    modules
        What is imported.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
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
